/*
 * The floor a log shipper is compared with: read, cut lines, write them as JSON, compress, POST
 * over one connection, wait for the answer. It keeps no position, joins and tags nothing, and
 * writes a fixed time and fixed names.
 *
 *   logs-floor FILE PORT none|gzip|zstd|raw LEVEL
 *
 * raw: read, look for the newlines, write the bytes as they are: the limit of the bare machine.
 * Prints {"lines":N,"bytes":N,"sent":N,"cpu_s":S,"seconds":S}.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "common/attrs.h"
#include "common/clock.h"

#define CHUNK ((size_t)64 << 10)
#define LIMIT ((size_t)5000000) /* of a body, as the agent's */
#define LINES 1000
#define ROOM  (LIMIT + 2 * CHUNK + 1024)
#define ENDS \
	"\",\"status\":\"info\",\"timestamp\":1700000000000,\"hostname\":\"testhost\"," \
	"\"service\":\"svc\",\"ddsource\":\"src\",\"ddtags\":\"filename:app.log,dirname:/tmp/" \
	"bh-bench-xxxxxxxx\"}"

enum how { NONE, GZIP, ZSTD, RAW };

struct floor {
	enum how how;
	int level, sock;
	char *body, *packed;
	size_t n, room;
	unsigned in_body;
	ZSTD_CCtx *zstd;
	uint64_t lines, bytes, sent;
};

static int fail(const char *what)
{
	perror(what);
	exit(1);
}

static size_t gzip(const struct floor *f)
{
	z_stream z;

	memset(&z, 0, sizeof(z));
	if (deflateInit2(&z, f->level, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return 0;
	z.next_in = (Bytef *)f->body;
	z.avail_in = (uInt)f->n;
	z.next_out = (Bytef *)f->packed;
	z.avail_out = (uInt)f->room;
	(void)deflate(&z, Z_FINISH);
	(void)deflateEnd(&z);
	return z.total_out;
}

static void await_answer(const struct floor *f)
{
	char answer[512];
	size_t n = 0;

	do {
		ssize_t got = recv(f->sock, answer + n, sizeof(answer) - 1 - n, 0);

		if (got <= 0)
			(void)fail("answer");
		n += (size_t)got;
		answer[n] = '\0';
	} while (!strstr(answer, "\r\n\r\n{}"));
}

static void post(struct floor *f, const char *p, size_t n, const char *encoding)
{
	char head[256];
	int head_n = snprintf(head, sizeof(head),
	    "POST /api/v2/logs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
	    "%s%s%sContent-Length: %zu\r\n\r\n",
	    *encoding ? "Content-Encoding: " : "", encoding, *encoding ? "\r\n" : "", n);
	struct iovec iov[2] = {{head, (size_t)head_n}, {(void *)(uintptr_t)p, n}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	size_t left = (size_t)head_n + n;

	f->sent += n;
	while (left) {
		ssize_t done = sendmsg(f->sock, &msg, MSG_NOSIGNAL);

		if (done < 0)
			(void)fail("send");
		left -= (size_t)done;
		for (int i = 0; i < 2; i++) {
			size_t part = BH_MIN((size_t)done, iov[i].iov_len);

			iov[i].iov_base = (char *)iov[i].iov_base + part;
			iov[i].iov_len -= part;
			done -= (ssize_t)part;
		}
	}
	await_answer(f);
}

static void close_body(struct floor *f)
{
	if (!f->in_body)
		return;
	f->body[f->n++] = ']';
	if (f->how == GZIP)
		post(f, f->packed, gzip(f), "gzip");
	else if (f->how == ZSTD)
		post(f, f->packed,
		    ZSTD_compressCCtx(f->zstd, f->packed, f->room, f->body, f->n, f->level),
		    "zstd");
	else
		post(f, f->body, f->n, "");
	f->n = 0;
	f->in_body = 0;
}

/* Printable text only: that is what the load holds. */
static void put_line(struct floor *f, const char *p, size_t n)
{
	char *out;

	if (f->n + 2 * n + sizeof(ENDS) + 64 > LIMIT)
		close_body(f);
	out = f->body + f->n;
	*out++ = f->in_body++ ? ',' : '[';
	memcpy(out, "{\"message\":\"", 12);
	out += 12;
	for (const char *end = p + n; p < end; p++) {
		if (*p == '"' || *p == '\\')
			*out++ = '\\';
		*out++ = *p;
	}
	memcpy(out, ENDS, sizeof(ENDS) - 1);
	f->n = (size_t)(out - f->body) + sizeof(ENDS) - 1;
	f->lines++;
	if (f->in_body == LINES)
		close_body(f);
}

/* Returns how many bytes are a whole line or more. */
static size_t cut(struct floor *f, const char *p, size_t n)
{
	const char *at = p, *nl;

	while ((nl = memchr(at, '\n', n - (size_t)(at - p)))) {
		if (f->how == RAW)
			f->lines++;
		else
			put_line(f, at, (size_t)(nl - at));
		at = nl + 1;
	}
	return (size_t)(at - p);
}

static void ship(struct floor *f, int fd)
{
	char *chunk = malloc(CHUNK);
	size_t have = 0;
	ssize_t n;

	while (chunk && (n = read(fd, chunk + have, CHUNK - have)) > 0) {
		size_t whole = cut(f, chunk, have + (size_t)n);

		f->bytes += (uint64_t)n;
		have += (size_t)n - whole;
		if (f->how == RAW)
			post(f, chunk, whole, "");
		memmove(chunk, chunk + whole, have);
	}
	close_body(f);
	free(chunk);
}

static int dial(const char *port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
	    .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? fail(port) : fd;
}

static bool parse_how(const char *word, enum how *how)
{
	static const char *const names[] = {"none", "gzip", "zstd", "raw"};

	for (unsigned i = 0; i < BH_ARRAY_LEN(names); i++) {
		*how = (enum how)i;
		if (strcmp(word, names[i]) == 0)
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct floor f = {.body = malloc(ROOM), .room = 2 * ROOM, .zstd = ZSTD_createCCtx()};
	int64_t begin = bh_mono_ns(&bh_clock_system);
	struct rusage ru;
	int fd;

	f.packed = malloc(f.room);
	if (argc != 5 || !parse_how(argv[3], &f.how) || !f.body || !f.packed || !f.zstd) {
		(void)fprintf(stderr, "usage: logs-floor FILE PORT none|gzip|zstd|raw LEVEL\n");
		return 2;
	}
	f.level = (int)strtol(argv[4], NULL, 10);
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		(void)fail(argv[1]);
	f.sock = dial(argv[2]);
	ship(&f, fd);
	(void)getrusage(RUSAGE_SELF, &ru);
	(void)printf(
	    "{\"lines\":%llu,\"bytes\":%llu,\"sent\":%llu,\"cpu_s\":%.3f,\"seconds\":%.3f}\n",
	    (unsigned long long)f.lines, (unsigned long long)f.bytes, (unsigned long long)f.sent,
	    (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
		(double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6,
	    (double)(bh_mono_ns(&bh_clock_system) - begin) / 1e9);
	(void)ZSTD_freeCCtx(f.zstd);
	free(f.body);
	free(f.packed);
	(void)close(fd);
	(void)close(f.sock);
	return 0;
}

#include "tests/bench/logs_load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/str.h"

#define ASCII_MIN 64
#define ASCII_MAX 6000

static const char *const kinds[BH_LOG__N] = {"ascii", "apache", "syslog", "ddlog"};

static const char *const methods[] = {"GET", "GET", "GET", "POST", "PUT", "DELETE"};
static const char *const paths[] = {"api/v1/items", "cart", "index.html", "static/app.js", "login",
    "search", "images/logo.png", "api/v2/users/profile"};
static const char *const agents[] = {"Mozilla/5.0 (X11; Linux x86_64) Firefox/118.0", "curl/7.88.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X)", "Go-http-client/1.1",
    "python-requests/2.31.0"};
static const char *const referers[] = {"-", "https://shop.example.com/", "https://example.org/a"};
static const unsigned codes[] = {200, 200, 200, 200, 201, 204, 301, 304, 404, 500};
static const char *const apps[] = {"sshd", "cron", "kernel", "nginx", "postfix", "systemd"};
static const char *const words[] = {"session", "opened", "for", "user", "failed", "connection",
    "from", "timeout", "after", "retry", "closed", "accepted", "disk", "queue", "flushed", "job"};
static const char *const levels[] = {"info", "warn", "error", "debug"};

#define PICK(l, table) ((table)[draw(l, BH_ARRAY_LEN(table))])

static unsigned draw(struct bh_log_load *l, size_t below)
{
	return (unsigned)(bh_rng_u64(&l->rng) % below);
}

int bh_log_load_init(struct bh_log_load *l, const char *kind, uint32_t stream, uint64_t seed)
{
	*l = (struct bh_log_load){.stream = stream, .second = -1};
	bh_rng_seed(&l->rng, seed + stream * 0x9e3779b97f4a7c15u);
	while (l->kind < BH_LOG__N && strcmp(kinds[l->kind], kind) != 0)
		l->kind++;
	return l->kind < BH_LOG__N ? 0 : -EINVAL;
}

static void stamp(struct bh_log_load *l, int64_t wall_ms)
{
	time_t second = wall_ms / 1000;
	struct tm tm;

	if (second == l->second)
		return;
	l->second = second;
	(void)gmtime_r(&second, &tm);
	(void)strftime(l->stamp[0], sizeof(l->stamp[0]), "%d/%b/%Y:%H:%M:%S +0000", &tm);
	(void)strftime(l->stamp[1], sizeof(l->stamp[1]), "%Y-%m-%dT%H:%M:%S", &tm);
}

/* 95 printable letters without '@', some twice, so that 7 random bits choose one. */
static size_t random_text(struct bh_log_load *l, char *out, size_t n)
{
	char table[128];

	for (unsigned i = 0, c = 0x20; i < sizeof(table); i++) {
		table[i] = (char)(c == '@' ? ' ' : c);
		c = c == 0x7e ? 'a' : c + 1;
	}
	for (size_t i = 0; i < n;) {
		uint64_t bits = bh_rng_u64(&l->rng);

		for (unsigned k = 0; k < 9 && i < n; k++, bits >>= 7)
			out[i++] = table[bits & 127];
	}
	return n;
}

static int put_words(struct bh_log_load *l, char *out, size_t room)
{
	unsigned n = 6 + draw(l, 8);
	size_t at = 0;

	while (n-- && at + 16 < room)
		at += (size_t)snprintf(out + at, room - at, " %s", PICK(l, words));
	return (int)at;
}

static int apache(struct bh_log_load *l, const char *mark, char *out, size_t room)
{
	char query[24] = "";

	if (draw(l, 8) == 0)
		(void)snprintf(query, sizeof(query), "?token=%08x",
		    (unsigned)(bh_rng_u64(&l->rng) & 0xffffffff));
	return snprintf(out, room,
	    "10.%u.%u.%u - - [%s] \"%s /%s/%s%s HTTP/1.1\" %u %u \"%s\" \"%s\"", draw(l, 256),
	    draw(l, 256), draw(l, 256), l->stamp[0], PICK(l, methods), PICK(l, paths), mark, query,
	    PICK(l, codes), draw(l, 100000), PICK(l, referers), PICK(l, agents));
}

static int syslog(struct bh_log_load *l, const char *mark, int ms, char *out, size_t room)
{
	int n =
	    snprintf(out, room, "<%u>1 %s.%03dZ host%u.example.com %s %u ID%u - %s", draw(l, 192),
		l->stamp[1], ms, draw(l, 100), PICK(l, apps), draw(l, 65536), draw(l, 1000), mark);

	return n + put_words(l, out + n, room - (size_t)n);
}

static int ddlog(struct bh_log_load *l, const char *mark, int64_t wall_ms, char *out, size_t room)
{
	int n = snprintf(out, room, "{\"message\":\"%s", mark);

	n += put_words(l, out + n, room - (size_t)n - 300);
	return n +
	       snprintf(out + n, room - (size_t)n,
		   "\",\"status\":\"%s\",\"timestamp\":%lld,\"hostname\":\"host%u\","
		   "\"service\":\"svc%u\",\"ddsource\":\"bench\",\"ddtags\":\"env:%s,team:%u\"}",
		   PICK(l, levels), (long long)wall_ms, draw(l, 100), draw(l, 20),
		   draw(l, 2) ? "prod" : "staging", draw(l, 10));
}

size_t bh_log_load_line(struct bh_log_load *l, int64_t wall_ms, char *out)
{
	const size_t room = BH_LOG_LINE_MAX - 1;
	char mark[64];
	int n = snprintf(mark, sizeof(mark), "@%u:%llu:%lld@", l->stream,
	    (unsigned long long)l->next++, (long long)wall_ms);

	stamp(l, wall_ms);
	switch (l->kind) {
	case BH_LOG_APACHE:
		n = apache(l, mark, out, room);
		break;
	case BH_LOG_SYSLOG:
		n = syslog(l, mark, (int)(wall_ms % 1000), out, room);
		break;
	case BH_LOG_DDLOG:
		n = ddlog(l, mark, wall_ms, out, room);
		break;
	case BH_LOG_ASCII:
	case BH_LOG__N:
		memcpy(out, mark, (size_t)n);
		n += (int)random_text(l, out + n, ASCII_MIN + draw(l, ASCII_MAX - ASCII_MIN + 1));
		break;
	}
	out[n] = '\n';
	return (size_t)n + 1;
}

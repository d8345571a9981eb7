/*
 * The store without the rest of the forwarder. One line of JSON each:
 *
<<<<<<< HEAD
 *   spool-store append DIR BYTES GROUP SECONDS   commits of GROUP payloads; in turn with it the
 * same into a bare file, with fdatasync spool-store fill DIR BYTES PAYLOADS          a spool with
 * so many rows spool-store open DIR                         opens it as the forwarder does at its
 * start
 *
 * One line of JSON each. The bare file is what the store could be instead at its simplest: it
 * grows, each record has its length and CRC-32C before it, a group ends with fdatasync. Both take
 * their bodies in turn from more of them than the nearer caches hold, as they come off a socket.
=======
 * - spool-store append DIR BYTES GROUP SECONDS: commits of GROUP payloads, and in turn the same
 *   into a bare file with fdatasync.
 * - spool-store fill DIR BYTES PAYLOADS: a spool with so many rows.
 * - spool-store open DIR: opens it as the forwarder does at its start.
>>>>>>> main
 */
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/crc.h"
#include "forwarder/positions.h"
#include "forwarder/store.h"

#define ROUND_NS  (200 * BH_NS_PER_MS)
#define SPOOL_MAX ((int64_t)64 << 30)
#define BODIES    ((size_t)16 << 20) /* of all bodies together */

static struct bh_rng rng;

static int64_t now(void)
{
	return bh_mono_ns(&bh_clock_system);
}

static void check(int rc, const char *what)
{
	if (rc == 0)
		return;
	(void)fprintf(stderr, "%s: %s\n", what, bh_err_name(rc));
	exit(1);
}

static struct bh_store *open_store(const char *dir)
{
	const struct bh_store_config cfg = {
	    .dir = dir, .clock = &bh_clock_system, .rng = &rng, .max_size_bytes = SPOOL_MAX};
	struct bh_err err = BH_ERR_INIT;
	struct bh_store *s = NULL;

	check(bh_store_open(&s, &cfg, &err), err.text);
	return s;
}

struct job {
	struct bh_store *store;
	int64_t dest;
	int raw;
	char *bodies;
	size_t next, bytes;
	unsigned group;
	uint64_t seq;
	struct bh_buf origins;
};

static char *next_body(struct job *j)
{
	char *body = j->bodies + j->next;

	j->next = j->next + 2 * j->bytes > BODIES ? 0 : j->next + j->bytes;
	return body;
}

static void put_group(struct job *j)
{
	uint64_t ord[64];

	for (unsigned i = 0; i < j->group; i++)
		check(bh_store_next_ord(j->store, &ord[i]), "ord");
	check(bh_store_begin(j->store), "begin");
	for (unsigned i = 0; i < j->group; i++) {
		struct bh_spool_row row = {
		    .ord = ord[i],
		    .producer = "logs",
		    .epoch = 1,
		    .seq = ++j->seq,
		    .kind = BH_KIND_LOGS,
		    .encoding = BH_ENC_ZSTD,
		    .items = 1000,
		    .raw_len = 10 * j->bytes,
		    .created_ms = bh_wall_ms(&bh_clock_system),
		    .origins = bh_buf_view(&j->origins),
		    .body = {next_body(j), j->bytes},
		};

		row.expires_ms = row.created_ms + BH_STORE_TTL_MS;
		check(bh_store_put(j->store, &row, j->dest), "put");
	}
	check(bh_store_commit(j->store), "commit");
	bh_store_tend(j->store, false);
}

static void raw_group(struct job *j)
{
	for (unsigned i = 0; i < j->group; i++) {
		char *body = next_body(j);
		uint32_t head[2] = {(uint32_t)j->bytes, bh_crc32c(0, body, j->bytes)};
		struct iovec parts[] = {{head, sizeof(head)}, {body, j->bytes}};

		if (writev(j->raw, parts, 2) != (ssize_t)(sizeof(head) + j->bytes))
			check(-5, "write");
	}
	if (fdatasync(j->raw) < 0)
		check(-5, "fdatasync");
}

static uint64_t run(struct job *j, void (*one)(struct job *j), int64_t *spent)
{
	int64_t begin = now();
	uint64_t n = 0;

	while (now() - begin < ROUND_NS) {
		one(j);
		n += j->group;
	}
	*spent += now() - begin;
	return n;
}

static void make_origins(struct bh_buf *out)
{
	struct bh_origin o = {
	    .identifier = BH_STR_LIT("file:/var/log/nginx/access.log"),
	    .gen = 77,
	    .path = BH_STR_LIT("/var/log/nginx/access.log"),
	    .offset_first = BH_STR_LIT("1000000"),
	    .offset_last = BH_STR_LIT("2000000"),
	};

	check(bh_origins_encode(&o, 1, out), "origins");
}

static void begin(struct job *j, const char *dir, size_t bytes, unsigned group)
{
	*j = (struct job){.bytes = bytes, .group = group, .raw = -1};
	j->bodies = malloc(BODIES);
	if (!j->bodies || bytes > BODIES)
		check(-12, "memory");
	for (size_t i = 0; i < BODIES; i++)
		j->bodies[i] = (char)bh_rng_u64(&rng);
	make_origins(&j->origins);
	j->store = open_store(dir);
	check(bh_store_destination(j->store, "logs/primary", 1, true, &j->dest), "destination");
}

static void append(const char *dir, size_t bytes, unsigned group, double seconds)
{
	char path[4096];
	int64_t store_ns = 0, raw_ns = 0;
	uint64_t stored = 0, written = 0;
	struct job j;

	begin(&j, dir, bytes, group);
	(void)snprintf(path, sizeof(path), "%s/raw", dir);
	j.raw = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
	while ((double)(store_ns + raw_ns) < seconds * 1e9) {
		stored += run(&j, put_group, &store_ns);
		written += run(&j, raw_group, &raw_ns);
	}
	(void)printf("{\"bytes\":%zu,\"group\":%u,\"store\":%.1f,\"raw\":%.1f}\n", bytes, group,
	    (double)stored * 1e9 / (double)store_ns, (double)written * 1e9 / (double)raw_ns);
	(void)close(j.raw);
	bh_store_close_clean(j.store);
}

static void fill(const char *dir, size_t bytes, uint64_t payloads)
{
	struct job j;

	begin(&j, dir, bytes, 64);
	for (uint64_t n = 0; n < payloads; n += j.group)
		put_group(&j);
	bh_store_close_clean(j.store);
}

static int load_part(void *ctx, uint64_t ord, struct bh_str origins)
{
	struct bh_origins_reader r;
	struct bh_origin o;
	int rc = bh_origins_begin(&r, origins.p, origins.n);

	while (!rc && (rc = bh_origins_next(&r, &o)) == 1)
		rc = bh_positions_load_part(ctx, &o, ord);
	return rc;
}

static long peak_kib(void)
{
	char line[128];
	long kib = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		(void)sscanf(line, "VmHWM: %ld", &kib);
	if (f)
		(void)fclose(f);
	return kib;
}

static void open_big(const char *dir)
{
	struct bh_positions positions;
	struct bh_dest_counts counts;
	int64_t dest, at = now();
	struct bh_store *s = open_store(dir);
	int64_t opened = now();
	uint64_t items = 0;

	check(bh_positions_init(&positions), "positions");
	check(bh_store_each_origins(s, load_part, &positions), "origins");
	check(bh_store_destination(s, "logs/primary", 1, true, &dest), "destination");
	check(bh_store_counts(s, dest, &counts), "counts");
	check(bh_store_items(s, dest, &items), "items");
	(void)printf("{\"rows\":%llu,\"bytes\":%llu,\"open_ms\":%.1f,\"load_ms\":%.1f,"
		     "\"peak_kib\":%ld}\n",
	    (unsigned long long)counts.pending_rows, (unsigned long long)counts.pending_bytes,
	    (double)(opened - at) / 1e6, (double)(now() - opened) / 1e6, peak_kib());
	bh_positions_release(&positions);
	bh_store_close_clean(s);
}

/* 1 to 4,294,967,295. */
static bool is_number(const char *text, unsigned *v)
{
	char *end = NULL;
	unsigned long n = strtoul(text, &end, 10);

	*v = (unsigned)n;
	return *text >= '1' && *text <= '9' && !*end && n <= UINT_MAX;
}

static bool is_seconds(const char *text, double *v)
{
	char *end = NULL;

	*v = strtod(text, &end);
	return end != text && !*end && *v >= 0;
}

int main(int argc, char **argv)
{
	unsigned bytes = 0, n = 0;
	double seconds;

	bh_rng_seed(&rng, 7);
	if (argc > 4 && (!is_number(argv[3], &bytes) || !is_number(argv[4], &n)))
		return 2;
	if (argc == 6 && strcmp(argv[1], "append") == 0 && is_seconds(argv[5], &seconds))
		append(argv[2], bytes, n, seconds);
	else if (argc == 5 && strcmp(argv[1], "fill") == 0)
		fill(argv[2], bytes, n);
	else if (argc == 3 && strcmp(argv[1], "open") == 0)
		open_big(argv[2]);
	else
		return 2;
	return 0;
}

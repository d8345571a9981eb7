/* A damaged store: durability.md §10, logs.md §15.2 I1, §16.5. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/crc.h"
#include "forwarder/registry_backup.h"
#include "forwarder/replace.h"
#include "forwarder/store.h"
#include "tests/unit/remove_tree.h"

#define ROWS  240
#define FILES 12
#define PAGE  16384

static char dir[] = "/tmp/bh-salvage-XXXXXX";
static struct bh_rng rng;
static int quiet = -1;
static char trying[64]; /* what is being tried */
static struct bh_log log_to;

/* What was stored. Row i carries the part (i/FILES) of file i % FILES; parts are 100 bytes long.
 * Files 0 to 3 have no rows outstanding; of the others the first half was delivered. */
static struct bh_store *open_store(int64_t limit)
{
	const struct bh_store_config cfg = {.dir = dir,
	    .clock = &bh_clock_system,
	    .rng = &rng,
	    .log = &log_to,
	    .max_size_bytes = limit};
	struct bh_err err = BH_ERR_INIT;
	struct bh_store *s = NULL;

	cr_assert_eq(bh_store_open(&s, &cfg, &err), 0, "%s: %s", trying, err.text);
	return s;
}

static void set_up(void)
{
	cr_assert(mkdtemp(dir) != NULL);
	bh_rng_seed(&rng, 1);
	quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
	bh_log_init(&log_to, &bh_clock_system, "forwarder", quiet);
}

static void tear_down(void)
{
	(void)remove_tree(dir);
	(void)close(quiet);
}

TestSuite(salvage, .init = set_up, .fini = tear_down);

static void path_of(const char *name, char out[256])
{
	(void)snprintf(out, 256, "%s/%s", dir, name);
}

static uint64_t gen_of(unsigned file)
{
	return 0x9000000000000000U + file;
}

static size_t body_of(unsigned i, char out[70000])
{
	struct bh_rng r;
	size_t n = i % 7 == 0 ? 60000 : 300 + i * 17 % 3000;

	bh_rng_seed(&r, i + 1000);
	for (size_t k = 0; k < n; k++)
		out[k] = (char)bh_rng_u64(&r);
	return n;
}

/* Parts are numbered from 1; the position after part n is n * 100. */
static struct bh_origin part_of(unsigned file, unsigned part, char texts[4][64])
{
	(void)snprintf(texts[0], 64, "file:/var/log/%u.log", file);
	(void)snprintf(texts[1], 64, "/var/log/%u.log", file);
	(void)snprintf(texts[2], 64, "%u", (part - 1) * 100);
	(void)snprintf(texts[3], 64, "%u", part * 100);
	return (struct bh_origin){.identifier = bh_str_from(texts[0]),
	    .path = bh_str_from(texts[1]),
	    .gen = gen_of(file),
	    .dev = 5,
	    .ino = 100 + file,
	    .offset_first = bh_str_from(texts[2]),
	    .offset_last = bh_str_from(texts[3]),
	    .marker_len = 100,
	    .marker_hash = 7000 + part};
}

static unsigned parts_of(void)
{
	return ROWS / FILES;
}

static unsigned delivered_of(unsigned file)
{
	return file < 4 ? parts_of() : parts_of() / 2;
}

static void put_row(struct bh_store *s, unsigned i, int64_t dests[2])
{
	static char body[70000];
	unsigned file = i % FILES, part = i / FILES + 1;
	char texts[4][64];
	struct bh_origin o = part_of(file, part, texts);
	struct bh_buf origins = BH_BUF_INIT;
	struct bh_spool_row row = {.producer = "logs",
	    .epoch = 1,
	    .seq = i + 1,
	    .kind = i % 5 == 4 ? BH_KIND_SERIES_V2 : BH_KIND_LOGS,
	    .encoding = BH_ENC_ZSTD,
	    .items = 1,
	    .raw_len = 100,
	    .created_ms = 1,
	    .expires_ms = INT64_MAX};

	cr_assert_eq(bh_store_next_ord(s, &row.ord), 0);
	cr_assert_eq(row.ord, i + 1);
	if (part <= delivered_of(file))
		return;
	row.body = (struct bh_str){body, body_of(i, body)};
	cr_assert_eq(bh_origins_encode(&o, 1, &origins), 0);
	row.origins = bh_buf_view(&origins);
	cr_assert_eq(bh_store_put(s, &row, dests[row.kind != BH_KIND_LOGS]), 0);
	bh_buf_release(&origins);
}

/* checkpointed: everything is in the file, the WAL is empty. */
static unsigned make_store(bool checkpointed)
{
	struct bh_store *s;
	int64_t dests[2];
	char texts[4][64], first[24];
	unsigned rows = 0;

	cr_assert_eq(empty_tree(dir), 0);
	s = open_store(1 << 30);
	cr_assert_eq(bh_store_destination(s, "logs/primary", 1, true, &dests[0]), 0);
	cr_assert_eq(bh_store_destination(s, "metrics/primary", 0, true, &dests[1]), 0);
	for (unsigned i = 0; i < ROWS; i++) {
		if (i % 60 == 0)
			cr_assert_eq(bh_store_begin(s), 0);
		put_row(s, i, dests);
		rows += i / FILES + 1 > delivered_of(i % FILES);
		if (i % 60 == 59)
			cr_assert_eq(bh_store_commit(s), 0);
		if (i == 119 && !checkpointed)
			bh_store_tend(s, true);
	}
	cr_assert_eq(bh_store_begin(s), 0);
	for (unsigned f = 0; f < FILES; f++) {
		struct bh_origin o = part_of(f, parts_of(), texts);
		struct bh_position p;

		(void)snprintf(first, sizeof(first), "%u", delivered_of(f) * 100);
		o.offset_first = bh_str_from(first);
		p = bh_position_of(&o, ROWS - FILES + f + 1, (delivered_of(f) - 1) * FILES + f + 1);
		cr_assert_eq(bh_store_position(s, &p), 0);
	}
	cr_assert_eq(bh_store_commit(s), 0);
	if (checkpointed)
		bh_store_close_clean(s);
	else
		bh_store_free(s);
	return rows;
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : 0;
}

/* A store as it was made once; making it again is slow. */
struct image {
	char *bytes[2];
	size_t n[2];
	unsigned rows;
};

static const char *const image_names[2] = {"spool.db", "spool.db-wal"};

static void take_image(struct image *im, bool checkpointed)
{
	char path[256];

	im->rows = make_store(checkpointed);
	for (int i = 0; i < 2; i++) {
		FILE *f;

		path_of(image_names[i], path);
		f = fopen(path, "re");
		im->bytes[i] = NULL;
		im->n[i] = 0;
		if (!f)
			continue; /* an ordered end leaves no WAL */
		im->n[i] = (size_t)size_of(path);
		im->bytes[i] = malloc(im->n[i] + 1);
		cr_assert_eq(fread(im->bytes[i], 1, im->n[i], f), im->n[i]);
		(void)fclose(f);
	}
}

static void put_image(const struct image *im)
{
	char path[256];

	cr_assert_eq(empty_tree(dir), 0);
	for (int i = 0; i < 2; i++) {
		FILE *f;

		if (!im->bytes[i])
			continue;
		path_of(image_names[i], path);
		f = fopen(path, "we");
		cr_assert(f != NULL);
		cr_assert_eq(fwrite(im->bytes[i], 1, im->n[i], f), im->n[i]);
		(void)fclose(f);
	}
}

/* --- damage --- */

enum damage { FLIPS, ZEROES, NOISE, SHORTEN, HEAD, ROOT, WAL_NOISE, WAL_GONE, BOTH, DAMAGE__N };

static void scribble(int fd, off_t at, size_t n, struct bh_rng *r, bool zero)
{
	char *junk = calloc(1, n);

	for (size_t i = 0; i < n && !zero; i++)
		junk[i] = (char)bh_rng_u64(r);
	cr_assert_eq(pwrite(fd, junk, n, at), (ssize_t)n);
	free(junk);
}

static void flip(int fd, off_t at, struct bh_rng *r)
{
	unsigned char c = 0;

	cr_assert_eq(pread(fd, &c, 1, at), 1);
	c = (unsigned char)(c ^ (1U << (bh_rng_u64(r) % 8)));
	cr_assert_eq(pwrite(fd, &c, 1, at), 1);
}

static void damage(enum damage kind, struct bh_rng *r)
{
	char db[256], wal[256];
	off_t pages, wal_size;
	int fd, wal_fd;

	path_of("spool.db", db);
	path_of("spool.db-wal", wal);
	fd = open(db, O_RDWR | O_CLOEXEC);
	wal_fd = open(wal, O_RDWR | O_CLOEXEC);
	pages = size_of(db) / PAGE;
	wal_size = size_of(wal);
	cr_assert(fd >= 0 && pages > 4);
	if (kind == BOTH)
		damage(WAL_NOISE, r);
	for (uint64_t i = 0, n = 1 + bh_rng_u64(r) % 6; i < n; i++) {
		off_t page = (off_t)(bh_rng_u64(r) % (uint64_t)pages) * PAGE;
		off_t byte = (off_t)(bh_rng_u64(r) % (uint64_t)(pages * PAGE));

		if (kind == FLIPS || kind == BOTH)
			flip(fd, byte, r);
		else if (kind == ZEROES || kind == NOISE)
			scribble(fd, page, PAGE, r, kind == ZEROES);
		else if (kind == WAL_NOISE && wal_size > PAGE)
			scribble(wal_fd, (off_t)(bh_rng_u64(r) % (uint64_t)(wal_size - 512)), 512,
			    r, false);
	}
	if (kind == SHORTEN)
		cr_assert_eq(ftruncate(fd, (off_t)(bh_rng_u64(r) % (uint64_t)(pages * PAGE))), 0);
	else if (kind == HEAD)
		scribble(fd, 0, PAGE, r, false);
	else if (kind == ROOT) /* page 2 maps pointers; roots follow */
		scribble(fd, (off_t)(2 + bh_rng_u64(r) % 10) * PAGE, PAGE, r, false);
	else if (kind == WAL_GONE)
		(void)unlink(wal);
	(void)close(fd);
	if (wal_fd >= 0)
		(void)close(wal_fd);
}

/* --- what must hold --- */

struct found {
	bool row[ROWS + 1];
	unsigned rows, positions, moved;
	bool replaced;
};

static void look_for_row(struct bh_store *s, unsigned i, struct found *f)
{
	static char want[70000];
	struct bh_spool_row row;
	void *block = NULL;
	size_t n = body_of(i, want);

	int rc = bh_store_load(s, i + 1, &row, &block);

	/* A bad body is found when its turn comes, and counted then. */
	f->row[i + 1] = !f->replaced && rc == BH_E_CORRUPT && block;
	if (rc == 0) {
		cr_assert(row.body.n == n && memcmp(row.body.p, want, n) == 0,
		    "row %u came back with another body", i + 1);
		f->row[i + 1] = true;
		f->rows++;
	}
	free(block);
}

static int look_at_position(void *ctx, const struct bh_position *p)
{
	const struct bh_origin *o = &p->row;
	struct found *f = ctx;
	unsigned file = FILES;
	char name[BH_ORIGIN_STRING_MAX + 1], *end = NULL;
	long safe, delivered;

	(void)snprintf(name, sizeof(name), "%.*s", (int)o->identifier.n, o->identifier.p);
	if (strncmp(name, "file:/var/log/", 14) == 0)
		file = (unsigned)strtoul(name + 14, &end, 10);
	if (file >= FILES || !end || strcmp(end, ".log") != 0)
		return 0; /* of a file that never was: nothing is read from there */
	safe = strtol(o->offset_last.p, NULL, 10);
	delivered = strtol(o->offset_first.p, NULL, 10);
	cr_assert_leq(delivered, (long)delivered_of(file) * 100, "%s is not delivered up to %ld",
	    name, delivered);
	cr_assert_leq(delivered, safe);
	/* Of a page that was changed in silence: the logs process sees that the content before the
	 * position is another (logs.md §4.2). */
	if (!f->replaced && o->marker_hash != 7000 + (uint64_t)safe / 100)
		return 0;
	f->positions++;
	f->moved += o->gen != gen_of(file);
	for (long part = delivered_of(file) + 1; part * 100 <= safe; part++)
		cr_assert(f->row[(unsigned)(part - 1) * FILES + file + 1],
		    "%s is safe up to %ld, but part %ld is in no row", name, safe, part);
	cr_assert_leq(safe, (long)parts_of() * 100);
	return 0;
}

static void check(struct bh_store *s, unsigned stored, bool wal_lost, const char *what)
{
	const struct bh_replaced *r = bh_store_replaced(s);
	struct found f = {.replaced = r != NULL};
	struct bh_dest_counts counts[2] = {{0}, {0}};
	int64_t dest;

	for (unsigned i = 0; i < ROWS; i++)
		look_for_row(s, i, &f);
	cr_assert_eq(bh_store_each_position(s, look_at_position, &f), 0, "%s", what);
	cr_assert_eq(bh_store_destination(s, "logs/primary", 1, true, &dest), 0, "%s", what);
	cr_assert_eq(bh_store_counts(s, dest, &counts[0]), 0);
	cr_assert_eq(bh_store_destination(s, "metrics/primary", 0, true, &dest), 0, "%s", what);
	cr_assert_eq(bh_store_counts(s, dest, &counts[1]), 0);
	if (!r)
		return; /* nothing the start relies on was hit; bodies have their checksums */
	cr_assert_eq(counts[0].pending_rows + counts[1].pending_rows, f.rows, "%s", what);
	cr_assert_eq(r->rows, f.rows, "%s: %llu", what, (unsigned long long)r->rows);
	if (!wal_lost && !strstr(r->text, "(at least)") && !strstr(r->text, "nothing of it"))
		cr_assert_eq(r->rows + r->lost, stored, "%s: %s", what, r->text);
}

static void fold(const char *path, uint32_t *crc)
{
	char block[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && (n = read(fd, block, sizeof(block))) > 0)
		*crc = bh_crc32c(*crc, block, (size_t)n);
	if (fd >= 0)
		(void)close(fd);
}

static uint32_t evidence(const char *db_name)
{
	char path[256], name[128];
	uint32_t crc = 0;

	path_of(db_name, path);
	fold(path, &crc);
	(void)snprintf(name, sizeof(name), "%s-wal", db_name);
	path_of(name, path);
	fold(path, &crc);
	return crc;
}

static bool find_set(char name[128])
{
	DIR *d = opendir(dir);
	struct dirent *e;
	bool found = false;

	while (d && (e = readdir(d)) != NULL) {
		size_t n = strlen(e->d_name);

		if (strncmp(e->d_name, "spool.db.corrupt-", 17) == 0 && e->d_name[n - 1] == 'Z') {
			(void)snprintf(name, 128, "%.100s", e->d_name);
			found = true;
		}
	}
	if (d)
		(void)closedir(d);
	return found;
}

/* What a start does next. Damage that shows only then is noted, and the next start replaces. */
static bool use(struct bh_store *s)
{
	int64_t id;
	int rc = bh_store_destination(s, "logs/primary", 1, true, &id);

	if (!rc)
		rc = bh_store_destination(s, "metrics/primary", 0, true, &id);
	if (!rc)
		rc = bh_store_begin(s);
	if (!rc)
		rc = bh_store_meta_set(s, "used", 1);
	if (!rc)
		rc = bh_store_commit(s);
	cr_assert(rc == 0 || bh_store_damaged(s), "%s", bh_err_name(rc));
	return rc == 0;
}

/* The long way: SALVAGE_ROUNDS=1000. */
Test(salvage, damage_anywhere_stops_no_start_and_invents_nothing) /* I1, I14 */
{
	const char *more = getenv("SALVAGE_ROUNDS");
	unsigned rounds = more ? (unsigned)strtoul(more, NULL, 10) : 200, replaced = 0, partly = 0;
	struct image images[2];

	take_image(&images[0], true);
	take_image(&images[1], false);
	for (unsigned i = 0; i < rounds; i++) {
		enum damage kind = (enum damage)(i % DAMAGE__N);
		bool wal = kind >= WAL_NOISE || i % 2;
		const struct image *im = &images[wal];
		char what[64];
		struct bh_store *s;
		struct bh_rng r;

		(void)snprintf(what, sizeof(what), "seed %u kind %d", i, (int)kind);
		bh_rng_seed(&r, i);
		put_image(im);
		damage(kind, &r);
		(void)snprintf(trying, sizeof(trying), "%s", what);
		s = open_store(1 << 30);
		if (!use(s)) {
			cr_assert(bh_store_replaced(s) == NULL, "%s", what);
			bh_store_free(s);
			s = open_store(1 << 30);
			cr_assert(use(s) && bh_store_replaced(s) != NULL, "%s", what);
		}
		cr_assert(!bh_store_in_memory(s), "%s", what);
		check(s, im->rows, wal, what);
		replaced += bh_store_replaced(s) != NULL;
		partly += bh_store_replaced(s) && bh_store_replaced(s)->rows > 0;
		bh_store_free(s);
	}
	for (int i = 0; i < 4; i++)
		free(images[i / 2].bytes[i % 2]);
	/* The damage is real, and most of it leaves something. */
	cr_assert_gt(replaced, rounds / 4, "%u", replaced);
	cr_assert_gt(partly, rounds / 8, "%u of %u", partly, replaced);
}

static const struct bh_replaced *replaced_of(struct bh_store *s)
{
	cr_assert(bh_store_replaced(s) != NULL);
	return bh_store_replaced(s);
}

static int count_positions(void *ctx, const struct bh_position *p)
{
	unsigned *n = ctx;

	(void)p;
	(*n)++;
	return 0;
}

static void note_damage(void)
{
	char path[256];

	path_of("spool.damaged", path);
	(void)close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

Test(salvage, what_is_whole_comes_back_whole_and_the_old_file_is_not_touched) /* §10.1, §10.2 */
{
	unsigned stored = make_store(false), positions = 0;
	uint32_t before = evidence("spool.db");
	char set[128], wal[256];
	struct found f = {.replaced = true};
	struct bh_store *s;
	uint64_t ord = 0;

	path_of("spool.db-wal", wal);
	cr_assert_gt(size_of(wal), 0, "the test wants rows that are in the WAL alone");
	note_damage();
	s = open_store(1 << 30);
	cr_expect_eq(replaced_of(s)->rows, stored);
	cr_expect_eq(replaced_of(s)->lost, 0);
	cr_expect_eq(replaced_of(s)->moved_back, 0);
	cr_expect(!strstr(replaced_of(s)->text, "at least"), "%s", replaced_of(s)->text);
	for (unsigned i = 0; i < ROWS; i++)
		look_for_row(s, i, &f);
	cr_assert_eq(bh_store_each_position(s, look_at_position, &f), 0);
	cr_expect_eq(f.positions, FILES);
	cr_expect_eq(f.moved, 0);
	cr_assert_eq(bh_store_next_ord(s, &ord), 0);
	cr_expect_gt(ord, ROWS, "an ord is never given out twice");
	cr_assert(find_set(set));
	cr_expect_eq(evidence(set), before, "the evidence was changed");
	bh_store_free(s);

	/* The note stays until somebody deletes it. */
	s = open_store(1 << 30);
	cr_assert_eq(bh_store_each_position(s, count_positions, &positions), 0);
	cr_expect_eq(positions, FILES);
	cr_expect(strstr(replaced_of(s)->text, "damaged") != NULL);
	cr_expect(!bh_replace_acknowledged(s));
	path_of(BH_REPLACED_NOTE, wal);
	(void)unlink(wal);
	cr_expect(bh_replace_acknowledged(s));
	bh_store_free(s);
	s = open_store(1 << 30);
	cr_expect(bh_store_replaced(s) == NULL);
	bh_store_free(s);
}

/* One spool row is gone from a table that reads well: the counts tell, and positions go back. */
Test(salvage, a_row_that_is_lost_moves_its_generation_back) /* §10.3 */
{
	unsigned stored = make_store(true), moved = 0;
	struct found f = {.replaced = true};
	char path[256];
	struct bh_store *s;
	sqlite3 *db = NULL;

	path_of("spool.db", path);
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	/* File 5: its part 13 of 20 (11 and above are outstanding). */
	cr_assert_eq(sqlite3_exec(db, "UPDATE spool SET body_crc=body_crc+1 WHERE ord=12*12+6",
			 NULL, NULL, NULL),
	    SQLITE_OK);
	cr_assert_eq(sqlite3_close(db), SQLITE_OK);
	note_damage();
	s = open_store(1 << 30);
	cr_expect_eq(replaced_of(s)->rows, stored - 1);
	cr_expect_eq(replaced_of(s)->lost, 1);
	cr_expect_eq(replaced_of(s)->moved_back, 1);
	cr_expect_eq(replaced_of(s)->bytes_back, 1000);
	for (unsigned i = 0; i < ROWS; i++)
		look_for_row(s, i, &f);
	cr_assert_eq(bh_store_each_position(s, look_at_position, &f), 0);
	moved = f.moved;
	cr_expect_eq(moved, 1);
	bh_store_free(s);
}

/* "identifier safe ino marker;" of every row, without those at a position of their own. */
static int note_row(void *ctx, const struct bh_position *p)
{
	const struct bh_origin *o = &p->row;

	return bh_buf_printf(ctx, "%.*s %.*s %llu %u %llx %llu;", (int)o->identifier.n,
	    o->identifier.p, (int)o->offset_last.n, o->offset_last.p, (unsigned long long)o->ino,
	    o->marker_len, (unsigned long long)o->marker_hash, (unsigned long long)o->last_size);
}

static void back_up(void)
{
	static const char odd[] = "file:/v/\xff\n\"x";
	struct bh_positions ps;
	struct bh_origin rows[] = {
	    {.identifier = BH_STR_LIT("file:/a"),
		.path = BH_STR_LIT("/a"),
		.gen = UINT64_MAX,
		.ino = UINT64_MAX,
		.marker_len = 256,
		.marker_hash = UINT64_MAX,
		.last_size = 90,
		.fp_value = 77,
		.fp_config = BH_STR_LIT("line_checksum:1:0:10000"),
		.offset_first = BH_STR_LIT("90"),
		.offset_last = BH_STR_LIT("90")},
	    {.identifier = BH_STR_LIT("file:/a"), /* rotated, and rows of it are outstanding */
		.path = BH_STR_LIT("/a.1"),
		.gen = 2,
		.ino = 8,
		.marker_len = 256,
		.marker_hash = 5,
		.state = BH_ORIGIN_DRAINING,
		.offset_first = BH_STR_LIT("40"),
		.offset_last = BH_STR_LIT("60")},
	    {.identifier = {odd, sizeof(odd) - 1},
		.path = {odd + 5, sizeof(odd) - 6},
		.gen = 3,
		.ino = 9,
		.offset_first = BH_STR_LIT("7"),
		.offset_last = BH_STR_LIT("7")},
	    {.identifier = BH_STR_LIT("source:00ff"),
		.gen = BH_ORIGIN_SOURCE_GEN,
		.offset_first = BH_STR_LIT("1700000000123"),
		.offset_last = BH_STR_LIT("1700000000123")},
	};

	cr_assert_eq(bh_positions_init(&ps), 0);
	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		struct bh_position p = bh_position_of(&rows[i], 1, 1);

		cr_assert_eq(bh_positions_load(&ps, &p), 0);
	}
	cr_assert_eq(bh_backup_write(dir, &ps, 1700000000000), 0);
	bh_positions_release(&ps);
}

static void expect_backup_rows(struct bh_store *s)
{
	static const char *const want[] = {
	    "file:/a 90 18446744073709551615 256 ffffffffffffffff 90;", "file:/a 40 8 0 0 0;",
	    "file:/v/\xff\n\"x 7 9 0 0 0;", "source:00ff 1700000000123 0 0 0 0;"};
	struct bh_buf got = BH_BUF_INIT;
	size_t n = 0;

	cr_assert_eq(bh_store_each_position(s, note_row, &got), 0);
	for (size_t i = 0; i < BH_ARRAY_LEN(want); i++) {
		cr_expect(memmem(got.data, got.len, want[i], strlen(want[i])) != NULL,
		    "%s not in %.*s", want[i], (int)got.len, got.data);
		n += strlen(want[i]);
	}
	cr_expect_eq(got.len, n);
	bh_buf_release(&got);
}

Test(salvage, a_store_that_is_gone_resumes_from_its_backup) /* §10.3 */
{
	struct bh_store *s;

	back_up();
	s = open_store(1 << 30);
	cr_expect_eq(replaced_of(s)->positions, 3);
	cr_expect(strstr(replaced_of(s)->text, "was gone") != NULL);
	expect_backup_rows(s);
	bh_store_free(s);
}

Test(salvage, a_first_start_is_no_loss)
{
	struct bh_store *s = open_store(1 << 30);

	cr_expect(bh_store_replaced(s) == NULL);
	bh_store_free(s);
}

Test(salvage, a_first_page_that_is_lost_leaves_the_backup)
{
	struct bh_store *s;
	struct bh_rng r;

	(void)make_store(true);
	back_up();
	bh_rng_seed(&r, 5);
	damage(HEAD, &r);
	s = open_store(1 << 30);
	cr_expect_eq(replaced_of(s)->rows, 0);
	cr_expect(
	    strstr(replaced_of(s)->text, "nothing of it") != NULL, "%s", replaced_of(s)->text);
	expect_backup_rows(s);
	bh_store_free(s);
}

Test(salvage, the_newest_two_sets_are_kept) /* §10.1 */
{
	unsigned sets = 0;
	DIR *d;
	struct dirent *e;

	(void)make_store(true);
	for (int i = 0; i < 4; i++) {
		note_damage();
		bh_store_free(open_store(1 << 30));
	}
	d = opendir(dir);
	cr_assert(d != NULL);
	while ((e = readdir(d)) != NULL)
		sets += strncmp(e->d_name, "spool.db.corrupt-", 17) == 0 &&
			e->d_name[strlen(e->d_name) - 1] == 'Z';
	(void)closedir(d);
	cr_expect_eq(sets, 2);
}

Test(salvage, rows_beyond_the_limit_stay_behind_and_are_counted)
{
	unsigned stored = make_store(true);
	struct bh_store *s;

	note_damage();
	s = open_store(1 << 19); /* half a megabyte */
	cr_expect_gt(replaced_of(s)->rows, 0);
	cr_expect_lt(replaced_of(s)->rows, stored);
	cr_expect_eq(replaced_of(s)->rows + replaced_of(s)->lost, stored);
	cr_expect(strstr(replaced_of(s)->text, "stopped=room") != NULL);
	check(s, stored, false, "half a megabyte");
	bh_store_free(s);
}

/* Killed between the two renames: the new file is whole, the old one has its new name already. */
Test(salvage, a_swap_that_was_cut_off_is_finished)
{
	unsigned stored = make_store(false), positions = 0;
	char a[256], b[256], set[128];
	struct bh_store *s;

	path_of("spool.db", a);
	path_of("spool.db.corrupt-20260101T000000Z", b);
	note_damage();
	bh_store_free(open_store(1 << 30));
	cr_assert(find_set(set));
	path_of("spool.db.new", b);
	cr_assert_eq(rename(a, b), 0);
	path_of("spool.db-wal", a);
	path_of(set, b);
	(void)snprintf(b + strlen(b), sizeof(b) - strlen(b), "-wal");
	cr_assert_eq(rename(b, a), 0);
	s = open_store(1 << 30);
	cr_expect_eq(size_of(b) > 0, true, "the old WAL is beside its database again");
	cr_assert_eq(bh_store_each_position(s, count_positions, &positions), 0);
	cr_expect_eq(positions, FILES);
	cr_expect_gt(stored, 0);
	bh_store_free(s);
}

/* The folder takes no new file: positions are known, nothing is spooled. */
Test(salvage, without_a_new_file_it_runs_in_memory) /* §10.4 */
{
	unsigned positions = 0;
	char path[256];
	struct bh_store *s;

	(void)make_store(true);
	note_damage();
	path_of("spool.db.salvage", path); /* a folder in the place of the new file */
	cr_assert_eq(mkdir(path, 0700), 0);
	s = open_store(1 << 30);
	cr_expect(bh_store_in_memory(s));
	cr_expect(!bh_store_ballasted(s), "without a ballast no row is taken");
	cr_assert_eq(bh_store_each_position(s, count_positions, &positions), 0);
	cr_expect_eq(positions, FILES);
	cr_expect_eq(replaced_of(s)->rows, 0);
	cr_expect_eq(replaced_of(s)->moved_back, FILES - 4);
	bh_store_free(s);
	cr_assert_eq(rmdir(path), 0);
	path_of("spool.db", path);
	cr_expect_gt(size_of(path), 0, "the old file stays where it was");
}

#include "forwarder/replace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "forwarder/registry_backup.h"
#include "forwarder/salvage.h"
#include "forwarder/store_internal.h"

#define COMPONENT  "store"
#define SALVAGE_NS (5 * BH_NS_PER_S) /* the supervisor waits 10 s for READY */
#define MAIN       "spool.db"
#define FILLING    "spool.db.salvage"
#define WHOLE      "spool.db.new"
#define DAMAGED    "spool.damaged"
#define SETS_KEPT  2
#define STAMP_LEN  16 /* 20260131T235959Z */

/* A file of the folder, with its WAL. */
struct place {
	char db[NAME_CAP + 96], wal[NAME_CAP + 104];
};

static struct place place(const struct bh_store *s, const char *name)
{
	struct place p;

	(void)snprintf(p.db, sizeof(p.db), "%s/%s", s->dir, name);
	(void)snprintf(p.wal, sizeof(p.wal), "%s-wal", p.db);
	return p;
}

static bool size_of(const char *path, uint64_t *size, int64_t *ms)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return false;
	*size = (uint64_t)st.st_size;
	if (ms)
		*ms = BH_MAX(*ms, st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000);
	return true;
}

static bool exists(const struct bh_store *s, const char *name)
{
	struct place p = place(s, name);
	uint64_t size;

	return size_of(p.db, &size, NULL);
}

static void remove_file(const struct bh_store *s, const char *name)
{
	struct place p = place(s, name);

	(void)unlink(p.db);
	(void)unlink(p.wal);
}

static void sync_dir(const struct bh_store *s)
{
	int fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)fsync(fd);
	(void)close(fd);
}

bool bh_replace_noted(const struct bh_store *s)
{
	struct place p = place(s, MAIN);

	return strcmp(s->path, p.db) == 0 && exists(s, DAMAGED);
}

void bh_replace_note(const struct bh_store *s)
{
	struct place p = place(s, MAIN);

	/* Without it the next start looks for itself. */
	if (strcmp(s->path, p.db) == 0 &&
	    bh_backup_save(s->dir, DAMAGED, BH_STR_LIT("damage was met\n")))
		bh_warn(
		    s->cfg.log, COMPONENT, "%s is damaged, and no note of it can be made", p.db);
}

bool bh_replace_acknowledged(const struct bh_store *s)
{
	return !s->in_memory && !exists(s, BH_REPLACED_NOTE);
}

int bh_replace_acknowledge(const struct bh_store *s)
{
	struct place p = place(s, BH_REPLACED_NOTE);

	if (s->in_memory)
		return BH_E_STATE;
	if (unlink(p.db) < 0)
		return -errno;
	sync_dir(s);
	return 0;
}

bool bh_replace_missing(const struct bh_store *s)
{
	struct place p = place(s, MAIN);
	uint64_t size = 0;

	return (!size_of(p.db, &size, NULL) || size == 0) &&
	       (exists(s, BH_BACKUP_NAME) || exists(s, "spool.ballast"));
}

/* --- sets that were set aside -------------------------------------------------------------------
 */

static bool is_set(const char *name)
{
	size_t n = strlen(name);

	return n > STAMP_LEN && name[n - 1] == 'Z' &&
	       (strncmp(name, MAIN ".corrupt-", sizeof(MAIN ".corrupt-") - 1) == 0 ||
		   strncmp(name, MAIN ".newer-", sizeof(MAIN ".newer-") - 1) == 0);
}

static const char *stamp_of(const char *name)
{
	size_t n = strlen(name);

	return n > STAMP_LEN ? name + n - STAMP_LEN : name;
}

static int is_set_entry(const struct dirent *e)
{
	return is_set(e->d_name);
}

static int newest_first(const struct dirent **a, const struct dirent **b)
{
	return strcmp(stamp_of((*b)->d_name), stamp_of((*a)->d_name));
}

/* The newest set always stays. The one before it only within the spool's limit. */
static void prune(const struct bh_store *s)
{
	struct dirent **sets = NULL;
	int n = scandir(s->dir, &sets, is_set_entry, newest_first);
	uint64_t total = 0;

	for (int i = 0; i < n; i++) {
		struct place p = place(s, sets[i]->d_name);
		uint64_t db = 0, wal = 0;

		(void)size_of(p.db, &db, NULL);
		(void)size_of(p.wal, &wal, NULL);
		total += db + wal;
		if (i >= SETS_KEPT ||
		    (i > 0 && s->cfg.max_size_bytes > 0 && total > (uint64_t)s->cfg.max_size_bytes))
			remove_file(s, sets[i]->d_name);
		free(sets[i]);
	}
	free(sets);
}

/* A name with the time in it that no set has, and that sorts behind all there are. */
static int new_set(const struct bh_store *s, const char *word, char name[64])
{
	time_t now = (time_t)(bh_wall_ns(s->cfg.clock) / BH_NS_PER_S);
	struct dirent **sets = NULL;
	int n = scandir(s->dir, &sets, is_set_entry, newest_first);
	char stamp[32] = "";
	struct tm tm;

	for (int tries = 0; tries < 3600; tries++, now++) {
		if (!gmtime_r(&now, &tm) || !strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm))
			break;
		if (n <= 0 || strcmp(stamp, stamp_of(sets[0]->d_name)) > 0)
			break;
	}
	for (int i = 0; i < n; i++)
		free(sets[i]);
	free(sets);
	(void)snprintf(name, 64, MAIN ".%s-%s", word, stamp);
	return stamp[0] && !exists(s, name) ? 0 : -EEXIST;
}

/* --- the note -----------------------------------------------------------------------------------
 */

static void recall(struct bh_store *s)
{
	struct place p = place(s, BH_REPLACED_NOTE);
	char line[sizeof(s->replaced.text)] = "";
	FILE *f = fopen(p.db, "re");

	if (!f)
		return;
	if (fgets(line, sizeof(line), f))
		s->replaced.lost_ms = strtoll(line, NULL, 10);
	if (!fgets(s->replaced.text, sizeof(s->replaced.text), f))
		(void)snprintf(
		    s->replaced.text, sizeof(s->replaced.text), "the store was replaced");
	s->replaced.text[strcspn(s->replaced.text, "\n")] = '\0';
	(void)fclose(f);
}

static int write_note(const struct bh_store *s)
{
	char text[sizeof(s->replaced.text) + 32];

	(void)snprintf(
	    text, sizeof(text), "%lld\n%s\n", (long long)s->replaced.lost_ms, s->replaced.text);
	return bh_backup_save(s->dir, BH_REPLACED_NOTE, bh_str_from(text));
}

static void say_lost(const struct bh_salvage_report *r, struct bh_buf *out)
{
	for (size_t i = 0; i < r->dests_n; i++)
		(void)bh_buf_printf(out, " %s.salvaged=%llu %s.lost=%llu", r->dests[i].key,
		    (unsigned long long)r->dests[i].rows, r->dests[i].key,
		    (unsigned long long)r->dests[i].lost);
	if (r->rows_uncertain)
		(void)bh_buf_str(out, " (at least)");
	if (r->late)
		(void)bh_buf_str(out, " stopped=time");
	if (r->no_room)
		(void)bh_buf_str(out, " stopped=room");
}

static void describe(struct bh_store *s, int why, const char *set,
    const struct bh_salvage_report *r, size_t backup_rows)
{
	struct bh_replaced *out = &s->replaced;
	struct bh_buf text = BH_BUF_INIT;

	(void)bh_buf_printf(&text, "%s",
	    why == -ENOENT      ? "spool.db was gone: what waited in it is lost"
	    : why == BH_E_LIMIT ? "spool.db was written by a newer version"
	    : why == -EROFS     ? "spool.db cannot be written: read-only file system"
				: "spool.db was damaged");
	if (why != -ENOENT)
		(void)bh_buf_printf(&text, " and is kept as %s", set);
	if (why == BH_E_CORRUPT && !r->readable)
		(void)bh_buf_str(&text, ", nothing of it could be read");
	if (r->positions + backup_rows == 0)
		(void)bh_buf_str(&text,
		    "; no position is known: files begin at their start_position, those born later "
		    "at 0");
	if (why == BH_E_CORRUPT && r->readable)
		say_lost(r, &text);
	(void)bh_buf_printf(&text,
	    " positions=%llu positions_of_backup=%zu moved_back=%llu bytes_back=%llu",
	    (unsigned long long)r->positions, backup_rows, (unsigned long long)r->moved_back,
	    (unsigned long long)r->bytes_back);
	out->rows = r->rows;
	out->lost = r->lost;
	out->positions = r->positions + backup_rows;
	out->moved_back = r->moved_back;
	out->bytes_back = r->bytes_back;
	(void)snprintf(out->text, sizeof(out->text), "%s", text.data ? text.data : "");
	bh_buf_release(&text);
}

/* --- filling the new store ----------------------------------------------------------------------
 */

struct from_backup {
	struct bh_store *to;
	size_t taken;
};

/* A generation that was salvaged is newer there. */
static bool salvaged(struct bh_store *to, const struct bh_origin *o)
{
	static const char query[] =
	    "SELECT 1 FROM registry WHERE identifier=?1 AND (gen=?2 OR (dev=?3 AND ino=?4))"
	    " UNION ALL SELECT 1 FROM source WHERE cfg_hash=?5";
	struct bh_str hash = {"", 0};
	sqlite3_stmt *st = NULL;
	bool found = false;

	(void)bh_origin_is_source(o->identifier, &hash);
	if (sqlite3_prepare_v2(to->db, query, -1, &st, NULL) == SQLITE_OK) {
		(void)sqlite3_bind_blob64(st, 1, o->identifier.p, o->identifier.n, SQLITE_STATIC);
		bind_u64(st, 2, o->gen);
		bind_u64(st, 3, o->dev);
		bind_u64(st, 4, o->ino);
		(void)sqlite3_bind_blob64(st, 5, hash.p, hash.n, SQLITE_STATIC);
		found = sqlite3_step(st) == SQLITE_ROW;
	}
	(void)sqlite3_finalize(st);
	return found;
}

static int take_backup_row(void *ctx, const struct bh_origin *row)
{
	struct from_backup *b = ctx;
	struct bh_origin o = *row;
	struct bh_position p;

	if (salvaged(b->to, row))
		return 0;
	/* Rows that came back belong to the generation as the old store knew it. */
	if (!bh_origin_is_source(o.identifier, NULL)) {
		o.gen = bh_rng_u64(b->to->cfg.rng);
		b->taken++;
	}
	p = bh_position_of(&o, 0, 0);
	return bh_store_position(b->to, &p);
}

static int read_backup(struct bh_store *s, size_t *taken)
{
	struct from_backup b = {s, 0};
	size_t n = 0;
	int rc = bh_store_begin(s);

	if (!rc)
		rc = bh_backup_read(s->dir, take_backup_row, &b, &n);
	if (!rc)
		rc = bh_store_commit(s);
	if (rc)
		bh_store_rollback(s);
	*taken = b.taken;
	return rc;
}

static int fill(struct bh_store *s, int why, struct bh_salvage_report *r, size_t *backup_rows)
{
	struct place old = place(s, MAIN);
	const struct bh_salvage_config cfg = {
	    .clock = s->cfg.clock,
	    .rng = s->cfg.rng,
	    .deadline_ns = bh_mono_ns(s->cfg.clock) + SALVAGE_NS,
	    .max_bytes = s->cfg.max_size_bytes > 0 ? (uint64_t)s->cfg.max_size_bytes : UINT64_MAX,
	    .lost_ms = s->replaced.lost_ms,
	    .rows = !s->in_memory,
	};
	bool read = why == BH_E_CORRUPT || why == -EROFS;
	int rc = read ? bh_salvage(old.db, s, &cfg, r) : 0;

	return rc || r->registry_whole ? rc : read_backup(s, backup_rows);
}

/* Whole, closed, and under the name that says so. */
static int build(struct bh_store *s, int why, struct bh_salvage_report *r, size_t *backup_rows)
{
	struct place filling = place(s, FILLING), whole = place(s, WHOLE);
	int rc;

	bh_store_name(s, FILLING);
	bh_store_remove_files(s);
	rc = bh_store_open_file(s);
	if (!rc) {
		rc = fill(s, why, r, backup_rows);
		bh_store_close_file(s, rc == 0);
	}
	if (!rc && rename(filling.db, whole.db) < 0)
		rc = -errno;
	if (rc)
		remove_file(s, FILLING);
	(void)unlink(filling.wal); /* cut to nothing by the close */
	s->damaged = false;
	return rc;
}

static int rename_if(const char *from, const char *to)
{
	return rename(from, to) < 0 && errno != ENOENT ? -errno : 0;
}

/* The database first: a start that finds none, but a whole new one, knows where it stands. */
static int swap(struct bh_store *s, const char *set)
{
	struct place from = place(s, MAIN), to = place(s, set), whole = place(s, WHOLE);
	int rc = rename_if(from.db, to.db);

	if (!rc)
		rc = rename_if(from.wal, to.wal);
	sync_dir(s);
	if (!rc)
		rc = rename_if(whole.db, from.db);
	sync_dir(s);
	if (!rc)
		remove_file(s, DAMAGED);
	return rc;
}

/* A start died between the two renames: the WAL goes to the database it belongs to. */
static void rejoin_wal(const struct bh_store *s)
{
	struct dirent **sets = NULL;
	int n = scandir(s->dir, &sets, is_set_entry, newest_first);
	struct place from = place(s, MAIN);

	if (n > 0) {
		struct place to = place(s, sets[0]->d_name);
		uint64_t size;

		if (!size_of(to.wal, &size, NULL))
			(void)rename_if(from.wal, to.wal);
	}
	for (int i = 0; i < n; i++)
		free(sets[i]);
	free(sets);
}

void bh_replace_recover(struct bh_store *s)
{
	char set[64];

	remove_file(s, FILLING);
	if (!exists(s, MAIN) && exists(s, WHOLE)) {
		rejoin_wal(s);
		if (new_set(s, "corrupt", set) == 0)
			(void)swap(s, set);
	}
	remove_file(s, WHOLE);
	recall(s);
}

/* --- in memory ----------------------------------------------------------------------------------
 */

#define UNTIL_THEN \
	"nothing is spooled, logs are acknowledged when they are delivered, a stop loses the " \
	"positions of log files; tried again by itself"

static int go_without_file(struct bh_store *s, int why, int cause)
{
	struct bh_salvage_report r = {.readable = false};
	size_t backup_rows = 0;
	int rc;

	remove_file(s, WHOLE);
	rc = bh_store_open_in_memory(s, cause);
	if (rc)
		return rc;
	if (fill(s, why, &r, &backup_rows))
		bh_warn(s->cfg.log, COMPONENT, "not all positions could be read");
	describe(s, why, MAIN, &r, backup_rows);
	bh_error(s->cfg.log, COMPONENT, "%s; no file can be made in %s (%s): " UNTIL_THEN,
	    s->replaced.text, s->dir, bh_err_name(cause));
	return 0;
}

static int64_t last_write_ms(const struct bh_store *s)
{
	static const char *const witnesses[] = {MAIN, MAIN "-wal", BH_BACKUP_NAME, "spool.ballast"};
	int64_t ms = 0;

	for (size_t i = 0; i < BH_ARRAY_LEN(witnesses) && ms == 0; i++) {
		struct place p = place(s, witnesses[i]);
		uint64_t size;

		(void)size_of(p.db, &size, &ms);
		(void)size_of(p.wal, &size, &ms);
	}
	return ms;
}

int bh_replace(struct bh_store *s, int why)
{
	struct bh_salvage_report r = {.readable = false};
	size_t backup_rows = 0;
	char set[64];
	int rc;

	s->replaced.lost_ms = last_write_ms(s);
	rc = new_set(s, why == BH_E_LIMIT ? "newer" : "corrupt", set);
	if (!rc)
		rc = build(s, why, &r, &backup_rows);
	if (!rc) {
		describe(s, why, set, &r, backup_rows);
		rc = write_note(s);
	}
	if (!rc)
		rc = swap(s, set);
	bh_store_name(s, MAIN);
	if (!rc)
		rc = bh_store_open_file(s);
	if (rc)
		return rc == BH_E_STATE ? rc : go_without_file(s, why, rc);
	bh_error(s->cfg.log, COMPONENT, "%s", s->replaced.text);
	prune(s);
	return 0;
}

int bh_replace_later(struct bh_store *s, int cause)
{
	int rc;

	if (bh_store_lies_there(s)) {
		s->replaced.lost_ms = last_write_ms(s);
		return go_without_file(s, cause, cause);
	}
	rc = bh_store_open_in_memory(s, cause);
	if (!rc)
		bh_error(s->cfg.log, COMPONENT, "no file can be made in %s (%s): " UNTIL_THEN,
		    s->dir, bh_err_name(cause));
	return rc;
}

#include "forwarder/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/err.h"
#include "forwarder/diagnose.h"
#include "forwarder/spool_change.h"
#include "forwarder/spool_view.h"
#include "forwarder/store.h"
#include "forwarder/store_schema.h"

/* The bytes of the file that SQLite locks. */
#define LOCKS_AT 0x40000000
#define LOCKS_N  512

static int write_all(const struct bh_buf *out)
{
	for (size_t done = 0; done < out->len;) {
		ssize_t n = write(STDOUT_FILENO, out->data + done, out->len - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return bh_buf_failed(out);
}

static int fail(const char *text)
{
	struct bh_buf out = BH_BUF_INIT;
	int rc;

	bh_spool_put_error(text, &out);
	rc = write_all(&out);
	bh_buf_release(&out);
	return rc ? 1 : 0;
}

static int read_config(struct bh_config *cfg)
{
	struct bh_buf bytes = BH_BUF_INIT;
	char part[4096];
	ssize_t n;
	int rc = 0;

	while (!rc && (n = read(STDIN_FILENO, part, sizeof(part))) > 0)
		rc = bh_buf_append(&bytes, part, (size_t)n);
	if (!rc)
		rc = bh_config_decode(cfg, bytes.data, bytes.len);
	if (bytes.data)
		explicit_bzero(bytes.data, bytes.len);
	bh_buf_release(&bytes);
	explicit_bzero(part, sizeof(part));
	return rc;
}

/* --- the file --------------------------------------------------------------------------------- */

/* Who has it open; 0 = nobody. */
static pid_t holder(int fd)
{
	struct flock lock = {
	    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCKS_AT, .l_len = LOCKS_N};

	return fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? lock.l_pid : 0;
}

/* Before anything is opened by SQLite: closing another descriptor would drop its locks. */
static int look_at_holder(const char *path, struct bh_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	pid_t pid;

	if (fd < 0)
		return bh_err_set(err, -errno, "open %s", path);
	pid = holder(fd);
	(void)close(fd);
	return pid ? bh_err_set(err, BH_E_STATE,
			 "%s is held by process %d: ask that agent (bulkheadctl -c, -s), or stop "
			 "it",
			 path, (int)pid)
		   : 0;
}

/* What SQLite makes beside the file must be the forwarder's, whoever asks. */
static int become_owner(const char *path, struct bh_err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return bh_err_set(err, -errno, "%s", path);
	if (geteuid() != 0 || st.st_uid == 0)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) < 0 ||
	    setresuid(st.st_uid, st.st_uid, st.st_uid) < 0)
		return bh_err_set(err, -errno, "become the owner of %s", path);
	return 0;
}

static bool has_wal(const char *path)
{
	char wal[4200];
	struct stat st;

	(void)snprintf(wal, sizeof(wal), "%s-wal", path);
	return stat(wal, &st) == 0 && st.st_size > 0;
}

/* For a URI: what would end the path or begin an escape is escaped. */
static void put_uri(struct bh_buf *out, const char *path, bool immutable)
{
	(void)bh_buf_str(out, "file:");
	for (; *path; path++) {
		if (strchr("%?#", *path))
			(void)bh_buf_printf(out, "%%%02X", (unsigned)(unsigned char)*path);
		else
			(void)bh_buf_u8(out, (uint8_t)*path);
	}
	(void)bh_buf_str(out, immutable ? "?mode=ro&immutable=1" : "?mode=ro");
}

/* After an ordered stop nothing is beside the file, and nothing has to be made there to read it.
 * After another end the WAL has the newest commits. */
static int open_file(const char *path, sqlite3 **db, struct bh_err *err)
{
	const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
	struct bh_buf uri = BH_BUF_INIT;
	int rc = look_at_holder(path, err);

	if (rc)
		return rc;
	put_uri(&uri, path, !has_wal(path));
	rc = bh_buf_failed(&uri);
	if (!rc)
		rc = bh_store_error(sqlite3_open_v2(uri.data, db, flags, NULL));
	if (!rc)
		rc = bh_store_error(
		    sqlite3_exec(*db, "SELECT ord FROM spool LIMIT 1", NULL, NULL, NULL));
	bh_buf_release(&uri);
	return rc ? bh_err_set(err, rc, "read %s", path) : 0;
}

static int snapshot(sqlite3 *db, const struct bh_spool_request *r, struct bh_spool_walk *walk)
{
	sqlite3_stmt *st = NULL;
	struct stat made;
	int rc = bh_store_error(sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &st, NULL));

	if (rc || !r->file[0]) {
		(void)sqlite3_finalize(st);
		return rc ? rc : -EINVAL;
	}
	(void)sqlite3_bind_text(st, 1, r->file, -1, SQLITE_STATIC);
	(void)sqlite3_step(st);
	rc = bh_store_error(sqlite3_finalize(st));
	if (!rc && stat(r->file, &made) == 0)
		walk->bytes = (uint64_t)made.st_size;
	return rc;
}

static int walk_all(sqlite3 *db, const struct bh_spool_request *r, struct bh_spool_walk *w)
{
	struct bh_buf out = BH_BUF_INIT;
	int rc = 0;

	while (!rc && !w->over) {
		rc = bh_spool_walk(db, r, bh_wall_ms(&bh_clock_system), w, &out);
		if (!rc)
			rc = write_all(&out);
		bh_buf_clear(&out);
	}
	bh_buf_release(&out);
	return rc;
}

static int about_spool(const struct bh_config *cfg, const struct bh_spool_request *r)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_spool_walk w = {0};
	struct bh_buf out = BH_BUF_INIT;
	sqlite3 *db = NULL;
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/store/spool.db", cfg->run_path), rc;

	if (n < 0 || (size_t)n >= sizeof(path))
		return fail("the run_path is too long");
	rc = open_file(path, &db, &err);
	if (!rc)
		rc = r->verb == BH_SPOOL_SNAPSHOT ? snapshot(db, r, &w) : walk_all(db, r, &w);
	(void)sqlite3_close(db);
	if (!rc)
		rc = look_at_holder(path, &err);
	if (rc)
		return fail(err.text[0] ? err.text : bh_err_name(rc));
	bh_spool_put_last(r, &w, 0, &out);
	rc = write_all(&out);
	bh_buf_release(&out);
	return rc ? 1 : 0;
}

/* --- changes ---------------------------------------------------------------------------------- */

static int change(const struct bh_config *cfg, const struct bh_spool_request *r)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_buf out = BH_BUF_INIT;
	struct bh_spool_walk w = {0};
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/store/spool.db", cfg->run_path), rc;

	if (n < 0 || (size_t)n >= sizeof(path))
		return fail("the run_path is too long");
	rc = look_at_holder(path, &err);
	if (!rc)
		rc = become_owner(path, &err);
	if (!rc)
		rc = bh_spool_change(cfg, r, &w, &err);
	if (rc)
		return fail(err.text[0] ? err.text : bh_err_name(rc));
	bh_spool_put_last(r, &w, 0, &out);
	rc = write_all(&out);
	bh_buf_release(&out);
	return rc ? 1 : 0;
}

int bh_answer(const char *request)
{
	struct bh_spool_request r;
	struct bh_config cfg;
	const char *why = NULL;
	int code;

	bh_config_defaults(&cfg);
	if (read_config(&cfg))
		code = fail("the configuration does not decode: another version?");
	else if (strcmp(request, "diagnose") == 0)
		code = bh_diagnose_here(&cfg, STDOUT_FILENO);
	else if (bh_spool_request_parse(bh_str_from(request), &r, &why))
		code = fail(why);
	else if (r.verb == BH_SPOOL_REPLAY && !bh_spool_means_quarantine(&r))
		code = fail("the forwarder does not run: what waits is sent when bulkhead starts");
	else if (r.verb == BH_SPOOL_PURGE || r.verb == BH_SPOOL_REPLAY)
		code = change(&cfg, &r);
	else
		code = about_spool(&cfg, &r);
	bh_config_release(&cfg);
	return code;
}

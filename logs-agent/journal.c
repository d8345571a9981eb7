#include "logs-agent/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-journal.h>

#include "common/clock.h"
#include "logs-agent/journal_internal.h"

#define RECHECK_NS     BH_NS_PER_S
#define DATA_THRESHOLD (BH_JOURNAL_TEXT_MAX + 256) /* name and '=' included */

struct bh_journal {
	sd_journal *sd;
	const struct bh_log_source *src;
	size_t limit;
	int fd;
	struct bh_journal_entry entry;
	char *cursor; /* position; NULL = head */
	char *resume; /* the first entry may be this one, which is passed over; else NULL */
};

static const char *where(const struct bh_log_source *src)
{
	return src->path[0] ? src->path : "of this system";
}

int bh_journal_identity(const struct bh_log_source *src, struct bh_buf *out)
{
	const char *id = src->config_id[0] ? src->config_id : src->path;
	int rc = bh_buf_str(out, "journald:");

	return rc ? rc : bh_buf_str(out, id[0] ? id : "default");
}

/* --- opening ---------------------------------------------------------------------------------- */

static int open_files(struct bh_journal *j, struct bh_err *err)
{
	int rc = j->src->path[0] ? sd_journal_open_directory(&j->sd, j->src->path, 0)
				 : sd_journal_open(&j->sd, SD_JOURNAL_LOCAL_ONLY);

	if (rc >= 0)
		return 0;
	if (rc == -EACCES || rc == -EPERM)
		return bh_err_set(err, rc,
		    "open the journal %s (add the user of the logs process to the group "
		    "systemd-journal or adm and restart)",
		    where(j->src));
	if (rc == -ENOENT)
		return bh_err_set(err, rc,
		    "open the journal %s (correct path, or leave it out for the system's journal)",
		    where(j->src));
	return bh_err_set(err, rc, "open the journal %s", where(j->src));
}

int bh_journal_open(
    struct bh_journal **out, const struct bh_log_source *src, size_t limit, struct bh_err *err)
{
	struct bh_journal *j = calloc(1, sizeof(*j));
	int rc;

	if (!j)
		return bh_err_set(err, -ENOMEM, "journal");
	j->src = src;
	j->limit = limit;
	rc = open_files(j, err);
	if (rc)
		goto out;
	/* By default a compressed field may be cut near 64 KiB. */
	rc = sd_journal_set_data_threshold(j->sd, DATA_THRESHOLD);
	if (rc < 0) {
		rc = bh_err_set(err, rc, "set up the journal %s", where(src));
		goto out;
	}
	/* Asked for at once: what happens between here and the first wait is noticed then. */
	j->fd = sd_journal_get_fd(j->sd);
	if (j->fd < 0) {
		rc = bh_err_set(err, j->fd,
		    "watch the journal %s (too many watchers? raise "
		    "fs.inotify.max_user_instances)",
		    where(src));
		goto out;
	}
	*out = j;
	return 0;
out:
	bh_journal_close(j);
	return rc;
}

void bh_journal_close(struct bh_journal *j)
{
	if (!j)
		return;
	sd_journal_close(j->sd);
	bh_journal_entry_release(&j->entry);
	free(j->cursor);
	free(j->resume);
	free(j);
}

/* --- the start -------------------------------------------------------------------------------- */

static int add_match(struct bh_journal *j, const char *field, const char *value, struct bh_err *err)
{
	struct bh_buf term = BH_BUF_INIT;
	int rc;

	(void)bh_buf_printf(&term, "%s%s", field, value);
	rc = bh_buf_failed(&term);
	if (!rc)
		rc = sd_journal_add_match(j->sd, term.data, term.len);
	if (rc < 0)
		rc = bh_err_set(err, rc,
		    "could not add filter %s (a field has capitals, digits and _ only)", term.data);
	else
		rc = 0;
	bh_buf_release(&term);
	return rc;
}

static int add_matches(
    struct bh_journal *j, const char *field, const struct bh_strlist *l, struct bh_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < l->n && !rc; i++)
		rc = add_match(j, field, l->v[i], err);
	return rc;
}

/* Units or user units; include_matches hold for both (spec/logs.md §22.5). */
static int select_entries(struct bh_journal *j, struct bh_err *err)
{
	const struct bh_log_source *s = j->src;
	int rc = add_matches(j, "_SYSTEMD_UNIT=", &s->include_units, err);

	if (!rc && s->include_units.n && s->include_user_units.n) {
		rc = add_matches(j, "", &s->include_matches, err);
		if (!rc && sd_journal_add_disjunction(j->sd) < 0)
			rc = bh_err_set(err, -ENOMEM, "add filters to the journal");
	}
	if (!rc)
		rc = add_matches(j, "_SYSTEMD_USER_UNIT=", &s->include_user_units, err);
	if (!rc)
		rc = add_matches(j, "", &s->include_matches, err);
	return rc;
}

static int set_text(char **at, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*at);
	*at = copy;
	return 0;
}

static int note_cursor(struct bh_journal *j)
{
	char *cursor;
	int rc = sd_journal_get_cursor(j->sd, &cursor);

	if (rc < 0)
		return rc;
	free(j->cursor);
	j->cursor = cursor;
	return 0;
}

/*
 * The end is the last entry of the journal, of any kind: asked for before the matches are set, its
 * cursor is a position also when no entry matches yet, and one that can be registered.
 */
static int go_to_tail(struct bh_journal *j)
{
	int rc = sd_journal_seek_tail(j->sd);

	if (rc >= 0)
		rc = sd_journal_previous(j->sd);
	if (rc > 0)
		rc = note_cursor(j);
	if (!rc && j->cursor)
		rc = set_text(&j->resume, j->cursor);
	return rc < 0 ? rc : 0;
}

static bool is_refused(struct bh_journal *j, const char *cursor)
{
	return sd_journal_seek_cursor(j->sd, cursor) == -EINVAL;
}

static int choose_place(
    struct bh_journal *j, const char *cursor, bool resume, struct bh_journal_began *began)
{
	const char *mode = j->src->start_position;
	bool forced =
	    !resume && (strcmp(mode, "forceBeginning") == 0 || strcmp(mode, "forceEnd") == 0);
	int rc;

	if (cursor && cursor[0] && !forced) {
		if (!is_refused(j, cursor)) {
			began->place = BH_JOURNAL_AT_CURSOR;
			rc = set_text(&j->cursor, cursor);
			return rc ? rc : set_text(&j->resume, cursor);
		}
		began->refused = true;
	}
	if (strcmp(mode, "beginning") == 0 || strcmp(mode, "forceBeginning") == 0) {
		began->place = BH_JOURNAL_AT_HEAD;
		return 0;
	}
	began->place = BH_JOURNAL_AT_TAIL;
	return go_to_tail(j);
}

int bh_journal_start(struct bh_journal *j, const char *cursor, bool resume,
    struct bh_journal_began *began, struct bh_err *err)
{
	int rc;

	*began = (struct bh_journal_began){BH_JOURNAL_AT_HEAD, false};
	rc = choose_place(j, cursor, resume, began);
	if (rc)
		return bh_err_set(err, rc, "find the start in the journal %s", where(j->src));
	rc = select_entries(j, err);
	if (rc)
		return rc;
	rc = j->resume ? sd_journal_seek_cursor(j->sd, j->resume) : sd_journal_seek_head(j->sd);
	if (rc < 0)
		return bh_err_set(err, rc, "go to the start in the journal %s", where(j->src));
	return 0;
}

const char *bh_journal_position(const struct bh_journal *j)
{
	return j->cursor ? j->cursor : "";
}

/* --- waiting ---------------------------------------------------------------------------------- */

int bh_journal_fd(const struct bh_journal *j)
{
	return j->fd;
}

int64_t bh_journal_timeout_ns(struct bh_journal *j, int64_t now_ns)
{
	uint64_t at_us;
	int64_t at_ns;

	if (sd_journal_get_timeout(j->sd, &at_us) < 0 || at_us >= (uint64_t)INT64_MAX / 1000)
		return RECHECK_NS;
	at_ns = (int64_t)at_us * 1000;
	if (at_ns <= now_ns)
		return 0;
	return at_ns - now_ns < RECHECK_NS ? at_ns - now_ns : RECHECK_NS;
}

int bh_journal_wake(struct bh_journal *j, struct bh_err *err)
{
	int rc = sd_journal_process(j->sd);

	return rc < 0 ? bh_err_set(err, rc, "follow the journal %s", where(j->src)) : 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* A field that cannot be read (a damaged file) costs the fields behind it, not the entry. */
static int collect(struct bh_journal *j)
{
	const void *data;
	size_t n;
	int rc;

	bh_journal_entry_clear(&j->entry);
	sd_journal_restart_data(j->sd);
	while ((rc = sd_journal_enumerate_available_data(j->sd, &data, &n)) > 0) {
		const char *p = data, *eq = memchr(p, '=', n);
		size_t name_n = eq ? (size_t)(eq - p) : n;

		rc = bh_journal_entry_add(&j->entry, (struct bh_str){p, name_n},
		    (struct bh_str){eq ? eq + 1 : p + n, eq ? n - name_n - 1 : 0}, n);
		if (rc)
			return rc;
	}
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0)
		bh_journal_entry_lost(&j->entry);
	return 0;
}

static int pass_on(struct bh_journal *j, bh_journal_fn *fn, void *ctx, struct bh_journal_seen *seen)
{
	struct bh_journal_message m = {.cursor = j->cursor};
	int rc = bh_journal_entry_text(&j->entry, j->src, j->limit, &m.text);

	if (rc)
		return rc;
	if (sd_journal_get_realtime_usec(j->sd, &m.realtime_us) < 0)
		m.realtime_us = 0;
	seen->passed++;
	return fn(ctx, &m);
}

/* The entry the library stands at. 0, positive when fn has enough, or an error. */
static int take(struct bh_journal *j, bh_journal_fn *fn, void *ctx, struct bh_journal_seen *seen)
{
	int rc;

	if (j->resume) {
		bool same = sd_journal_test_cursor(j->sd, j->resume) > 0;

		free(j->resume);
		j->resume = NULL;
		if (same)
			return 0;
	}
	rc = collect(j);
	if (!rc)
		rc = note_cursor(j);
	if (rc)
		return rc;
	if (bh_journal_entry_excluded(&j->entry, j->src)) {
		seen->excluded++;
		return 0;
	}
	return pass_on(j, fn, ctx, seen);
}

int bh_journal_read(struct bh_journal *j, unsigned max, bh_journal_fn *fn, void *ctx,
    struct bh_journal_seen *seen, struct bh_err *err)
{
	int rc;

	*seen = (struct bh_journal_seen){0, 0, true};
	for (unsigned i = 0; i < max; i++) {
		rc = sd_journal_next(j->sd);
		if (rc == 0) {
			seen->more = false;
			return 0;
		}
		if (rc > 0)
			rc = take(j, fn, ctx, seen);
		if (rc < 0)
			return bh_err_set(err, rc, "read the journal %s", where(j->src));
		if (rc > 0)
			return 0;
	}
	return 0;
}

/* Beside the rest because only the handle knows whether a file could be used. */
bool bh_journal_has_files(struct bh_journal *j, const char **dir)
{
	uint64_t bytes = 0;

	*dir = j->src->path;
	return sd_journal_get_usage(j->sd, &bytes) >= 0 && bytes > 0;
}

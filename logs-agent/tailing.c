/* Open generations: looking at them once a second, reading what they have (spec/logs.md §4.5,
 * §4.6).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "logs-agent/logs_internal.h"

#define COMPONENT     "tailing"
#define TURN_BYTES    ((size_t)1 << 20) /* then the next file has its turn */
#define LOOK_NS       (1 * BH_NS_PER_S)
#define QUIET_NS      (600 * BH_NS_PER_S) /* without a byte for so long: looked at less often */
#define QUIET_LOOK_NS (5 * BH_NS_PER_S)

bool bh_logs_may_read(const struct bh_logs *l)
{
	return l->link_ready && !l->draining && l->queue_n < BH_QUEUE_MAX;
}

static int64_t mono(void)
{
	return bh_mono_ns(&bh_clock_system);
}

/* --- the list ------------------------------------------------------------------------------------
 */

static void count(struct bh_logs *l, const struct bh_generation *g, int by)
{
	if (g->state == BH_ORIGIN_LIVE)
		l->live = (unsigned)((int)l->live + by);
	else if (g->state == BH_ORIGIN_DRAINING)
		l->draining_n = (unsigned)((int)l->draining_n + by);
}

static void set_state(struct bh_logs *l, struct bh_generation *g, enum bh_origin_state state)
{
	count(l, g, -1);
	g->state = state;
	count(l, g, 1);
}

void bh_tailing_add(struct bh_logs *l, struct bh_generation *g)
{
	g->prev = l->tail;
	if (l->tail)
		l->tail->next = g;
	else
		l->head = g;
	l->tail = g;
	count(l, g, 1);
	g->last_byte_ns = g->looked_ns = mono();
	g->opened_ns = g->ingestion_ns = bh_wall_ns(&bh_clock_system);
	bh_tailing_ready(l, g);
}

/* Read to its end, and all of it handed over: what follows keeps the order. */
static bool is_through(const struct bh_generation *g)
{
	return g->read_once && bh_assembler_held(&g->assembler) == 0;
}

/* Its successors read on. */
static void let_go(struct bh_logs *l, const struct bh_generation *g)
{
	for (struct bh_generation *o = l->head; is_through(g) && o; o = o->next) {
		if (o->before == g)
			bh_tailing_ready(l, o);
	}
}

static void unlink_ready(struct bh_logs *l, const struct bh_generation *g)
{
	struct bh_generation **at = &l->ready;

	while (*at && *at != g)
		at = &(*at)->next_ready;
	if (!*at)
		return;
	*at = g->next_ready;
	if (!*at)
		l->ready_end = at;
}

/* Another open generation of the same path: the target must stay while there is one. */
static struct bh_generation *latest_besides(const struct bh_logs *l, const struct bh_generation *g)
{
	struct bh_generation *o = l->tail;

	while (o && (o == g || o->target != g->target))
		o = o->prev;
	return o;
}

static void forget(struct bh_logs *l, struct bh_generation *g)
{
	for (struct bh_generation *o = l->head; o; o = o->next) {
		if (o->before == g) {
			o->before = NULL;
			bh_tailing_ready(l, o);
		}
	}
	count(l, g, -1);
	if (g->ready)
		unlink_ready(l, g);
	if (g->row)
		g->row->open = false;
	if (g->target->live == g)
		g->target->live = NULL;
	if (g->target->last == g)
		g->target->last = latest_besides(l, g);
	if (g->prev)
		g->prev->next = g->next;
	else
		l->head = g->next;
	if (g->next)
		g->next->prev = g->prev;
	else
		l->tail = g->prev;
	bh_generation_free(g);
}

void bh_tailing_set_aside(struct bh_logs *l, struct bh_generation *g)
{
	struct bh_row *row = g->row;

	g->target->state = BH_TARGET_WAITING;
	forget(l, g);
	row->state = BH_ORIGIN_WAITING;
	bh_handover_touch_row(l, row);
}

void bh_tailing_read_again(struct bh_logs *l, struct bh_generation *g)
{
	if (g->state == BH_ORIGIN_FINISHED)
		return;
	g->at_end = g->read_once = false;
	bh_tailing_ready(l, g);
}

void bh_tailing_rotate(struct bh_logs *l, struct bh_generation *g)
{
	set_state(l, g, BH_ORIGIN_DRAINING);
	g->last_byte_ns = mono();
	bh_tailing_read_again(l, g);
	bh_handover_touch(l, g, false);
}

void bh_tailing_return(struct bh_logs *l, struct bh_generation *g)
{
	set_state(l, g, BH_ORIGIN_LIVE);
	g->target->live = g;
	g->target->state = BH_TARGET_TAILED;
	bh_handover_touch(l, g, false);
}

void bh_tailing_finish(struct bh_logs *l, struct bh_generation *g)
{
	/* No longer live at its path: the unfinished last line counts now. */
	if (bh_generation_end(g))
		bh_warn(
		    &l->child->log, COMPONENT, "%s: its last line is lost: out of memory", g->path);
	set_state(l, g, BH_ORIGIN_FINISHED);
	g->at_end = g->read_once = true;
	let_go(l, g);
	bh_handover_touch(l, g, false);
}

/* --- looking -------------------------------------------------------------------------------------
 */

static bool has_drained(const struct bh_logs *l, const struct bh_generation *g)
{
	return g->at_end &&
	       mono() - g->last_byte_ns >= l->child->config.logs_close_timeout_ms * BH_NS_PER_MS;
}

/* Acts on what became of the file since the last look. */
static enum bh_file_change take_news(
    struct bh_logs *l, struct bh_generation *g, const struct stat *st)
{
	enum bh_file_change news = bh_generation_look(g, st);

	if (news == BH_FILE_TRUNCATED) {
		bh_discover_truncated(l, g);
	} else if (news == BH_FILE_GREW) {
		g->at_end = false;
		bh_tailing_ready(l, g);
	}
	return news;
}

static void look_draining(struct bh_logs *l, struct bh_generation *g)
{
	struct stat st;

	if (fstat(g->fd, &st) == 0 && take_news(l, g, &st) == BH_FILE_SAME && has_drained(l, g))
		bh_tailing_finish(l, g);
}

/* More files that rotated than may be open besides: the next ones wait, their successors are found
 * by their births. */
static bool may_rotate(const struct bh_logs *l)
{
	return l->draining_n < (unsigned)l->child->config.logs_open_files_limit;
}

static void look_live(struct bh_logs *l, struct bh_generation *g)
{
	struct stat st;
	int rc = stat(g->target->path, &st) < 0 ? -errno : 0;
	bool at_path = rc == 0 && st.st_ino == g->ino && st.st_dev == g->dev;

	if (!at_path && (rc == 0 || rc == -ENOENT || rc == -ENOTDIR)) {
		if (may_rotate(l))
			bh_discover_rotated(l, g);
		return;
	}
	/* Another error of the path: no decision about it this time. */
	if (!at_path && fstat(g->fd, &st) < 0)
		return;
	/* After a truncation g may be gone. */
	if (take_news(l, g, &st) != BH_FILE_TRUNCATED && at_path)
		g->target->looked_ns = bh_wall_ns(&bh_clock_system);
}

void bh_tailing_look(struct bh_logs *l, struct bh_generation *g)
{
	g->looked_ns = mono();
	if (g->state == BH_ORIGIN_LIVE)
		look_live(l, g);
	else if (g->state == BH_ORIGIN_DRAINING)
		look_draining(l, g);
}

static bool is_due(const struct bh_generation *g, int64_t now)
{
	int64_t every = now - g->last_byte_ns > QUIET_NS ? QUIET_LOOK_NS : LOOK_NS;

	return g->state != BH_ORIGIN_FINISHED && now - g->looked_ns >= every - LOOK_NS / 10;
}

void bh_tailing_poll(struct bh_logs *l)
{
	struct bh_generation *g = l->head;
	int64_t now = mono();
	uint64_t files = 0, begun = 0;

	/* What a look opens is appended behind, and is looked at as well. */
	while (g) {
		struct bh_generation *next;

		if (is_due(g, now))
			bh_tailing_look(l, g);
		files++;
		begun += bh_assembler_held(&g->assembler) > 0;
		next = g->next;
		if (g->state == BH_ORIGIN_FINISHED && !g->dirty)
			forget(l, g);
		else if (g->broken && !g->dirty && g->row)
			bh_tailing_set_aside(l, g); /* opened anew by the next scan */
		g = next;
	}
	bh_fill_see(&l->input_fill, begun, files, now);
}

/* --- reading -------------------------------------------------------------------------------------
 */

static bool readable(const struct bh_generation *g)
{
	return g->state != BH_ORIGIN_FINISHED && !g->at_end &&
	       (!g->before || is_through(g->before));
}

static void on_work(struct bh_timer *t)
{
	bh_tailing_read(BH_CONTAINER(t, struct bh_logs, work_timer));
}

void bh_tailing_ready(struct bh_logs *l, struct bh_generation *g)
{
	if (g->ready || !readable(g))
		return;
	g->ready = true;
	g->next_ready = NULL;
	*l->ready_end = g;
	l->ready_end = &g->next_ready;
	if (!bh_timer_armed(&l->work_timer))
		bh_timer_in(&l->child->loop, &l->work_timer, 0, on_work);
}

/* A writer without O_APPEND leaves a hole where it had been before the truncation (§4.5). */
static void skip_hole(struct bh_logs *l, struct bh_generation *g)
{
	off_t data = lseek(g->fd, 0, SEEK_DATA);

	if (data > 0) {
		l->counts.nul_bytes_skipped += (uint64_t)data;
		bh_generation_skip(g, (uint64_t)data);
	}
}

static size_t leading_nuls(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] == '\0')
		i++;
	return i;
}

static void at_end(struct bh_logs *l, struct bh_generation *g)
{
	bool first = !g->read_once;

	g->at_end = g->read_once = true;
	bh_generation_take_fingerprint(g);
	if (first)
		let_go(l, g);
}

enum got { GOT_BYTES, GOT_END, GOT_ERROR, GOT_OTHER_CONTENT };

/* Bytes of the file into the chunk, behind those read last, which must still be there: the file may
 * have been truncated and written anew since. */
static enum got read_chunk(struct bh_logs *l, struct bh_generation *g, struct bh_str *out)
{
	size_t before = g->read_window.n;
	ssize_t n;

	do {
		n = pread(g->fd, l->chunk.data, before + BH_CHUNK, (off_t)(g->read_off - before));
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		l->counts.read_errors++;
		g->broken = true;
		bh_scan_note(l, g->source, g->path, -errno);
		return GOT_ERROR;
	}
	if ((size_t)n < before || memcmp(l->chunk.data, g->read_window.bytes, before) != 0)
		return GOT_OTHER_CONTENT;
	*out = (struct bh_str){l->chunk.data + before, (size_t)n - before};
	return out->n ? GOT_BYTES : GOT_END;
}

/* Not its end: what is unread is tried again at every look, and until then it is not over. */
static void put_off(struct bh_logs *l, struct bh_generation *g)
{
	g->at_end = g->read_once = true;
	g->last_byte_ns = mono();
	let_go(l, g);
}

static void take_bytes(struct bh_logs *l, struct bh_generation *g, struct bh_str bytes)
{
	size_t skip = 0;

	if (g->after_truncation) {
		skip = leading_nuls(bytes.p, bytes.n);
		g->after_truncation = skip == bytes.n;
	}
	if (skip) {
		l->counts.nul_bytes_skipped += skip;
		bh_generation_skip(g, g->read_off + skip);
		bh_handover_touch(l, g, false);
	}
	l->counts.bytes_read += bytes.n;
	g->last_byte_ns = mono();
	g->ingestion_ns = bh_wall_ns(&bh_clock_system);
	/* Its messages are made within a few milliseconds: one time is enough for all of them. */
	l->chunk_ms = g->ingestion_ns / BH_NS_PER_MS;
	if (bh_generation_feed(g, bytes.p + skip, bytes.n - skip))
		bh_child_fail(l->child, BH_EXIT_INTERNAL); /* read again from the mark */
	l->chunk_ms = 0;
}

/* false: nothing more of it for now. */
static bool read_some(struct bh_logs *l, struct bh_generation *g, size_t *left)
{
	struct bh_str bytes;

	if (g->after_truncation && g->read_off == 0)
		skip_hole(l, g);
	switch (read_chunk(l, g, &bytes)) {
	case GOT_BYTES:
		take_bytes(l, g, bytes);
		*left -= BH_MIN(*left, bytes.n);
		return l->child->exit_code == 0;
	case GOT_END:
		at_end(l, g);
		return false;
	case GOT_ERROR:
		put_off(l, g);
		return false;
	case GOT_OTHER_CONTENT:
		g->at_end = true;
		g->mtime_ns = 0;
		bh_tailing_look(l, g);
		return false;
	}
	return false;
}

static int64_t held_ns(const struct bh_logs *l)
{
	return l->child->config.logs_aggregation_timeout_ms * BH_NS_PER_MS;
}

/* Groups that are held become messages aggregation_timeout after their last line (§7.1). */
static void on_held(struct bh_timer *t)
{
	struct bh_logs *l = BH_CONTAINER(t, struct bh_logs, held_timer);
	int64_t now = mono(), next = INT64_MAX;

	for (struct bh_generation *g = l->head; g; g = g->next) {
		int64_t due = g->last_byte_ns + held_ns(l);

		if (bh_assembler_held(&g->assembler) == 0)
			continue;
		if (due > now) {
			next = BH_MIN(next, due);
			continue;
		}
		l->arrived_ns = g->last_byte_ns;
		if (bh_assembler_flush(&g->assembler))
			bh_child_fail(l->child, BH_EXIT_INTERNAL); /* read again from the mark */
		else
			let_go(l, g);
	}
	l->arrived_ns = 0;
	if (next != INT64_MAX)
		bh_timer_at(&l->child->loop, t, next, on_held);
}

void bh_tailing_flush(struct bh_logs *l)
{
	for (struct bh_generation *g = l->head; g; g = g->next) {
		if (bh_assembler_flush(&g->assembler))
			bh_child_fail(l->child, BH_EXIT_INTERNAL);
	}
}

void bh_tailing_flush_source(struct bh_logs *l, const struct bh_source *s)
{
	for (struct bh_generation *g = l->head; g; g = g->next) {
		if (g->source == s && bh_assembler_flush(&g->assembler))
			bh_child_fail(l->child, BH_EXIT_INTERNAL); /* read again from the mark */
	}
}

void bh_tailing_leave(struct bh_logs *l, const struct bh_source *s)
{
	struct bh_generation *g = l->head, *next_g;
	struct bh_target *t = l->targets.all, *next_t;

	for (; g; g = next_g) {
		next_g = g->next;
		if (g->source == s)
			forget(l, g);
	}
	for (; t; t = next_t) {
		next_t = t->next;
		if (t->source == s)
			bh_targets_remove(&l->targets, t);
	}
}

static void read_one(struct bh_logs *l, struct bh_generation *g)
{
	size_t left = TURN_BYTES;

	while (left && readable(g) && bh_logs_may_read(l) && read_some(l, g, &left))
		;
	/* A busy file is looked at all the same: it may have been rotated or truncated. */
	if (readable(g) && mono() - g->looked_ns >= LOOK_NS)
		bh_tailing_look(l, g);
	if (bh_assembler_held(&g->assembler) && !bh_timer_armed(&l->held_timer))
		bh_timer_in(&l->child->loop, &l->held_timer, held_ns(l), on_held);
}

void bh_tailing_read(struct bh_logs *l)
{
	struct bh_generation *last = NULL;

	for (struct bh_generation *g = l->ready; g; g = g->next_ready)
		last = g;
	while (l->ready && last && bh_logs_may_read(l)) {
		struct bh_generation *g = l->ready;

		last = g == last ? NULL : last;
		l->ready = g->next_ready;
		if (!l->ready)
			l->ready_end = &l->ready;
		g->ready = false;
		read_one(l, g);
		bh_tailing_ready(l, g);
	}
	if (l->ready && bh_logs_may_read(l) && !bh_timer_armed(&l->work_timer))
		bh_timer_in(&l->child->loop, &l->work_timer, 0, on_work);
}

#include "forwarder/spool_session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/err.h"
#include "forwarder/store_internal.h"

#define PATIENCE_NS (60 * BH_NS_PER_S) /* for a reader that does not read */

void bh_spool_session_init(struct bh_spool_session *s, struct bh_loop *loop,
    struct bh_custody *custody, struct bh_store *store)
{
	*s = (struct bh_spool_session){
	    .loop = loop, .custody = custody, .store = store, .out = BH_OUTGOING_INIT};
	s->watch.fd = -1;
}

void bh_spool_session_end(struct bh_spool_session *s)
{
	if (!s->loop)
		return; /* never begun */
	bh_timer_cancel(&s->patience);
	bh_spool_copy_free(s->copy);
	s->copy = NULL;
	bh_outgoing_release(&s->out);
	bh_loop_close_fd(&s->watch);
}

static void on_patience(struct bh_timer *t)
{
	bh_spool_session_end(BH_CONTAINER(t, struct bh_spool_session, patience));
}

/* --- writing ---------------------------------------------------------------------------------- */

/* 1 = all is written, 0 = the socket is full, negative = the reader is gone. */
static int flush(struct bh_spool_session *s)
{
	size_t before = s->out.sent;
	int rc = bh_outgoing_send(&s->out, s->watch.fd, MSG_DONTWAIT);

	if (s->out.sent > before)
		bh_timer_in(s->loop, &s->patience, PATIENCE_NS, on_patience);
	if (rc == 1)
		bh_outgoing_clear(&s->out);
	return rc;
}

static void put_error(struct bh_spool_session *s, int rc)
{
	bh_spool_put_error(rc == BH_E_STATE ? "the forwarder is stopping"
			   : rc == -ENOSPC  ? "the spool is full: free disk space and ask again"
					    : bh_err_name(rc),
	    &s->out.bytes);
	s->last = true;
}

/* --- the next part of the answer -------------------------------------------------------------- */

static int64_t wall_ms(const struct bh_spool_session *s)
{
	return bh_wall_ms(s->loop->clock);
}

static void walk(struct bh_spool_session *s)
{
	int rc = bh_spool_walk(s->store->db, &s->request, wall_ms(s), &s->walk, &s->out.bytes);

	if (rc)
		put_error(s, rc);
	else if (s->walk.over)
		bh_spool_put_last(&s->request, &s->walk, 0, &s->out.bytes);
	s->last = rc || s->walk.over;
}

static void purge(struct bh_spool_session *s)
{
	int rc = bh_custody_purge_slice(s->custody, &s->purge);

	if (rc < 0)
		put_error(s, rc);
	else if (rc == 0)
		bh_spool_put_last(&s->request, &s->purge.gone, s->purge.under_way, &s->out.bytes);
	s->last = rc <= 0;
}

static void replay(struct bh_spool_session *s)
{
	int rc = 0;

	if (bh_spool_means_quarantine(&s->request))
		rc = bh_custody_replay(s->custody, &s->request, &s->walk);
	else
		bh_custody_replay_rows(s->custody, &s->request, &s->walk);
	if (rc)
		put_error(s, rc);
	else
		bh_spool_put_last(&s->request, &s->walk, 0, &s->out.bytes);
	s->last = true;
}

static void copy(struct bh_spool_session *s)
{
	int rc = bh_spool_copy_step(s->copy);
	int fd;

	if (rc == 1 || rc == BH_E_STATE)
		return;
	if (rc < 0) {
		put_error(s, rc);
		return;
	}
	fd = bh_spool_copy_take(s->copy);
	s->copy = NULL;
	if (fd < 0) {
		put_error(s, fd);
		return;
	}
	bh_outgoing_take_fd(&s->out, fd);
	s->walk.bytes = (uint64_t)lseek(fd, 0, SEEK_END);
	bh_spool_put_end(&s->walk, 0, &s->out.bytes);
	s->last = true;
}

static void produce(struct bh_spool_session *s)
{
	switch (s->request.verb) {
	case BH_SPOOL_LS:
	case BH_SPOOL_SHOW:
	case BH_SPOOL_EXPORT:
		walk(s);
		return;
	case BH_SPOOL_SNAPSHOT:
		copy(s);
		return;
	case BH_SPOOL_PURGE:
		purge(s);
		return;
	case BH_SPOOL_REPLAY:
		replay(s);
		return;
	case BH_SPOOL__N:
		return;
	}
}

static void on_event(struct bh_watch *w, unsigned events)
{
	struct bh_spool_session *s = BH_CONTAINER(w, struct bh_spool_session, watch);
	int rc = events & BH_LOOP_HANGUP ? -1 : flush(s);

	if (rc == 1 && !s->last) {
		produce(s);
		rc = bh_buf_failed(&s->out.bytes) ? -1 : 0;
	} else if (rc == 1) {
		rc = -1;
	}
	if (rc < 0)
		bh_spool_session_end(s);
}

/* --- beginning -------------------------------------------------------------------------------- */

static bool is_change(enum bh_spool_verb verb)
{
	return verb == BH_SPOOL_REPLAY || verb == BH_SPOOL_PURGE;
}

static void begin(struct bh_spool_session *s, struct bh_str text, bool changes)
{
	struct bh_err err = BH_ERR_INIT;
	const char *why = NULL;
	int rc = bh_spool_request_parse(text, &s->request, &why);

	s->walk = (struct bh_spool_walk){0};
	s->last = true;
	if (rc || is_change(s->request.verb) != changes) {
		bh_spool_put_error(rc ? why : "not a question of this kind", &s->out.bytes);
		return;
	}
	if (s->request.verb == BH_SPOOL_SNAPSHOT)
		rc = bh_spool_copy_begin(&s->copy, s->store, &err);
	else if (s->request.verb == BH_SPOOL_PURGE)
		rc = bh_custody_purge_begin(s->custody, &s->request, &s->purge);
	s->last = false;
	if (!rc)
		return;
	if (err.text[0])
		bh_spool_put_error(err.text, &s->out.bytes);
	else
		put_error(s, rc);
	s->last = true;
}

static void turn_away(int fd, const char *text)
{
	struct bh_buf line = BH_BUF_INIT;

	bh_spool_put_error(text, &line);
	(void)!send(fd, line.data, line.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	bh_buf_release(&line);
}

void bh_spool_session_take(struct bh_spool_session *s, struct bh_str text, bool changes, int fd)
{
	int own;

	if (fd < 0)
		return;
	if (s->watch.fd >= 0 || !s->store) {
		turn_away(fd, s->store ? "the forwarder answers another question about its spool: "
					 "ask again"
				       : "the forwarder is stopping");
		return;
	}
	own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own < 0)
		return;
	begin(s, text, changes);
	if (bh_loop_add_fd(s->loop, &s->watch, own, BH_LOOP_WRITE, on_event)) {
		s->watch.fd = -1;
		(void)close(own);
		bh_spool_session_end(s);
		return;
	}
	bh_timer_in(s->loop, &s->patience, PATIENCE_NS, on_patience);
}

#include "supervisor/log_serve.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/jsonw.h"
#include "supervisor/own_log.h"
#include "supervisor/supervisor.h"

#define COMPONENT "log"

/* --- rings --------------------------------------------------------------------------------------
 */

void bh_log_rings_init(struct bh_log_rings *r)
{
	for (int i = 0; i < BH_ROLE__N; i++) {
		r->fd[i] = -1;
		r->map[i] = NULL;
	}
}

void bh_log_rings_open(struct bh_log_rings *r)
{
	for (int i = 0; i < BH_ROLE__N; i++) {
		r->fd[i] = bh_log_ring_create();
		if (r->fd[i] >= 0)
			r->map[i] = bh_log_ring_map(r->fd[i]);
	}
}

void bh_log_rings_release(struct bh_log_rings *r)
{
	for (int i = 0; i < BH_ROLE__N; i++) {
		bh_log_ring_unmap(r->map[i]);
		if (r->fd[i] >= 0)
			(void)close(r->fd[i]);
	}
	bh_log_rings_init(r);
}

/* --- opening again ------------------------------------------------------------------------------
 */

/* 0, or what went wrong. */
static int reopen(struct bh_supervisor *s, struct bh_err *err)
{
	int fd, rc = 0;

	if (bh_own_log_target(&s->cfg) == BH_OWN_LOG_STDERR)
		return 0;
	fd = bh_own_log_open(&s->cfg, err);
	if (fd < 0)
		return fd;
	/* The number stays: every child is still started with it, and what is written is whole. */
	if (dup3(fd, s->log.fd, O_CLOEXEC) < 0)
		rc = bh_err_set(err, -errno, "open the log again");
	(void)close(fd);
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N && !rc; i++) {
		if (s->kids[i].life.alive && !bh_kid_log(&s->kids[i], s->log.fd))
			bh_warn(&s->log, COMPONENT,
			    "%s was not given the log that is open now: it writes to the old one",
			    bh_role_name((enum bh_role)i));
	}
	s->log.failed = false;
	return rc;
}

static void answer(struct bh_ctl_conn *conn)
{
	struct bh_buf json = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_document(&w, &json);
	bh_jsonw_bool(&w, "reopened", true);
	bh_jsonw_object_end(&w);
	bh_ctl_answer(conn, bh_buf_view(&json));
	bh_buf_release(&json);
}

void bh_log_reopen(struct bh_supervisor *s, struct bh_ctl_conn *conn)
{
	struct bh_err err = BH_ERR_INIT;

	if (reopen(s, &err)) {
		bh_error(&s->log, COMPONENT, "%s; the old one goes on", err.text);
		if (conn)
			bh_ctl_answer_error(conn, err.text);
		return;
	}
	bh_info(&s->log, COMPONENT, "the log is open again");
	if (conn)
		answer(conn);
}

void bh_log_repair(struct bh_supervisor *s)
{
	struct bh_err err = BH_ERR_INIT;

	if (s->log.failed && bh_own_log_target(&s->cfg) == BH_OWN_LOG_SYSLOG &&
	    reopen(s, &err) == 0)
		bh_warn(&s->log, COMPONENT, "lines were lost: the system's log was not there");
}

/* --- the last lines -----------------------------------------------------------------------------
 */

static void put_lines(struct bh_jsonw *w, struct bh_str text)
{
	bh_jsonw_array(w, "lines");
	while (text.n) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n;

		if (n)
			bh_jsonw_bytes(w, NULL, text.p, n);
		n = end ? n + 1 : n;
		text = (struct bh_str){text.p + n, text.n - n};
	}
	bh_jsonw_array_end(w);
}

static void put_role(
    struct bh_jsonw *w, const char *name, const struct bh_log_ring *ring, uint64_t from)
{
	struct bh_buf text = BH_BUF_INIT;
	uint64_t position = ring ? bh_log_ring_read(ring, from, &text) : 0;

	bh_jsonw_object(w, NULL);
	bh_jsonw_str(w, "name", name);
	bh_jsonw_u64(w, "position", position);
	put_lines(w, bh_buf_view(&text));
	bh_jsonw_object_end(w);
	bh_buf_release(&text);
}

void bh_log_answer_tail(struct bh_supervisor *s, struct bh_ctl_conn *conn)
{
	struct bh_buf json = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_document(&w, &json);
	bh_jsonw_array(&w, "tails");
	for (int i = 0; i < BH_ROLE__N; i++) {
		if (conn->roles && !(conn->roles & 1u << i))
			continue;
		put_role(&w, bh_role_name((enum bh_role)i), s->rings.map[i], conn->from[i]);
	}
	bh_jsonw_array_end(&w);
	bh_jsonw_object_end(&w);
	bh_ctl_answer(conn, bh_buf_view(&json));
	bh_buf_release(&json);
}

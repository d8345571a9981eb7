/*
 * The control socket, run_dir/ctl.sock: one JSON line request, one JSON line answer, then the
 * connection ends (spec/supervision.md §9.2). Who may ask what is in ctl_peer.h; others get one
 * line that says so. At most 8 connections a user and 16 of readers, 64 KiB a request, 5 s to send
 * it and 10 s to read the answer. Not more than 200 connections a second are taken: a flood of them
 * costs a bounded share of the time, and whoever else connects is served in its turn. Without
 * descriptors a spare one serves to say so.
 *
 * The owner answers a request at once or later; `round` of a connection is the owner's.
 */
#ifndef BH_SUPERVISOR_CTL_SERVER_H
#define BH_SUPERVISOR_CTL_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/loop.h"
#include "supervisor/conn.h"
#include "supervisor/ctl_peer.h"
#include "supervisor/ctl_request.h"

#define BH_CTL_CONNS       32
#define BH_CTL_REQUEST_MAX 65536

struct bh_ctl_server;

struct bh_ctl_conn {
	struct bh_ctl_server *server;
	struct bh_conn io;
	enum bh_verb verb;
	unsigned roles;                  /* of a request with names */
	uint64_t from[BH_ROLE__N];       /* of tail */
	uint32_t seconds;                /* of a request with seconds */
	int signo;                       /* of signal */
	struct bh_stream_filter filter;  /* of stream-logs */
	struct bh_str arg;               /* of a request with identifier or file; in io.in */
	unsigned was_so;                 /* of these, those that were as wished before */
	uint32_t generation[BH_ROLE__N]; /* of these, at the time of the request */
	struct bh_ctl_peer peer;
	uint32_t round;
};

struct bh_ctl_server {
	struct bh_loop *loop;
	struct bh_log *log;
	struct bh_watch listener;
	char *path;            /* owned */
	gid_t readers;         /* members may ask read-only verbs; BH_CTL_NO_GROUP */
	int spare;             /* a descriptor to say with that there are none; -1 = in use */
	struct bh_timer pause; /* no connection is taken until then */
	int64_t window_ns;     /* mono: begin of the span in which `taken` were taken */
	unsigned taken;
	struct bh_log_limit refused, denied, exhausted;
	struct bh_ctl_conn conn[BH_CTL_CONNS];
	void (*handle)(void *ctx, struct bh_ctl_conn *conn);
	void (*noted)(
	    void *ctx, const struct bh_ctl_conn *conn); /* one that changes something; or NULL */
	void (*limited)(void *ctx, const char *text);   /* at most once in 10 s; or NULL */
	void *ctx;
};

/* Removes a stale socket (the caller holds the instance's lock), binds, mode 0660 with the group
 * `bulkhead` where there is one, listens. */
int bh_ctl_server_open(struct bh_ctl_server *s, struct bh_loop *loop, struct bh_log *log,
    const char *run_dir, struct bh_err *err) BH_MUST_CHECK;

/* Sends json and a newline, then closes. */
void bh_ctl_answer(struct bh_ctl_conn *conn, struct bh_str json);
/* The same, with a descriptor for the client (SCM_RIGHTS). Takes fd. */
void bh_ctl_answer_fd(struct bh_ctl_conn *conn, struct bh_str json, int fd);
void bh_ctl_answer_error(struct bh_ctl_conn *conn, const char *text);

/* The same answer for all that wait for one to this verb; an error when json lacks memory. */
void bh_ctl_answer_waiting(struct bh_ctl_server *s, enum bh_verb verb, const struct bh_buf *json);

/* Whether this connection waits for an answer to that verb. */
static inline bool bh_ctl_waits(const struct bh_ctl_conn *conn, enum bh_verb verb)
{
	return bh_conn_waits(&conn->io) && conn->verb == verb;
}

/* Writes out what is owed for at most a second each, closes everything, removes the socket. */
void bh_ctl_server_close(struct bh_ctl_server *s);

#endif

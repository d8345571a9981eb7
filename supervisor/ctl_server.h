/*
 * The control socket, run_dir/ctl.sock: one JSON line request, one JSON line answer, then the
 * connection ends (spec/supervision.md §9.2). Peers are checked by the kernel's credentials: uid 0
 * and our own are answered, others get one line that says so. At most 8 connections, 64 KiB a
 * request, 5 s to send it and 10 s to read the answer.
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
#include "supervisor/ctl_request.h"

#define BH_CTL_CONNS       8
#define BH_CTL_REQUEST_MAX 65536

struct bh_ctl_server;

struct bh_ctl_conn {
	struct bh_ctl_server *server;
	struct bh_watch watch;
	struct bh_timer timer;
	struct bh_buf in, out;
	size_t sent;
	int pass_fd; /* owned; goes with the first byte of the answer; -1 = none */
	bool asked;  /* a request was taken; an answer is owed until `answered` */
	bool answered;
	enum bh_verb verb;
	unsigned roles;                  /* of a request with names */
	uint64_t from[BH_ROLE__N];       /* of tail */
	uint32_t seconds;                /* of a request with seconds */
	struct bh_stream_filter filter;  /* of stream-logs */
	struct bh_str arg;               /* of a request with identifier or file; in `in` */
	unsigned was_so;                 /* of these, those that were as wished before */
	uint32_t generation[BH_ROLE__N]; /* of these, at the time of the request */
	uid_t uid;
	pid_t pid;
	uint32_t round;
};

struct bh_ctl_server {
	struct bh_loop *loop;
	struct bh_log *log;
	struct bh_watch listener;
	char *path; /* owned */
	struct bh_ctl_conn conn[BH_CTL_CONNS];
	void (*handle)(void *ctx, struct bh_ctl_conn *conn);
	void *ctx;
};

/* Removes a stale socket (the caller holds the instance's lock), binds, mode 0660, listens. */
int bh_ctl_server_open(struct bh_ctl_server *s, struct bh_loop *loop, struct bh_log *log,
    const char *run_dir, struct bh_err *err) BH_MUST_CHECK;

/* Sends json and a newline, then closes. */
void bh_ctl_answer(struct bh_ctl_conn *conn, struct bh_str json);
/* The same, with a descriptor for the client (SCM_RIGHTS). Takes fd. */
void bh_ctl_answer_fd(struct bh_ctl_conn *conn, struct bh_str json, int fd);
void bh_ctl_answer_error(struct bh_ctl_conn *conn, const char *text);

/* Whether this connection waits for an answer to that verb. */
static inline bool bh_ctl_waits(const struct bh_ctl_conn *conn, enum bh_verb verb)
{
	return conn->asked && !conn->answered && conn->verb == verb;
}

/* Writes out what is owed for at most a second each, closes everything, removes the socket. */
void bh_ctl_server_close(struct bh_ctl_server *s);

#endif

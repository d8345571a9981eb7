#include "common/ipc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>

#define URL_MAX      128
#define PATH_LIMIT   107 /* sun_path without its NUL */
#define TURN_MSGS    64  /* messages taken per turn, so that no link starves the rest of the loop */
#define RECONNECT_LO 5   /* ms; values of spec/durability.md §12 */
#define RECONNECT_HI 50
#define COMPONENT    "ipc"

/*
 * Shared with nng's threads: pipe callbacks only read the constant uid and move the counters. It
 * outlives its socket, because a socket left behind by a renewal may still call back.
 */
struct peers {
	uid_t uid;
	atomic_int live;
	atomic_uint refused;
};

struct bh_ipc {
	struct bh_ipc_config cfg;
	char url[URL_MAX];
	struct bh_loop *loop;
	struct bh_log *log;
	struct bh_log_limit limit;
	struct peers *peers;
	nng_socket socket;
	nng_listener listener;
	struct bh_watch readable; /* RECVFD */
	struct bh_watch writable; /* SENDFD, watched only after a send was refused */
	struct bh_timer check;
	int recv_fd, send_fd;
	bool expected;
	unsigned renewals;
	uint64_t recycles;
	bh_ipc_recv_fn *on_recv;
	void (*on_writable)(void *ctx);
	void *ctx;
};

static nng_msg *unwrap(struct bh_ipc_msg *msg)
{
	return (nng_msg *)(void *)msg;
}

int bh_ipc_msg_new(struct bh_ipc_msg **msg, size_t n)
{
	nng_msg *m = NULL;

	if (nng_msg_alloc(&m, n))
		return -ENOMEM;
	*msg = (struct bh_ipc_msg *)(void *)m;
	return 0;
}

void bh_ipc_msg_free(struct bh_ipc_msg *msg)
{
	if (msg)
		nng_msg_free(unwrap(msg));
}

void *bh_ipc_msg_data(struct bh_ipc_msg *msg)
{
	return nng_msg_body(unwrap(msg));
}

size_t bh_ipc_msg_size(const struct bh_ipc_msg *msg)
{
	return nng_msg_len((const nng_msg *)(const void *)msg);
}

static int net_error(struct bh_err *err, int rv, const char *what, const char *url)
{
	return bh_err_set(err, BH_E_NET, "%s %s: %s", what, url, nng_strerror(rv));
}

/* On nng's thread, before the pipe is used: a stranger is refused here. */
static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct peers *peers = arg;
	uint64_t uid = 0;

	if (event == NNG_PIPE_EV_ADD_PRE) {
		if (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &uid) || uid != peers->uid) {
			atomic_fetch_add(&peers->refused, 1);
			(void)nng_pipe_close(pipe);
		}
	} else if (event == NNG_PIPE_EV_ADD_POST) {
		atomic_fetch_add(&peers->live, 1);
	} else if (event == NNG_PIPE_EV_REM_POST) {
		/* A pipe that was refused is removed without ever having been added. */
		int live = atomic_load(&peers->live);

		while (live > 0 && !atomic_compare_exchange_weak(&peers->live, &live, live - 1))
			;
	}
}

static int set_options(const struct bh_ipc *ipc)
{
	const struct bh_ipc_config *cfg = &ipc->cfg;
	int rv = 0;

	if (cfg->way == BH_IPC_PULL) {
		rv = nng_socket_set_size(ipc->socket, NNG_OPT_RECVMAXSZ, cfg->recv_max);
		if (!rv)
			rv = nng_socket_set_int(ipc->socket, NNG_OPT_RECVBUF, cfg->recv_buf);
	} else {
		rv = nng_socket_set_int(ipc->socket, NNG_OPT_SENDBUF, cfg->send_buf);
	}
	/* nng lacks buffers for some socket kinds in this release: then its fixed ones apply. */
	if (rv == NNG_ENOTSUP)
		rv = 0;
	if (!rv)
		rv = nng_socket_set_ms(ipc->socket, NNG_OPT_RECONNMINT, RECONNECT_LO);
	if (!rv)
		rv = nng_socket_set_ms(ipc->socket, NNG_OPT_RECONNMAXT, RECONNECT_HI);
	if (!rv)
		rv = nng_pipe_notify(ipc->socket, NNG_PIPE_EV_ADD_PRE, on_pipe, ipc->peers);
	if (!rv)
		rv = nng_pipe_notify(ipc->socket, NNG_PIPE_EV_ADD_POST, on_pipe, ipc->peers);
	if (!rv)
		rv = nng_pipe_notify(ipc->socket, NNG_PIPE_EV_REM_POST, on_pipe, ipc->peers);
	return rv;
}

static int start_listener(struct bh_ipc *ipc, struct bh_err *err)
{
	int rv = nng_listener_create(&ipc->listener, ipc->socket, ipc->url);

	/* The directory keeps strangers out; the mode is the second lock. */
	if (!rv)
		rv = nng_listener_set_int(ipc->listener, NNG_OPT_IPC_PERMISSIONS, 0600);
	if (!rv)
		rv = nng_listener_start(ipc->listener, 0);
	return rv ? net_error(err, rv, "listen on", ipc->url) : 0;
}

static int start_dialer(struct bh_ipc *ipc, struct bh_err *err)
{
	int rv = nng_dial(ipc->socket, ipc->url, NULL, NNG_FLAG_NONBLOCK);

	return rv ? net_error(err, rv, "dial", ipc->url) : 0;
}

static void on_readable(struct bh_watch *w, unsigned events)
{
	struct bh_ipc *ipc = BH_CONTAINER(w, struct bh_ipc, readable);

	(void)events;
	for (int i = 0; i < TURN_MSGS; i++) {
		nng_msg *m = NULL;

		if (nng_recvmsg(ipc->socket, &m, NNG_FLAG_NONBLOCK))
			return;
		ipc->on_recv(ipc->ctx, (struct bh_ipc_msg *)(void *)m);
		if (ipc->readable.fd < 0)
			return; /* the callback renewed or closed the socket */
	}
}

static void on_send_ready(struct bh_watch *w, unsigned events)
{
	struct bh_ipc *ipc = BH_CONTAINER(w, struct bh_ipc, writable);

	(void)events;
	bh_loop_del_fd(&ipc->writable);
	if (ipc->on_writable)
		ipc->on_writable(ipc->ctx);
}

static int open_socket(struct bh_ipc *ipc, struct bh_err *err)
{
	bool pull = ipc->cfg.way == BH_IPC_PULL;
	int rv = pull ? nng_pull0_open(&ipc->socket) : nng_push0_open(&ipc->socket);
	int rc;

	if (rv)
		return net_error(err, rv, "open a socket for", ipc->url);
	rv = set_options(ipc);
	if (!rv)
		rv = nng_socket_get_int(ipc->socket, pull ? NNG_OPT_RECVFD : NNG_OPT_SENDFD,
		    pull ? &ipc->recv_fd : &ipc->send_fd);
	if (rv)
		rc = net_error(err, rv, "set up", ipc->url);
	else
		rc = ipc->cfg.side == BH_IPC_LISTEN ? start_listener(ipc, err)
						    : start_dialer(ipc, err);
	if (!rc && pull) {
		rc = bh_loop_add_fd(
		    ipc->loop, &ipc->readable, ipc->recv_fd, BH_LOOP_READ, on_readable);
		if (rc)
			(void)bh_err_set(err, rc, "watch %s", ipc->url);
	}
	if (rc)
		(void)nng_close(ipc->socket);
	return rc;
}

int bh_ipc_open(struct bh_ipc **out, struct bh_loop *loop, struct bh_log *log,
    const struct bh_ipc_config *cfg, bh_ipc_recv_fn *on_recv, void (*on_writable)(void *ctx),
    void *ctx, struct bh_err *err)
{
	struct bh_ipc *ipc;
	int rc;

	if (strlen(cfg->path) > PATH_LIMIT)
		return bh_err_set(
		    err, -ENAMETOOLONG, "socket %s is longer than %d bytes", cfg->path, PATH_LIMIT);
	ipc = calloc(1, sizeof(*ipc));
	if (!ipc)
		return -ENOMEM;
	ipc->peers = calloc(1, sizeof(*ipc->peers));
	if (!ipc->peers) {
		free(ipc);
		return -ENOMEM;
	}
	ipc->peers->uid = cfg->peer_uid == (uid_t)-1 ? geteuid() : cfg->peer_uid;
	ipc->cfg = *cfg;
	ipc->cfg.path = NULL;
	ipc->loop = loop;
	ipc->log = log;
	ipc->readable.fd = ipc->writable.fd = -1;
	ipc->on_recv = on_recv;
	ipc->on_writable = on_writable;
	ipc->ctx = ctx;
	(void)snprintf(ipc->url, sizeof(ipc->url), "ipc://%s", cfg->path);
	rc = open_socket(ipc, err);
	if (rc) {
		free(ipc->peers);
		free(ipc);
		return rc;
	}
	*out = ipc;
	return 0;
}

int bh_ipc_send(struct bh_ipc *ipc, struct bh_ipc_msg **msg)
{
	int rv = nng_sendmsg(ipc->socket, unwrap(*msg), NNG_FLAG_NONBLOCK);

	if (rv == 0) {
		*msg = NULL;
		return 0;
	}
	if (rv != NNG_EAGAIN)
		return BH_E_NET;
	if (ipc->on_writable && ipc->writable.fd < 0 &&
	    bh_loop_add_fd(ipc->loop, &ipc->writable, ipc->send_fd, BH_LOOP_READ, on_send_ready))
		bh_log_limited(ipc->log, &ipc->limit, BH_LOG_WARN, COMPONENT,
		    "%s: cannot wait for room", ipc->url);
	return -EAGAIN;
}

/* A peer that left inside the handshake makes the listener deaf for ever: a fresh one hears again.
 */
static void check_listener(struct bh_timer *t)
{
	struct bh_ipc *ipc = BH_CONTAINER(t, struct bh_ipc, check);
	struct bh_err err = BH_ERR_INIT;

	if (!ipc->expected)
		return;
	if (atomic_load(&ipc->peers->live) <= 0) {
		ipc->recycles++;
		(void)nng_listener_close(ipc->listener);
		if (start_listener(ipc, &err))
			bh_log_limited(ipc->log, &ipc->limit, BH_LOG_ERROR, COMPONENT,
			    "%s; trying again in %lld ms", err.text,
			    (long long)(ipc->cfg.recycle_ns / BH_NS_PER_MS));
	}
	bh_timer_in(ipc->loop, &ipc->check, ipc->cfg.recycle_ns, check_listener);
}

void bh_ipc_expect_peer(struct bh_ipc *ipc, bool expected)
{
	ipc->expected = expected;
	if (ipc->cfg.side != BH_IPC_LISTEN || ipc->cfg.recycle_ns <= 0)
		return;
	if (expected)
		bh_timer_in(ipc->loop, &ipc->check, ipc->cfg.recycle_ns, check_listener);
	else
		bh_timer_cancel(&ipc->check);
}

int bh_ipc_renew(struct bh_ipc *ipc, struct bh_err *err)
{
	struct peers *peers = calloc(1, sizeof(*peers));

	if (!peers)
		return -ENOMEM;
	peers->uid = ipc->peers->uid;
	bh_loop_del_fd(&ipc->readable);
	bh_loop_del_fd(&ipc->writable);
	/* The old socket and its struct peers stay until the process ends: closing may block for
	 * ever. */
	ipc->peers = peers;
	ipc->renewals++;
	return open_socket(ipc, err);
}

unsigned bh_ipc_renewals(const struct bh_ipc *ipc)
{
	return ipc->renewals;
}

uint64_t bh_ipc_recycles(const struct bh_ipc *ipc)
{
	return ipc->recycles;
}

bool bh_ipc_connected(const struct bh_ipc *ipc)
{
	return atomic_load(&ipc->peers->live) > 0;
}

unsigned bh_ipc_refused(const struct bh_ipc *ipc)
{
	return atomic_load(&ipc->peers->refused);
}

void bh_ipc_close(struct bh_ipc *ipc)
{
	if (!ipc)
		return;
	bh_timer_cancel(&ipc->check);
	bh_loop_del_fd(&ipc->readable);
	bh_loop_del_fd(&ipc->writable);
	/* The socket and its struct peers are left to the end of the process: closing may block for
	 * ever when a peer was killed, and a process that has nothing more to say must be able to
	 * leave. */
	free(ipc);
}

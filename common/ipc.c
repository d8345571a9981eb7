#include "common/ipc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>

#define URL_MAX      128
#define PATH_LIMIT   107 /* sun_path without its NUL */
#define TURN_MSGS    64  /* messages taken per turn, so that no link starves the rest of the loop */
#define RECONNECT_LO 5   /* ms; values of spec/durability.md §12 */
#define RECONNECT_HI 50
#define PATIENCE     4 /* a peer that need not be there yet is waited for so many times longer */
#define COMPONENT    "ipc"

/*
 * Shared with nng's threads: pipe callbacks read the constants, move the counters and ring the
 * bell. It outlives its socket (and so does the bell), because a socket left behind may still call
 * back.
 */
struct peers {
	uid_t uid;
	int bell; /* eventfd: the number of live pipes changed; -1 when nobody wants to know */
	atomic_int live;
	atomic_uint refused;
};

/* One nng socket. A renewal puts a new one before the old, which stays until the process ends. */
struct lane {
	struct bh_ipc *ipc;
	struct lane *older;
	nng_socket socket;
	struct bh_watch readable; /* RECVFD */
};

struct bh_ipc {
	struct bh_ipc_config cfg;
	char url[URL_MAX];
	struct bh_loop *loop;
	struct bh_log *log;
	struct bh_log_limit limit;
	struct peers *peers;
	struct lane *lane; /* the newest */
	nng_listener listener;
	struct bh_watch writable; /* SENDFD, watched only after a send was refused */
	struct bh_watch bell;
	struct bh_timer check; /* armed only while a listener has no live peer */
	int send_fd;
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

/* On nng's thread. A stranger is refused before the pipe is used. Removal is reported for refused
 * pipes too, so every pipe counts from its first event on. */
static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
	struct peers *peers = arg;
	const uint64_t one = 1;
	uint64_t uid = 0;

	if (event == NNG_PIPE_EV_ADD_PRE) {
		atomic_fetch_add(&peers->live, 1);
		if (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &uid) || uid != peers->uid) {
			atomic_fetch_add(&peers->refused, 1);
			(void)nng_pipe_close(pipe);
		}
	} else {
		atomic_fetch_sub(&peers->live, 1);
	}
	/* A full counter means that it rings already. */
	if (peers->bell >= 0)
		(void)!write(peers->bell, &one, sizeof(one));
}

static int set_options(const struct bh_ipc *ipc, nng_socket socket)
{
	const struct bh_ipc_config *cfg = &ipc->cfg;
	int rv = 0;

	if (cfg->way == BH_IPC_PULL) {
		rv = nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, cfg->recv_max);
		if (!rv)
			rv = nng_socket_set_int(socket, NNG_OPT_RECVBUF, cfg->recv_buf);
	} else {
		rv = nng_socket_set_int(socket, NNG_OPT_SENDBUF, cfg->send_buf);
	}
	/* nng lacks buffers for some socket kinds in this release: then its fixed ones apply. */
	if (rv == NNG_ENOTSUP)
		rv = 0;
	if (!rv)
		rv = nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, RECONNECT_LO);
	if (!rv)
		rv = nng_socket_set_ms(socket, NNG_OPT_RECONNMAXT, RECONNECT_HI);
	if (!rv)
		rv = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, on_pipe, ipc->peers);
	if (!rv)
		rv = nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, on_pipe, ipc->peers);
	return rv;
}

static int start_listener(struct bh_ipc *ipc, struct bh_err *err)
{
	int rv = nng_listener_create(&ipc->listener, ipc->lane->socket, ipc->url);
	int mode = ipc->peers->uid == geteuid() ? 0600 : 0660;

	/* The directory keeps strangers out; the mode is the second lock. */
	if (!rv)
		rv = nng_listener_set_int(ipc->listener, NNG_OPT_IPC_PERMISSIONS, mode);
	if (!rv)
		rv = nng_listener_start(ipc->listener, 0);
	return rv ? net_error(err, rv, "listen on", ipc->url) : 0;
}

static int start_dialer(struct bh_ipc *ipc, struct bh_err *err)
{
	int rv = nng_dial(ipc->lane->socket, ipc->url, NULL, NNG_FLAG_NONBLOCK);

	return rv ? net_error(err, rv, "dial", ipc->url) : 0;
}

static void on_readable(struct bh_watch *w, unsigned events)
{
	struct lane *lane = BH_CONTAINER(w, struct lane, readable);
	struct bh_ipc *ipc = lane->ipc;

	(void)events;
	for (int i = 0; i < TURN_MSGS; i++) {
		nng_msg *m = NULL;

		if (nng_recvmsg(lane->socket, &m, NNG_FLAG_NONBLOCK))
			return;
		ipc->on_recv(ipc->ctx, (struct bh_ipc_msg *)(void *)m);
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

static int watch_socket(struct bh_ipc *ipc, struct lane *lane)
{
	int fd = -1;

	if (ipc->cfg.way == BH_IPC_PUSH)
		return nng_socket_get_int(lane->socket, NNG_OPT_SENDFD, &ipc->send_fd) ? BH_E_NET
										       : 0;
	if (nng_socket_get_int(lane->socket, NNG_OPT_RECVFD, &fd))
		return BH_E_NET;
	return bh_loop_add_fd(ipc->loop, &lane->readable, fd, BH_LOOP_READ, on_readable);
}

static int set_up(struct bh_ipc *ipc, struct lane *lane, struct bh_err *err)
{
	int rv = set_options(ipc, lane->socket);
	int rc;

	if (rv)
		return net_error(err, rv, "set up", ipc->url);
	rc = watch_socket(ipc, lane);
	if (rc)
		return bh_err_set(err, rc, "watch %s", ipc->url);
	return ipc->cfg.side == BH_IPC_LISTEN ? start_listener(ipc, err) : start_dialer(ipc, err);
}

/* Puts a new socket before those there are; on failure they are as before. */
static int add_lane(struct bh_ipc *ipc, struct bh_err *err)
{
	struct lane *lane = calloc(1, sizeof(*lane));
	int rv, rc;

	if (!lane)
		return bh_err_set(err, -ENOMEM, "open a socket for %s", ipc->url);
	lane->ipc = ipc;
	lane->readable.fd = -1;
	rv = ipc->cfg.way == BH_IPC_PULL ? nng_pull0_open(&lane->socket)
					 : nng_push0_open(&lane->socket);
	if (rv) {
		free(lane);
		return net_error(err, rv, "open a socket for", ipc->url);
	}
	lane->older = ipc->lane;
	ipc->lane = lane;
	rc = set_up(ipc, lane, err);
	if (rc) {
		ipc->lane = lane->older;
		bh_loop_del_fd(&lane->readable);
		(void)nng_close(lane->socket); /* has no peer yet: this does not block */
		free(lane);
	}
	return rc;
}

static struct peers *new_peers(uid_t uid, int bell)
{
	struct peers *peers = calloc(1, sizeof(*peers));

	if (peers) {
		peers->uid = uid;
		peers->bell = bell;
	}
	return peers;
}

/* A peer that left inside the handshake makes the listener deaf for ever, and nothing tells: when
 * nobody gets through for a while, a fresh listener takes its place. */
static void recycle(struct bh_timer *t)
{
	struct bh_ipc *ipc = BH_CONTAINER(t, struct bh_ipc, check);
	int64_t wait_ns = ipc->cfg.recycle_ns * (ipc->expected ? 1 : PATIENCE);
	struct bh_err err = BH_ERR_INIT;

	if (bh_ipc_connected(ipc))
		return; /* the bell of its end arms the timer again */
	ipc->recycles++;
	(void)nng_listener_close(ipc->listener);
	if (start_listener(ipc, &err))
		bh_log_limited(ipc->log, &ipc->limit, BH_LOG_ERROR, COMPONENT,
		    "%s; trying again in %lld ms", err.text, (long long)(wait_ns / BH_NS_PER_MS));
	bh_timer_in(ipc->loop, &ipc->check, wait_ns, recycle);
}

static void await_peer(struct bh_ipc *ipc)
{
	int64_t wait_ns = ipc->cfg.recycle_ns * (ipc->expected ? 1 : PATIENCE);

	if (ipc->bell.fd < 0 || bh_ipc_connected(ipc))
		bh_timer_cancel(&ipc->check);
	else
		bh_timer_in(ipc->loop, &ipc->check, wait_ns, recycle);
}

static void on_bell(struct bh_watch *w, unsigned events)
{
	struct bh_ipc *ipc = BH_CONTAINER(w, struct bh_ipc, bell);
	uint64_t n;

	(void)events;
	if (read(w->fd, &n, sizeof(n)) < 0)
		return; /* another turn took it */
	if (!bh_timer_armed(&ipc->check) || bh_ipc_connected(ipc))
		await_peer(ipc);
}

/* Listeners that recycle hear of their peers' coming and going. */
static int hang_bell(struct bh_ipc *ipc, struct bh_err *err)
{
	int rc;

	if (ipc->cfg.side != BH_IPC_LISTEN || ipc->cfg.recycle_ns <= 0)
		return 0;
	ipc->peers->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ipc->peers->bell < 0)
		return bh_err_set(err, -errno, "eventfd for %s", ipc->url);
	rc = bh_loop_add_fd(ipc->loop, &ipc->bell, ipc->peers->bell, BH_LOOP_READ, on_bell);
	if (rc)
		return bh_err_set(err, rc, "watch %s", ipc->url);
	return 0;
}

static void abandon(struct bh_ipc *ipc)
{
	if (ipc->peers && ipc->peers->bell >= 0) {
		bh_loop_del_fd(&ipc->bell);
		(void)close(ipc->peers->bell);
	}
	free(ipc->peers);
	free(ipc);
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
	ipc->peers = new_peers(cfg->peer_uid == (uid_t)-1 ? geteuid() : cfg->peer_uid, -1);
	if (!ipc->peers) {
		free(ipc);
		return -ENOMEM;
	}
	ipc->cfg = *cfg;
	ipc->cfg.path = NULL;
	ipc->loop = loop;
	ipc->log = log;
	ipc->writable.fd = ipc->bell.fd = -1;
	ipc->on_recv = on_recv;
	ipc->on_writable = on_writable;
	ipc->ctx = ctx;
	(void)snprintf(ipc->url, sizeof(ipc->url), "ipc://%s", cfg->path);
	rc = hang_bell(ipc, err);
	if (!rc)
		rc = add_lane(ipc, err);
	if (rc) {
		abandon(ipc);
		return rc;
	}
	await_peer(ipc);
	*out = ipc;
	return 0;
}

int bh_ipc_send(struct bh_ipc *ipc, struct bh_ipc_msg **msg)
{
	int rv = nng_sendmsg(ipc->lane->socket, unwrap(*msg), NNG_FLAG_NONBLOCK);

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

void bh_ipc_expect_peer(struct bh_ipc *ipc, bool expected)
{
	ipc->expected = expected;
	await_peer(ipc);
}

int bh_ipc_renew(struct bh_ipc *ipc, struct bh_err *err)
{
	struct peers *peers = new_peers(ipc->peers->uid, ipc->peers->bell);
	struct peers *old = ipc->peers;
	int rc;

	if (!peers)
		return -ENOMEM;
	bh_loop_del_fd(&ipc->writable);
	ipc->renewals++;
	ipc->peers = peers;
	rc = add_lane(ipc, err);
	if (rc) {
		ipc->peers = old;
		free(peers);
	}
	return rc;
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
	bh_loop_del_fd(&ipc->bell);
	bh_loop_del_fd(&ipc->writable);
	/* The sockets and what their callbacks use are left to the end of the process: closing may
	 * block for ever when a peer was killed, and a process that has nothing more to say must be
	 * able to leave. */
	while (ipc->lane) {
		struct lane *lane = ipc->lane;

		ipc->lane = lane->older;
		bh_loop_del_fd(&lane->readable);
		free(lane);
	}
	free(ipc);
}

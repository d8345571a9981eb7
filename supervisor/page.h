/*
 * The page of OpenMetrics on run_dir/metrics.sock, and on a port of 127.0.0.1 where one is set: a
 * very small answerer of HTTP, outside the path of the data. One request a connection: GET or HEAD
 * of /metrics (or /), anything else is told what it may ask. At most BH_PAGE_CONNS connections,
 * BH_PAGE_REQUEST_MAX bytes of request, 5 s to send it and 10 s to read the answer; who is slower
 * is closed, who comes when all places are taken is turned away with 503.
 *
 * Who may ask: the socket has mode 0660; the port answers every user of the host. There are no
 * secrets on the page, but names of files and addresses.
 */
#ifndef BH_SUPERVISOR_PAGE_H
#define BH_SUPERVISOR_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/loop.h"
#include "supervisor/conn.h"

#define BH_PAGE_CONNS       8
#define BH_PAGE_REQUEST_MAX 8192

struct bh_page;

struct bh_page_conn {
	struct bh_page *page;
	struct bh_conn io; /* asked: for the figures; answered with bh_page_answer() */
	bool head;         /* without the body */
	uint32_t round;    /* the owner's */
};

struct bh_page {
	struct bh_loop *loop;
	struct bh_log *log;
	struct bh_watch socket, port; /* listeners; -1 = none */
	char *path;                   /* owned */
	struct bh_page_conn conn[BH_PAGE_CONNS];
	void (*handle)(void *ctx, struct bh_page_conn *conn); /* answer now or later */
	void *ctx;
};

void bh_page_init(struct bh_page *p); /* closed */
/* Removes a stale socket (the caller holds the instance's lock) and listens; port 0 = the socket
 * alone. On error nothing is open. */
int bh_page_open(struct bh_page *p, struct bh_loop *loop, struct bh_log *log, const char *run_dir,
    uint16_t port, struct bh_err *err) BH_MUST_CHECK;
/* 200 with the page. */
void bh_page_answer(struct bh_page_conn *conn, struct bh_str page);
/* Harmless when it is not open. */
void bh_page_close(struct bh_page *p);

#endif

/*
 * What bulkheadctl stream-logs shows: every message taken, for as long as somebody looks
 * (proto/CONTROL.md, "A stream of log messages"). A stream is the sending end of a SOCK_SEQPACKET
 * pair; a datagram is one JSON object.
 *
 *   SHOWING  each message that passes the filter is sent at once
 *   BEHIND   the socket was full: messages are counted and nothing else, until it has room again;
 *            then the count is sent, and SHOWING follows
 *
 * Nobody waits for a reader, and nothing waits here: what the kernel does not take is dropped for
 * that stream. Memory: one object, at most BH_STREAM_LINE_MAX and what its making needs, shared by
 * all streams and given back with the last one. The ledger knows nothing of streams.
 */
#ifndef BH_LOGS_STREAM_H
#define BH_LOGS_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/config.h"
#include "common/loop.h"
#include "common/str.h"
#include "logs-agent/record.h"
#include "proto/control.h"

#define BH_STREAMS_MAX        4
#define BH_STREAM_LINE_MAX    ((size_t)160 << 10)
#define BH_STREAM_CONTENT_MAX ((size_t)64 << 10) /* of a message; what is beyond is cut off */

struct bh_streams;

struct bh_stream_reader {
	struct bh_streams *all;
	struct bh_watch watch; /* fd -1: free */
	struct bh_stream_filter filter;
	uint64_t dropped; /* not told yet; more than 0 while BEHIND */
};

struct bh_streams {
	struct bh_loop *loop;
	unsigned n; /* open */
	struct bh_stream_reader v[BH_STREAMS_MAX];
	struct bh_buf line;
};

/* What a message comes from; all borrowed. Source and service are those it is sent with. */
struct bh_stream_names {
	struct bh_str integration; /* see bh_stream_integration() */
	struct bh_str type;        /* file, tcp, udp, journald */
	struct bh_str source, service;
};

/* The loop is borrowed for the life of s. */
void bh_streams_init(struct bh_streams *s, struct bh_loop *loop);
/* Ends all streams; harmless on a zeroed struct. */
void bh_streams_release(struct bh_streams *s);

/* Takes fd. A stream that cannot be had (there are BH_STREAMS_MAX) is told so and ended. */
void bh_stream_add(struct bh_streams *s, int fd, const struct bh_stream_filter *filter);

/* Shows a message to all streams whose filter it passes. r is as it is put into a payload. */
void bh_stream_put(
    struct bh_streams *s, const struct bh_stream_names *names, const struct bh_record *r);

/* Part of the path of a configuration file and its line: "nginx" of
 * "/etc/x/conf.d/nginx.d/a.yaml:3" and of "conf.d/nginx.yaml:3". Borrows from where. */
struct bh_str bh_stream_integration(const char *where);

/* For every message sent on; free of cost while nobody looks. */
static inline void bh_stream_message(
    struct bh_streams *s, const struct bh_log_source *src, const struct bh_record *r)
{
	if (__builtin_expect(s->n == 0, 1))
		return;
	bh_stream_put(s,
	    &(struct bh_stream_names){bh_stream_integration(src->where), bh_str_from(src->type),
		bh_str_from(src->source), bh_str_from(src->service)},
	    r);
}

#endif

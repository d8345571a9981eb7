/*
 * The Unix stream socket (spec/dogstatsd.md §2.3): connections that carry frames, each a length of
 * four bytes, little-endian, and that many bytes of lines. The listening socket is the
 * supervisor's; a connection is ours from accept() to its end.
 *
 * Memory: one read buffer for all, and for a connection only the part of a frame that has not come
 * yet. Beyond BH_STREAMS_MAX connections the one that was silent longest is closed and counted, so
 * that clients that vanish without closing keep nobody out.
 */
#ifndef BH_DOGSTATSD_STREAMS_H
#define BH_DOGSTATSD_STREAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/ledger.h"
#include "common/loop.h"
#include "dogstatsd/ingest.h"
#include "dogstatsd/open_samples.h"
#include "dogstatsd/tap.h"

#define BH_STREAMS_MAX 1024

struct bh_streams;

struct bh_stream {
	struct bh_watch watch;
	int fd; /* owned */
	struct bh_streams *all;
	struct bh_stream *prev, *next; /* order of the last sign of life, latest first */
	struct bh_sender from;         /* who connected … */
	bool known;                    /* … when it is asked for */
	struct bh_buf rest;            /* beginning of a frame, at most 4 + frame_max bytes */
};

struct bh_streams_config {
	struct bh_loop *loop;
	const char *name; /* "uds-stream:…"; borrowed */
	size_t frame_max; /* dogstatsd_buffer_size */
	bool eol_required;
	/* A connection is readable: the owner calls bh_stream_read(). */
	void (*readable)(void *owner, struct bh_stream *c);
	void *owner;
	struct bh_tap *tap; /* borrowed; NULL = none */
};

struct bh_streams {
	struct bh_streams_config cfg;
	struct bh_watch listening;
	int fd; /* owned */
	bool stopped;
	bool closed; /* the supervisor shut the listening socket down and nobody waits in it */
	struct bh_stream *head, *tail;
	size_t n;
	char *buf; /* what one read takes, behind the rest of the connection it is from */
	struct bh_ledger ledger;
	struct bh_open_samples open;
	uint64_t accepted, frames, bytes, evicted;
	uint64_t too_long, cut; /* frames that are longer than allowed, and that never ended */
};

/* Takes fd, also on failure. 0 or -errno. */
int bh_streams_init(
    struct bh_streams *s, int fd, const struct bh_streams_config *cfg) BH_MUST_CHECK;
void bh_streams_release(struct bh_streams *s); /* harmless on a zeroed struct */

struct bh_stream_result {
	size_t bytes;          /* read; 0: nothing there, or it ended */
	bool ended;            /* closed and freed: do not touch it again */
	struct bh_str refused; /* how a frame that is too long begins; in the shared buffer */
	uint32_t refused_len;  /* what it said its length was; 0 = none was refused */
};

/* Reads once, ingests all whole frames. */
struct bh_stream_result bh_stream_read(
    struct bh_stream *c, struct bh_ingest *in, int64_t now, struct bh_bad_line *bad);

/* The drain: nothing is watched any more; then rounds of accept and one read a connection, by
 * read_all, until it returns 0 (nothing was there) or time is up. */
void bh_streams_stop(struct bh_streams *s);
size_t bh_streams_read_all(
    struct bh_streams *s, struct bh_ingest *in, int64_t now, struct bh_bad_line *bad);

#endif

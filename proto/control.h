/*
 * The control channel between the supervisor and one child: AF_UNIX SOCK_SEQPACKET, one message a
 * datagram, at most 4096 bytes (proto/CONTROL.md is the specification; spec/supervision.md §3).
 * Numbers and short bounded strings only; the supervisor checks every field before use and kills a
 * child whose message does not decode or is not allowed in its state.
 */
#ifndef BH_PROTO_CONTROL_H
#define BH_PROTO_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/config.h"
#include "common/config_diff.h"
#include "common/ledger.h"
#include "common/sandbox.h"

#define BH_CTL_VERSION  3
#define BH_CTL_MSG_MAX  4096
#define BH_CTL_HEAD     16 /* u16 type, u16 version, u32 generation, u32 id, u32 length of the rest */
#define BH_CTL_TEXT_MAX 240
#define BH_CTL_PART_MAX 3072 /* bytes in one QUERY_PART or QUERY_ARG */
#define BH_CTL_ARG_MAX  8192 /* bytes of a whole argument */

enum bh_ctl_type {
	/* child → supervisor */
	BH_CTL_HELLO = 1,
	BH_CTL_READY = 2,
	BH_CTL_HEARTBEAT = 3,
	BH_CTL_DRAIN_PROGRESS = 4,
	BH_CTL_DRAIN_ACK = 5,
	BH_CTL_STATS_REPLY = 6,
	BH_CTL_QUERY_ROW = 7,
	BH_CTL_QUERY_PART = 8,
	BH_CTL_RELOADED = 9,
	BH_CTL_KEY_REFUSED = 10, /* forwarder: an intake refuses its API key */
	BH_CTL_AGAIN = 11,       /* a start would give it rights that it lacks by now */
	/* supervisor → child */
	BH_CTL_DRAIN = 32,
	BH_CTL_EXIT = 33,
	BH_CTL_PEER_STATE = 34,
	BH_CTL_STATS = 35,
	BH_CTL_QUERY = 36,
	BH_CTL_CAPTURE = 37, /* a descriptor comes with it */
	BH_CTL_STREAM = 38,  /* so it does with this one */
	BH_CTL_QUERY_ARG = 39,
	BH_CTL_RELOAD = 40,  /* and with this one */
	BH_CTL_LOG = 41,     /* and with this one: our own log, opened again */
	BH_CTL_LEDGER = 42,  /* rows for the forwarder to keep */
	BH_CTL_FIGURES = 43, /* for dogstatsd to send with its flush */
};

/* QUERY: what dogstatsd is to count, and what the forwarder is to do with its registry. */
enum bh_query_what {
	BH_QUERY_METRICS = 0,    /* the most frequent metrics */
	BH_QUERY_CONTEXTS = 1,   /* names by contexts, then tag keys by values */
	BH_QUERY_SENDERS = 2,    /* processes by packets */
	BH_QUERY_REGISTRY = 3,   /* rows: of the argument's identifier, else all */
	BH_QUERY_FORGET = 4,     /* deletes the rows of the argument's identifier */
	BH_QUERY_IMPORT = 5,     /* the Agent's registry.json; a descriptor comes with it */
	BH_QUERY_QUARANTINE = 6, /* counts: what the intake refused for good */
	BH_QUERY_REPLAY = 7,     /* sends it again */
	/* A request in words (forwarder/spool_view.h); the answer goes into the socket that comes
	 * along, no row does. */
	BH_QUERY_SPOOL = 8,
	BH_QUERY_SPOOL_CHANGE = 9, /* the same, of those that change the spool */
	BH_QUERY_DIAGNOSE = 10,    /* no argument; the answer as above */
};

enum bh_query_row_kind {
	BH_ROW_METRIC = 0,  /* name, text = tags, count = samples, at = last seen */
	BH_ROW_NAME = 1,    /* name, count = contexts */
	BH_ROW_TAG_KEY = 2, /* name, count = values */
	BH_ROW_SENDER = 3,  /* name = pid, text = uid, count = packets, at = last seen */
	BH_ROW_END =
	    4, /* count = contexts or senders looked at; text = why there is nothing, or "" */
	/* count = unsettled parts, text = "imported" or ""; its record came in QUERY_PARTs */
	BH_ROW_REGISTRY = 5,
	BH_ROW_COUNT = 6, /* name, count */
	BH_ROW__N,
};

enum bh_drain_mode {
	BH_DRAIN_FULL = 0, /* deliver what the deadline allows, spool the rest */
	BH_DRAIN_FAST = 1, /* no network: spool at once */
	BH_DRAIN_SPOOL_ONLY =
	    2,                 /* forwarder restarted during a drain: take and spool, never send */
	BH_DRAIN_HANDOVER = 3, /* dogstatsd, to be started again: open buckets go to the next one */
};

struct bh_ctl_hello {
	enum bh_role role;
	uint32_t pid;
};

struct bh_ctl_heartbeat {
	uint64_t pending_items; /* waiting in this process */
	uint64_t pending_bytes;
	uint64_t rss_kib;
	bool link_up;      /* producers: READY; forwarder: any producer connected */
	bool keys_refused; /* forwarder: no API key is known that an intake takes */
};

struct bh_ctl_drain {
	uint32_t deadline_ms; /* from receipt */
	enum bh_drain_mode mode;
};

/* What one stream of payloads reached: the producer's last seq against the forwarder's mark. */
struct bh_ctl_stream {
	enum bh_role producer;
	uint64_t epoch;
	uint64_t seq; /* producer: last handed over and acknowledged; forwarder: durable through */
};

#define BH_CTL_STREAMS_MAX 4

struct bh_ctl_drained {
	bool
	    complete; /* everything acknowledged; false = deadline or error, `left` says how much */
	uint64_t durable;   /* producer: items acknowledged by the forwarder since its start */
	uint64_t delivered; /* forwarder: items taken by the intake since its start */
	uint64_t spooled;   /* forwarder: items in committed rows now */
	uint64_t left;      /* items that are in no durable place (resumable for logs) */
	uint64_t dropped; /* items dropped since start, all reasons (the ledger has them singly) */
	uint32_t streams_n;
	struct bh_ctl_stream streams[BH_CTL_STREAMS_MAX];
};

/* STATS_REPLY: one entry a message; the last one of an answer is BH_STAT_END. */
enum bh_stat_type {
	BH_STAT_LEDGER = 1,
	BH_STAT_NUMBER = 2,
	BH_STAT_NOTE = 3,
	BH_STAT_END = 4,
	BH_STAT_KEPT = 5, /* forwarder: a row since the installation */
};

struct bh_stat {
	enum bh_stat_type type;
	struct bh_ledger_row row; /* LEDGER, KEPT */
	char name[BH_LEDGER_NAME_MAX +
		  1];    /* NUMBER, NOTE: e.g. "spool.rows", "source./var/log/x.log" */
	uint64_t number; /* NUMBER */
	char text[BH_CTL_TEXT_MAX + 1]; /* NOTE: a short sentence for status, e.g. last error */
};

struct bh_query_row {
	enum bh_query_row_kind kind;
	char name[BH_LEDGER_NAME_MAX + 1];
	char text[BH_CTL_TEXT_MAX + 1];
	uint64_t count;
	int64_t at; /* Unix seconds */
};

#define BH_STREAM_NAME_MAX 200

/* Which log messages a stream is to show: those whose source and service are exactly these. */
struct bh_stream_filter {
	char source[BH_STREAM_NAME_MAX + 1]; /* "" = any */
	char service[BH_STREAM_NAME_MAX + 1];
};

/* Answer to RELOAD. */
struct bh_ctl_reloaded {
	bool restart; /* nothing was applied: it must be started again */
	struct bh_sources_change sources;
};

struct bh_ctl_msg {
	enum bh_ctl_type type;
	uint32_t generation; /* of the child; an older one is dropped by the reader */
	uint32_t id;         /* answers carry the id of the question; 0 = unasked */
	union {
		struct bh_ctl_hello hello;
		struct bh_rights rights;           /* READY */
		struct bh_ctl_heartbeat heartbeat; /* HEARTBEAT and DRAIN_PROGRESS */
		struct bh_ctl_drained drained;     /* DRAIN_ACK */
		struct bh_stat stat;               /* STATS_REPLY */
		struct bh_ctl_drain drain;
		struct {
			enum bh_role role;
			bool running;
		} peer;
		struct {
			enum bh_query_what what;
			uint32_t limit; /* rows of a kind */
		} query;
		struct bh_query_row row; /* QUERY_ROW */
		struct bh_ctl_reloaded reloaded;
		uint32_t capture_seconds;       /* CAPTURE */
		struct bh_stream_filter stream; /* STREAM */
		struct bh_str part; /* QUERY_PART, QUERY_ARG, LEDGER, FIGURES; borrowed */
	} u; /* AGAIN, EXIT, STATS, RELOAD, KEY_REFUSED, LOG have no content */
};

/* One figure of FIGURES, and of what dogstatsd sends of the whole agent. */
struct bh_figure {
	bool is_count; /* else a gauge; a count is of the time since the figures before */
	char name[BH_LEDGER_NAME_MAX + 1];
	char tags[BH_CTL_TEXT_MAX + 1]; /* between commas */
	double value;                   /* finite, not negative */
};

/* Appends its bytes: bool count, text name, text tags, f64 value. */
int bh_figure_encode(const struct bh_figure *f, struct bh_buf *out);
/* BH_E_FORMAT for anything encode does not write. */
int bh_figure_decode(struct bh_cur *in, struct bh_figure *f) BH_MUST_CHECK;

/* Clears out and writes one message. BH_E_LIMIT when it would not fit BH_CTL_MSG_MAX. */
int bh_ctl_encode(const struct bh_ctl_msg *m, struct bh_buf *out) BH_MUST_CHECK;
/* BH_E_FORMAT for anything encode does not write. A part borrows from the message. Strings come out
 * NUL-terminated, without bytes below 0x20 (replaced by '?'). */
int bh_ctl_decode(const void *p, size_t n, struct bh_ctl_msg *m) BH_MUST_CHECK;

#endif

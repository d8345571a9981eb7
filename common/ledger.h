/*
 * The ledger: what came in and what became of it, in one closed vocabulary.
 *
 *     received = delivered + spooled + in flight + sum(dropped[reason])
 *
 * holds for every row at every instant a process is between two events. A row belongs to one place
 * a unit of data passes: a listener or source (what clients and files gave us), a handover (what a
 * producer gave to the forwarder), a destination (what the forwarder owes an intake). Units:
 * samples for listeners, lines for log sources, items (points, messages) for hand-over and
 * destinations.
 *
 * Rows count since the start of their process ("received" of a destination includes what the spool
 * held then), so they close in every incarnation on their own. Their sums since the installation
 * are kept by the forwarder (forwarder/kept.h) and made by the supervisor (supervisor/books.h).
 */
#ifndef BH_COMMON_LEDGER_H
#define BH_COMMON_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"

enum bh_drop {
	BH_DROP_PARSE_ERROR,   /* malformed metric line, event or check */
	BH_DROP_UNTERMINATED,  /* last line without the newline that eol_required asks for */
	BH_DROP_TRUNCATED,     /* datagram longer than the buffer: the cut rest */
	BH_DROP_KERNEL,        /* socket queue overflow, counted by the kernel */
	BH_DROP_UNSUPPORTED,   /* well-formed but not handled (event, check, timestamped type) */
	BH_DROP_NONFINITE,     /* NaN or Inf */
	BH_DROP_FILTERED,      /* name filter or log rule */
	BH_DROP_CONTEXT_LIMIT, /* context table full */
	BH_DROP_EMPTY,         /* empty log line */
	BH_DROP_TOO_LARGE,     /* larger than a payload may be */
	BH_DROP_QUEUE_FULL,    /* bounded producer queue overflowed */
	BH_DROP_SPOOL_FULL,    /* spool limit with a dropping policy */
	BH_DROP_DISK_FULL,
	BH_DROP_EXPIRED,     /* older than the spool's time to live */
	BH_DROP_CORRUPT,     /* stored body failed its checksum */
	BH_DROP_REFUSED_400, /* refused for good by the intake */
	BH_DROP_REFUSED_401,
	BH_DROP_REFUSED_403,
	BH_DROP_REFUSED_413,
	BH_DROP_REFUSED_LINK,    /* refused by the forwarder: too big, bad checksum, unknown kind */
	BH_DROP_SHUTDOWN,        /* given up at a stop */
	BH_DROP_GENERATION_LOST, /* file content that vanished unread */
	BH_DROP_NO_MEMORY,       /* nowhere to put it */
	BH_DROP_UNPROVEN,        /* was held by a process that was killed; nobody has it now */
	BH_DROP_INTERRUPTED,     /* the same, where what did not arrive is read again */
	BH_DROP_PURGED,          /* out of the spool, on a person's command */
	BH_DROP__N,
};

/* Stable words for --json and docs, e.g. "parse_error". */
const char *bh_drop_name(enum bh_drop reason);

enum bh_ledger_kind {
	BH_LEDGER_LISTENER,    /* dogstatsd sockets; unit: samples */
	BH_LEDGER_SOURCE,      /* log sources; unit: lines */
	BH_LEDGER_HANDOVER,    /* producer → forwarder; unit: items */
	BH_LEDGER_DESTINATION, /* forwarder → intake; unit: items */
	BH_LEDGER__N,
};

const char *bh_ledger_kind_name(enum bh_ledger_kind kind); /* "listener", "source", … */

#define BH_LEDGER_NAME_MAX 200

struct bh_ledger {
	uint64_t received;
	uint64_t
	    delivered; /* left this place for good: aggregated, acknowledged, taken by the intake */
	uint64_t spooled;   /* now in committed spool rows */
	uint64_t in_flight; /* now in memory here */
	uint64_t dropped[BH_DROP__N];
};

static inline void bh_ledger_drop(struct bh_ledger *l, enum bh_drop reason, uint64_t n)
{
	l->dropped[reason] += n;
}

uint64_t bh_ledger_dropped(const struct bh_ledger *l); /* sum over the reasons */
/* received − (delivered + spooled + in flight + dropped): 0 when the row closes. */
int64_t bh_ledger_gap(const struct bh_ledger *l);
/* sum += l, entry by entry. */
void bh_ledger_add(struct bh_ledger *sum, const struct bh_ledger *l);

struct bh_ledger_row {
	enum bh_ledger_kind kind;
	char name[BH_LEDGER_NAME_MAX +
		  1]; /* NUL-terminated; longer names are cut in the middle by set */
	struct bh_ledger l;
};

void bh_ledger_row_set(struct bh_ledger_row *row, enum bh_ledger_kind kind, const char *name,
    size_t n, const struct bh_ledger *l);

/* One row on the control channel: u8 kind, u8 name length, name, u64 × 4, u8 count, count × {u8
 * reason, u64}. Decode returns BH_E_FORMAT for an unknown kind or reason or bytes that do not fit.
 */
int bh_ledger_row_encode(const struct bh_ledger_row *row, struct bh_buf *out) BH_MUST_CHECK;
int bh_ledger_row_decode(struct bh_cur *in, struct bh_ledger_row *row) BH_MUST_CHECK;

#endif

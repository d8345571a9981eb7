/*
 * What is known about the API key, and how long a payload that the intake refuses because of it
 * waits (spec/intake.md §13.6):
 *
 *   - the key is checked (GET /api/v1/validate) at the start, every hour or as configured, and when
 * a payload is refused with 403 (logs: 401 too), then at most once a minute;
 *   - said to be valid, the refusal is about the payload: its third such answer drops it;
 *   - invalid, or no clear answer: payloads stay, within the bounds of the spool, until the key
 *     is accepted again;
 *   - another key takes its place while requests are under way: what they are answered says nothing
 *     about it. It is checked at once, and payloads that the old one brought refusals begin anew.
 *
 *           200            403
 *   VALID ◀──── UNCHECKED ────▶ INVALID     anything else: UNKNOWN, which counts as valid for
 *     ▲  a payload is taken: VALID  │       health and as invalid for a drop
 *     └─────────────────────────────┘
 *
 * Pure: time is passed in, requests are made by the owner. The key itself is not here.
 */
#ifndef BH_FORWARDER_KEY_H
#define BH_FORWARDER_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/clock.h"

#define BH_KEY_REFUSALS 3                    /* answers to one payload while the key is valid */
#define BH_KEY_ASK_NS   (60 * BH_NS_PER_S)   /* between checks that refusals ask for */
#define BH_KEY_EVERY_NS (3600 * BH_NS_PER_S) /* between the others, unless configured */
#define BH_KEY_TAIL     5                    /* characters that may be shown */

enum bh_key_state { BH_KEY_UNCHECKED, BH_KEY_VALID, BH_KEY_INVALID, BH_KEY_UNKNOWN };

struct bh_key {
	enum bh_key_state state;
	char tail[BH_KEY_TAIL + 1];
	bool always_valid; /* 32 zeros: never asked about */
	bool asking;       /* a check is under way */
	bool stale_check;  /* it is of an earlier key */
	bool wanted;       /* refusals ask for one */
	int64_t asked_ns;  /* begin of the last check */
	int64_t again_ns;  /* refusals may ask from here on */
	int64_t next_ns;   /* and without any, from here on */
	int64_t proven_ns; /* begin of the check that said VALID; 0 = none */
	uint64_t refusals; /* in a row, of any payload; 0 = the key is not refused now */
	int64_t refused_since_ns;
	int64_t every_ns; /* between checks that nothing asks for */
	int64_t since_ns; /* in use; requests that began before carried another one */
};

/* What one payload has met. */
struct bh_key_refusals {
	unsigned n;
	int64_t first_ns; /* 0 = none */
};

/* every_ns <= 0: BH_KEY_EVERY_NS. */
void bh_key_init(struct bh_key *k, const char *text, int64_t every_ns, int64_t now_ns);
/* Another key from now on: as after init, and a check of the old one that is under way does not
 * count. */
void bh_key_replace(struct bh_key *k, const char *text, int64_t now_ns);
/* Is a check to be made now? Then it is under way: make it, or say bh_key_checked(0). */
bool bh_key_ask(struct bh_key *k, int64_t now_ns);
/* Time of the next check, so that a timer can wait for it. */
int64_t bh_key_next(const struct bh_key *k);
/* The answer; status 0 = none. True: the key has become valid, pauses may end. */
bool bh_key_checked(struct bh_key *k, long status);
enum bh_key_refusal {
	BH_KEY_WAIT,  /* the payload waits for a key */
	BH_KEY_DROP,  /* it is to be dropped */
	BH_KEY_STALE, /* an earlier key was refused: it can be sent again at once */
};

/* A payload whose request began at sent_ns was refused because of the key. */
enum bh_key_refusal bh_key_refused(
    struct bh_key *k, struct bh_key_refusals *r, int64_t sent_ns, int64_t now_ns);
/* The intake took a payload whose request began at sent_ns. */
void bh_key_accepted(struct bh_key *k, int64_t sent_ns);

const char *bh_key_state_name(enum bh_key_state state); /* words of the Agent's status */

#endif

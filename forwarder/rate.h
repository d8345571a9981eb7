/*
 * Bytes per second over the last so many seconds, in slots of a sixtieth of them
 * (spec/intake.md §13.5). Pure: times are CLOCK_MONOTONIC in ns, passed in, and do not go back.
 */
#ifndef BH_FORWARDER_RATE_H
#define BH_FORWARDER_RATE_H

#include <stdint.h>

#define BH_RATE_SLOTS 61 /* the one being filled, and those of a whole span before it */

struct bh_rate {
	int64_t slot_ns;
	int64_t begun_ns; /* of the first byte; 0 = none yet */
	int64_t at;       /* number of the slot being filled, since the clock's zero */
	uint64_t bytes[BH_RATE_SLOTS];
};

/* span_s >= 1 */
void bh_rate_init(struct bh_rate *r, int64_t span_s);
void bh_rate_add(struct bh_rate *r, int64_t now_ns, uint64_t bytes);
/* Thousandths of bytes per second; in the first span since the first byte, but over 15 s at least:
 * one flush is no rate. 0 when nothing came. */
uint64_t bh_rate_milli(struct bh_rate *r, int64_t now_ns);

#endif

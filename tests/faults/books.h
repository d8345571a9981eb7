/* What the counts of a running forwarder must say at any moment between two events, whatever
 * failed: each buffer holds what came in and did not leave (spec/intake.md §16.2), and the rows of
 * the ledger close (DESIGN.md §6). */
#ifndef BH_TESTS_BOOKS_H
#define BH_TESTS_BOOKS_H

#include "forwarder/custody_internal.h"
#include "tests/faults/world.h"

struct books {
	struct bh_buffer_count found[BH_CUSTODY_DESTS_MAX]; /* in the spool at the start */
};

void books_open(struct books *b, const struct bh_custody *c);
/* The first thing that does not hold goes to t->wrong. */
void books_check(const struct books *b, const struct bh_custody *c, struct truth *t);

#endif

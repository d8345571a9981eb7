/* What must hold of a store as a start finds it, against what the doubles know (§15). */
#ifndef BH_TESTS_CHECK_H
#define BH_TESTS_CHECK_H

#include "forwarder/store.h"
#include "tests/faults/world.h"

/* The first thing that does not hold goes to t->wrong. */
void check_store(struct truth *t, struct bh_store *s);
/* After an ordered stop with everything delivered: no row, every position at its end. */
void check_end(struct truth *t, struct bh_store *s);

#endif

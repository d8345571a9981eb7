/*
 * What is done with the figures each time the children were asked: the ledger since the
 * installation goes to the forwarder, the agent's own metrics go to dogstatsd, and whoever waits
 * for the page gets it. The children are asked at least each 5 s; questions of clients count.
 */
#ifndef BH_SUPERVISOR_ROUNDS_H
#define BH_SUPERVISOR_ROUNDS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/loop.h"
#include "supervisor/books.h"
#include "supervisor/figures.h"
#include "supervisor/page.h"

struct bh_supervisor;

struct bh_rounds {
	struct bh_timer timer;
	struct bh_books books;
	struct bh_samples samples;
	struct bh_figures_sent sent;
	struct bh_page page;
	struct bh_buf part; /* scratch */
	int64_t figures_ns; /* mono time of the figures last sent to dogstatsd; 0 = none */
};

/* Opens the page where the configuration wants it (a failure is a note of the status) and begins to
 * ask. */
void bh_rounds_start(struct bh_supervisor *s);
void bh_rounds_release(struct bh_rounds *r);
/* A round is over. true: somebody waits for the next one. */
bool bh_rounds_collected(struct bh_supervisor *s);
/* The books changed outside a round: the forwarder is told. */
void bh_rounds_keep(struct bh_supervisor *s);

#endif

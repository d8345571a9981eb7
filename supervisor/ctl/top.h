/*
 * The live view of bulkheadctl top: a model that takes one answer of `status` after another and
 * knows rates and their history, a state machine of keys, and a picture in lines. Pure: time comes
 * in with each sample, nothing here touches a terminal (that is verb_top.c).
 *
 * Rates are per second between two samples. A counter that went back belongs to a process that was
 * started again: its rate is unknown for one sample.
 */
#ifndef BH_CTL_TOP_H
#define BH_CTL_TOP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"

#define BH_TOP_ROWS_MAX 1024 /* of the ledger; more are not shown, and said so */
#define BH_TOP_HISTORY  16   /* samples of a sparkline */
#define BH_TOP_PROCS    4    /* the supervisor first */

struct bh_top_series {
	double v[BH_TOP_HISTORY]; /* the oldest first */
	size_t n;
};

struct bh_top_row {
	char *name; /* "logs /var/log/a.log"; owned */
	uint64_t received, delivered, spooled, in_flight, dropped;
	double rate; /* received a second; < 0 = not known yet */
	struct bh_top_series rates;
	bool seen; /* in the newest sample */
};

struct bh_top_proc {
	char name[16], state[16];
	int64_t pid;
	uint64_t kib, waiting_items, waiting_bytes, restarts;
	struct bh_top_series memory;
};

enum bh_top_sort { BH_TOP_BY_RATE, BH_TOP_BY_BACKLOG, BH_TOP_BY_DROPPED, BH_TOP_BY_NAME };

enum bh_top_page { BH_TOP_TABLE, BH_TOP_ROW, BH_TOP_HELP };

struct bh_top {
	struct bh_top_row *rows; /* sorted; owned */
	size_t rows_n;
	bool rows_cut;
	struct bh_top_proc procs[BH_TOP_PROCS];
	size_t procs_n;
	json_t *newest; /* owned; NULL before the first sample */
	int64_t at_ns;
	double points_rate, lines_rate; /* < 0 = not known yet */
	struct bh_top_series points, lines;
	const char *error; /* why there is no new sample; NULL = there is. Borrowed */
	/* what is shown */
	enum bh_top_page page;
	enum bh_top_sort sort;
	size_t selected, first;
	bool ascii; /* no blocks in sparklines */
	bool over;  /* q */
};

void bh_top_init(struct bh_top *t, bool ascii);
void bh_top_release(struct bh_top *t);

/* Takes a reference to the answer. -ENOMEM leaves the model as it was. */
int bh_top_sample(struct bh_top *t, json_t *status, int64_t mono_ns) BH_MUST_CHECK;

/* Keys beside characters. */
enum { BH_TOP_KEY_UP = 0x100, BH_TOP_KEY_DOWN, BH_TOP_KEY_PAGE_UP, BH_TOP_KEY_PAGE_DOWN };

/* One key: q ends; s sorts by the next column; up, down, j, k select; Enter opens, Escape closes a
 * row; ? shows the keys. Others mean nothing. */
void bh_top_key(struct bh_top *t, int key);

/* A line of the picture begins with one of these. */
enum bh_top_look { BH_TOP_PLAIN = ' ', BH_TOP_HEAD = '*', BH_TOP_MARKED = '>', BH_TOP_BAD = '!' };

/* At most `height` lines, each its look and at most `width` columns of text, then a newline. Wider
 * or higher terminals show more; below 40×8 only what fits. */
int bh_top_draw(
    struct bh_top *t, unsigned width, unsigned height, struct bh_buf *out) BH_MUST_CHECK;

#endif

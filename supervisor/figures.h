/*
 * The figures of the whole agent under the names they have outside: one list, of which the page of
 * OpenMetrics (openmetrics.h) and the agent's own metrics (bulkhead.*, sent by dogstatsd) are made.
 *
 * A child names what belongs here in its numbers: "buffer/COMPONENT/FIELD" for the metrics of
 * buffers (spec/intake.md §16.3), with "REASON/discarded_events" and "BOUND/source_bucket"
 * (common/fill.h) as fields, and "retry_queue/DOMAIN/FIELD" for how long an outage may be. All its
 * other numbers are shown as they are, under `figure`, on the
 * page only.
 */
#ifndef BH_SUPERVISOR_FIGURES_H
#define BH_SUPERVISOR_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/str.h"
#include "supervisor/books.h"
#include "supervisor/kid.h"

#define BH_SAMPLE_LABELS 4

enum bh_family_type {
	BH_FAMILY_GAUGE,
	BH_FAMILY_MILLI, /* a gauge whose values are thousandths */
	BH_FAMILY_COUNTER,
	BH_FAMILY_HISTOGRAM, /* its samples are parts of it, all of one component together */
};

struct bh_family {
	const char *name; /* without prefix and suffix */
	enum bh_family_type type;
	bool page_only;
	const char *help;
	const char *metric; /* its name among the agent's own metrics; NULL = bulkhead.NAME */
};

extern const struct bh_family bh_families[];
extern const size_t bh_families_n;

struct bh_label {
	const char *key;     /* a literal */
	struct bh_str value; /* borrowed from what the figures are of */
};

struct bh_sample {
	const struct bh_family *family;
	const char *part; /* of a histogram: "bucket", "count" or "sum"; else "" */
	struct bh_label labels[BH_SAMPLE_LABELS];
	size_t labels_n;
	int64_t value;
};

struct bh_samples {
	struct bh_sample *v; /* owned; the labels' values are not */
	size_t n, cap;
	bool failed; /* no memory, or more than there may be: not all are there */
};

/* Everything there is to say, no (family, labels) twice. Borrows from kids and books until the next
 * of them changes. The memory of *out is used again. */
void bh_samples_collect(
    struct bh_samples *out, const struct bh_kid *kids, const struct bh_books *books);
void bh_samples_release(struct bh_samples *s);

/* What counters were when they were last sent to dogstatsd. */
struct bh_figures_sent {
	struct bh_sent *v; /* owned */
	size_t n, cap;
};

void bh_figures_sent_release(struct bh_figures_sent *s);
/* Sample i as a metric: counters and the parts of histograms become what was added since the time
 * before (the first time that is unknown, a smaller one began anew). false: not to be sent. */
bool bh_figure_of(struct bh_figures_sent *sent, const struct bh_sample *s, struct bh_figure *out);

#endif

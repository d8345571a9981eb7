/*
 * From lines to messages (spec/logs.md §6.5, §7, §8): trims, joins, marks what was cut, and adds
 * the tags that say so.
 *
 * Three objects, by how long they live and who shares them:
 *   struct bh_aggregation       what a source's configuration asks for; compiled once, constant
 *   struct bh_aggregator_work   memory that aggregators of one thread use one after the other
 *   struct bh_aggregator        the state of one tailer; while it holds no line it owns no memory
 *                               besides itself, a few hundred bytes
 *
 * Raw lengths: at any time the sum over all messages given to fn, plus bh_aggregator_held(), is the
 * sum over all lines fed, after errors too. A message counts as given however fn answers.
 *
 * An error (of fn, or of memory) is final: what was held is not emitted any more, and each further
 * call returns the same error. The tailer must be set back to what was emitted, and start anew.
 */
#ifndef BH_LOGS_AGGREGATOR_H
#define BH_LOGS_AGGREGATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/err.h"
#include "logs-agent/held.h"
#include "logs-agent/json_pieces.h"
#include "logs-agent/label.h"
#include "logs-agent/message.h"
#include "logs-agent/pattern.h"

enum bh_aggregation_kind {
	BH_AGGREGATE_SINGLE, /* §7.2 each line alone */
	BH_AGGREGATE_REGEX,  /* §7.3 a pattern starts a message */
	BH_AGGREGATE_AUTO,   /* §8 JSON, labels, combining */
	BH_AGGREGATE_DETECT, /* §8.6 each line alone, tagged where §8 would join */
	BH_AGGREGATE__N,
};

/* As configured (§19); chosen by §7.1. Only read by bh_aggregation_init(). */
struct bh_aggregation_options {
	enum bh_aggregation_kind kind;
	size_t limit;         /* L, max_message_size_bytes, > 0 */
	bool tag_truncated;   /* tag_truncated_logs */
	bool tag_multi_line;  /* tag_multi_line_logs */
	struct bh_str regex;  /* REGEX: as in the rule, without the "^" that is glued on */
	uint32_t match_limit; /* REGEX, regex samples: see pattern.h */
	/* AUTO, DETECT */
	struct bh_label_options label; /* its match_limit is taken from above */
	/* AUTO */
	bool json;     /* auto_multi_line.enable_json_aggregation */
	bool tag_json; /* auto_multi_line.tag_aggregated_json */
};

struct bh_aggregation {
	enum bh_aggregation_kind kind;
	size_t limit;
	bool tag_truncated;
	bool tag_multi_line;
	bool json;
	bool tag_json;
	struct bh_pattern *pattern; /* REGEX; owned */
	struct bh_labeler labeler;
};

/* 0; BH_E_CONFIG with the reason in err when the regex is refused; -ENOMEM. After an error there is
 * nothing to release. fault (may be NULL) hears of each sample that is left out (§8.3). */
int bh_aggregation_init(struct bh_aggregation *s, const struct bh_aggregation_options *o,
    bh_sample_fault_fn *fault, void *fault_ctx, struct bh_err *err) BH_MUST_CHECK;
void bh_aggregation_release(struct bh_aggregation *s);

struct bh_aggregator_work {
	struct bh_pattern_scratch *scratch; /* of regexes; owned */
	struct bh_buf marked;               /* content with markers, until fn returns */
	struct bh_spares spares;
};

int bh_aggregator_work_init(struct bh_aggregator_work *w) BH_MUST_CHECK; /* -ENOMEM */
void bh_aggregator_work_release(struct bh_aggregator_work *w);

struct bh_aggregator {
	const struct bh_aggregation *shared; /* borrowed */
	struct bh_aggregator_work *work;     /* borrowed */
	bh_message_fn *fn;
	void *ctx;
	uint64_t pending;          /* raw bytes fed and not emitted */
	uint64_t regex_limit_hits; /* matches that were given up, and counted as none */
	int failed;                /* first error, 0 = none */
	bool carry;                /* the previous piece was cut: the next continues it */
	bool once;                 /* REGEX: some line has matched */
	bool cut;                  /* REGEX: a marker is in the group */
	enum bh_log_status status; /* REGEX: of the group's last line */
	struct bh_held group;      /* REGEX, AUTO: lines to be joined; DETECT: the one that waits */
	struct bh_held json;       /* AUTO: lines of an object that is not complete */
	struct bh_json_pieces scan; /* over them */
};

/* shared and work outlive a. fn gets the messages, in order; what it gets is borrowed until it
 * returns, and it must not call back. An aggregator is for one generation: a new one starts with a
 * new aggregator, so that a cut line is not continued by another file. */
void bh_aggregator_init(struct bh_aggregator *a, const struct bh_aggregation *shared,
    struct bh_aggregator_work *work, bh_message_fn *fn, void *ctx);
/* What is held is forgotten. */
void bh_aggregator_release(struct bh_aggregator *a);

/* Takes a line (raw > 0); borrowed for the call. 0, fn's error, -ENOMEM, BH_E_LIMIT. */
int bh_aggregator_line(struct bh_aggregator *a, const struct bh_line *line) BH_MUST_CHECK;
/* Emits what is held: aggregation_timeout after the last line, at rotation, truncation and stop
 * (§7.1). Without effect when nothing is. Errors as above. */
int bh_aggregator_flush(struct bh_aggregator *a) BH_MUST_CHECK;

/* Raw bytes of lines that were not emitted. 0: nothing waits, no timer is needed. */
static inline uint64_t bh_aggregator_held(const struct bh_aggregator *a)
{
	return a->pending;
}

#endif

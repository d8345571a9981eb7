/*
 * From the frames of one tailer to its messages (spec/logs.md §6.3 to §8): decoding, container
 * wrappers, joining of partial lines, aggregation. What all tailers of a source share is the
 * source's; the state here is small while nothing is held.
 */
#ifndef BH_LOGS_ASSEMBLER_H
#define BH_LOGS_ASSEMBLER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "logs-agent/aggregator.h"
#include "logs-agent/framer.h"
#include "logs-agent/joiner.h"
#include "logs-agent/message.h"

struct bh_source;

/* Memory that assemblers of one thread use one after the other. */
struct bh_assembler_work {
	struct bh_aggregator_work aggregator;
	struct bh_buf docker;
};

int bh_assembler_work_init(struct bh_assembler_work *w) BH_MUST_CHECK; /* -ENOMEM */
void bh_assembler_work_release(struct bh_assembler_work *w);

struct bh_assembler {
	struct bh_source *source;       /* borrowed */
	struct bh_assembler_work *work; /* borrowed */
	struct bh_aggregator aggregator;
	struct bh_joiner *joiner; /* owned; NULL = lines are not wrapped */
};

/* source and work outlive a. The messages go to fn, in order. -ENOMEM. */
int bh_assembler_init(struct bh_assembler *a, struct bh_source *source,
    struct bh_assembler_work *work, bh_message_fn *fn, void *ctx) BH_MUST_CHECK;
void bh_assembler_release(struct bh_assembler *a); /* harmless on a zeroed struct */

/* status: of a line that no container wraps. 0; an error of fn; -ENOMEM; BH_E_LIMIT. After an error
 * only release. */
int bh_assembler_frame(
    struct bh_assembler *a, const struct bh_frame *frame, enum bh_log_status status) BH_MUST_CHECK;
/* What is held becomes messages: after aggregation_timeout, at an end, at a stop. */
int bh_assembler_flush(struct bh_assembler *a) BH_MUST_CHECK;
/* Raw bytes of frames that no message stands for yet. */
uint64_t bh_assembler_held(const struct bh_assembler *a);

#endif

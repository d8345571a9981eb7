/*
 * log_payloads: everything a flush sends, a debug line each. Written by the loop, before the set
 * goes to the flusher: reception waits for it, which is why it is off unless asked for.
 */
#ifndef BH_DOGSTATSD_PAYLOAD_LOG_H
#define BH_DOGSTATSD_PAYLOAD_LOG_H

#include "common/log.h"
#include "dogstatsd/late.h"
#include "dogstatsd/notices.h"
#include "dogstatsd/sampler.h"

void bh_payload_log_set(struct bh_log *log, const struct bh_flush_set *set);
void bh_payload_log_notices(struct bh_log *log, const struct bh_notices *n);
/* Samples with a timestamp are encoded as they come: only their number is known here. */
void bh_payload_log_late(struct bh_log *log, const struct bh_late *late);

#endif

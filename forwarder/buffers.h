/*
 * What went through one buffer of a destination, memory or disk, in events and body bytes
 * (spec/intake.md §16): over its life received − sent − discarded = size, plus what a disk buffer
 * held at the start. Events are messages of logs and payloads of metrics. From memory to disk is
 * sent by the one and received by the other.
 */
#ifndef BH_FORWARDER_BUFFERS_H
#define BH_FORWARDER_BUFFERS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/child.h"
#include "common/ledger.h"
#include "common/str.h"

struct bh_buffer_count {
	uint64_t events, bytes;
};

struct bh_buffer {
	struct bh_buffer_count received, sent, discarded[BH_DROP__N];
};

/* Events of so many items in so many payloads. */
static inline uint64_t bh_buffer_events(bool logs, uint64_t items, uint64_t payloads)
{
	return logs ? items : payloads;
}

void bh_buffer_in(struct bh_buffer *b, uint64_t events, uint64_t bytes);
void bh_buffer_out(struct bh_buffer *b, uint64_t events, uint64_t bytes);
void bh_buffer_lost(struct bh_buffer *b, enum bh_drop reason, uint64_t events, uint64_t bytes);
/* A payload of so many bytes ended as these items were delivered and dropped. */
void bh_buffer_end(struct bh_buffer *b, bool logs, const struct bh_ledger *ends, uint64_t bytes);

/* sum += b, entry by entry. */
void bh_buffer_add(struct bh_buffer *sum, const struct bh_buffer *b);

/* "intake.example.com" of "https://intake.example.com:443/api"; borrows. */
struct bh_str bh_buffer_host(const char *url);
/* Numbers "buffer/NAME:HOST/…" (supervisor/figures.h). */
void bh_buffer_stats(const struct bh_buffer *b, const char *name, struct bh_str host,
    struct bh_buffer_count size, struct bh_child *child);

#endif

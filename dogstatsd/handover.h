/*
 * What a sampler holds between flushes, open buckets and live contexts, on its way from one
 * incarnation of dogstatsd to the next (DESIGN.md §11): a restart of this process alone does not
 * cut a bucket in two.
 *
 * The state is in a memfd the supervisor keeps. It never leaves the host and lives for seconds, so
 * its numbers are in the byte order of the machine. It begins with a magic word and a version and
 * ends with a CRC-32C of everything before; whatever does not fit is refused whole.
 *
 *   u32 magic, u32 version, u64 seed, i64 last cut-off, u64 contexts, u64 buckets
 *   context: i64 last seen, u32 type, u32 name, u32 host, u32 tags (bytes), name, host, tags
 *   bucket:  u32 store, u32 0, i64 start, u64 aggregates
 *   aggregate: u64 context, u32 type, u32 0, then
 *              gauge, counter: f64 · histogram: f64 sum, u64 count, u64 n, n × {f64, u64 weight}
 *              set: u64 n, n × {u64, u64} · sketch: i64 count, f64 min, max, sum, avg, u64 n, n ×
 * u64 u32 CRC
 */
#ifndef BH_DOGSTATSD_HANDOVER_H
#define BH_DOGSTATSD_HANDOVER_H

#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/err.h"
#include "dogstatsd/sampler.h"

#define BH_HANDOVER_MAX ((size_t)1 << 30) /* bytes; a larger state is flushed instead */

/* Writes everything that was not flushed to fd, from its beginning. No flush may be in progress;
 * the sampler is good for a last flush only afterwards. 0; BH_E_LIMIT; -errno. */
int bh_handover_write(struct bh_sampler *s, int fd, struct bh_err *err) BH_MUST_CHECK;

/* A state that was checked, not yet read. */
struct bh_handover {
	void *map;
	size_t n;
	uint64_t seed; /* of the sampler it is from: the reader's must have the same */
};

/* 0; BH_E_FORMAT or BH_E_CORRUPT when it is none of ours (text says why); -errno. */
int bh_handover_open(struct bh_handover *h, int fd, struct bh_err *err) BH_MUST_CHECK;
/* Fills an empty sampler. After an error (-ENOMEM, BH_E_FORMAT, BH_E_LIMIT) it is good for nothing
 * but bh_sampler_release(). */
int bh_handover_read(
    const struct bh_handover *h, struct bh_sampler *s, struct bh_err *err) BH_MUST_CHECK;
void bh_handover_close(struct bh_handover *h); /* harmless on a zeroed struct */

#endif

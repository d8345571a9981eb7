/*
 * The host's own tags (`tags`), which series and sketches carry for a while after the start
 * (expected_tags_duration, spec/dogstatsd.md §15): until the intake knows the host, and adds them
 * itself, nobody could find these points by them. They stand behind the tags of a context, as they
 * are written.
 */
#ifndef BH_DOGSTATSD_HOSTTAGS_H
#define BH_DOGSTATSD_HOSTTAGS_H

#include "common/attrs.h"
#include "common/config.h"
#include "dogstatsd/tags.h"

struct bh_host_tags {
	struct bh_buf packed;
	struct bh_tags list; /* in packed */
	int64_t until_ns;    /* monotonic */
};

/* until_ns: start + expected_tags_duration. 0; -ENOMEM; BH_E_LIMIT: more than a list may hold. To
 * be released in any case. */
int bh_host_tags_init(
    struct bh_host_tags *h, const struct bh_strlist *tags, int64_t until_ns) BH_MUST_CHECK;
void bh_host_tags_release(struct bh_host_tags *h); /* harmless on a zeroed struct */

/* What is to be added at this time, mostly nothing. Valid as long as h is. */
static inline struct bh_tags bh_host_tags_at(const struct bh_host_tags *h, int64_t now_ns)
{
	return now_ns < h->until_ns ? h->list : (struct bh_tags){.n = 0};
}

#endif

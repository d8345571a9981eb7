/*
 * Events and service checks between their arrival and the next flush (spec/dogstatsd.md §6, §7):
 * they are not aggregated. Each is kept as the JSON object that will be sent (spec/intake.md §8.1,
 * §8.2), so that a flush only lays them side by side.
 *
 * Memory is bounded: what would pass BH_NOTICES_BYTES is refused and counted by the caller.
 */
#ifndef BH_DOGSTATSD_NOTICES_H
#define BH_DOGSTATSD_NOTICES_H

#include <stdint.h>

#include "dogstatsd/check.h"
#include "dogstatsd/event.h"
#include "dogstatsd/identity.h"
#include "dogstatsd/payload_writer.h"

#define BH_NOTICES_BYTES ((size_t)8 << 20)

/* Where one notice is in `bytes`: its source (events only), then its JSON. */
struct bh_notice {
	uint32_t at, source_n, json_n;
};

struct bh_notice_list {
	struct bh_buf bytes;
	struct bh_notice *v;
	size_t n, cap;
};

void bh_notice_list_release(struct bh_notice_list *l);

struct bh_notices {
	struct bh_resolver *resolver; /* borrowed */
	struct bh_notice_list events, checks;
	struct bh_buf scratch;
	uint64_t received; /* since the start, our own included */
};

void bh_notices_init(struct bh_notices *n, struct bh_resolver *resolver);
void bh_notices_release(struct bh_notices *n);

/* now: wall clock in seconds, for those that carry no timestamp. 0; BH_E_LIMIT when too many wait;
 * -ENOMEM. */
int bh_notices_event(struct bh_notices *n, const struct bh_event *e, int64_t now) BH_MUST_CHECK;
int bh_notices_check(struct bh_notices *n, const struct bh_check *c, int64_t now) BH_MUST_CHECK;
/* A check of our own: status OK, no tags, none of the limits. */
int bh_notices_own_check(
    struct bh_notices *n, struct bh_str name, struct bh_str host, int64_t now) BH_MUST_CHECK;

static inline uint32_t bh_notices_waiting(const struct bh_notices *n)
{
	return (uint32_t)(n->events.n + n->checks.n);
}

/* Moves a list out: it is empty then. */
struct bh_notice_list bh_notices_take(struct bh_notice_list *l);

/* Write everything of a list as payloads; events get sorted by their source. hostname:
 * internalHostname of event payloads. */
void bh_notices_write_checks(const struct bh_notice_list *l, struct bh_payload_writer *w);
void bh_notices_write_events(
    struct bh_notice_list *l, struct bh_payload_writer *w, struct bh_str hostname);

#endif

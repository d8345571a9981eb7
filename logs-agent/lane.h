/*
 * The lines of one sender to a port (spec/logs.md §11): a TCP connection, or one address at a UDP
 * socket. Takes frames, reads what syslog says of itself (§11.4), joins lines, names the sender and
 * hands the messages over. Lines of two senders, or of two applications of one, are not joined.
 *
 * Nothing here has a place in the registry: a message counts once it is acknowledged (§15).
 */
#ifndef BH_LOGS_LANE_H
#define BH_LOGS_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "logs-agent/assembler.h"
#include "logs-agent/ends_cache.h"
#include "logs-agent/framer.h"
#include "logs-agent/ip_filter.h"

struct bh_logs;
struct bh_source;

#define BH_LANE_TAG_MAX (sizeof("source_host:") + BH_IP_TEXT)
/* What claims to be the name of an application and is longer is none. */
#define BH_LANE_APP_MAX 128

struct bh_lane {
	struct bh_lane *prev, *next; /* for the owner */
	struct bh_logs *logs;
	struct bh_source *source;
	struct bh_ends_cache *names;
	struct bh_named_ends *who; /* a reference: names of what is held */
	struct bh_assembler assembler;
	int64_t last_ns;           /* mono: when bytes came last; set by the owner */
	enum bh_log_status status; /* of the syslog frame that continues */
	bool continues;
	char tag[BH_LANE_TAG_MAX]; /* "" or source_host:… */
};

/* Everything outlives the lane. from: NULL = no address, and no tag for it. -ENOMEM, BH_E_LIMIT:
 * nothing to release. */
int bh_lane_init(struct bh_lane *lane, struct bh_logs *logs, struct bh_source *source,
    struct bh_ends_cache *names, const struct bh_ip *from) BH_MUST_CHECK;
/* What is held is forgotten. */
void bh_lane_release(struct bh_lane *lane);

/* A bh_frame_fn; ctx: the lane. -ENOMEM, BH_E_LIMIT: bh_lane_reset() comes next. */
int bh_lane_frame(void *ctx, const struct bh_frame *frame) BH_MUST_CHECK;
/* What is held becomes messages. Errors as above. */
int bh_lane_flush(struct bh_lane *lane) BH_MUST_CHECK;
bool bh_lane_holds(const struct bh_lane *lane);
/* After an error: what is held is lost, counted and told; the lane is as new. */
void bh_lane_reset(struct bh_lane *lane, int error);

#endif

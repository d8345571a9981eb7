/*
 * Processing rules (spec/logs.md §9): the global ones, then those of the source, each on the result
 * of the one before; the first that drops ends the sequence. Rules of type multi_line have no
 * effect here.
 *
 * A set is compiled once per source and shared by its tailers; it belongs to one thread, since it
 * counts. What apply writes to is the caller's: it allocates only until its buffers have grown to
 * the longest content.
 *
 * Effort is bounded per message, over all rules (§9.3): a rule may use half of what those before it
 * left. Beyond it exclude and include keep the message, and a mask replaces the whole content by
 * the placeholder as it is written, or BH_RULE_REDACTED when that is empty.
 */
#ifndef BH_LOGS_RULES_H
#define BH_LOGS_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/config.h"
#include "common/err.h"
#include "common/str.h"
#include "logs-agent/message.h"
#include "logs-agent/pattern.h"

#define BH_RULE_REDACTED "[redacted: rule limit]"

/* Steps for one message. */
#define BH_RULES_EFFORT 3000000u

/* Bytes that a mask may make of a content; more counts as beyond the limit. */
#define BH_RULES_CONTENT_MAX ((size_t)4 << 20)

struct bh_ruleset;

/* Copies what it keeps. 0; BH_E_CONFIG with "invalid pattern <pattern> for processing rule: <name>:
 * at byte <n>: <reason>" in err (§2.3); -ENOMEM. */
int bh_ruleset_new(struct bh_ruleset **out, const struct bh_log_rule *global, size_t global_n,
    const struct bh_log_rule *own, size_t own_n, struct bh_err *err) BH_MUST_CHECK;
void bh_ruleset_free(struct bh_ruleset *r); /* harmless on NULL */

/* Of one rule, in the order of their use; those without effect here are not among them. */
struct bh_rule_state {
	const char *name; /* lives as long as the set */
	enum bh_rule_type type;
	bool global;
	uint64_t dropped;    /* messages */
	uint64_t limit_hits; /* messages of which it gave up */
};

size_t bh_ruleset_count(const struct bh_ruleset *r);
const struct bh_rule_state *bh_ruleset_state(const struct bh_ruleset *r, size_t i);
/* What is to be said of rule i now (§9.4): messages it gave up since the last time this was not 0,
 * at most once a minute. now_ns: monotonic. */
uint64_t bh_ruleset_limit_news(struct bh_ruleset *r, size_t i, int64_t now_ns);

/* Reused from message to message. Zeroed = empty. */
struct bh_rules_work {
	struct bh_pattern_scratch *scratch; /* owned; made by the first apply */
	struct bh_buf bufs[2];
};

void bh_rules_work_release(struct bh_rules_work *w);

enum bh_rules_verdict { BH_RULES_KEEP, BH_RULES_DROP };

struct bh_rules_result {
	enum bh_rules_verdict verdict;
	size_t rule;           /* BH_RULES_DROP: which one, for bh_ruleset_state() */
	struct bh_str content; /* BH_RULES_KEEP: in m or in the work, until either changes */
};

/* 0; -ENOMEM: no verdict, the message is as before. */
int bh_ruleset_apply(struct bh_ruleset *r, struct bh_rules_work *w, const struct bh_message *m,
    struct bh_rules_result *out) BH_MUST_CHECK;

#endif

/*
 * What becomes of a metric's name before it is a context (spec/dogstatsd.md §8.2 to §8.4, §9.8):
 * mapper, namespace, filter, and the name of a histogram's copy. All of it depends on the name
 * alone, so it is asked once per new text of a line, not once per sample.
 */
#ifndef BH_DOGSTATSD_NAMING_H
#define BH_DOGSTATSD_NAMING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/config.h"
#include "common/err.h"
#include "dogstatsd/filter.h"
#include "dogstatsd/mapper.h"

struct bh_naming {
	struct bh_mapper *mapper; /* NULL = none */
	struct bh_buf space;      /* namespace with its dot; empty = none */
	struct bh_filter exempt;  /* prefixes of names that get no namespace */
	struct bh_filter filter;
	struct bh_str copy_prefix;
	struct bh_buf name; /* scratch */
};

/* cfg must outlive it. 0 or -ENOMEM. A mapper that cannot be used is left out, with the reason in
 * *mapper_err: the server runs on without it. */
int bh_naming_init(struct bh_naming *n, const struct bh_config *cfg, uint64_t seed,
    struct bh_err *mapper_err) BH_MUST_CHECK;
void bh_naming_release(struct bh_naming *n);

enum bh_naming_verdict { BH_NAME_KEPT, BH_NAME_FILTERED, BH_NAME_NO_MEMORY };

/* Puts the namespace before *name, and, when copy, the prefix of copies before that. FILTERED: the
 * metric is to be dropped (never a copy: its original was asked). *name lives until the next call.
 */
enum bh_naming_verdict bh_naming_apply(struct bh_naming *n, struct bh_str *name, bool copy);

#endif

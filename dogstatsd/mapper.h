/*
 * Metric mapping (spec/dogstatsd.md §8.2): profiles of rules that turn a matching name into another
 * one and tags. Patterns are wildcards or regular expressions; both are run by PCRE2 with bounded
 * effort.
 *
 * Results, misses included, are remembered for a bounded number of names.
 */
#ifndef BH_DOGSTATSD_MAPPER_H
#define BH_DOGSTATSD_MAPPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/err.h"
#include "common/str.h"

struct bh_mapper;

/* json: the value of dogstatsd_mapper_profiles, "" = no profiles. BH_E_CONFIG with text names the
 * profile and what is wrong with it: then there is no mapper at all. seed: of the hash of names. */
int bh_mapper_new(struct bh_mapper **out, const char *json, size_t cache_size, uint64_t seed,
    struct bh_err *err) BH_MUST_CHECK;
void bh_mapper_free(struct bh_mapper *m); /* NULL is fine */

struct bh_mapped {
	struct bh_str name;
	const struct bh_str *tags; /* "key:value" */
	size_t tags_n;
};

/* True when a rule matches; *out lives until the next call. A rule whose effort passes the bound
 * does not match. */
bool bh_mapper_map(struct bh_mapper *m, struct bh_str name, struct bh_mapped *out);

#endif

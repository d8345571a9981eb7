/*
 * What names a context: metric name, host, and the set of tags (spec/dogstatsd.md §8.1, §8.5,
 * §9.2).
 */
#ifndef BH_DOGSTATSD_IDENTITY_H
#define BH_DOGSTATSD_IDENTITY_H

#include "common/attrs.h"
#include "common/buf.h"
#include "common/config.h"
#include "common/str.h"
#include "dogstatsd/key.h"
#include "dogstatsd/naming.h"
#include "dogstatsd/tags.h"

struct bh_identity {
	struct bh_str name;
	struct bh_str host;
	struct bh_tags tags;
};

/* Turns what a line says into an identity. Scratch memory is reused: a resolver serves one thread.
 */
struct bh_resolver {
	uint64_t seed;
	struct bh_str host;   /* default hostname; borrowed */
	struct bh_str *extra; /* dogstatsd_tags; owned array, strings borrowed */
	size_t extra_n;
	struct bh_naming *naming; /* borrowed; NULL = names stay as they are */
	uint64_t sanitized;       /* names or tag lists that held invalid UTF-8 */
	struct bh_str *tags;      /* scratch */
	size_t tags_n, tags_cap;
	uint32_t packed_n; /* tags that are packed */
	struct bh_buf packed, clean_name, clean_tags;
};

/* host, extra and naming must outlive the resolver. 0 or -ENOMEM. */
int bh_resolver_init(struct bh_resolver *r, uint64_t seed, struct bh_str host,
    const struct bh_strlist *extra, struct bh_naming *naming) BH_MUST_CHECK;
void bh_resolver_release(struct bh_resolver *r);

enum bh_purpose {
	BH_FOR_SAMPLE, /* what the line says */
	BH_FOR_COPY,   /* the distribution that copies a histogram (§9.8) */
	BH_PURPOSE__N,
};

#define BH_FILTERED 1 /* bh_resolve: the filter list names this metric */

/*
 * name and raw_tags as they stand in the line. Invalid UTF-8 is repaired, the mapper, the namespace
 * and the filter are asked, special tags are taken out, the host is settled, extra tags are added,
 * tags are sorted, made unique and packed. *id borrows from the arguments and from the resolver,
 * until the next call. *key is equal for equal identities, whatever the order and number of tags
 * was. 0, BH_FILTERED (no error: drop and count) or -ENOMEM.
 */
int bh_resolve(struct bh_resolver *r, struct bh_str name, struct bh_str raw_tags,
    enum bh_purpose purpose, struct bh_identity *id, struct bh_key *key) BH_MUST_CHECK;

/* The key that bh_resolve gives to this identity, whose tags are packed. */
struct bh_key bh_identity_key(const struct bh_identity *id, uint64_t seed);

/* The tags and the host of what has no metric name: id->name stays empty. 0 or -ENOMEM. */
int bh_resolve_tags(
    struct bh_resolver *r, struct bh_str raw_tags, struct bh_identity *id) BH_MUST_CHECK;

/* Key of the unresolved text: equal text gives an equal key, other order or host another one. */
static inline struct bh_key bh_raw_key(const struct bh_resolver *r, struct bh_str name,
    struct bh_str raw_tags, enum bh_purpose purpose)
{
	return bh_key_of(raw_tags, bh_hash(name, r->seed + purpose));
}

#endif

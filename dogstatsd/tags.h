/*
 * Lists of tags (spec/dogstatsd.md §8), sorted and unique, in one of two forms:
 *   packed  one run of bytes, each tag as a varint length and its text: what a resolver makes;
 *   shared  pointers to tags that a store holds once, however many lists name them: what a context
 *           keeps. Contexts mostly repeat each other's tags, and tags are most of their bytes.
 * A reader need not know which form it has.
 */
#ifndef BH_DOGSTATSD_TAGS_H
#define BH_DOGSTATSD_TAGS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/str.h"

#define BH_TAGS_BYTES_MAX INT32_MAX

struct bh_tag; /* of a store */

/* Borrowed, and passed by value. */
struct bh_tags {
	union {
		const char *packed;
		struct bh_tag *const *shared;
	} at;
	uint32_t n;          /* tags */
	uint32_t bytes : 31; /* of the packed form */
	uint32_t is_shared : 1;
};

/* Takes the next tag off *rest; false at the end. The text lives as long as the list. */
bool bh_tags_next(struct bh_tags *rest, struct bh_str *tag);

/* The list of these packed bytes, which must be whole (at most BH_TAGS_BYTES_MAX). */
struct bh_tags bh_tags_from_packed(struct bh_str packed);

/* Appends the tags to *out with this between them; a failure shows in bh_buf_failed(). */
void bh_tags_join(struct bh_tags list, char between, struct bh_buf *out);

/* Takes the next text off packed bytes, which must be whole; false at the end. */
bool bh_packed_next(struct bh_str *rest, struct bh_str *text);

/*
 * Holds each tag once and counts who names it. A chained table that grows and shrinks by one chain
 * at a time (linear hashing), so that no call waits for all tags to move. Lists may be made by one
 * thread while another gives lists back; reading a list takes no lock.
 */
struct bh_tag_store {
	pthread_mutex_t lock;
	struct bh_tag **chains; /* owned */
	size_t chains_n, cap;
	size_t n; /* tags */
	uint64_t seed;
};

/* 0 or -ENOMEM; then it need not be released. */
int bh_tag_store_init(struct bh_tag_store *s, uint64_t seed) BH_MUST_CHECK;
/* Tags it holds now. */
size_t bh_tag_store_count(struct bh_tag_store *s);
/* All lists must have been given back. */
void bh_tag_store_release(struct bh_tag_store *s);

/* Makes *out the shared form of the list; `room` has place for list.n pointers and must live until
 * *out is given back. 0 or -ENOMEM. */
int bh_tag_store_share(struct bh_tag_store *s, struct bh_tags list, struct bh_tag **room,
    struct bh_tags *out) BH_MUST_CHECK;
/* Ends the life of a list that bh_tag_store_share made. */
void bh_tag_store_give_back(struct bh_tag_store *s, struct bh_tags list);

#endif

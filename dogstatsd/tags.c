#include "dogstatsd/tags.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dogstatsd/key.h"

#define CHAINS_MIN 64
#define SPARSE     4 /* chains for one tag: then there are too many */

struct bh_tag {
	struct bh_tag *next; /* in its chain */
	uint32_t hash;
	uint32_t users; /* lists that name it */
	uint32_t len;
	char text[];
};

/* --- lists -------------------------------------------------------------------------------------
 */

bool bh_packed_next(struct bh_str *rest, struct bh_str *text)
{
	size_t len = 0, i = 0;
	unsigned shift = 0;

	if (rest->n == 0)
		return false;
	for (;; shift += 7) {
		unsigned char c = (unsigned char)rest->p[i++];

		len |= (size_t)(c & 127) << shift;
		if (c < 128)
			break;
	}
	*text = (struct bh_str){rest->p + i, len};
	*rest = (struct bh_str){rest->p + i + len, rest->n - i - len};
	return true;
}

bool bh_tags_next(struct bh_tags *rest, struct bh_str *tag)
{
	struct bh_str packed;
	bool whole;

	if (rest->n == 0)
		return false;
	rest->n--;
	if (rest->is_shared) {
		const struct bh_tag *t = *rest->at.shared++;

		*tag = (struct bh_str){t->text, t->len};
		return true;
	}
	packed = (struct bh_str){rest->at.packed, rest->bytes};
	whole = bh_packed_next(&packed, tag);
	rest->at.packed = packed.p;
	rest->bytes = (uint32_t)packed.n & BH_TAGS_BYTES_MAX;
	return whole;
}

struct bh_tags bh_tags_from_packed(struct bh_str packed)
{
	struct bh_tags list = {
	    .at.packed = packed.p,
	    .bytes = (uint32_t)packed.n & BH_TAGS_BYTES_MAX,
	};
	struct bh_str text;

	while (bh_packed_next(&packed, &text))
		list.n++;
	return list;
}

void bh_tags_join(struct bh_tags list, char between, struct bh_buf *out)
{
	struct bh_str tag;

	for (bool first = true; bh_tags_next(&list, &tag); first = false) {
		if (!first)
			(void)bh_buf_u8(out, (uint8_t)between);
		(void)bh_buf_append(out, tag.p, tag.n);
	}
}

/* --- the store: chains -------------------------------------------------------------------------
 */

/* The largest power of two that is not above n. */
static size_t level(size_t n)
{
	return (size_t)1 << (63 - __builtin_clzl(n));
}

/* Chains [0, chains_n) exist: a hash that leads beyond them leads to the chain that is still to be
 * split. */
static struct bh_tag **chain_of(const struct bh_tag_store *s, uint32_t hash)
{
	size_t low = level(s->chains_n), i = hash & (2 * low - 1);

	return &s->chains[i < s->chains_n ? i : i - low];
}

static int resize(struct bh_tag_store *s, size_t cap)
{
	struct bh_tag **moved = realloc((void *)s->chains, cap * sizeof(struct bh_tag *));

	if (!moved)
		return -ENOMEM;
	s->chains = moved;
	s->cap = cap;
	return 0;
}

/* Parts the next chain in two. Without memory the chains only stay longer. */
static void split(struct bh_tag_store *s)
{
	struct bh_tag **from, *tag;

	if (s->chains_n == s->cap && resize(s, 2 * s->cap))
		return;
	from = &s->chains[s->chains_n - level(s->chains_n)];
	s->chains[s->chains_n++] = NULL;
	tag = *from;
	*from = NULL;
	while (tag) {
		struct bh_tag *next = tag->next, **to = chain_of(s, tag->hash);

		tag->next = *to;
		*to = tag;
		tag = next;
	}
}

/* Undoes the latest split. */
static void merge(struct bh_tag_store *s)
{
	struct bh_tag *tag = s->chains[--s->chains_n], **to;

	to = &s->chains[s->chains_n - level(s->chains_n)];
	while (*to)
		to = &(*to)->next;
	*to = tag;
	/* Half of what is unused is kept: a store at this size does not move to and fro. */
	if (s->cap > CHAINS_MIN && s->chains_n * SPARSE <= s->cap)
		(void)resize(s, s->cap / 2);
}

/* --- the store: tags ---------------------------------------------------------------------------
 */

static struct bh_tag *find(struct bh_tag *chain, uint32_t hash, struct bh_str text)
{
	for (; chain; chain = chain->next) {
		if (chain->hash == hash &&
		    bh_str_eq((struct bh_str){chain->text, chain->len}, text))
			return chain;
	}
	return NULL;
}

static struct bh_tag *add(struct bh_tag_store *s, uint32_t hash, struct bh_str text)
{
	struct bh_tag *tag = malloc(sizeof(*tag) + text.n), **chain;

	if (!tag)
		return NULL;
	*tag = (struct bh_tag){.hash = hash, .len = (uint32_t)text.n};
	if (text.n)
		memcpy(tag->text, text.p, text.n);
	if (++s->n > s->chains_n)
		split(s);
	chain = chain_of(s, hash);
	tag->next = *chain;
	*chain = tag;
	return tag;
}

static struct bh_tag *use(struct bh_tag_store *s, struct bh_str text)
{
	uint32_t hash = (uint32_t)bh_hash(text, s->seed);
	struct bh_tag *tag = find(*chain_of(s, hash), hash, text);

	if (!tag)
		tag = add(s, hash, text);
	if (!tag || tag->users == UINT32_MAX)
		return NULL;
	tag->users++;
	return tag;
}

static void leave(struct bh_tag_store *s, struct bh_tag *tag)
{
	struct bh_tag **link;

	if (--tag->users)
		return;
	for (link = chain_of(s, tag->hash); *link != tag;)
		link = &(*link)->next;
	*link = tag->next;
	free(tag);
	s->n--;
	while (s->chains_n > CHAINS_MIN && s->n * SPARSE < s->chains_n)
		merge(s);
}

static void leave_all(struct bh_tag_store *s, struct bh_tag *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		leave(s, v[i]);
}

int bh_tag_store_init(struct bh_tag_store *s, uint64_t seed)
{
	int rc;

	*s = (struct bh_tag_store){.seed = seed, .chains_n = CHAINS_MIN, .cap = CHAINS_MIN};
	s->chains = calloc(CHAINS_MIN, sizeof(struct bh_tag *));
	if (!s->chains)
		return -ENOMEM;
	rc = -pthread_mutex_init(&s->lock, NULL);
	if (rc) {
		free((void *)s->chains);
		s->chains = NULL;
	}
	return rc;
}

size_t bh_tag_store_count(struct bh_tag_store *s)
{
	size_t n;

	(void)pthread_mutex_lock(&s->lock);
	n = s->n;
	(void)pthread_mutex_unlock(&s->lock);
	return n;
}

void bh_tag_store_release(struct bh_tag_store *s)
{
	if (!s->chains)
		return;
	free((void *)s->chains);
	(void)pthread_mutex_destroy(&s->lock);
	*s = (struct bh_tag_store){.chains = NULL};
}

int bh_tag_store_share(
    struct bh_tag_store *s, struct bh_tags list, struct bh_tag **room, struct bh_tags *out)
{
	struct bh_tags rest = list;
	struct bh_str text;
	size_t n = 0;

	(void)pthread_mutex_lock(&s->lock);
	while (bh_tags_next(&rest, &text)) {
		room[n] = use(s, text);
		if (!room[n])
			break;
		n++;
	}
	if (n < list.n)
		leave_all(s, room, n);
	(void)pthread_mutex_unlock(&s->lock);
	*out =
	    (struct bh_tags){.at.shared = room, .n = list.n, .bytes = list.bytes, .is_shared = 1};
	return n < list.n ? -ENOMEM : 0;
}

void bh_tag_store_give_back(struct bh_tag_store *s, struct bh_tags list)
{
	(void)pthread_mutex_lock(&s->lock);
	leave_all(s, list.at.shared, list.n);
	(void)pthread_mutex_unlock(&s->lock);
}

#include "dogstatsd/valueset.h"

#include <errno.h>
#include <stdlib.h>

void bh_valueset_release(struct bh_valueset *s)
{
	free(s->slots);
	*s = (struct bh_valueset)BH_VALUESET_INIT;
}

static bool is_empty(struct bh_key k)
{
	return (k.lo | k.hi) == 0;
}

/* Slot of the key, or the empty one where it belongs. */
static struct bh_key *slot_of(const struct bh_valueset *s, struct bh_key key)
{
	size_t i = key.lo & (s->cap - 1);

	while (!is_empty(s->slots[i]) && !bh_key_eq(s->slots[i], key))
		i = (i + 1) & (s->cap - 1);
	return &s->slots[i];
}

static int resize(struct bh_valueset *s, size_t cap)
{
	struct bh_valueset old = *s;
	struct bh_key *slots = calloc(cap, sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	s->slots = slots;
	s->cap = cap;
	for (size_t i = 0; i < old.cap; i++) {
		if (!is_empty(old.slots[i]))
			*slot_of(s, old.slots[i]) = old.slots[i];
	}
	free(old.slots);
	return 0;
}

int bh_valueset_reserve(struct bh_valueset *s, size_t n)
{
	size_t cap = s->cap ? s->cap : 8;

	while (n > cap / 3 * 2)
		cap *= 2;
	return cap > s->cap ? resize(s, cap) : 0;
}

int bh_valueset_add(struct bh_valueset *s, struct bh_str value, uint64_t seed)
{
	return bh_valueset_add_key(s, bh_key_of(value, seed));
}

int bh_valueset_add_key(struct bh_valueset *s, struct bh_key key)
{
	struct bh_key *slot;
	int rc;

	if (is_empty(key))
		key.lo = 1;
	if ((s->n + 1) * 3 > s->cap * 2) {
		rc = resize(s, s->cap ? 2 * s->cap : 8);
		if (rc < 0)
			return rc;
	}
	slot = slot_of(s, key);
	if (is_empty(*slot)) {
		*slot = key;
		s->n++;
	}
	return 0;
}

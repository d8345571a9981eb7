#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/rng.h"
#include "dogstatsd/tags.h"

/* "a|b" of single tags below 128 bytes, packed into `to`. */
static struct bh_tags pack(const char *text, char *to)
{
	size_t at = 0;

	while (*text) {
		size_t n = strcspn(text, "|");

		to[at++] = (char)n;
		memcpy(to + at, text, n);
		at += n;
		text += n + (text[n] != 0);
	}
	return bh_tags_from_packed((struct bh_str){to, at});
}

static const char *spell(struct bh_tags list)
{
	static char out[512];
	struct bh_str tag;
	size_t at = 0;

	out[0] = 0;
	while (bh_tags_next(&list, &tag))
		at += (size_t)snprintf(
		    out + at, sizeof(out) - at, "%s%.*s", at ? "|" : "", (int)tag.n, tag.p);
	return out;
}

Test(tags, both_forms_read_the_same)
{
	char bytes[64];
	struct bh_tags packed = pack("env:prod|x", bytes), shared;
	struct bh_tag *room[2];
	struct bh_tag_store s;

	cr_assert_eq(bh_tag_store_init(&s, 1), 0);
	cr_expect_eq(packed.n, 2);
	cr_expect_eq(packed.bytes, 11);
	cr_assert_eq(bh_tag_store_share(&s, packed, room, &shared), 0);
	memset(bytes, 0, sizeof(bytes));
	cr_expect_eq(shared.n, 2);
	cr_expect_eq(shared.bytes, 11);
	cr_expect_str_eq(spell(shared), "env:prod|x");
	bh_tag_store_give_back(&s, shared);
	bh_tag_store_release(&s);
}

Test(tags, an_empty_list_and_an_empty_tag_are_different)
{
	struct bh_tag *room[1];
	struct bh_tag_store s;
	struct bh_tags none = bh_tags_from_packed((struct bh_str){NULL, 0}),
		       one = bh_tags_from_packed(BH_STR_LIT("\0")), shared;

	cr_assert_eq(bh_tag_store_init(&s, 1), 0);
	cr_assert_eq(bh_tag_store_share(&s, none, room, &shared), 0);
	cr_expect_eq(shared.n, 0);
	bh_tag_store_give_back(&s, shared);
	cr_assert_eq(bh_tag_store_share(&s, one, room, &shared), 0);
	cr_expect_eq(shared.n, 1);
	cr_expect_eq(s.n, 1);
	bh_tag_store_give_back(&s, shared);
	cr_expect_eq(s.n, 0);
	bh_tag_store_release(&s);
}

Test(tags, a_tag_is_held_once_and_goes_with_its_last_list)
{
	char a_bytes[64], b_bytes[64];
	struct bh_tag *a_room[2], *b_room[2];
	struct bh_tags a, b;
	struct bh_tag_store s;

	cr_assert_eq(bh_tag_store_init(&s, 1), 0);
	cr_assert_eq(bh_tag_store_share(&s, pack("one|two", a_bytes), a_room, &a), 0);
	cr_assert_eq(bh_tag_store_share(&s, pack("two|three", b_bytes), b_room, &b), 0);
	cr_expect_eq(a_room[1], b_room[0]);
	cr_expect_eq(s.n, 3);
	bh_tag_store_give_back(&s, a);
	cr_expect_eq(s.n, 2);
	cr_expect_str_eq(spell(b), "two|three");
	bh_tag_store_give_back(&s, b);
	cr_expect_eq(s.n, 0);
	bh_tag_store_release(&s);
}

#define LISTS 5000

static struct bh_tags numbered(unsigned i, char *to)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "host:%u|rack:%u", i, i / 10);
	return pack(text, to);
}

/* Lists come and go at random: whoever is there reads as it was made, the chains stay short, and
 * memory is given back. */
Test(tags, survive_growth_and_departure_of_others)
{
	struct bh_tag *(*rooms)[2] = calloc(LISTS, sizeof(*rooms));
	struct bh_tags *lists = calloc(LISTS, sizeof(*lists));
	bool *there = calloc(LISTS, sizeof(*there));
	struct bh_rng rng;
	struct bh_tag_store s;
	char bytes[64], want[512];

	cr_assert(rooms && lists && there);
	bh_rng_seed(&rng, 7);
	cr_assert_eq(bh_tag_store_init(&s, 1), 0);
	for (unsigned step = 0; step < 20 * LISTS; step++) {
		unsigned i = (unsigned)(bh_rng_u64(&rng) % LISTS);
		bool growing = step < 15 * LISTS;

		if (there[i]) {
			(void)snprintf(want, sizeof(want), "host:%u|rack:%u", i, i / 10);
			cr_assert_str_eq(spell(lists[i]), want);
			bh_tag_store_give_back(&s, lists[i]);
			there[i] = false;
		} else if (growing) {
			cr_assert_eq(
			    bh_tag_store_share(&s, numbered(i, bytes), rooms[i], &lists[i]), 0);
			there[i] = true;
		}
		cr_assert(s.n <= s.chains_n);
	}
	for (unsigned i = 0; i < LISTS; i++) {
		if (there[i])
			bh_tag_store_give_back(&s, lists[i]);
	}
	cr_expect_eq(s.n, 0);
	cr_expect(s.cap <= 1024, "%zu places are kept for no tag", s.cap);
	bh_tag_store_release(&s);
	free(rooms);
	free(lists);
	free(there);
}

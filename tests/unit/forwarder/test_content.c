/* When a payload is acknowledged, and how far its positions are, with several destinations
 * (spec/durability.md §1, DESIGN §4). */
#include <stdlib.h>

#include <criterion/criterion.h>

#include "forwarder/content.h"

static struct bh_content of(unsigned reliable)
{
	return (struct bh_content){.holders = 1, .unproven = reliable};
}

/* One destination after the other: what a commit with that change makes of it. */
struct step {
	bool reliable, was_row;
	enum bh_content_change change;
	unsigned owers; /* rows left after it */
	bool proven;
	enum bh_part_level level;
};

static void walk(struct bh_content *c, const struct step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct step *s = &steps[i];

		bh_content_touch(c, s->reliable, s->was_row, s->change);
		cr_expect_eq(bh_content_proven(c), s->proven, "step %zu", i);
		cr_expect_eq(bh_content_level(c, s->owers), s->level, "step %zu", i);
		bh_content_committed(c);
		cr_expect(!c->touched);
	}
}

#define ROW             true, false, BH_CONTENT_ROW
#define TAKEN           true, false, BH_CONTENT_TAKEN
#define DROPPED         true, false, BH_CONTENT_DROPPED
#define ROW_TAKEN       true, true, BH_CONTENT_TAKEN
#define ROW_DROPPED     true, true, BH_CONTENT_DROPPED
#define UNRELIABLE      false, false, BH_CONTENT_TAKEN
#define UNRELIABLE_LOST false, false, BH_CONTENT_DROPPED

Test(content, one_destination_is_delivered_and_complete_at_once)
{
	static const struct step direct[] = {{TAKEN, 0, true, BH_PART_COMPLETE}};
	static const struct step spooled[] = {
	    {ROW, 1, true, BH_PART_DURABLE}, {ROW_TAKEN, 0, true, BH_PART_COMPLETE}};
	struct bh_content a = of(1), b = of(1);

	walk(&a, direct, BH_ARRAY_LEN(direct));
	walk(&b, spooled, BH_ARRAY_LEN(spooled));
}

Test(content, the_first_of_two_proves_nothing_yet)
{
	static const struct step steps[] = {
	    {TAKEN, 0, false, BH_PART_OPEN},
	    {ROW, 1, true, BH_PART_DELIVERED},
	    {ROW_TAKEN, 0, true, BH_PART_COMPLETE},
	};
	struct bh_content c = of(2);

	walk(&c, steps, BH_ARRAY_LEN(steps));
}

Test(content, rows_of_all_are_safe_and_not_delivered)
{
	static const struct step steps[] = {
	    {ROW, 1, false, BH_PART_OPEN},
	    {ROW, 2, false, BH_PART_OPEN},
	    {ROW, 3, true, BH_PART_DURABLE},
	    {ROW_DROPPED, 2, true, BH_PART_DURABLE},
	    {ROW_TAKEN, 1, true, BH_PART_DELIVERED},
	    {ROW_DROPPED, 0, true, BH_PART_COMPLETE},
	};
	struct bh_content c = of(3);

	walk(&c, steps, BH_ARRAY_LEN(steps));
}

Test(content, what_all_have_dropped_is_over)
{
	static const struct step steps[] = {
	    {DROPPED, 0, false, BH_PART_OPEN}, {DROPPED, 0, true, BH_PART_COMPLETE}};
	struct bh_content c = of(2);

	walk(&c, steps, BH_ARRAY_LEN(steps));
}

Test(content, an_unreliable_destination_has_no_say)
{
	static const struct step steps[] = {
	    {UNRELIABLE, 0, false, BH_PART_OPEN},
	    {ROW, 1, true, BH_PART_DURABLE},
	    {UNRELIABLE, 1, true, BH_PART_DURABLE}, /* its taking is no delivery */
	    {UNRELIABLE_LOST, 1, true, BH_PART_DURABLE},
	    {ROW_TAKEN, 0, true, BH_PART_COMPLETE},
	};
	struct bh_content c = of(1);

	walk(&c, steps, BH_ARRAY_LEN(steps));
}

Test(content, positions_alone_are_proven_from_the_start)
{
	struct bh_content c = of(0);

	bh_content_touch(&c, false, false, BH_CONTENT_DROPPED);
	cr_expect(bh_content_proven(&c));
	cr_expect_eq(bh_content_level(&c, 0), BH_PART_COMPLETE);
}

Test(content, both_in_one_group_and_a_group_that_is_rolled_back)
{
	struct bh_content c = of(2);

	for (int i = 0; i < 2; i++) {
		bh_content_touch(&c, true, false, BH_CONTENT_TAKEN);
		bh_content_touch(&c, true, false, BH_CONTENT_ROW);
		cr_expect(bh_content_proven(&c));
		cr_expect_eq(bh_content_level(&c, 1), BH_PART_DELIVERED);
		bh_content_undo(&c);
		cr_expect_eq(c.unproven, 2);
		cr_expect_not(bh_content_proven(&c));
		cr_expect_not(c.taken);
	}
}

Test(content, who_lags_is_behind_one_that_is_done)
{
	struct bh_content c = of(3);

	cr_expect_not(bh_content_lags(&c), "all are equally late");
	bh_content_touch(&c, true, false, BH_CONTENT_ROW);
	bh_content_committed(&c);
	cr_expect_not(bh_content_lags(&c), "one that is slow itself is nobody to wait for");
	bh_content_touch(&c, true, false, BH_CONTENT_DROPPED);
	bh_content_committed(&c);
	cr_expect(bh_content_lags(&c));
	bh_content_touch(&c, true, false, BH_CONTENT_ROW);
	bh_content_committed(&c);
	cr_expect_not(bh_content_lags(&c));
}

Test(content, the_last_holder_frees_it_and_its_bytes)
{
	struct bh_contents l = {NULL, NULL, 0};
	struct bh_content *all[3];

	for (unsigned i = 0; i < 3; i++) {
		all[i] = calloc(1, sizeof(*all[i]));
		cr_assert_not_null(all[i]);
		*all[i] = (struct bh_content){
		    .ord = i + 5, .holders = 2, .claimed = i != 1, .body = {"12345", 5}};
		bh_content_insert(&l, all[i]);
	}
	cr_expect_eq(l.claimed_bytes, 10, "what came over the link is bounded by its credit");
	cr_expect_eq(bh_content_find(&l, 6), all[1]);
	cr_expect_null(bh_content_find(&l, 9));
	bh_content_release(&l, all[0]);
	cr_expect_eq(l.claimed_bytes, 10);
	bh_content_release(&l, all[0]);
	cr_expect_eq(l.claimed_bytes, 5);
	for (unsigned i = 0; i < 4; i++)
		bh_content_release(&l, i < 2 ? all[1] : all[2]);
	cr_expect(!l.head && !l.tail && l.claimed_bytes == 0);
}

/* While its answer is awaited a spooled body is on disk only. */
Test(content, a_body_goes_and_comes_back)
{
	struct bh_contents all = {NULL, NULL, 0};
	struct bh_content *c = calloc(1, sizeof(*c));
	char *first = malloc(8), *again = malloc(8);

	cr_assert(c && first && again);
	memcpy(first, "originBB", 8);
	memcpy(again, "ORIGINbb", 8);
	*c = (struct bh_content){.ord = 3, .holders = 1, .claimed = true, .block = first};
	c->origins = (struct bh_str){first, 6};
	c->body = (struct bh_str){first + 6, 2};
	bh_content_insert(&all, c);
	cr_expect_eq(all.claimed_bytes, 2);

	bh_content_let_go(&all, c);
	cr_expect(c->gone);
	cr_expect_null(c->body.p);
	cr_expect_eq(c->body.n, 2, "how long it is stays known");
	cr_expect_eq(all.claimed_bytes, 0);
	cr_expect_arr_eq(c->origins.p, "origin", 6);

	bh_content_bring_back(
	    &all, c, &(struct bh_spool_row){.origins = {again, 6}, .body = {again + 6, 2}}, again);
	cr_expect(!c->gone);
	cr_expect_arr_eq(c->body.p, "bb", 2);
	cr_expect_eq(all.claimed_bytes, 2);
	bh_content_release(&all, c);
	cr_expect_eq(all.claimed_bytes, 0);
}

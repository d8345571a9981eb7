#include <criterion/criterion.h>
#include <stdio.h>

#include "common/buf.h"
#include "common/rng.h"
#include "forwarder/positions.h"

#define GEN 42

static struct bh_origin part(const char *first, const char *last)
{
	return (struct bh_origin){
	    .identifier = BH_STR_LIT("file:/a"),
	    .gen = GEN,
	    .offset_first = bh_str_from(first),
	    .offset_last = bh_str_from(last),
	};
}

static void add(struct bh_positions *ps, const char *first, const char *last, uint64_t ord)
{
	struct bh_origin o = part(first, last);

	cr_assert_eq(bh_positions_add(ps, &o, ord), 0);
}

static void stage(struct bh_positions *ps, uint64_t ord, bool settled)
{
	struct bh_origin o = part("", "");
	struct bh_buf b = BH_BUF_INIT;

	cr_assert_eq(bh_origins_encode(&o, 1, &b), 0);
	bh_positions_stage(ps, bh_buf_view(&b), ord, settled ? BH_PART_COMPLETE : BH_PART_DURABLE);
	bh_buf_release(&b);
}

static int load(
    struct bh_positions *ps, const struct bh_origin *row, uint64_t safe_ord, uint64_t delivered_ord)
{
	struct bh_position p = bh_position_of(row, safe_ord, delivered_ord);

	return bh_positions_load(ps, &p);
}

static void commit(struct bh_positions *ps, uint64_t ord, bool settled)
{
	stage(ps, ord, settled);
	bh_positions_apply(ps);
}

struct seen {
	char safe[24], delivered[24];
};

static int look(void *ctx, const struct bh_generation *g)
{
	const struct bh_origin *row = &g->row;
	struct seen *s = ctx;

	(void)snprintf(
	    s->safe, sizeof(s->safe), "%.*s", (int)row->offset_last.n, row->offset_last.p);
	(void)snprintf(s->delivered, sizeof(s->delivered), "%.*s", (int)row->offset_first.n,
	    row->offset_first.p);
	return 0;
}

static void expect(const struct bh_positions *ps, const char *safe, const char *delivered)
{
	struct seen s;

	cr_assert_eq(bh_positions_each(ps, look, &s), 0);
	cr_assert_str_eq(s.safe, safe);
	cr_assert_str_eq(s.delivered, delivered);
}

Test(positions, move_over_an_unbroken_run_only)
{
	struct bh_positions ps;

	cr_assert_eq(bh_positions_init(&ps), 0);
	add(&ps, "0", "10", 1);
	add(&ps, "10", "20", 2);
	add(&ps, "20", "30", 3);
	expect(&ps, "0", "0");
	commit(&ps, 2, true);
	expect(&ps, "0", "0");
	commit(&ps, 1, true);
	expect(&ps, "20", "20");
	commit(&ps, 3, true);
	expect(&ps, "30", "30");
	bh_positions_release(&ps);
}

Test(positions, a_row_makes_safe_but_not_delivered)
{
	struct bh_positions ps;

	cr_assert_eq(bh_positions_init(&ps), 0);
	add(&ps, "0", "10", 1);
	add(&ps, "10", "20", 2);
	commit(&ps, 1, false);
	commit(&ps, 2, true);
	expect(&ps, "20", "0");
	commit(&ps, 1, true);
	expect(&ps, "20", "20");
	bh_positions_release(&ps);
}

static int orders_agree(void *ctx, const struct bh_generation *g)
{
	(void)ctx;
	return g->delivered_ord > g->safe_ord;
}

/* Orders are shared by all sources: the open part is number 4, number 3 was another's. */
Test(positions, delivered_is_never_ahead_of_safe_in_its_order_either) /* durability.md §1.3, I6 */
{
	struct bh_positions ps;

	cr_assert_eq(bh_positions_init(&ps), 0);
	add(&ps, "0", "10", 2);
	add(&ps, "10", "20", 4);
	commit(&ps, 2, true);
	expect(&ps, "10", "10");
	cr_expect_eq(bh_positions_each(&ps, orders_agree, NULL), 0);
	commit(&ps, 4, true);
	cr_expect_eq(bh_positions_each(&ps, orders_agree, NULL), 0);
	bh_positions_release(&ps);
}

Test(positions, undo_leaves_everything_as_it_was)
{
	struct bh_positions ps;

	cr_assert_eq(bh_positions_init(&ps), 0);
	add(&ps, "0", "10", 1);
	stage(&ps, 1, true);
	bh_positions_undo(&ps);
	expect(&ps, "0", "0");
	commit(&ps, 1, true);
	expect(&ps, "10", "10");
	bh_positions_release(&ps);
}

Test(positions, a_part_behind_a_gap_is_refused_and_counted)
{
	struct bh_origin o = part("30", "40");
	struct bh_positions ps;

	cr_assert_eq(bh_positions_init(&ps), 0);
	add(&ps, "0", "10", 1);
	cr_assert_neq(bh_positions_add(&ps, &o, 2), 0);
	cr_assert_eq(ps.gaps, 1);
	commit(&ps, 1, true);
	commit(&ps, 2, true);
	expect(&ps, "10", "10");
	bh_positions_release(&ps);
}

Test(positions, after_a_restart_the_rows_alone_say_what_is_delivered)
{
	struct bh_origin row = part("0", "30"), spooled = part("10", "20");
	struct bh_positions ps;

	/* 0-10 and 20-30 were delivered, 10-20 is a row: what was settled behind it needs no memory
	 */
	cr_assert_eq(bh_positions_init(&ps), 0);
	cr_assert_eq(load(&ps, &row, 3, 0), 0);
	cr_assert_eq(bh_positions_load_part(&ps, &spooled, 2), 0);
	commit(&ps, 2, true);
	expect(&ps, "30", "30");
	add(&ps, "30", "40", 65537);
	commit(&ps, 65537, true);
	expect(&ps, "40", "40");
	bh_positions_release(&ps);
}

Test(positions, a_new_epoch_starts_at_safe_again)
{
	struct bh_positions ps;

	cr_assert_eq(bh_positions_init(&ps), 0);
	add(&ps, "0", "10", 1);
	commit(&ps, 1, false);
	bh_positions_rewind_tips(&ps);
	add(&ps, "10", "25", 2);
	commit(&ps, 2, false);
	expect(&ps, "25", "0");
	bh_positions_release(&ps);
}

Test(positions, any_order_of_ends_closes_at_the_last_byte_and_never_goes_back)
{
	struct bh_rng rng;

	bh_rng_seed(&rng, 1);
	for (int round = 0; round < 200; round++) {
		unsigned order[16], n = 16;
		struct bh_positions ps;
		int last = 0;

		cr_assert_eq(bh_positions_init(&ps), 0);
		for (unsigned i = 0; i < n; i++) {
			char a[8], b[8];

			(void)snprintf(a, sizeof(a), "%u", i * 10);
			(void)snprintf(b, sizeof(b), "%u", i * 10 + 10);
			add(&ps, a, b, i + 1);
			order[i] = i + 1;
		}
		for (unsigned i = n - 1; i > 0; i--) {
			unsigned j = (unsigned)(bh_rng_u64(&rng) % (i + 1)), t = order[i];

			order[i] = order[j];
			order[j] = t;
		}
		for (unsigned i = 0; i < n; i++) {
			struct seen s;

			commit(&ps, order[i], true);
			cr_assert_eq(bh_positions_each(&ps, look, &s), 0);
			cr_assert_geq((int)strtol(s.delivered, NULL, 10), last);
			last = (int)strtol(s.delivered, NULL, 10);
		}
		expect(&ps, "160", "160");
		bh_positions_release(&ps);
	}
}

/* --- forgotten (proto/LINK.md) ------------------------------------------------------------------
 */

static void add_forgotten(
    struct bh_positions *ps, const char *first, const char *last, uint64_t ord)
{
	struct bh_origin o = part(first, last);

	o.state = BH_ORIGIN_FORGOTTEN;
	cr_assert_eq(bh_positions_add(ps, &o, ord), 0);
}

static int count_gone(void *ctx, const struct bh_position *p)
{
	*(int *)ctx += p->gone ? 100 : 1;
	return 0;
}

/* What a commit writes: 100 = deletes the row, 1 = writes it. */
static int commit_counted(struct bh_positions *ps, uint64_t ord, bool settled)
{
	int n = 0;

	stage(ps, ord, settled);
	cr_assert_eq(bh_positions_staged(ps, count_gone, &n), 0);
	bh_positions_apply(ps);
	return n;
}

Test(positions, a_forgotten_generation_leaves_with_its_commit)
{
	struct bh_positions ps;

	cr_assert_eq(bh_positions_init(&ps), 0);
	add(&ps, "0", "10", 1);
	commit(&ps, 1, true);
	add_forgotten(&ps, "10", "10", 2);
	cr_expect_eq(commit_counted(&ps, 2, true), 100);
	cr_expect_eq(ps.n, 0);
	bh_positions_release(&ps);
}

Test(positions, a_forgotten_generation_stays_while_something_of_it_is_outstanding)
{
	struct bh_positions ps;

	cr_assert_eq(bh_positions_init(&ps), 0);
	add(&ps, "0", "10", 1);
	commit(&ps, 1, false); /* a row of the spool */
	add_forgotten(&ps, "10", "10", 2);
	cr_expect_eq(commit_counted(&ps, 2, true), 1);
	cr_expect_eq(ps.n, 1);
	cr_expect_eq(commit_counted(&ps, 1, true), 100);
	cr_expect_eq(ps.n, 0);
	bh_positions_release(&ps);
}

Test(positions, a_forgotten_row_found_at_start_leaves_with_its_last_part)
{
	struct bh_origin row = part("0", "10"), spooled = part("0", "10");
	struct bh_positions ps;

	row.state = BH_ORIGIN_FORGOTTEN;
	cr_assert_eq(bh_positions_init(&ps), 0);
	cr_assert_eq(load(&ps, &row, 1, 0), 0);
	cr_assert_eq(bh_positions_load_part(&ps, &spooled, 1), 0);
	cr_expect_eq(commit_counted(&ps, 1, true), 100);
	cr_expect_eq(ps.n, 0);
	bh_positions_release(&ps);
}

Test(positions, what_is_said_after_forgotten_keeps_the_row)
{
	struct bh_positions ps;

	cr_assert_eq(bh_positions_init(&ps), 0);
	add_forgotten(&ps, "0", "10", 1);
	add(&ps, "10", "20", 2);
	cr_expect_eq(commit_counted(&ps, 1, true), 1);
	cr_expect_eq(commit_counted(&ps, 2, true), 1);
	expect(&ps, "20", "20");
	bh_positions_release(&ps);
}

Test(positions, undo_keeps_a_forgotten_generation)
{
	struct bh_positions ps;

	cr_assert_eq(bh_positions_init(&ps), 0);
	add_forgotten(&ps, "0", "10", 1);
	stage(&ps, 1, true);
	bh_positions_undo(&ps);
	cr_expect_eq(ps.n, 1);
	cr_expect_eq(commit_counted(&ps, 1, true), 100);
	bh_positions_release(&ps);
}

Test(positions, a_row_of_the_spool_may_outlive_its_generation)
{
	struct bh_origin o = part("0", "10");
	struct bh_positions ps;

	cr_assert_eq(bh_positions_init(&ps), 0);
	cr_assert_eq(bh_positions_load_part(&ps, &o, 1), 0);
	cr_expect_eq(commit_counted(&ps, 1, true), 0);
	add(&ps, "0", "10", 2);
	bh_positions_forget(&ps, o.identifier, GEN);
	cr_expect_eq(ps.n, 0);
	cr_expect_eq(commit_counted(&ps, 2, true), 0);
	bh_positions_release(&ps);
}

Test(positions, only_a_row_that_no_part_has_moved_is_imported)
{
	struct bh_origin row = part("5", "5");
	struct bh_positions ps;

	cr_assert_eq(bh_positions_init(&ps), 0);
	cr_assert_eq(load(&ps, &row, 0, 0), 0);
	for (size_t i = 0; i < ps.slots_n; i++)
		cr_expect(!ps.slots[i] || bh_generation_imported(ps.slots[i]));
	add(&ps, "5", "10", 1);
	for (size_t i = 0; i < ps.slots_n; i++)
		cr_expect(!ps.slots[i] || !bh_generation_imported(ps.slots[i]));
	commit(&ps, 1, true);
	for (size_t i = 0; i < ps.slots_n; i++)
		cr_expect(!ps.slots[i] || !bh_generation_imported(ps.slots[i]));
	bh_positions_release(&ps);
}

Test(positions, sources_are_counted_by_themselves)
{
	struct bh_origin source = part("5", "5"), file = part("0", "0");
	struct bh_positions ps;

	source.identifier = BH_STR_LIT("source:0a");
	source.gen = BH_ORIGIN_SOURCE_GEN;
	cr_assert_eq(bh_positions_init(&ps), 0);
	cr_assert_eq(load(&ps, &source, 0, 0), 0);
	cr_assert_eq(load(&ps, &file, 0, 0), 0);
	cr_expect(ps.n == 2 && ps.sources == 1);
	bh_positions_forget(&ps, source.identifier, source.gen);
	cr_expect(ps.n == 1 && ps.sources == 0);
	bh_positions_release(&ps);
}

/* --- several destinations -----------------------------------------------------------------------
 */

static void raise_to(struct bh_positions *ps, uint64_t ord, enum bh_part_level level)
{
	struct bh_origin o = part("", "");
	struct bh_buf b = BH_BUF_INIT;

	cr_assert_eq(bh_origins_encode(&o, 1, &b), 0);
	bh_positions_stage(ps, bh_buf_view(&b), ord, level);
	bh_buf_release(&b);
}

static int look_at_complete(void *ctx, const struct bh_generation *g)
{
	cr_expect_str_eq(g->complete, (const char *)ctx);
	cr_expect_leq(g->complete_ord, g->delivered_ord);
	cr_expect_leq(g->delivered_ord, g->safe_ord);
	return 0;
}

static void expect_all(
    const struct bh_positions *ps, const char *safe, const char *delivered, char *complete)
{
	expect(ps, safe, delivered);
	cr_assert_eq(bh_positions_each(ps, look_at_complete, complete), 0);
}

Test(positions, complete_follows_the_slowest_destination)
{
	struct bh_positions ps;
	char zero[] = "0", ten[] = "10", thirty[] = "30";

	cr_assert_eq(bh_positions_init(&ps), 0);
	add(&ps, "0", "10", 1);
	add(&ps, "10", "20", 2);
	add(&ps, "20", "30", 3);
	raise_to(&ps, 2, BH_PART_DELIVERED);
	raise_to(&ps, 3, BH_PART_DURABLE);
	bh_positions_apply(&ps);
	expect_all(&ps, "0", "0", zero);
	raise_to(&ps, 1, BH_PART_DURABLE);
	bh_positions_apply(&ps);
	expect_all(&ps, "30", "0", zero);
	raise_to(&ps, 1, BH_PART_DELIVERED);
	bh_positions_apply(&ps);
	expect_all(&ps, "30", "20", zero);
	raise_to(&ps, 3, BH_PART_COMPLETE);
	bh_positions_undo(&ps);
	expect_all(&ps, "30", "20", zero);
	raise_to(&ps, 3, BH_PART_COMPLETE);
	raise_to(&ps, 1, BH_PART_COMPLETE);
	bh_positions_apply(&ps);
	expect_all(&ps, "30", "30", ten);
	raise_to(&ps, 2, BH_PART_DURABLE); /* never backwards */
	bh_positions_apply(&ps);
	expect_all(&ps, "30", "30", ten);
	raise_to(&ps, 2, BH_PART_COMPLETE);
	bh_positions_apply(&ps);
	expect_all(&ps, "30", "30", thirty);
	bh_positions_release(&ps);
}

/* The chain comes back from the rows, and from delivered_ord. */
Test(positions, after_a_restart_delivered_is_where_it_was)
{
	struct bh_origin row = part("20", "30"), parts[3];
	struct bh_position p = bh_position_of(&row, 3, 2);
	char zero[] = "0", ten[] = "10";
	static const char *const ends[] = {"0", "10", "20", "30"};
	struct bh_positions ps;

	p.complete = bh_str_from("0");
	p.complete_ord = 0;
	cr_assert_eq(bh_positions_init(&ps), 0);
	cr_assert_eq(bh_positions_load(&ps, &p), 0);
	for (unsigned i = 0; i < 3; i++) {
		parts[i] = part(ends[i], ends[i + 1]);
		cr_assert_eq(bh_positions_load_part(&ps, &parts[i], i + 1), 0);
	}
	expect_all(&ps, "30", "20", zero);
	raise_to(&ps, 1, BH_PART_COMPLETE);
	bh_positions_apply(&ps);
	expect_all(&ps, "30", "20", ten);
	raise_to(&ps, 3, BH_PART_DELIVERED);
	bh_positions_apply(&ps);
	expect_all(&ps, "30", "30", ten);
	bh_positions_release(&ps);
}

#include <criterion/criterion.h>

#include "forwarder/dest.h"

/* Logs are in order: what came in last does not pass a row that waits in the spool. */
Test(dest, logs_in_memory_wait_for_rows_that_are_older)
{
	struct bh_dest d = {.pace = {.slots = 4}};
	struct bh_payload row = {.ord = 5, .row = true}, fresh = {.ord = 9};

	bh_dest_insert(&d, &fresh);
	cr_expect_eq(bh_dest_next(&d), &fresh);
	d.rows = 1;
	cr_expect_null(bh_dest_next(&d));
	cr_expect(bh_dest_wants_claim(&d, 0));
	bh_dest_insert(&d, &row);
	cr_expect_eq(bh_dest_next(&d), &row);
	row.sending = true;
	cr_expect_eq(bh_dest_next(&d), &fresh, "all rows are in the window");
	d.newest_first = true;
	d.rows = 2;
	cr_expect_eq(bh_dest_next(&d), &fresh, "metrics go newest first");
}

/* What is live goes out first; the spool behind it may not starve (spec/intake.md §15.3). */
Test(dest, newest_first_gives_a_row_its_turn)
{
	struct bh_dest d = {.pace = {.slots = 4}, .newest_first = true, .rows = 2};
	struct bh_payload row = {.ord = 5, .row = true}, live = {.ord = 9}, newer = {.ord = 11};

	bh_dest_insert(&d, &live);
	bh_dest_insert(&d, &newer);
	cr_expect_eq(bh_dest_next(&d), &newer);
	cr_expect_not(bh_dest_owes_a_turn(&d));
	d.live_n = BH_DEST_LIVE_RUN;
	cr_expect(bh_dest_owes_a_turn(&d), "a row is to be claimed");
	cr_expect_eq(bh_dest_next(&d), &newer, "none is in memory yet");
	bh_dest_insert(&d, &row);
	cr_expect_eq(bh_dest_next(&d), &row);
	d.rows = 1;
	cr_expect_not(bh_dest_owes_a_turn(&d), "all rows are in the window");
	row.sending = true;
	cr_expect_eq(bh_dest_next(&d), &newer);
}

Test(dest, claims_are_bounded_for_all_and_one_always_may)
{
	struct bh_dest d = {.pace = {.slots = 4}, .rows = 10};
	struct bh_payload row = {.ord = 5, .row = true};

	cr_expect(bh_dest_wants_claim(&d, BH_DEST_CLAIMS_MAX));
	bh_dest_insert(&d, &row);
	cr_expect_not(bh_dest_wants_claim(&d, BH_DEST_CLAIMS_MAX));
	cr_expect(bh_dest_wants_claim(&d, BH_DEST_CLAIMS_MAX - 1));
}

Test(dest, an_unreliable_one_has_so_many_places)
{
	struct bh_dest d = {.pace = {.slots = 1}, .queue_max = 10};
	struct bh_payload p[11];

	cr_expect(bh_dest_has_place(&d, 2 * BH_DEST_QUEUE_MAX), "one always may");
	for (unsigned i = 0; i < d.queue_max; i++) {
		p[i] = (struct bh_payload){.ord = i + 1};
		cr_expect(bh_dest_has_place(&d, 1), "%u", i);
		bh_dest_insert(&d, &p[i]);
	}
	cr_expect_not(bh_dest_has_place(&d, 1));
	d.sending_n = 1;
	cr_expect(bh_dest_has_place(&d, 1), "what is under way does not wait");
	d.mem_bytes = BH_DEST_QUEUE_MAX;
	cr_expect_not(bh_dest_has_place(&d, 1));
}

/* One half-open probe decides (spec/intake.md §12.2). */
Test(dest, rests_in_a_pause_and_while_its_probe_is_under_way)
{
	struct bh_dest d = {.pace = {.slots = 4}};

	cr_expect_not(bh_dest_rests(&d, 0));
	d.backoff.state = BH_BREAKER_BLOCKED;
	d.backoff.until_ns = 100;
	cr_expect(bh_dest_rests(&d, 99));
	cr_expect_not(bh_dest_rests(&d, 100));
	cr_expect(bh_backoff_may_send(&d.backoff, 100));
	d.sending_n = 1;
	cr_expect(bh_dest_rests(&d, 1000));
}

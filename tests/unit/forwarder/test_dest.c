#include <criterion/criterion.h>

#include "forwarder/dest.h"

Test(dest, slow_answers_let_more_requests_under_way)
{
	struct bh_dest d = {.concurrency = 4, .adaptive = true};

	cr_expect_eq(bh_dest_slots(&d), 4);
	for (int i = 0; i < 50; i++)
		bh_dest_answered(&d, 100);
	cr_expect_eq(bh_dest_slots(&d), 10, "%u", bh_dest_slots(&d));
	for (int i = 0; i < 50; i++)
		bh_dest_answered(&d, 1000);
	cr_expect_eq(bh_dest_slots(&d), BH_DEST_SLOTS_MAX);
	bh_dest_answered(&d, 1);
	cr_expect_gt(bh_dest_slots(&d), 50, "one quick answer says little");
	for (int i = 0; i < 500; i++)
		bh_dest_answered(&d, 1);
	cr_expect_eq(bh_dest_slots(&d), 4);
	bh_dest_answered(&d, INT64_MAX);
	cr_expect_eq(bh_dest_slots(&d), BH_DEST_SLOTS_MAX, "a clock that jumps does no harm");
}

Test(dest, a_configured_number_is_kept)
{
	struct bh_dest d = {.concurrency = 1};

	bh_dest_answered(&d, 60000);
	cr_expect_eq(bh_dest_slots(&d), 1);
	d.concurrency = 64;
	cr_expect_eq(bh_dest_slots(&d), 64);
}

/* Logs are in order: what came in last does not pass a row that waits in the spool. */
Test(dest, logs_in_memory_wait_for_rows_that_are_older)
{
	struct bh_dest d = {.concurrency = 4};
	struct bh_payload row = {.ord = 5, .row = true}, fresh = {.ord = 9};

	bh_dest_insert(&d, &fresh);
	cr_expect_eq(bh_dest_next(&d), &fresh);
	d.rows = 1;
	cr_expect_null(bh_dest_next(&d));
	cr_expect(bh_dest_wants_claim(&d));
	bh_dest_insert(&d, &row);
	cr_expect_eq(bh_dest_next(&d), &row);
	row.sending = true;
	cr_expect_eq(bh_dest_next(&d), &fresh, "all rows are in the window");
	d.newest_first = true;
	d.rows = 2;
	cr_expect_eq(bh_dest_next(&d), &fresh, "metrics go newest first");
}

/* intake.md §15.3: live traffic goes first, but one in four sends is from the spool. */
Test(dest, a_backlog_gets_one_send_in_four_when_new_logs_go_first)
{
	struct bh_dest d = {.concurrency = 4, .limits = {.live_first = true}};
	struct bh_payload row = {.ord = 1, .row = true}, fresh = {.ord = 9};

	d.rows = 2;
	bh_dest_insert(&d, &fresh);
	cr_expect_eq(bh_dest_next(&d), &fresh, "rows that are older do not hold it up");
	d.live_n = 3;
	cr_expect_null(bh_dest_next(&d), "a row is to be claimed");
	bh_dest_insert(&d, &row);
	cr_expect_eq(bh_dest_next(&d), &row);
	row.sending = true;
	d.rows = 1;
	cr_expect_eq(bh_dest_next(&d), &fresh, "there is no other row");
	fresh.sending = true;
	cr_expect_null(bh_dest_next(&d));
}

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

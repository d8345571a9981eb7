#include <criterion/criterion.h>

#include "forwarder/receiver.h"

Test(receiver, accepts_only_the_next_seq_of_its_epoch)
{
	struct bh_receiver r = {.epoch = 7};

	cr_assert_eq(bh_receiver_data(&r, 7, 2), BH_DATA_GAP);
	cr_assert_eq(bh_receiver_data(&r, 7, 1), BH_DATA_ACCEPT);
	cr_assert_eq(bh_receiver_data(&r, 7, 1), BH_DATA_REPEAT);
	cr_assert_eq(bh_receiver_data(&r, 8, 2), BH_DATA_WRONG_EPOCH);
}

Test(receiver, eleven_taken_and_ten_in_flight_at_a_crash_brings_ten_again)
{
	struct bh_receiver r = {.epoch = 7};

	for (uint64_t seq = 1; seq <= 11; seq++)
		cr_assert_eq(bh_receiver_data(&r, 7, seq), BH_DATA_ACCEPT);
	for (uint64_t seq = 1; seq <= 11; seq++) {
		if (seq != 10)
			bh_receiver_settle(&r, seq);
	}
	cr_assert_eq(r.base, 9);
	cr_assert(bh_receiver_durable(&r, 11));
	r.rcvd = r.base; /* what a restart loads */
	cr_assert_eq(bh_receiver_data(&r, 7, 10), BH_DATA_ACCEPT);
	cr_assert_eq(bh_receiver_data(&r, 7, 11), BH_DATA_ACCEPT_REPEAT);
	bh_receiver_settle(&r, 10);
	cr_assert_eq(r.base, 11);
	cr_assert_eq(r.mask, 0);
}

Test(receiver, a_lower_generation_is_stale_and_a_stored_mark_has_none)
{
	struct bh_receiver r = {.epoch = 7};

	cr_assert_eq(bh_receiver_hello(&r, 9, 1), BH_HELLO_NEW);
	bh_receiver_adopt(&r, 9, 3);
	cr_assert_eq(bh_receiver_hello(&r, 9, 3), BH_HELLO_KNOWN);
	cr_assert_eq(bh_receiver_hello(&r, 10, 2), BH_HELLO_STALE);
	cr_assert_eq(bh_receiver_hello(&r, 10, 4), BH_HELLO_NEW);
}

Test(receiver, nothing_beyond_the_mask_is_accepted)
{
	struct bh_receiver r = {.epoch = 1, .rcvd = 64};

	cr_assert_eq(bh_receiver_data(&r, 1, 65), BH_DATA_GAP);
	bh_receiver_settle(&r, 1);
	cr_assert_eq(bh_receiver_data(&r, 1, 65), BH_DATA_ACCEPT);
}

#define CAUSE BH_REFUSE_BAD_CRC

Test(receiver, what_fails_three_times_is_refused_and_told_when_it_is_durable) /* LINK.md rule 7 */
{
	struct bh_receiver r = {.epoch = 7};

	cr_assert_eq(bh_receiver_unreadable(&r, 7, 2, CAUSE), BH_DATA_GAP, "not the next one");
	cr_assert_eq(bh_receiver_unreadable(&r, 8, 1, CAUSE), BH_DATA_GAP, "of another epoch");
	for (int i = 1; i < BH_RECEIVER_FAILURES; i++)
		cr_assert_eq(bh_receiver_unreadable(&r, 7, 1, CAUSE), BH_DATA_GAP, "%d", i);
	cr_assert_eq(r.refused, 0);
	cr_assert_eq(bh_receiver_unreadable(&r, 7, 1, CAUSE), BH_DATA_ACCEPT);
	cr_assert_eq(r.rcvd, 1);
	cr_assert_eq(r.base, 0);
	cr_assert_eq(r.refused, 1);
	cr_assert_eq(r.cause, CAUSE);
	cr_assert_not(bh_receiver_refuses(&r), "nothing is said before the commit");
	bh_receiver_settle(&r, 1);
	cr_assert(bh_receiver_refuses(&r));
	r.base = r.rcvd = 1 + BH_LINK_WINDOW;
	cr_assert_not(bh_receiver_refuses(&r), "out of every window");
}

Test(receiver, failures_of_one_seq_do_not_count_for_another)
{
	struct bh_receiver r = {.epoch = 7};

	for (int i = 1; i < BH_RECEIVER_FAILURES; i++)
		cr_assert_eq(bh_receiver_unreadable(&r, 7, 1, CAUSE), BH_DATA_GAP);
	cr_assert_eq(bh_receiver_data(&r, 7, 1), BH_DATA_ACCEPT, "it could be read after all");
	for (int i = 1; i < BH_RECEIVER_FAILURES; i++)
		cr_assert_eq(bh_receiver_unreadable(&r, 7, 2, CAUSE), BH_DATA_GAP, "%d", i);
	cr_assert_eq(bh_receiver_unreadable(&r, 7, 2, CAUSE), BH_DATA_ACCEPT);
}

Test(receiver, the_next_refusal_waits_until_the_last_one_is_durable)
{
	struct bh_receiver r = {.epoch = 7};

	for (int i = 0; i < BH_RECEIVER_FAILURES; i++)
		(void)bh_receiver_unreadable(&r, 7, 1, CAUSE);
	for (int i = 0; i < 2 * BH_RECEIVER_FAILURES; i++)
		cr_assert_eq(bh_receiver_unreadable(&r, 7, 2, CAUSE), BH_DATA_GAP);
	cr_assert_eq(r.refused, 1);
	bh_receiver_settle(&r, 1);
	for (int i = 1; i < BH_RECEIVER_FAILURES; i++)
		cr_assert_eq(bh_receiver_unreadable(&r, 7, 2, CAUSE), BH_DATA_GAP);
	cr_assert_eq(bh_receiver_unreadable(&r, 7, 2, CAUSE), BH_DATA_ACCEPT);
	cr_assert_eq(r.refused, 2);
}

Test(receiver, a_crash_before_the_commit_repeats_the_decision_and_one_behind_it_does_not)
{
	struct bh_receiver r = {.epoch = 7}, committed = r;

	for (int i = 0; i < BH_RECEIVER_FAILURES; i++)
		(void)bh_receiver_unreadable(&r, 7, 1, CAUSE);
	r = committed;
	for (int i = 1; i < BH_RECEIVER_FAILURES; i++)
		cr_assert_eq(bh_receiver_unreadable(&r, 7, 1, CAUSE), BH_DATA_GAP);
	cr_assert_eq(bh_receiver_unreadable(&r, 7, 1, CAUSE), BH_DATA_ACCEPT);
	/* Seq 2 is refused and durable, seq 1 is not: both come again. */
	committed = (struct bh_receiver){.epoch = 7, .mask = 2, .refused = 2, .cause = CAUSE};
	cr_assert_eq(bh_receiver_data(&committed, 7, 1), BH_DATA_ACCEPT);
	for (int i = 1; i < BH_RECEIVER_FAILURES; i++)
		cr_assert_eq(bh_receiver_unreadable(&committed, 7, 2, CAUSE), BH_DATA_GAP);
	cr_assert_eq(bh_receiver_unreadable(&committed, 7, 2, CAUSE), BH_DATA_ACCEPT_REPEAT);
	cr_assert(bh_receiver_refuses(&committed));
}

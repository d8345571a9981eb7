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

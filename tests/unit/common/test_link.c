#include <criterion/criterion.h>
#include <string.h>

#include "common/crc.h"
#include "common/err.h"
#include "common/producer_state.h"
#include "proto/link.h"
#include "proto/origin.h"

#define MS 1000000LL

static struct bh_link_msg data_message(void)
{
	struct bh_link_msg m;

	memset(&m, 0, sizeof(m));
	m.head = (struct bh_link_head){.type = BH_LINK_DATA, .epoch = 1, .seq = 2};
	m.u.data = (struct bh_link_data){.kind = BH_KIND_LOGS,
	    .encoding = BH_ENC_ZSTD,
	    .items = 3,
	    .raw_len = 4,
	    .origins = BH_STR_LIT("orig"),
	    .body = BH_STR_LIT("the body")};
	return m;
}

Test(link, every_type_comes_back_as_it_was_sent)
{
	for (int type = BH_LINK_HELLO; type <= BH_LINK_FENCE_ACK; type++) {
		struct bh_buf a = BH_BUF_INIT, b = BH_BUF_INIT;
		struct bh_link_msg m = data_message(), got;

		if (type != BH_LINK_DATA)
			memset(&m.u, 0, sizeof(m.u));
		m.head.type = (enum bh_link_type)type;
		if (type == BH_LINK_REFUSE)
			m.u.refuse.cause = BH_REFUSE_BAD_CRC;
		cr_assert_eq(bh_link_encode(&m, &a), 0);
		cr_assert_eq(bh_link_decode(a.data, a.len, &got), 0, "type %d", type);
		cr_assert_eq(bh_link_encode(&got, &b), 0);
		cr_assert(bh_str_eq(bh_buf_view(&a), bh_buf_view(&b)), "type %d", type);
		for (size_t n = 0; n < a.len; n++)
			cr_assert_neq(
			    bh_link_decode(a.data, n, &got), 0, "type %d cut at %zu", type, n);
		(void)bh_buf_u8(&a, 0);
		cr_assert_neq(
		    bh_link_decode(a.data, a.len, &got), 0, "type %d with a byte behind", type);
		bh_buf_release(&a);
		bh_buf_release(&b);
	}
}

Test(link, a_flipped_bit_of_data_is_noticed)
{
	struct bh_buf a = BH_BUF_INIT;
	struct bh_link_msg m = data_message(), got;

	cr_assert_eq(bh_link_encode(&m, &a), 0);
	for (size_t i = 0; i < a.len * 8; i++) {
		a.data[i / 8] = (char)(a.data[i / 8] ^ 1 << i % 8);
		cr_assert_neq(bh_link_decode(a.data, a.len, &got), 0, "bit %zu", i);
		a.data[i / 8] = (char)(a.data[i / 8] ^ 1 << i % 8);
	}
	a.data[BH_LINK_HEAD + 10] ^= 1;
	cr_assert_eq(bh_link_decode(a.data, a.len, &got), BH_E_CORRUPT);
	bh_buf_release(&a);
}

/* The lengths are at the end of the fixed part: kind, encoding, items, raw_len, two times. */
#define BODY_LENGTH_AT (BH_LINK_HEAD + 1 + 1 + 4 + 8 + 8 + 8 + 4)

Test(link, what_only_the_forwarder_cannot_take_still_gives_its_origins) /* LINK.md rule 7 */
{
	static const struct {
		size_t at; /* this byte is another one, under a right CRC */
		char byte;
		int rc;
	} cases[] = {
	    {BH_LINK_HEAD, 0, BH_E_FORMAT}, {BH_LINK_HEAD, (char)200, BH_E_FORMAT},
	    {BH_LINK_HEAD + 1, BH_ENC__N, BH_E_FORMAT}, {BODY_LENGTH_AT + 7, 1, BH_E_LIMIT},
	    {BODY_LENGTH_AT, 1, BH_E_FORMAT}, /* bytes behind */
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_link_msg m = data_message(), got;
		struct bh_buf a = BH_BUF_INIT;
		uint32_t crc;

		cr_assert_eq(bh_link_encode(&m, &a), 0);
		a.data[cases[i].at] = cases[i].byte;
		crc = bh_crc32c(0, a.data, a.len - sizeof(crc));
		memcpy(a.data + a.len - sizeof(crc), &crc, sizeof(crc));
		cr_expect_eq(bh_link_decode(a.data, a.len, &got), cases[i].rc, "case %zu", i);
		cr_expect_eq(got.head.type, BH_LINK_DATA, "case %zu", i);
		cr_expect_eq(got.head.seq, 2, "case %zu", i);
		cr_expect(bh_str_eq(got.u.data.origins, m.u.data.origins), "case %zu", i);
		bh_buf_release(&a);
	}
}

Test(origins, come_back_and_refuse_every_cut)
{
	struct bh_origin o = {.identifier = BH_STR_LIT("file:/x"),
	    .gen = 5,
	    .path = BH_STR_LIT("/x"),
	    .offset_first = BH_STR_LIT("1"),
	    .offset_last = BH_STR_LIT("22"),
	    .marker_hash = UINT64_MAX,
	    .state = BH_ORIGIN_DRAINING};
	struct bh_origins_reader r;
	struct bh_buf b = BH_BUF_INIT;
	struct bh_origin got;

	cr_assert_eq(bh_origins_encode(&o, 1, &b), 0);
	cr_assert_eq(bh_origins_begin(&r, b.data, b.len), 0);
	cr_assert_eq(bh_origins_next(&r, &got), 1);
	cr_assert(bh_str_eq(got.offset_last, o.offset_last));
	cr_assert_eq(got.marker_hash, UINT64_MAX);
	cr_assert_eq(got.state, BH_ORIGIN_DRAINING);
	cr_assert_eq(bh_origins_next(&r, &got), 0);
	for (size_t n = 1; n < b.len; n++) {
		int rc = bh_origins_begin(&r, b.data, n);

		cr_assert(rc || bh_origins_next(&r, &got) < 0, "cut at %zu", n);
	}
	bh_buf_release(&b);
}

Test(producer_state, greets_every_50_ms_and_renews_after_400_ms_of_silence)
{
	struct bh_link_fsm f;

	bh_link_fsm_init(&f, 0);
	cr_assert_eq(bh_link_fsm_tick(&f, 0, false), BH_LINK_DO_HELLO);
	cr_assert_eq(bh_link_fsm_tick(&f, 49 * MS, false), BH_LINK_DO_NOTHING);
	cr_assert_eq(bh_link_fsm_tick(&f, 50 * MS, false), BH_LINK_DO_HELLO);
	cr_assert_eq(bh_link_fsm_tick(&f, 400 * MS, false), BH_LINK_DO_RENEW);
	cr_assert_eq(f.state, BH_LINK_GREETING);
}

/* LINK.md rule 4: whatever lies between them. */
Test(producer_state, asks_for_a_restart_with_each_16th_renewal)
{
	struct bh_link_fsm f;
	int64_t now = 0;

	bh_link_fsm_init(&f, 0);
	for (unsigned n = 1; n <= 2 * BH_LINK_RENEWALS_MAX; n++) {
		enum bh_link_action action;

		if (n % 5 == 0)
			bh_link_fsm_ready(&f, now);
		do {
			now += 50 * MS;
			action = bh_link_fsm_tick(&f, now, true);
		} while (action == BH_LINK_DO_NOTHING || action == BH_LINK_DO_HELLO);
		cr_expect_eq(action,
		    n % BH_LINK_RENEWALS_MAX ? BH_LINK_DO_RENEW : BH_LINK_DO_RENEW_AND_ASK,
		    "renewal %u", n);
	}
}

Test(producer_state, a_dead_forwarder_is_greeted_once_a_second_and_never_renewed)
{
	struct bh_link_fsm f;

	bh_link_fsm_init(&f, 0);
	bh_link_fsm_peer(&f, false, 0);
	cr_assert_eq(bh_link_fsm_tick(&f, 0, true), BH_LINK_DO_HELLO);
	cr_assert_eq(bh_link_fsm_tick(&f, 999 * MS, true), BH_LINK_DO_NOTHING);
	cr_assert_eq(bh_link_fsm_tick(&f, 1000 * MS, true), BH_LINK_DO_HELLO);
}

Test(producer_state,
    an_idle_link_needs_no_wake_up_and_silence_counts_only_with_something_outstanding)
{
	struct bh_link_fsm f;

	bh_link_fsm_init(&f, 0);
	(void)bh_link_fsm_tick(&f, 0, false);
	bh_link_fsm_ready(&f, 10 * MS);
	cr_assert_eq(bh_link_fsm_next(&f, false), -1);
	cr_assert_eq(bh_link_fsm_tick(&f, 10000 * MS, false), BH_LINK_DO_NOTHING);
	bh_link_fsm_sent(&f, 10000 * MS);
	cr_assert_eq(bh_link_fsm_tick(&f, 10199 * MS, true), BH_LINK_DO_NOTHING);
	cr_assert_eq(bh_link_fsm_tick(&f, 10200 * MS, true), BH_LINK_DO_HELLO);
}

Test(origin, a_state_beyond_forgotten_is_refused)
{
	struct bh_origin o = {.identifier = BH_STR_LIT("file:/a"), .state = BH_ORIGIN_FORGOTTEN},
			 got;
	struct bh_buf b = BH_BUF_INIT;

	cr_assert_eq(bh_origin_encode(&o, &b), 0);
	cr_assert_eq(bh_origin_decode((struct bh_str){b.data + 4, b.len - 4}, &got), 0);
	cr_expect_eq(got.state, BH_ORIGIN_FORGOTTEN);
	b.data[b.len - 1]++;
	cr_expect_eq(bh_origin_decode((struct bh_str){b.data + 4, b.len - 4}, &got), BH_E_FORMAT);
	bh_buf_release(&b);
}

Test(origin, sources_are_told_by_their_identifier)
{
	static const struct {
		const char *identifier, *hash; /* NULL = a generation */
	} cases[] = {
	    {"source:0", "0"},
	    {"source:00ffAB", "00ffAB"},
	    {"source:", NULL},
	    {"source:0g", NULL},
	    {"source:/0", NULL},
	    {"file:/source:0", NULL},
	    {"", NULL},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_str hash = {NULL, 0};
		bool is = bh_origin_is_source(bh_str_from(cases[i].identifier), &hash);

		cr_expect_eq(is, cases[i].hash != NULL, "%s", cases[i].identifier);
		if (is)
			cr_expect(bh_str_eq(hash, bh_str_from(cases[i].hash)));
	}
}

#include <criterion/criterion.h>

#include "forwarder/key.h"

#define S BH_NS_PER_S

static const char text[] = "0123456789abcdef0123456789abcdef";

static struct bh_key fresh(void)
{
	struct bh_key k;

	bh_key_init(&k, text, 0, S);
	return k;
}

/* One check from begin to end. */
static bool check(struct bh_key *k, long status, int64_t at)
{
	cr_assert(bh_key_ask(k, at));
	return bh_key_checked(k, status);
}

/* Of a request of this key. */
static enum bh_key_refusal refused(struct bh_key *k, struct bh_key_refusals *r, int64_t at)
{
	return bh_key_refused(k, r, at, at);
}

Test(key, shows_five_characters_and_none_of_a_short_one)
{
	struct bh_key k = fresh();

	cr_expect_str_eq(k.tail, "bcdef");
	bh_key_init(&k, "short", 0, S);
	cr_expect_str_eq(k.tail, "");
	bh_key_init(&k, "", 0, S);
	cr_expect_str_eq(k.tail, "");
}

Test(key, is_checked_at_the_start_and_every_hour)
{
	struct bh_key k = fresh();

	cr_expect(bh_key_ask(&k, S));
	cr_expect_not(bh_key_ask(&k, 2 * S), "one check at a time");
	(void)bh_key_checked(&k, 200);
	cr_expect_eq(bh_key_next(&k), S + BH_KEY_EVERY_NS);
	cr_expect_not(bh_key_ask(&k, BH_KEY_EVERY_NS));
	cr_expect(bh_key_ask(&k, S + BH_KEY_EVERY_NS));
	bh_key_init(&k, text, 5 * 60 * S, S);
	cr_expect(bh_key_ask(&k, S));
	cr_expect_eq(bh_key_next(&k), 301 * S, "as configured");
	bh_key_replace(&k, text, 2 * S);
	(void)bh_key_checked(&k, 0);
	cr_expect(bh_key_ask(&k, 2 * S));
	cr_expect_eq(bh_key_next(&k), 302 * S, "of another key too");
}

/* spec/intake.md §13.6: 200 valid, 403 invalid, everything else unknown */
Test(key, state_follows_the_answer)
{
	static const struct {
		long status;
		enum bh_key_state state;
	} rows[] = {
	    {200, BH_KEY_VALID},
	    {403, BH_KEY_INVALID},
	    {0, BH_KEY_UNKNOWN},
	    {202, BH_KEY_UNKNOWN},
	    {401, BH_KEY_UNKNOWN},
	    {404, BH_KEY_UNKNOWN},
	    {503, BH_KEY_UNKNOWN},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		struct bh_key k = fresh();

		(void)check(&k, rows[i].status, S);
		cr_expect_eq(k.state, rows[i].state, "status %ld", rows[i].status);
	}
}

Test(key, of_32_zeros_is_valid_without_a_question)
{
	struct bh_key k;

	bh_key_init(&k, "00000000000000000000000000000000", 0, S);
	cr_expect_eq(k.state, BH_KEY_VALID);
	cr_expect_not(bh_key_ask(&k, 2 * BH_KEY_EVERY_NS));
}

Test(key, refusals_ask_at_once_then_once_a_minute)
{
	struct bh_key k = fresh();
	struct bh_key_refusals r = {0, 0};

	(void)check(&k, 200, S);
	cr_expect_eq(refused(&k, &r, 10 * S), BH_KEY_WAIT);
	cr_expect_eq(bh_key_next(&k), 0, "at once");
	(void)check(&k, 403, 10 * S);
	cr_expect_eq(refused(&k, &r, 11 * S), BH_KEY_WAIT);
	cr_expect_eq(bh_key_next(&k), 10 * S + BH_KEY_ASK_NS);
	cr_expect_not(bh_key_ask(&k, 69 * S));
	cr_expect(bh_key_ask(&k, 70 * S));
}

Test(key, the_third_refusal_under_a_valid_key_drops_the_payload)
{
	struct bh_key k = fresh();
	struct bh_key_refusals r = {0, 0};

	(void)check(&k, 200, S);
	/* the check of before says nothing about now */
	cr_expect_eq(refused(&k, &r, 10 * S), BH_KEY_WAIT);
	(void)check(&k, 200, 10 * S);
	cr_expect_eq(refused(&k, &r, 12 * S), BH_KEY_WAIT);
	cr_expect_eq(refused(&k, &r, 14 * S), BH_KEY_WAIT);
	cr_expect_eq(refused(&k, &r, 16 * S), BH_KEY_DROP);
}

Test(key, nothing_is_dropped_while_the_key_is_invalid_or_unknown)
{
	static const long answers[] = {403, 0, 500};

	for (size_t i = 0; i < BH_ARRAY_LEN(answers); i++) {
		struct bh_key k = fresh();
		struct bh_key_refusals r = {0, 0};

		(void)check(&k, answers[i], S);
		for (int64_t at = 2; at < 100; at++) {
			cr_expect_eq(refused(&k, &r, at * S), BH_KEY_WAIT);
			if (bh_key_ask(&k, at * S))
				(void)bh_key_checked(&k, answers[i]);
		}
	}
}

Test(key, refusals_under_an_invalid_key_do_not_count_when_it_is_valid_again)
{
	struct bh_key k = fresh();
	struct bh_key_refusals r = {0, 0};

	(void)check(&k, 403, S);
	for (int64_t at = 2; at < 10; at++)
		cr_expect_eq(refused(&k, &r, at * S), BH_KEY_WAIT);
	cr_expect(check(&k, 200, 62 * S), "becomes valid: pauses end");
	cr_expect_eq(refused(&k, &r, 63 * S), BH_KEY_WAIT);
	cr_expect_eq(refused(&k, &r, 64 * S), BH_KEY_WAIT);
	cr_expect_eq(refused(&k, &r, 65 * S), BH_KEY_DROP);
}

Test(key, a_payload_taken_ends_the_refusal)
{
	struct bh_key k = fresh();
	struct bh_key_refusals r = {0, 0};

	(void)check(&k, 403, S);
	(void)refused(&k, &r, 2 * S);
	cr_expect_eq(k.refused_since_ns, 2 * S);
	bh_key_accepted(&k, 3 * S);
	cr_expect_eq(k.refusals, 0);
	cr_expect_eq(k.state, BH_KEY_VALID);
}

Test(key, what_an_earlier_key_is_answered_says_nothing_about_a_new_one)
{
	struct bh_key k = fresh();
	struct bh_key_refusals r = {0, 0};

	(void)check(&k, 403, S);
	cr_expect_eq(refused(&k, &r, 2 * S), BH_KEY_WAIT);
	cr_expect(bh_key_ask(&k, 2 * S + BH_KEY_ASK_NS));
	bh_key_replace(&k, "99999999999999999999999999999new", 100 * S);
	cr_expect_str_eq(k.tail, "99new");
	cr_expect_eq(k.refusals, 0);
	cr_expect_not(bh_key_checked(&k, 200), "the check under way was of the old one");
	cr_expect_eq(k.state, BH_KEY_UNCHECKED);
	cr_expect_eq(bh_key_refused(&k, &r, 99 * S, 101 * S), BH_KEY_STALE);
	bh_key_accepted(&k, 99 * S);
	cr_expect_eq(k.state, BH_KEY_UNCHECKED);
	cr_expect(bh_key_ask(&k, 101 * S), "checked at once");
	(void)bh_key_checked(&k, 200);
	cr_expect_eq(refused(&k, &r, 102 * S), BH_KEY_WAIT, "its refusals begin anew");
	cr_expect_eq(r.n, 0);
}

#include <criterion/criterion.h>

#include <string.h>

#include "tests/intake/faults.h"

static struct bh_faults with_rule(const char *text)
{
	struct bh_faults faults = {.n = 0};
	struct bh_fault rule;
	struct bh_err err = BH_ERR_INIT;

	cr_assert_eq(bh_fault_parse(&rule, text, &err), 0, "%s", err.text);
	cr_assert_eq(bh_faults_add(&faults, &rule, &err), 0, "%s", err.text);
	return faults;
}

static enum bh_fault_mode draw(struct bh_faults *faults, const char *path)
{
	struct bh_fault f;

	bh_faults_draw(faults, path, "", 0, &f);
	return f.mode;
}

Test(faults, without_rules_nothing_happens)
{
	struct bh_faults faults = {.n = 0};
	struct bh_fault f;

	bh_faults_draw(&faults, "/api/v2/logs", "", 0, &f);
	cr_expect_eq(f.mode, BH_FAULT_NONE);
	cr_expect_eq(f.latency_ms, 0);
}

Test(faults, every_key_is_read)
{
	struct bh_faults faults = with_rule(
	    "status=429&retry_after=7&latency_ms=20&probability=1&count=2&path=%2Fapi%2fv2&seed=5");
	struct bh_fault f;

	bh_faults_draw(&faults, "/api/v2/logs", "", 0, &f);
	cr_expect_eq(f.mode, BH_FAULT_STATUS);
	cr_expect_eq(f.status, 429);
	cr_expect_eq(f.retry_after, 7);
	cr_expect_eq(f.latency_ms, 20);
	cr_expect_str_eq(f.path, "/api/v2");
}

Test(faults, modes_have_names)
{
	static const struct {
		const char *text;
		enum bh_fault_mode mode;
	} cases[] = {
	    {"mode=reset", BH_FAULT_RESET},
	    {"mode=hang", BH_FAULT_HANG},
	    {"mode=lost", BH_FAULT_LOST},
	    {"mode=status&status=500", BH_FAULT_STATUS},
	    {"latency_ms=5", BH_FAULT_NONE},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_faults faults = with_rule(cases[i].text);

		cr_expect_eq(draw(&faults, "/"), cases[i].mode, "%s", cases[i].text);
	}
}

Test(faults, a_count_ends_the_rule)
{
	struct bh_faults faults = with_rule("mode=reset&count=2");

	cr_expect_eq(draw(&faults, "/a"), BH_FAULT_RESET);
	cr_expect_eq(draw(&faults, "/a"), BH_FAULT_RESET);
	cr_expect_eq(draw(&faults, "/a"), BH_FAULT_NONE);
}

Test(faults, other_paths_neither_fire_nor_count)
{
	struct bh_faults faults = with_rule("status=503&count=1&path=/api/v2/logs");

	cr_expect_eq(draw(&faults, "/api/v2/series"), BH_FAULT_NONE);
	cr_expect_eq(draw(&faults, "/api/v2/logs"), BH_FAULT_STATUS);
	cr_expect_eq(draw(&faults, "/api/v2/logs"), BH_FAULT_NONE);
}

Test(faults, a_size_lets_smaller_bodies_pass)
{
	struct bh_faults faults = with_rule("status=413&above=1000");
	struct bh_fault f;

	bh_faults_draw(&faults, "/", "", 1000, &f);
	cr_expect_eq(f.mode, BH_FAULT_NONE);
	bh_faults_draw(&faults, "/", "", 1001, &f);
	cr_expect_eq(f.status, 413);
}

Test(faults, the_first_rule_that_fires_decides)
{
	struct bh_faults faults = with_rule("status=503&count=1");
	struct bh_err err = BH_ERR_INIT;
	struct bh_fault second;

	cr_assert_eq(bh_fault_parse(&second, "mode=hang", &err), 0);
	cr_assert_eq(bh_faults_add(&faults, &second, &err), 0);
	cr_expect_eq(draw(&faults, "/"), BH_FAULT_STATUS);
	cr_expect_eq(draw(&faults, "/"), BH_FAULT_HANG);
	bh_faults_clear(&faults);
	cr_expect_eq(draw(&faults, "/"), BH_FAULT_NONE);
}

Test(faults, a_probability_is_met_and_a_seed_repeats_the_draws)
{
	struct bh_faults a = with_rule("mode=reset&probability=0.3&seed=9");
	struct bh_faults b = with_rule("mode=reset&probability=0.3&seed=9");
	int fired = 0;

	for (int i = 0; i < 10000; i++) {
		enum bh_fault_mode mode = draw(&a, "/");

		cr_assert_eq(draw(&b, "/"), mode, "draw %d", i);
		fired += mode == BH_FAULT_RESET;
	}
	cr_expect(fired > 2700 && fired < 3300, "%d of 10000", fired);
}

Test(faults, probability_zero_never_fires)
{
	struct bh_faults faults = with_rule("mode=reset&probability=0");

	for (int i = 0; i < 100; i++)
		cr_assert_eq(draw(&faults, "/"), BH_FAULT_NONE);
}

Test(faults, wrong_text_is_refused_and_named)
{
	static const char *const cases[] = {"", "mode", "mode=melt", "status=199", "status=600",
	    "status=abc", "status=", "status=-1", "probability=1.1", "probability=-0.1",
	    "probability=nan", "probability=", "count=1x", "latency_ms=99999999999",
	    "latency_ms=3600001", "nope=1", "seed=18446744073709551616", "status=503&",
	    "&status=503"};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_err err = BH_ERR_INIT;
		struct bh_fault rule;

		cr_expect_lt(bh_fault_parse(&rule, cases[i], &err), 0, "\"%s\"", cases[i]);
		cr_expect(strncmp(err.text, "fault: ", 7) == 0, "\"%s\": %s", cases[i], err.text);
	}
}

Test(faults, text_and_paths_that_do_not_fit_are_refused)
{
	char text[400] = "path=";
	struct bh_err err = BH_ERR_INIT;
	struct bh_fault rule;

	memset(text + 5, 'a', BH_FAULT_PATH_MAX);
	cr_expect_lt(bh_fault_parse(&rule, text, &err), 0);
	memset(text + 5, 'a', sizeof(text) - 6);
	cr_expect_eq(bh_fault_parse(&rule, text, &err), BH_E_LIMIT);
}

Test(faults, a_rule_that_does_nothing_is_refused)
{
	static const char *const cases[] = {"seed=1", "mode=status", "mode=none", "count=1"};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_faults faults = {.n = 0};
		struct bh_err err = BH_ERR_INIT;
		struct bh_fault rule;

		cr_assert_eq(bh_fault_parse(&rule, cases[i], &err), 0, "%s", err.text);
		cr_expect_eq(bh_faults_add(&faults, &rule, &err), BH_E_FORMAT, "%s", cases[i]);
		cr_expect_eq(faults.n, 0);
	}
}

Test(faults, spent_rules_make_room_for_new_ones)
{
	struct bh_faults faults = {.n = 0};
	struct bh_err err = BH_ERR_INIT;
	struct bh_fault rule;

	cr_assert_eq(bh_fault_parse(&rule, "mode=reset&count=1", &err), 0);
	for (int i = 0; i < BH_FAULT_RULES_MAX; i++)
		cr_assert_eq(bh_faults_add(&faults, &rule, &err), 0);
	cr_expect_eq(bh_faults_add(&faults, &rule, &err), BH_E_LIMIT);
	cr_expect_eq(draw(&faults, "/"), BH_FAULT_RESET);
	cr_expect_eq(bh_faults_add(&faults, &rule, &err), 0);
}

Test(faults, a_rule_may_be_for_one_key)
{
	struct bh_faults faults = {.n = 0};
	struct bh_err err = BH_ERR_INIT;
	struct bh_fault rule, f;

	cr_assert_eq(bh_fault_parse(&rule, "status=403&key=cdef", &err), 0, "%s", err.text);
	cr_assert_eq(bh_faults_add(&faults, &rule, &err), 0);
	bh_faults_draw(&faults, "/", "abcdef", 0, &f);
	cr_expect_eq(f.status, 403);
	bh_faults_draw(&faults, "/", "abcde", 0, &f);
	cr_expect_eq(f.mode, BH_FAULT_NONE);
	bh_faults_draw(&faults, "/", "", 0, &f);
	cr_expect_eq(f.mode, BH_FAULT_NONE);
}

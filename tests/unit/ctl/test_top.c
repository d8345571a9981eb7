#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "supervisor/ctl/format.h"
#include "supervisor/ctl/top.h"

static struct bh_top top;
static struct bh_buf out;

static void begin(void)
{
	bh_top_init(&top, false);
	out = (struct bh_buf)BH_BUF_INIT;
}

static void end(void)
{
	bh_top_release(&top);
	bh_buf_release(&out);
}

TestSuite(top, .init = begin, .fini = end);

/* A status with `listeners` listeners that took n points each times their place, one source of n
 * lines, one destination that has dropped 3. */
static void sample(int64_t seconds, int listeners, long long n)
{
	struct bh_buf json = BH_BUF_INIT;
	json_t *status;

	(void)bh_buf_printf(&json,
	    "{\"version\":\"1\",\"state\":\"RUNNING\",\"uptime_s\":65,\"pss_kib\":600,"
	    "\"balanced\":true,\"roles\":[{\"name\":\"dogstatsd\",\"state\":\"BACKOFF\",\"pid\":7,"
	    "\"pss_kib\":1000,\"restarts\":2,\"pending\":{\"items\":5,\"bytes\":2049}},"
	    "{\"name\":\"forwarder\",\"state\":\"RUNNING\",\"pid\":8,\"rss_kib\":900,"
	    "\"notes\":[\"destination.logs: https://x: refused\",\"api_key: fine\"]}],"
	    "\"rows\":[");
	for (int i = 0; i < listeners; i++)
		(void)bh_buf_printf(&json,
		    "{\"role\":\"dogstatsd\",\"kind\":\"listener\",\"name\":\"l%03d\","
		    "\"received\":%lld,\"delivered\":1,\"spooled\":0,\"in_flight\":%d,"
		    "\"dropped\":{}},",
		    i, n * i, listeners - i);
	(void)bh_buf_printf(&json,
	    "{\"role\":\"logs\",\"kind\":\"source\",\"name\":\"/a\\u001b[2Jb\",\"received\":%lld,"
	    "\"delivered\":%lld,\"spooled\":0,\"in_flight\":0,\"dropped\":{}},"
	    "{\"role\":\"forwarder\",\"kind\":\"destination\",\"name\":\"logs\",\"received\":9,"
	    "\"delivered\":6,\"spooled\":0,\"in_flight\":0,\"dropped\":{\"status_400\":3}}]}",
	    n, n);
	status = json_loadb(json.data, json.len, 0, NULL);
	cr_assert_not_null(status);
	cr_assert_eq(bh_top_sample(&top, status, seconds * BH_NS_PER_S), 0);
	json_decref(status);
	bh_buf_release(&json);
}

static char *draw(unsigned width, unsigned height)
{
	bh_buf_clear(&out);
	cr_assert_eq(bh_top_draw(&top, width, height, &out), 0);
	(void)bh_buf_u8(&out, '\0');
	return out.data;
}

static bool shows(const char *text)
{
	return strstr(draw(80, 24), text) != NULL;
}

Test(top, rates_are_known_from_the_second_sample_on)
{
	sample(10, 2, 1000);
	cr_expect_lt(top.points_rate, 0);
	sample(12, 2, 5000);
	cr_expect_float_eq(top.points_rate, 2000, 0.01);
	cr_expect_float_eq(top.lines_rate, 2000, 0.01);
	cr_expect_float_eq(top.rows[0].rate, 2000, 0.01);
}

Test(top, a_counter_that_went_back_has_no_rate)
{
	sample(10, 2, 5000);
	sample(11, 2, 1000);
	cr_expect_lt(top.lines_rate, 0);
	sample(12, 2, 1500);
	cr_expect_float_eq(top.lines_rate, 500, 0.01);
}

Test(top, the_picture_fits_the_terminal)
{
	static const unsigned sizes[][2] = {{80, 24}, {40, 8}, {200, 60}, {20, 3}, {1, 1}, {80, 0}};

	sample(1, 100, 10);
	sample(2, 100, 123456789012);
	for (size_t i = 0; i < BH_ARRAY_LEN(sizes); i++) {
		char *text = draw(sizes[i][0], sizes[i][1]);
		unsigned lines = 0;

		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
			cr_expect_leq(bh_fmt_width(line + 1), BH_MAX(sizes[i][0], 8u), "%s", line);
			lines++;
		}
		cr_expect_leq(lines, sizes[i][1]);
	}
}

Test(top, nothing_in_a_name_reaches_the_terminal_as_a_command)
{
	sample(1, 0, 1);
	cr_expect(shows("/a?[2Jb"));
	cr_expect_null(strchr(draw(80, 24), 0x1b));
}

Test(top, processes_that_do_not_run_stand_out)
{
	sample(1, 0, 1);
	cr_expect(shows("\n!dogstatsd    BACKOFF         7"));
	cr_expect(shows("5 items, 3 KiB"));
	cr_expect(shows("\n forwarder    RUNNING         8"));
	cr_expect(shows("2.4 MiB, ledger balanced"));
}

Test(top, keys_sort_select_open_and_end)
{
	sample(1, 5, 10);
	sample(2, 5, 1000);
	cr_expect_str_eq(top.rows[0].name, "dogstatsd l004");
	bh_top_key(&top, BH_TOP_KEY_DOWN);
	cr_expect_eq(top.selected, 1);
	bh_top_key(&top, 's'); /* waiting: l000 has most */
	cr_expect_str_eq(top.rows[0].name, "dogstatsd l000");
	cr_expect_str_eq(top.rows[top.selected].name, "dogstatsd l003", "the selection moved");
	bh_top_key(&top, 's');
	cr_expect_str_eq(top.rows[0].name, "forwarder destination logs");
	for (int i = 0; i < 9; i++)
		bh_top_key(&top, BH_TOP_KEY_UP);
	bh_top_key(&top, '\n');
	cr_expect(shows("dropped            3  "));
	cr_expect(shows("destination.logs: https://x: refused"));
	cr_expect_not(shows("api_key"));
	bh_top_key(&top, 'q');
	cr_expect_not(top.over);
	bh_top_key(&top, '?');
	cr_expect(shows("PgUp"));
	bh_top_key(&top, 0x1b);
	bh_top_key(&top, 'q');
	cr_expect(top.over);
}

Test(top, the_selection_is_always_on_the_screen_and_survives_fewer_rows)
{
	sample(1, 100, 10);
	for (int i = 0; i < 200; i++)
		bh_top_key(&top, 'j');
	cr_expect_eq(top.selected, 101);
	cr_expect_not_null(strstr(draw(80, 24), "\n>"));
	sample(2, 0, 10);
	cr_expect_lt(top.selected, top.rows_n);
	bh_top_key(&top, BH_TOP_KEY_PAGE_UP);
	cr_expect_eq(top.selected, 0);
}

Test(top, what_is_no_status_shows_as_nothing)
{
	json_t *odd = json_pack("{s:[i,s],s:i,s:s}", "rows", 7, "x", "roles", 3, "uptime_s", "x");

	cr_assert_eq(bh_top_sample(&top, odd, 1), 0);
	json_decref(odd);
	(void)draw(80, 24);
	top.error = "nobody answers";
	cr_expect(shows("!nobody answers"));
}

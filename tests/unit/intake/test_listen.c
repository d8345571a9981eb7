#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/intake/listen.h"

Test(listen, port_zero_gives_a_free_port_and_names_it)
{
	static const char *const cases[][2] = {
	    {"127.0.0.1:0", "127.0.0.1:"}, {"[::1]:0", "[::1]:"}};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_err err = BH_ERR_INIT;
		char bound[BH_LISTEN_TEXT_MAX] = "";
		int fd = bh_listen(cases[i][0], bound, sizeof(bound), &err);

		cr_assert_geq(fd, 0, "%s", err.text);
		cr_expect_eq(strncmp(bound, cases[i][1], strlen(cases[i][1])), 0, "%s", bound);
		cr_expect_neq(bound[strlen(bound) - 1], ':', "%s", bound);
		close(fd);
	}
}

Test(listen, a_busy_port_is_an_error_with_its_name)
{
	struct bh_err err = BH_ERR_INIT;
	char bound[BH_LISTEN_TEXT_MAX];
	char again[BH_LISTEN_TEXT_MAX];
	int fd = bh_listen("127.0.0.1:0", bound, sizeof(bound), &err);

	cr_assert_geq(fd, 0, "%s", err.text);
	cr_expect_eq(bh_listen(bound, again, sizeof(again), &err), -EADDRINUSE);
	cr_expect(strstr(err.text, bound), "%s", err.text);
	close(fd);
}

Test(listen, text_that_is_no_address_is_refused)
{
	static const char *const cases[] = {"", ":", ":80", "127.0.0.1",
	    "127.0.0.1:", "127.0.0.1:x", "localhost:80", "::1:80", "[::1]80", "[::1:80",
	    "111111111111111111111111111111111111111111111111111111111111111111111111111111111:1"};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_err err = BH_ERR_INIT;
		char bound[BH_LISTEN_TEXT_MAX];

		cr_expect_eq(bh_listen(cases[i], bound, sizeof(bound), &err), BH_E_FORMAT, "\"%s\"",
		    cases[i]);
		cr_expect_neq(err.text[0], '\0');
	}
}

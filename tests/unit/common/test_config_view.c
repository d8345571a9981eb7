/* Values of a configuration as they are shown, and images of one that is in use. */
#include <criterion/criterion.h>

#include <string.h>

#include "common/config_view.h"
#include "config_fixture.h"

TestSuite(config_view, .init = config_start, .fini = config_stop);

static void assert_shown(const char *key, const char *want)
{
	struct bh_buf out = BH_BUF_INIT;

	cr_assert_eq(bh_config_show(&cfg, option(key), &out), 0);
	cr_expect_str_eq(out.len ? out.data : "", want, "%s", key);
	bh_buf_release(&out);
}

Test(config_view, secrets_are_masked_and_handles_are_not)
{
	cr_assert_eq(load("hostname: h\napi_key: 0123456789abcdef0123456789abcdef\ntags: [a, b c]\n"
			  "proxy: {http: 'http://u:canary@h:1', https: 'ENC[p]'}\n"),
	    0);
	assert_shown("api_key", "********bcdef");
	assert_shown("proxy.http", "********");
	assert_shown("proxy.https", "ENC[p]");
	assert_shown("bulkhead.tls.key_password", "");
	assert_shown("tags", "[a, b c]");
	assert_shown("hostname", "h");
	cr_assert_eq(load("hostname: h\napi_key: short\n"), 0);
	assert_shown("api_key", "********");
}

Test(config_view, an_image_tells_changes_and_holds_no_secret)
{
	struct bh_config_image a = {NULL, NULL, 0}, b = a, c = a;
	size_t key = (size_t)(option("api_key") - bh_options);
	size_t tags = (size_t)(option("tags") - bh_options);

	cr_assert_eq(load("hostname: h\napi_key: canary-of-a-key-00000000first\ntags: [a]\n"), 0);
	cr_assert_eq(bh_config_image_take(&a, &cfg, 7), 0);
	cr_assert_eq(bh_config_image_take(&c, &cfg, 8), 0);
	cr_assert_eq(load("hostname: h\napi_key: canary-of-another-00000000first\ntags: [a]\n"), 0);
	cr_assert_eq(bh_config_image_take(&b, &cfg, 7), 0);
	cr_expect_str_eq(a.shown[key], "********first");
	cr_expect_neq(a.marks[key], b.marks[key], "the ends alone are the same");
	cr_expect_eq(a.marks[tags], b.marks[tags]);
	cr_expect_neq(a.marks[key], c.marks[key], "a mark tells nothing without its salt");
	bh_config_image_release(&a);
	bh_config_image_release(&b);
	bh_config_image_release(&c);
}

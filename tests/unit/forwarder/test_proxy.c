#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "forwarder/proxy.h"

/* spec/intake.md §3.1 */

static struct bh_target target(const char *url)
{
	struct bh_target t;

	cr_assert_eq(bh_target_parse(url, &t), 0, "%s", url);
	return t;
}

Test(proxy, urls_are_taken_apart_as_libcurl_does)
{
	static const struct {
		const char *url, *host;
		unsigned port;
		bool https, port_given;
	} cases[] = {
	    {"https://h.example/x", "h.example", 443, true, false},
	    {"http://h:80", "h", 80, false, true},
	    {"http://h", "h", 80, false, false},
	    {"https://u:p@h:8443/a?b", "h", 8443, true, true},
	    {"http://[::1]:9/", "[::1]", 9, false, true},
	    {"HTTPS://H", "H", 443, true, false},
	};
	static const char *const bad[] = {
	    "", "h", "ftp://h", "http://", "http://h:x", "http://a b", "http://u@evil@h/"};
	struct bh_target t;

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		t = target(cases[i].url);
		cr_assert_str_eq(t.host, cases[i].host, "%s: %s", cases[i].url, t.host);
		cr_assert_eq(t.port, cases[i].port, "%s", cases[i].url);
		cr_assert_eq(t.https, cases[i].https, "%s", cases[i].url);
		cr_assert_eq(t.port_given, cases[i].port_given, "%s", cases[i].url);
	}
	for (size_t i = 0; i < BH_ARRAY_LEN(bad); i++)
		cr_assert_eq(bh_target_parse(bad[i], &t), BH_E_FORMAT, "%s", bad[i]);
}

Test(proxy, a_host_that_is_too_long_is_refused)
{
	char url[BH_PROXY_HOST_CAP + 16] = "http://";
	struct bh_target t;

	memset(url + 7, 'h', BH_PROXY_HOST_CAP);
	cr_assert_eq(bh_target_parse(url, &t), BH_E_FORMAT);
}

Test(proxy, no_proxy_entries)
{
	static const struct {
		const char *url, *entry;
		bool exact, loose;
	} cases[] = {
	    {"https://example.com", "example.com", true, true},
	    {"https://EXAMPLE.com", "example.COM", true, true},
	    {"https://a.example.com", "example.com", false, true},
	    {"https://badexample.com", "example.com", false, false},
	    {"https://example.com.evil", "example.com", false, false},
	    {"https://example.com", ".example.com", false, false},
	    {"https://a.example.com", ".example.com", false, true},
	    {"https://a.b.example.com", "*.example.com", false, true},
	    {"https://example.com", "*.example.com", false, false},
	    {"https://example.com.", "example.com", false, true},
	    {"https://example.com", "example.com.", false, true},
	    {"https://example.com", "*", false, true},
	    {"https://example.com", "", false, false},
	    {"https://example.com", ".", false, false},
	    {"https://example.com", "com", false, true},
	    {"https://example.com:8443", "example.com", false, true},
	    {"https://example.com:8443", "example.com:8443", true, true},
	    {"https://example.com:8443", "example.com:443", false, false},
	    {"https://example.com", "example.com:443", false, true},
	    {"https://example.com", "example.com:80", false, false},
	    {"https://example.com", "example.com:", false, false},
	    {"https://example.com", "example.com:https", false, false},
	    {"http://10.1.2.3", "10.1.2.3", true, true},
	    {"http://10.1.2.3:90", "10.1.2.3", false, true},
	    {"http://10.1.2.3", "10.0.0.0/8", false, true},
	    {"http://11.1.2.3", "10.0.0.0/8", false, false},
	    {"http://10.1.2.3", "10.1.2.0/23", false, true},
	    {"http://10.1.4.3", "10.1.2.0/23", false, false},
	    {"http://10.1.2.3:90", "10.0.0.0/8:90", false, true},
	    {"http://10.1.2.3:91", "10.0.0.0/8:90", false, false},
	    {"http://10.1.2.3", "10.0.0.0/33", false, false},
	    {"http://10.1.2.3", "10.0.0.0/", false, false},
	    {"http://10.1.2.3", "10.0.0.0/x", false, false},
	    {"http://10.1.2.3", "0.0.0.0/0", false, true},
	    {"http://10.1.2.3", "2.3", false, false},
	    {"http://h", "0.0.0.0/0", false, false},
	    {"http://[2001:db8::1]", "2001:db8::1", false, true},
	    {"http://[2001:db8::1]", "[2001:db8:0::1]", false, true},
	    {"http://[2001:db8::1]:8080", "[2001:db8::1]:8080", true, true},
	    {"http://[2001:db8::1]:8080", "[2001:db8::1]:81", false, false},
	    {"http://[2001:db8::1]", "2001:db8::/32", false, true},
	    {"http://[2001:db9::1]", "2001:db8::/32", false, false},
	    {"http://[2001:db8::1]", "::/0", false, true},
	    {"http://[2001:db8::1]", "10.0.0.0/8", false, false},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_target t = target(cases[i].url);

		cr_assert_eq(bh_no_proxy_matches(cases[i].entry, &t, true), cases[i].exact,
		    "exact: %s for %s", cases[i].entry, cases[i].url);
		cr_assert_eq(bh_no_proxy_matches(cases[i].entry, &t, false), cases[i].loose,
		    "not exact: %s for %s", cases[i].entry, cases[i].url);
	}
}

Test(proxy, the_way_of_a_request)
{
	static const struct {
		const char *url, *no_proxy;
		bool nonexact, cloud;
		const char *proxy, *near;
	} cases[] = {
	    {"http://h", "x", false, false, "http://plain:1", NULL},
	    {"https://h", "x", false, false, "http://tls:2", NULL},
	    {"https://h", "h", false, false, NULL, NULL},
	    {"https://a.h", "h", false, false, "http://tls:2", "h"},
	    {"https://a.h", "h", true, false, NULL, NULL},
	    {"https://127.0.0.1", "x", false, false, "http://tls:2", NULL},
	    {"https://127.0.0.1", "x", true, false, NULL, NULL},
	    {"https://[::1]:1", "x", true, false, NULL, NULL},
	    {"https://localhost", "x", true, false, NULL, NULL},
	    {"http://169.254.169.254/", "x", false, false, NULL, NULL},
	    {"http://169.254.169.254/", "x", false, true, "http://plain:1", NULL},
	    {"http://100.100.100.200/", "x", false, false, NULL, NULL},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		char http[] = "http://plain:1", https[] = "http://tls:2", entry[16];
		char *list[] = {entry};
		struct bh_config cfg = {.proxy_http = http,
		    .proxy_https = https,
		    .proxy_no_proxy = {list, 1},
		    .no_proxy_nonexact_match = cases[i].nonexact,
		    .use_proxy_for_cloud_metadata = cases[i].cloud};
		struct bh_target t = target(cases[i].url);
		struct bh_way way;

		(void)snprintf(entry, sizeof(entry), "%s", cases[i].no_proxy);
		bh_proxy_choose(&cfg, &t, &way);
		cr_assert_eq(way.proxy != NULL, cases[i].proxy != NULL, "case %zu", i);
		cr_assert(!way.proxy || strcmp(way.proxy, cases[i].proxy) == 0, "case %zu", i);
		cr_assert_eq(way.near != NULL, cases[i].near != NULL, "case %zu", i);
	}
}

Test(proxy, credentials_are_not_shown)
{
	static const struct {
		const char *proxy, *shown;
		long port;
	} cases[] = {
	    {"http://user:pw@p:3128/", "http://***@p:3128", 80},
	    {"https://p", "https://p", 443},
	    {"user:pw@p:1", "***@p:1", 80},
	    {"http://u:p@w@p:1", "http://***@p:1", 80},
	};
	char out[64];

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		bh_proxy_show(cases[i].proxy, out, sizeof(out));
		cr_assert_str_eq(out, cases[i].shown);
		cr_assert_eq(bh_proxy_default_port(cases[i].proxy), cases[i].port);
	}
}

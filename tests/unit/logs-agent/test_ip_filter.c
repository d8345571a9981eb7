/* spec/logs.md §2.2, §11: who may send. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

#include "common/err.h"
#include "logs-agent/ip_filter.h"

static struct bh_ip ip_of(const char *text)
{
	struct sockaddr_storage sa = {0};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct bh_ip ip;

	if (strchr(text, ':')) {
		cr_assert_eq(inet_pton(AF_INET6, text, &v6.sin6_addr), 1, "%s", text);
		memcpy(&sa, &v6, sizeof(v6));
	} else {
		cr_assert_eq(inet_pton(AF_INET, text, &v4.sin_addr), 1, "%s", text);
		memcpy(&sa, &v4, sizeof(v4));
	}
	cr_assert(bh_ip_from(&sa, &ip));
	return ip;
}

Test(ip_filter, addresses_are_written_without_port_and_mapping)
{
	static const char *const rows[][2] = {
	    {"10.1.2.3", "10.1.2.3"},
	    {"::ffff:10.1.2.3", "10.1.2.3"},
	    {"fe80::1", "fe80::1"},
	    {"::1", "::1"},
	    {"0:0:0:0:0:fffe:a01:203", "::fffe:a01:203"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		struct bh_ip ip = ip_of(rows[i][0]);
		char text[BH_IP_TEXT];

		bh_ip_text(&ip, text);
		cr_expect_str_eq(text, rows[i][1], "row %zu: %s", i, text);
	}
}

Test(ip_filter, an_address_of_another_family_is_none)
{
	struct sockaddr_storage sa = {.ss_family = AF_UNIX};
	struct bh_ip ip;

	cr_expect_not(bh_ip_from(&sa, &ip));
	cr_expect_not(ip.v6);
}

Test(ip_filter, prefixes)
{
	static const struct {
		const char *prefix, *ip;
		bool in;
	} rows[] = {
	    {"10.0.0.1", "10.0.0.1", true},
	    {"10.0.0.1", "10.0.0.2", false},
	    {"10.0.0.1", "::ffff:10.0.0.1", true},
	    {"10.0.0.0/8", "10.255.0.1", true},
	    {"10.0.0.0/8", "11.0.0.1", false},
	    {"10.1.2.3/8", "10.9.9.9", true},
	    {"192.168.1.128/25", "192.168.1.200", true},
	    {"192.168.1.128/25", "192.168.1.127", false},
	    {"10.0.0.2/31", "10.0.0.3", true},
	    {"10.0.0.2/31", "10.0.0.4", false},
	    {"0.0.0.0/0", "1.2.3.4", true},
	    {"0.0.0.0/0", "::1", false},
	    {"::/0", "::1", true},
	    {"::/0", "1.2.3.4", false},
	    {"fd00::/8", "fdff::1", true},
	    {"fd00::/8", "fe00::1", false},
	    {"2001:db8::/33", "2001:db8:7fff::1", true},
	    {"2001:db8::/33", "2001:db8:8000::1", false},
	    {"::1/128", "::1", true},
	    {"::ffff:10.0.0.0/104", "10.200.0.1", true},
	    {"::ffff:10.0.0.0/104", "11.200.0.1", false},
	    {"::ffff:10.0.0.1", "10.0.0.1", true},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		char *texts[] = {(char[64]){0}};
		const struct bh_strlist list = {texts, 1}, none = {0};
		struct bh_ip ip = ip_of(rows[i].ip);
		struct bh_ip_filter allow, deny;

		(void)strncat(texts[0], rows[i].prefix, 63);
		cr_assert_eq(bh_ip_filter_init(&allow, &list, &none), 0, "row %zu", i);
		cr_assert_eq(bh_ip_filter_init(&deny, &none, &list), 0, "row %zu", i);
		cr_expect_eq(bh_ip_filter_admits(&allow, &ip), rows[i].in, "allow, row %zu", i);
		cr_expect_eq(bh_ip_filter_admits(&deny, &ip), !rows[i].in, "deny, row %zu", i);
		bh_ip_filter_release(&allow);
		bh_ip_filter_release(&deny);
	}
}

Test(ip_filter, what_is_no_prefix)
{
	static const char *const rows[] = {"", "/", "10.0.0", "10.0.0.0/33", "10.0.0.0/",
	    "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.0/ 8", "::/129", "host", "1.2.3.4.5",
	    "fe80::1%eth0", ":::", "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc"};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		struct bh_ip_prefix p;

		cr_expect_not(bh_ip_prefix_parse(rows[i], &p), "%s", rows[i]);
	}
}

Test(ip_filter, denied_wins_and_nothing_is_served_with_a_broken_list)
{
	char allowed[] = "10.0.0.0/8", more[] = "fd00::/8", denied[] = "10.6.0.0/16",
	     bad[] = "10.0";
	char *a[] = {allowed, more}, *d[] = {denied, bad};
	const struct bh_strlist allow = {a, 2}, deny = {d, 1}, broken = {d, 2};
	struct bh_ip in = ip_of("10.5.0.1"), out = ip_of("10.6.0.1"), other = ip_of("11.0.0.1");
	struct bh_ip_filter f;

	cr_assert_eq(bh_ip_filter_init(&f, &allow, &deny), 0);
	cr_expect(bh_ip_filter_admits(&f, &in));
	cr_expect_not(bh_ip_filter_admits(&f, &out));
	cr_expect_not(bh_ip_filter_admits(&f, &other));
	bh_ip_filter_release(&f);
	cr_expect(bh_ip_filter_admits(&f, &other), "an empty filter lets all in");
	cr_expect_eq(bh_ip_filter_init(&f, &allow, &broken), BH_E_CONFIG);
	cr_expect_null(f.denied.v);
}

/* spec/logs.md §11.4: names that come with the data. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "logs-agent/ends_cache.h"

static char empty[] = "", svc[] = "svc";

static struct bh_log_source source_of(char *service)
{
	return (struct bh_log_source){.service = service, .source = empty, .sourcecategory = empty};
}

static const char *head_of(const struct bh_named_ends *e)
{
	return e->ends.head.data;
}

Test(ends_cache, the_application_is_service_and_source_unless_they_are_configured)
{
	struct bh_log_source plain = source_of(empty), named = source_of(svc);
	struct bh_named_ends *e;
	struct bh_ends_cache c;

	bh_ends_cache_init(&c, "h", &plain);
	cr_assert_eq(
	    bh_ends_cache_get(&c, BH_STR_LIT("source_host:::1"), BH_STR_LIT("sshd"), &e), 0);
	cr_expect_str_eq(head_of(e),
	    ",\"hostname\":\"h\",\"service\":\"sshd\",\"ddsource\":\"sshd\",\"ddtags\":\""
	    "source_host:::1");
	cr_expect(bh_str_eq(bh_named_ends_app(e), BH_STR_LIT("sshd")));
	bh_ends_cache_put(&c, e);
	bh_ends_cache_release(&c);

	bh_ends_cache_init(&c, "h", &named);
	cr_assert_eq(bh_ends_cache_get(&c, BH_STR_LIT(""), BH_STR_LIT("sshd"), &e), 0);
	cr_expect_str_eq(head_of(e),
	    ",\"hostname\":\"h\",\"service\":\"svc\",\"ddsource\":\"sshd\",\"ddtags\":\"");
	bh_ends_cache_put(&c, e);
	bh_ends_cache_release(&c);
}

Test(ends_cache, the_same_names_are_shared_and_others_are_not)
{
	struct bh_log_source src = source_of(empty);
	struct bh_named_ends *a, *b, *other, *shifted;
	struct bh_ends_cache c;

	bh_ends_cache_init(&c, "h", &src);
	cr_assert_eq(bh_ends_cache_get(&c, BH_STR_LIT("ab"), BH_STR_LIT("c"), &a), 0);
	cr_assert_eq(bh_ends_cache_get(&c, BH_STR_LIT("ab"), BH_STR_LIT("c"), &b), 0);
	cr_assert_eq(bh_ends_cache_get(&c, BH_STR_LIT("ab"), BH_STR_LIT("d"), &other), 0);
	cr_assert_eq(bh_ends_cache_get(&c, BH_STR_LIT("a"), BH_STR_LIT("bc"), &shifted), 0);
	cr_expect_eq(a, b);
	cr_expect_neq(a, other);
	cr_expect_neq(a, shifted);
	cr_expect_eq(c.all, 3);
	bh_ends_cache_put(&c, a);
	cr_expect_eq(c.idle, 0);
	bh_ends_cache_put(&c, b);
	cr_expect_eq(c.idle, 1);
	cr_assert_eq(bh_ends_cache_get(&c, BH_STR_LIT("ab"), BH_STR_LIT("c"), &b), 0);
	cr_expect_eq(a, b, "an idle one is used again");
	cr_expect_eq(c.idle, 0);
	bh_ends_cache_put(&c, b);
	bh_ends_cache_put(&c, other);
	bh_ends_cache_put(&c, shifted);
	bh_ends_cache_put(&c, NULL);
	bh_ends_cache_release(&c);
	cr_expect_eq(c.all, 0);
}

static struct bh_named_ends *get_number(struct bh_ends_cache *c, unsigned i)
{
	struct bh_named_ends *e;
	char app[16];

	(void)snprintf(app, sizeof(app), "app%u", i);
	cr_assert_eq(bh_ends_cache_get(c, BH_STR_LIT("t"), bh_str_from(app), &e), 0);
	return e;
}

Test(ends_cache, memory_is_bounded_by_use_and_the_oldest_idle_one_goes)
{
	struct bh_log_source src = source_of(empty);
	struct bh_named_ends *kept, *first;
	struct bh_ends_cache c;

	bh_ends_cache_init(&c, "h", &src);
	kept = get_number(&c, 0);
	first = get_number(&c, 1);
	bh_ends_cache_put(&c, first);
	for (unsigned i = 2; i < 10000; i++) {
		bh_ends_cache_put(&c, get_number(&c, i));
		if (i % 10 == 0) /* used now and then: stays */
			bh_ends_cache_put(&c, get_number(&c, 1));
	}
	cr_expect_eq(c.idle, BH_ENDS_IDLE_MAX);
	cr_expect_eq(c.all, BH_ENDS_IDLE_MAX + 1);
	cr_expect_eq(get_number(&c, 0), kept);
	cr_expect_eq(get_number(&c, 1), first);
	bh_ends_cache_put(&c, first);
	bh_ends_cache_put(&c, kept);
	bh_ends_cache_put(&c, kept);
	bh_ends_cache_release(&c);
	cr_expect_eq(c.all, 0);
}

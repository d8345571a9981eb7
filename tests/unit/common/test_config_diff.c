/* What a reload changes among the log sources (spec/logs.md §2.1). */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_diff.h"
#include "common/config_logs.h"

#define MAX 8

struct list {
	struct bh_log_source v[MAX];
	const struct bh_log_source *at[MAX];
	size_t n;
};

static struct list old, now;
static size_t same[MAX];
static struct bh_sources_change change;

static void set_text(char **field, const char *text)
{
	free(*field);
	*field = strdup(text);
}

static struct bh_log_source *add(struct list *l, const char *type, const char *path)
{
	struct bh_log_source *s = &l->v[l->n];

	cr_assert_eq(bh_log_source_init(s), 0);
	set_text(&s->type, type);
	set_text(&s->path, path);
	l->at[l->n++] = s;
	return s;
}

static void tear_down(void)
{
	for (size_t i = 0; i < old.n; i++)
		bh_log_source_release(&old.v[i]);
	for (size_t i = 0; i < now.n; i++)
		bh_log_source_release(&now.v[i]);
}

TestSuite(config_diff, .fini = tear_down);

static void compare(uint32_t added, uint32_t removed, uint32_t changed, uint32_t unchanged)
{
	cr_assert_eq(bh_log_sources_compare(old.at, old.n, now.v, now.n, same, &change), 0);
	cr_assert_eq(change.added, added, "%u added", change.added);
	cr_assert_eq(change.removed, removed, "%u removed", change.removed);
	cr_assert_eq(change.changed, changed, "%u changed", change.changed);
	cr_assert_eq(change.unchanged, unchanged, "%u unchanged", change.unchanged);
}

Test(config_diff, nothing_and_nothing_is_no_change)
{
	compare(0, 0, 0, 0);
}

Test(config_diff, the_place_in_a_file_and_the_order_are_no_content)
{
	set_text(&add(&old, "file", "/a")->where, "x.yaml:1");
	set_text(&add(&old, "file", "/b")->where, "x.yaml:2");
	set_text(&add(&now, "file", "/b")->where, "y.yaml:9");
	set_text(&add(&now, "file", "/a")->where, "x.yaml:7");
	compare(0, 0, 0, 2);
	cr_assert_eq(same[0], 1);
	cr_assert_eq(same[1], 0);
}

Test(config_diff, every_key_is_content)
{
	add(&old, "file", "/a");
	add(&now, "file", "/a");
	compare(0, 0, 0, 1);
	set_text(&now.v[0].service, "s");
	compare(0, 0, 1, 0);
	cr_assert_eq(same[0], BH_SOURCE_NEW);
	set_text(&now.v[0].service, "");
	cr_assert_eq(bh_strlist_add(&now.v[0].tags, "a:b", 3), 0);
	compare(0, 0, 1, 0);
	bh_strlist_release(&now.v[0].tags);
	now.v[0].fingerprint.count++;
	compare(0, 0, 1, 0);
	now.v[0].fingerprint.count--;
	now.v[0].auto_multi_line = BH_TRUE;
	compare(0, 0, 1, 0);
	now.v[0].auto_multi_line = BH_UNSET;
	compare(0, 0, 0, 1);
}

Test(config_diff, another_type_or_name_is_another_source)
{
	add(&old, "file", "/a");
	add(&old, "tcp", "")->port = 1514;
	add(&old, "tcp", "")->port = 1515;
	add(&now, "journald", "/a");
	add(&now, "udp", "")->port = 1514;
	set_text(&add(&now, "tcp", "")->service, "s");
	now.v[2].port = 1515;
	compare(2, 2, 1, 0);
}

Test(config_diff, two_with_one_content_are_two)
{
	add(&old, "file", "/a");
	add(&now, "file", "/a");
	add(&now, "file", "/a");
	compare(1, 0, 0, 1);
	cr_assert(same[0] == 0 && same[1] == BH_SOURCE_NEW);
}

Test(config_diff, a_fault_counts_and_its_words_do_not)
{
	set_text(&add(&old, "file", "/a")->fault, "is read already by the source at x.yaml:1");
	set_text(&add(&now, "file", "/a")->fault, "is read already by the source at x.yaml:2");
	compare(0, 0, 0, 1);
	set_text(&now.v[0].fault, "");
	compare(0, 0, 1, 0);
}

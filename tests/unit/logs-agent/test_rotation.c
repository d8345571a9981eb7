#include <criterion/criterion.h>

#include <string.h>

#include "common/attrs.h"
#include "logs-agent/rotation.h"

Test(rotation, names_of_section_4_5)
{
	static const struct {
		const char *base, *name;
		bool rotated;
	} table[] = {
	    {"app.log", "app.log.1", true},
	    {"app.log", "app.log-20240102", true},
	    {"app.log", "app.log_2024-01-02T03:04:05", true},
	    {"app.log", "app-20240102.log", true},
	    {"app.log", "app.1.log", true},
	    {"app.log", "app.log", false},
	    {"app.log", "app.log-debug", false},
	    {"app.log", "app.log.", false},
	    {"app.log", "app.log.gz", false},
	    {"app.log", "app.log.1.gz", false},
	    {"app.log", "app-1x.log", false},
	    {"app.log", "other.log.1", false},
	    {"app", "app.1", true},
	    {"app", "app1", false},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(table); i++)
		cr_expect_eq(bh_rotation_is_name(table[i].base, table[i].name), table[i].rotated,
		    "%s", table[i].name);
}

Test(rotation, backup_names_count_for_copies_only)
{
	static const char *const names[] = {
	    "a.log.old", "a.log.bak", "a.log.copy", "a.log.orig", "a.log~"};

	for (size_t i = 0; i < BH_ARRAY_LEN(names); i++) {
		cr_expect(bh_rotation_is_copy_name("a.log", names[i]), "%s", names[i]);
		cr_expect_not(bh_rotation_is_name("a.log", names[i]), "%s", names[i]);
	}
	cr_expect_not(bh_rotation_is_copy_name("a.log", "a.log.older"));
}

/* Every base that is offered leads back to the name, and the right one is among them. */
Test(rotation, a_name_leads_to_the_bases_it_may_come_from)
{
	static const char *const pairs[][2] = {
	    {"app.log.1", "app.log"},
	    {"app-20240102.log", "app.log"},
	    {"app.log-2024-01-02", "app.log"},
	    {"a.1.2.log", "a.log"},
	    {"plain_7", "plain"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(pairs); i++) {
		char base[256];
		bool found = false;

		for (size_t at = 0; bh_rotation_next_base(pairs[i][0], &at, base, sizeof(base));) {
			cr_expect(bh_rotation_is_name(base, pairs[i][0]), "%s", base);
			found |= strcmp(base, pairs[i][1]) == 0;
		}
		cr_expect(found, "%s", pairs[i][0]);
	}
	for (size_t at = 0;;) {
		char base[256];

		cr_assert_not(bh_rotation_next_base("no stamp.log", &at, base, sizeof(base)));
		break;
	}
}

Test(rotation, compressed_files_are_known_by_name_and_content)
{
	static const unsigned char gzip[] = {0x1f, 0x8b, 8, 0};

	cr_expect(bh_rotation_is_compressed("a.log.1.gz", gzip, sizeof(gzip)));
	cr_expect_not(bh_rotation_is_compressed("a.log.1.gz", (const unsigned char *)"text", 4));
	cr_expect_not(bh_rotation_is_compressed("a.log", gzip, sizeof(gzip)));
	cr_expect_not(bh_rotation_is_compressed("a.zst", gzip, 1));
}

#include <criterion/criterion.h>

#include <string.h>

#include "common/nearest.h"

Test(nearest, two_neighbours_swapped_are_one_step)
{
	cr_assert_eq(bh_edit_distance("stie", "site", 3), 1);
	cr_assert_eq(bh_edit_distance("ab", "ba", 3), 1);
	cr_assert_eq(bh_edit_distance("ca", "abc", 3), 3);
}

Test(nearest, words_beyond_the_bound_are_far)
{
	char word[129];

	memset(word, 'a', 128);
	word[128] = '\0';
	cr_assert_eq(bh_edit_distance(word, word, 3), 4);
	cr_assert_eq(bh_edit_distance(word + 1, word + 1, 3), 0);
}

Test(nearest, short_words_tolerate_less)
{
	cr_assert_eq(bh_edit_tolerance("foo"), 1);
	cr_assert_eq(bh_edit_tolerance("site"), 2);
	cr_assert_eq(bh_edit_tolerance("dogstatsd_port"), 3);
}

Test(nearest, the_edit_distance_counts_and_stops_at_its_limit)
{
	cr_assert_eq(bh_edit_distance("site", "site", 3), 0);
	cr_assert_eq(bh_edit_distance("site", "sites", 3), 1);
	cr_assert_eq(bh_edit_distance("kitten", "sitting", 3), 3);
	cr_assert_eq(bh_edit_distance("abcdefgh", "", 3), 4);
}

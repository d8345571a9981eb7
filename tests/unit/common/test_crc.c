#include <criterion/criterion.h>

#include <stdlib.h>

#include "common/crc.h"

Test(crc, gives_the_values_of_its_definitions)
{
	cr_assert_eq(bh_crc32c(0, "123456789", 9), 0xE3069283);
	cr_assert_eq(bh_crc32c_plain(0, "123456789", 9), 0xE3069283);
	cr_assert_eq(bh_crc64(0, "123456789", 9), 0xB90956C775A41001);
	cr_assert_eq(bh_crc32c(0, "", 0), 0);
}

Test(crc, both_ways_agree_for_every_length_alignment_and_chain)
{
	static unsigned char bytes[4096];
	unsigned seed = 3;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)rand_r(&seed);
	for (size_t n = 0; n < 600; n++) {
		size_t at = n % 13, cut = n / 3;
		uint32_t whole = bh_crc32c_plain(0, bytes + at, n);

		cr_assert_eq(bh_crc32c(0, bytes + at, n), whole, "%zu", n);
		cr_assert_eq(bh_crc32c(bh_crc32c(0, bytes + at, cut), bytes + at + cut, n - cut),
		    whole, "%zu", n);
	}
}

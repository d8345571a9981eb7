#include <criterion/criterion.h>

#include "proto/fingerprint_text.h"

Test(fingerprint_text, comes_back_as_it_was) /* logs.md §5 */
{
	static const struct {
		struct bh_fingerprint_config cfg;
		const char *text;
	} cases[] = {
	    {{BH_FP_LINE_CHECKSUM, 1, 0, 10000}, "line_checksum:1:0:10000"},
	    {{BH_FP_BYTE_CHECKSUM, 1024, 7, 0}, "byte_checksum:1024:7:0"},
	    {{BH_FP_DISABLED, 0, 0, 0}, "disabled"},
	    {{BH_FP_LINE_CHECKSUM, UINT32_MAX, UINT32_MAX, UINT32_MAX},
		"line_checksum:4294967295:4294967295:4294967295"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_fingerprint_config back = {.count = 9};
		char text[BH_FP_TEXT_MAX];

		bh_fp_text(&cases[i].cfg, text);
		cr_expect_str_eq(text, cases[i].text);
		cr_expect(bh_fp_text_parse(bh_str_from(text), &back));
		cr_expect(back.strategy == cases[i].cfg.strategy &&
			  back.count == cases[i].cfg.count &&
			  back.count_to_skip == cases[i].cfg.count_to_skip &&
			  back.max_bytes == cases[i].cfg.max_bytes);
	}
}

Test(fingerprint_text, anything_else_is_refused)
{
	static const char *const cases[] = {"", "disabled:", "disabled:1:0:0", "line_checksum",
	    "line_checksum:", "line_checksum:1:0", "line_checksum:1:0:1:", "line_checksum:1:0:x",
	    "line_checksum:-1:0:1", "line_checksum:4294967296:0:1", "lines:1:0:1",
	    "line_checksum :1:0:1"};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_fingerprint_config cfg = {.count = 9};

		cr_expect(!bh_fp_text_parse(bh_str_from(cases[i]), &cfg), "%s", cases[i]);
		cr_expect_eq(cfg.count, 9);
	}
}

/*
 * Any bytes as a pattern: what the translator accepts PCRE2 must compile, unless it is too large
 * for it, and the check alone must give the same verdict as the translation.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/re2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count(void *ctx, uint32_t number, struct bh_str name)
{
	uint32_t *last = ctx;

	if (number <= *last || !name.n)
		abort();
	*last = number;
	return 0;
}

static void compile(const struct bh_buf *text, uint32_t groups)
{
	pcre2_compile_context *how = pcre2_compile_context_create(NULL);
	uint32_t have = 0;
	PCRE2_SIZE at = 0;
	pcre2_code *code;
	int why = 0;

	if (!how)
		abort();
	(void)pcre2_set_newline(how, PCRE2_NEWLINE_LF);
	(void)pcre2_set_parens_nest_limit(how, 400);
	code = pcre2_compile((PCRE2_SPTR)(text->data ? text->data : ""), text->len,
	    PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX, &why,
	    &at, how);
	if (!code && why != PCRE2_ERROR_PATTERN_TOO_LARGE) {
		(void)fprintf(stderr, "%d at %zu of %.*s\n", why, at, (int)text->len, text->data);
		abort();
	}
	if (code && (pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &have) || have < groups))
		abort();
	pcre2_code_free(code);
	pcre2_compile_context_free(how);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bh_str re2 = {(const char *)data, size};
	struct bh_buf text = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	uint32_t groups = 0;
	int rc;

	rc = bh_re2_translate_groups(re2, &text, count, &groups, &err);
	if (rc != bh_re2_translate(re2, NULL, NULL))
		abort();
	if (rc && (!err.text[0] || text.len))
		abort();
	if (!rc)
		compile(&text, groups);
	bh_buf_release(&text);
	return 0;
}

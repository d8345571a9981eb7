#include "proto/fingerprint_text.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

static const char *const strategies[] = {[BH_FP_LINE_CHECKSUM] = "line_checksum",
    [BH_FP_BYTE_CHECKSUM] = "byte_checksum",
    [BH_FP_DISABLED] = "disabled"};

const char *bh_fp_strategy_name(const struct bh_fingerprint_config *cfg)
{
	return strategies[cfg->strategy];
}

bool bh_fp_strategy_parse(struct bh_str word, struct bh_fingerprint_config *out)
{
	if (bh_str_eq(word, bh_str_from(strategies[BH_FP_LINE_CHECKSUM])))
		out->strategy = BH_FP_LINE_CHECKSUM;
	else if (bh_str_eq(word, bh_str_from(strategies[BH_FP_BYTE_CHECKSUM])))
		out->strategy = BH_FP_BYTE_CHECKSUM;
	else if (bh_str_eq(word, bh_str_from(strategies[BH_FP_DISABLED])))
		out->strategy = BH_FP_DISABLED;
	else
		return false;
	return true;
}

void bh_fp_text(const struct bh_fingerprint_config *cfg, char out[BH_FP_TEXT_MAX])
{
	if (cfg->strategy == BH_FP_DISABLED)
		(void)snprintf(out, BH_FP_TEXT_MAX, "%s", strategies[BH_FP_DISABLED]);
	else
		(void)snprintf(out, BH_FP_TEXT_MAX, "%s:%" PRIu32 ":%" PRIu32 ":%" PRIu32,
		    bh_fp_strategy_name(cfg), cfg->count, cfg->count_to_skip,
		    cfg->strategy == BH_FP_LINE_CHECKSUM ? cfg->max_bytes : 0);
}

/* A colon and the decimal number behind it leave the text. */
static bool next_number(struct bh_str *text, uint32_t *out)
{
	uint64_t v = 0;
	size_t i = 1;

	if (!text->n || *text->p != ':')
		return false;
	while (i < text->n && text->p[i] >= '0' && text->p[i] <= '9' && v <= UINT32_MAX)
		v = v * 10 + (uint64_t)(text->p[i++] - '0');
	if (i == 1 || v > UINT32_MAX)
		return false;
	*out = (uint32_t)v;
	*text = (struct bh_str){text->p + i, text->n - i};
	return true;
}

bool bh_fp_text_parse(struct bh_str text, struct bh_fingerprint_config *out)
{
	struct bh_fingerprint_config cfg = {.strategy = BH_FP_DISABLED};
	const char *colon = text.n ? memchr(text.p, ':', text.n) : NULL;
	size_t word = colon ? (size_t)(colon - text.p) : text.n;

	if (!bh_fp_strategy_parse((struct bh_str){text.p, word}, &cfg))
		return false;
	if ((cfg.strategy == BH_FP_DISABLED) != !colon)
		return false;
	text = (struct bh_str){text.p + word, text.n - word};
	if (colon && (!next_number(&text, &cfg.count) || !next_number(&text, &cfg.count_to_skip) ||
			 !next_number(&text, &cfg.max_bytes) || text.n))
		return false;
	*out = cfg;
	return true;
}

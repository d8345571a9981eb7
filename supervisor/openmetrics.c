#include "supervisor/openmetrics.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/utf8.h"

/* Backslash, quote and newline are escaped; the page is UTF-8 whatever a file is called. */
static void put_value(struct bh_buf *out, struct bh_str s)
{
	size_t valid = bh_utf8_valid_prefix(s.p, s.n);

	for (size_t i = 0; i < s.n; i++) {
		if (i == valid) {
			bh_buf_str(out, "\xef\xbf\xbd");
			valid = i + 1 + bh_utf8_valid_prefix(s.p + i + 1, s.n - i - 1);
		} else if (s.p[i] == '\n') {
			bh_buf_str(out, "\\n");
		} else {
			if (s.p[i] == '\\' || s.p[i] == '"')
				bh_buf_u8(out, '\\');
			bh_buf_u8(out, (uint8_t)s.p[i]);
		}
	}
}

static const struct {
	const char *type, *suffix;
} words[] = {
    [BH_FAMILY_GAUGE] = {"gauge", ""},
    [BH_FAMILY_MILLI] = {"gauge", ""},
    [BH_FAMILY_COUNTER] = {"counter", "_total"},
    [BH_FAMILY_HISTOGRAM] = {"histogram", "_"},
};

static void put_number(struct bh_buf *out, const struct bh_sample *s)
{
	if (s->family->type == BH_FAMILY_MILLI)
		bh_buf_printf(
		    out, "%" PRId64 ".%03d", s->value / 1000, abs((int)(s->value % 1000)));
	else
		bh_buf_printf(out, "%" PRId64, s->value);
}

static void put_sample(struct bh_buf *out, const struct bh_sample *s)
{
	bh_buf_printf(
	    out, "bulkhead_%s%s%s{", s->family->name, words[s->family->type].suffix, s->part);
	for (size_t i = 0; i < s->labels_n; i++) {
		bh_buf_printf(out, "%s%s=\"", i ? "," : "", s->labels[i].key);
		put_value(out, s->labels[i].value);
		bh_buf_u8(out, '"');
	}
	bh_buf_str(out, "} ");
	put_number(out, s);
	bh_buf_u8(out, '\n');
}

/* The samples of a family stand together. */
static void put_family(
    struct bh_buf *out, const struct bh_family *family, const struct bh_samples *samples)
{
	bool said = false;

	for (size_t i = 0; i < samples->n; i++) {
		if (samples->v[i].family != family)
			continue;
		if (!said)
			bh_buf_printf(out, "# TYPE bulkhead_%s %s\n# HELP bulkhead_%s %s\n",
			    family->name, words[family->type].type, family->name, family->help);
		said = true;
		put_sample(out, &samples->v[i]);
	}
}

void bh_openmetrics_page(const struct bh_samples *s, struct bh_buf *out)
{
	for (size_t i = 0; i < bh_families_n; i++)
		put_family(out, &bh_families[i], s);
	bh_buf_str(out, "# EOF\n");
}

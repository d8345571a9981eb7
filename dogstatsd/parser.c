#include "dogstatsd/parser.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dogstatsd/number.h"

#define FIRST_VALUES 64

bool bh_lines_next(struct bh_lines *l, struct bh_str *line, bool *terminated)
{
	while (l->p < l->end) {
		const char *start = l->p;
		const char *nl = memchr(start, '\n', (size_t)(l->end - start));
		const char *stop = nl ? nl : l->end;

		l->p = nl ? nl + 1 : l->end;
		if (stop > start && stop[-1] == '\r')
			stop--;
		if (stop == start)
			continue;
		*line = (struct bh_str){start, (size_t)(stop - start)};
		*terminated = nl != NULL;
		return true;
	}
	return false;
}

enum bh_line_kind bh_line_classify(struct bh_str line)
{
	if (line.n < 3 || line.p[0] != '_')
		return BH_LINE_METRIC;
	if (line.p[1] == 'e' && line.p[2] == '{')
		return BH_LINE_EVENT;
	if (line.p[1] == 's' && line.p[2] == 'c')
		return BH_LINE_CHECK;
	return BH_LINE_METRIC;
}

const char *bh_parse_result_name(enum bh_parse_result r)
{
	static const char *const names[BH_PARSE__N] = {
	    [BH_PARSE_OK] = "ok",
	    [BH_PARSE_NO_TYPE] = "no_type",
	    [BH_PARSE_NO_VALUE] = "no_value",
	    [BH_PARSE_BAD_TYPE] = "bad_type",
	    [BH_PARSE_BAD_VALUE] = "bad_value",
	    [BH_PARSE_BAD_RATE] = "bad_rate",
	    [BH_PARSE_BAD_TIMESTAMP] = "bad_timestamp",
	    [BH_PARSE_NO_MEMORY] = "no_memory",
	    [BH_PARSE_BAD_EVENT] = "bad_event",
	    [BH_PARSE_BAD_CHECK] = "bad_check",
	};

	return (unsigned)r < BH_PARSE__N ? names[r] : "unknown";
}

int bh_parser_init(struct bh_parser *ps, bool timestamps)
{
	*ps = (struct bh_parser){.timestamps = timestamps};
	ps->values = malloc(FIRST_VALUES * sizeof(*ps->values));
	if (!ps->values)
		return -ENOMEM;
	ps->values_cap = FIRST_VALUES;
	return 0;
}

void bh_parser_release(struct bh_parser *ps)
{
	free(ps->values);
	*ps = (struct bh_parser){0};
}

static bool parse_type(const char *p, size_t n, enum bh_metric_type *type)
{
	if (n == 2 && p[0] == 'm' && p[1] == 's') {
		*type = BH_METRIC_HISTOGRAM;
		return true;
	}
	if (n != 1)
		return false;
	switch (p[0]) {
	case 'c':
		*type = BH_METRIC_COUNTER;
		return true;
	case 'g':
		*type = BH_METRIC_GAUGE;
		return true;
	case 'h':
		*type = BH_METRIC_HISTOGRAM;
		return true;
	case 's':
		*type = BH_METRIC_SET;
		return true;
	case 'd':
		*type = BH_METRIC_DISTRIBUTION;
		return true;
	default:
		return false;
	}
}

static bool add_value(struct bh_parser *ps, size_t n, double v)
{
	if (n == ps->values_cap) {
		size_t cap = n ? 2 * n : FIRST_VALUES;
		double *grown = realloc(ps->values, cap * sizeof(*grown));

		if (!grown)
			return false;
		ps->values = grown;
		ps->values_cap = cap;
	}
	ps->values[n] = v;
	return true;
}

/* Packed values: split at colons, empty pieces skipped, one piece at least. */
static enum bh_parse_result parse_packed(struct bh_parser *ps, struct bh_str raw, size_t *count)
{
	const char *p = raw.p, *end = raw.p + raw.n;
	double v;

	*count = 0;
	while (p < end) {
		const char *colon = memchr(p, ':', (size_t)(end - p));
		const char *stop = colon ? colon : end;

		if (stop > p) {
			if (bh_parse_float(p, (size_t)(stop - p), &v) < 0)
				return BH_PARSE_BAD_VALUE;
			if (!add_value(ps, (*count)++, v))
				return BH_PARSE_NO_MEMORY;
		}
		p = stop + 1;
	}
	return *count ? BH_PARSE_OK : BH_PARSE_BAD_VALUE;
}

static enum bh_parse_result parse_values(struct bh_parser *ps, struct bh_metric *m)
{
	enum bh_parse_result r = BH_PARSE_OK;

	m->values_n = 1;
	if (m->type == BH_METRIC_SET)
		ps->values[0] = 0;
	else if (!memchr(m->raw.p, ':', m->raw.n))
		r = bh_parse_float(m->raw.p, m->raw.n, &ps->values[0]) < 0 ? BH_PARSE_BAD_VALUE
									   : BH_PARSE_OK;
	else
		r = parse_packed(ps, m->raw, &m->values_n);
	m->values = ps->values;
	return r;
}

static enum bh_parse_result parse_field(
    const struct bh_parser *ps, const char *p, size_t n, struct bh_metric *m)
{
	if (n == 0)
		return BH_PARSE_OK;
	switch (p[0]) {
	case '#':
		m->tags = (struct bh_str){p + 1, n - 1};
		return BH_PARSE_OK;
	case '@':
		return bh_parse_float(p + 1, n - 1, &m->rate) < 0 ? BH_PARSE_BAD_RATE : BH_PARSE_OK;
	case 'T':
		if (!ps->timestamps)
			return BH_PARSE_OK;
		if (bh_parse_int(p + 1, n - 1, &m->timestamp) < 0 || m->timestamp < 1)
			return BH_PARSE_BAD_TIMESTAMP;
		return BH_PARSE_OK;
	default:
		return BH_PARSE_OK;
	}
}

enum bh_parse_result bh_parse_metric(struct bh_parser *ps, struct bh_str line, struct bh_metric *m)
{
	const char *end, *bar, *colon, *p;
	enum bh_parse_result r;

	bar = line.n ? memchr(line.p, '|', line.n) : NULL;
	if (!bar)
		return BH_PARSE_NO_TYPE;
	colon = memchr(line.p, ':', (size_t)(bar - line.p));
	if (!colon || colon == line.p || colon + 1 == bar)
		return BH_PARSE_NO_VALUE;
	end = line.p + line.n;
	m->name = (struct bh_str){line.p, (size_t)(colon - line.p)};
	m->raw = (struct bh_str){colon + 1, (size_t)(bar - colon - 1)};
	m->rate = 1;
	m->tags = (struct bh_str){line.p, 0};
	m->timestamp = 0;

	p = bar + 1;
	bar = memchr(p, '|', (size_t)(end - p));
	if (!parse_type(p, (size_t)((bar ? bar : end) - p), &m->type))
		return BH_PARSE_BAD_TYPE;
	r = parse_values(ps, m);
	while (r == BH_PARSE_OK && bar) {
		p = bar + 1;
		bar = memchr(p, '|', (size_t)(end - p));
		r = parse_field(ps, p, (size_t)((bar ? bar : end) - p), m);
	}
	return r;
}

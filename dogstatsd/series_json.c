#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/jsonw.h"
#include "dogstatsd/series_encoder.h"

static const char *type_name(enum bh_series_type type)
{
	switch (type) {
	case BH_SERIES_COUNT:
		return "count";
	case BH_SERIES_RATE:
		return "rate";
	case BH_SERIES_GAUGE:
		break;
	}
	return "gauge";
}

/* The shortest text that reads back as the same number; values are finite. */
static void put_number(struct bh_buf *out, double v)
{
	char text[32];

	for (int digits = 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	(void)bh_buf_str(out, text);
}

static void put_points(struct bh_jsonw *w, const struct bh_series *s)
{
	bh_jsonw_array(w, "points");
	for (size_t i = 0; i < s->n; i++) {
		(void)bh_buf_printf(w->out, "%s[%" PRId64 ",", i ? "," : "", s->points[i].ts);
		put_number(w->out, s->points[i].v);
		(void)bh_buf_u8(w->out, ']');
	}
	bh_jsonw_array_end(w);
}

/* All tags but device:, whose value becomes a member of its own. */
static void put_tags(struct bh_jsonw *w, const struct bh_series *s)
{
	static const struct bh_str prefix = {"device:", 7};
	struct bh_tags rest = s->id->tags, more = s->extra;
	struct bh_str tag, device = {NULL, 0};

	bh_jsonw_array(w, "tags");
	while (bh_tags_next(&rest, &tag) || bh_tags_next(&more, &tag)) {
		if (bh_str_starts(tag, prefix))
			device = (struct bh_str){tag.p + prefix.n, tag.n - prefix.n};
		else
			bh_jsonw_bytes(w, NULL, tag.p, tag.n);
	}
	bh_jsonw_array_end(w);
	if (device.n)
		bh_jsonw_bytes(w, "device", device.p, device.n);
}

static int encode(const struct bh_series *s, struct bh_buf *scratch, struct bh_str *item)
{
	struct bh_buf name = BH_BUF_INIT;
	struct bh_jsonw w;

	(void)bh_buf_append(&name, s->id->name.p, s->id->name.n);
	(void)bh_buf_append(&name, s->suffix.p, s->suffix.n);
	bh_buf_clear(scratch);
	bh_jsonw_init(&w, scratch);
	bh_jsonw_object(&w, NULL);
	bh_jsonw_bytes(&w, "metric", name.data, name.len);
	put_points(&w, s);
	put_tags(&w, s);
	bh_jsonw_bytes(&w, "host", s->id->host.p, s->id->host.n);
	bh_jsonw_str(&w, "type", type_name(s->type));
	bh_jsonw_i64(&w, "interval", s->interval);
	if (s->source_type.n)
		bh_jsonw_bytes(&w, "source_type_name", s->source_type.p, s->source_type.n);
	bh_jsonw_object_end(&w);
	if (bh_buf_failed(&name))
		scratch->failed = name.failed;
	bh_buf_release(&name);
	*item = bh_buf_view(scratch);
	return bh_buf_failed(scratch);
}

const struct bh_series_format bh_series_v1 = {
    .kind = BH_KIND_SERIES_V1,
    .joint = {{"{\"series\":[", 11}, {",", 1}},
    .tail = {"]}", 2},
    .encode = encode,
};

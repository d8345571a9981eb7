#include "dogstatsd/series_encoder.h"

#include "dogstatsd/entry.h"
#include "dogstatsd/pbwriter.h"

enum series_field {
	F_RESOURCES = 1,
	F_METRIC = 2,
	F_TAGS = 3,
	F_POINTS = 4,
	F_TYPE = 5,
	F_SOURCE_TYPE = 7,
	F_INTERVAL = 8,
	F_METADATA = 9,
};

#define POINT_MAX (1 + BH_PB_VARINT_MAX + 9 + 1 + BH_PB_VARINT_MAX)
#define FIXED_MAX 128 /* host resource's frame, type, interval, metadata */

/* What a tag adds at most beyond its packed form: the frame of a resource. */
#define PER_TAG_MAX 48

static uint8_t *put_resource(uint8_t *w, struct bh_str type, struct bh_str name)
{
	w = bh_pb_tag(w, F_RESOURCES, BH_PB_BYTES);
	w = bh_pb_varint(w, bh_pb_string_size(type.n) + bh_pb_string_size(name.n));
	w = bh_pb_string(w, 1, type);
	return bh_pb_string(w, 2, name);
}

bool bh_series_resource(struct bh_str tag, struct bh_str *type, struct bh_str *name)
{
	static const struct bh_str device = {"device:", 7};
	static const struct bh_str internal = {"dd.internal.resource:", 21};
	const char *colon;

	if (tag.n == 0 || tag.p[0] != 'd')
		return false;
	if (bh_str_starts(tag, device)) {
		*type = (struct bh_str){"device", 6};
		*name = (struct bh_str){tag.p + device.n, tag.n - device.n};
		return true;
	}
	if (!bh_str_starts(tag, internal))
		return false;
	*type = (struct bh_str){tag.p + internal.n, tag.n - internal.n};
	colon = type->n ? memchr(type->p, ':', type->n) : NULL;
	if (!colon)
		return false;
	*name = (struct bh_str){colon + 1, (size_t)(type->p + type->n - colon - 1)};
	type->n = (size_t)(colon - type->p);
	return true;
}

static uint8_t *put_resources(uint8_t *w, struct bh_tags rest)
{
	struct bh_str tag, type, name;

	while (bh_tags_next(&rest, &tag)) {
		if (bh_series_resource(tag, &type, &name))
			w = put_resource(w, type, name);
	}
	return w;
}

static uint8_t *put_tags(uint8_t *w, struct bh_tags rest)
{
	struct bh_str tag, type, name;

	while (bh_tags_next(&rest, &tag)) {
		if (!bh_series_resource(tag, &type, &name))
			w = bh_pb_string(w, F_TAGS, tag);
	}
	return w;
}

static uint8_t *put_point(uint8_t *w, const struct bh_point *p)
{
	w = bh_pb_tag(w, F_POINTS, BH_PB_BYTES);
	w = bh_pb_varint(w, 9 + 1 + bh_pb_varint_size((uint64_t)p->ts));
	w = bh_pb_double(w, 1, p->v);
	return bh_pb_u64(w, 2, (uint64_t)p->ts);
}

static size_t bound(const struct bh_series *s)
{
	return FIXED_MAX + s->id->name.n + s->suffix.n + s->id->host.n + s->source_type.n +
	       s->id->tags.bytes + s->extra.bytes +
	       ((size_t)s->id->tags.n + s->extra.n) * PER_TAG_MAX + s->n * POINT_MAX;
}

static int encode(const struct bh_series *s, struct bh_buf *scratch, struct bh_str *item)
{
	size_t metric_n = s->id->name.n + s->suffix.n;
	uint8_t *start = NULL, *w;
	int rc;

	rc = bh_entry_begin(scratch, bound(s), &start);
	if (rc != 0)
		return rc;
	w = put_resource(start, (struct bh_str){"host", 4}, s->id->host);
	w = put_resources(put_resources(w, s->id->tags), s->extra);
	w = bh_pb_varint(bh_pb_tag(w, F_METRIC, BH_PB_BYTES), metric_n);
	w = bh_pb_raw(bh_pb_raw(w, s->id->name), s->suffix);
	w = put_tags(put_tags(w, s->id->tags), s->extra);
	for (size_t i = 0; i < s->n; i++)
		w = put_point(w, &s->points[i]);
	w = bh_pb_u64(w, F_TYPE, (uint64_t)s->type);
	if (s->source_type.n)
		w = bh_pb_string(w, F_SOURCE_TYPE, s->source_type);
	if (s->interval)
		w = bh_pb_u64(w, F_INTERVAL, (uint64_t)s->interval);
	w = bh_entry_metadata(w, F_METADATA, s->category);
	*item = bh_entry_end(scratch, start, w);
	return 0;
}

const struct bh_series_format bh_series_v2 = {
    .kind = BH_KIND_SERIES_V2,
    .joint = {{NULL, 0}, {NULL, 0}},
    .tail = {NULL, 0},
    .encode = encode,
};

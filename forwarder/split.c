#include "forwarder/split.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "forwarder/pack.h"

#define SERIES_POINTS   4 /* MetricSeries.points */
#define SKETCH_POINTS   7 /* Sketch.dogsketches */
#define LEN_FIELD       2 /* wire type */
#define JSON_DEPTH_MAX  200
#define FIRST_ALLOCATED 64

/* --- the lists ------------------------------------------------------------------------------- */

static int grow(void **list, size_t n, size_t *cap, size_t size)
{
	size_t want = *cap ? *cap * 2 : FIRST_ALLOCATED;
	void *p;

	if (n < *cap)
		return 0;
	if (n >= BH_SPLIT_ITEMS_MAX)
		return BH_E_LIMIT;
	p = realloc(*list, want * size);
	if (!p)
		return -ENOMEM;
	*list = p;
	*cap = want;
	return 0;
}

static int add_item(struct bh_split *s, size_t at, size_t n, uint32_t weight)
{
	void *list = s->items;
	int rc = grow(&list, s->n, &s->cap, sizeof(*s->items));

	s->items = list;
	if (rc)
		return rc;
	s->items[s->n++] = (struct bh_split_item){
	    .at = (uint32_t)at,
	    .n = (uint32_t)n,
	    .group = s->groups_n ? (uint32_t)s->groups_n - 1 : 0,
	    .weight = BH_MAX(weight, 1U),
	};
	return 0;
}

static int add_group(struct bh_split *s, size_t at, size_t n)
{
	void *list = s->groups;
	int rc = grow(&list, s->groups_n, &s->groups_cap, sizeof(*s->groups));

	s->groups = list;
	if (rc)
		return rc;
	s->groups[s->groups_n++] = (struct bh_split_group){(uint32_t)at, (uint32_t)n};
	return 0;
}

/* --- protobuf -------------------------------------------------------------------------------- */

struct field {
	uint64_t number;
	unsigned wire;
	size_t at, n;       /* whole field, tag included */
	struct bh_str body; /* of a length-delimited one */
};

static bool varint(struct bh_str in, size_t *at, uint64_t *v)
{
	*v = 0;
	for (unsigned shift = 0; shift < 64 && *at < in.n; shift += 7) {
		uint8_t byte = (uint8_t)in.p[(*at)++];

		*v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return true;
	}
	return false;
}

static bool skip_payload(struct bh_str in, size_t *at, struct field *f)
{
	uint64_t n = 0;

	switch (f->wire) {
	case 0:
		return varint(in, at, &n);
	case 1:
		n = 8;
		break;
	case LEN_FIELD:
		if (!varint(in, at, &n))
			return false;
		break;
	case 5:
		n = 4;
		break;
	default:
		return false; /* groups: nobody writes them */
	}
	if (n > in.n - *at)
		return false;
	f->body = (struct bh_str){in.p + *at, (size_t)n};
	*at += (size_t)n;
	return true;
}

static bool next_field(struct bh_str in, size_t *at, struct field *f)
{
	uint64_t tag = 0;

	f->at = *at;
	if (!varint(in, at, &tag))
		return false;
	f->number = tag >> 3;
	f->wire = (unsigned)(tag & 7);
	if (f->number == 0 || !skip_payload(in, at, f))
		return false;
	f->n = *at - f->at;
	return true;
}

/* How often a field stands in an item: its points. */
static uint32_t count_fields(struct bh_str item, uint64_t number)
{
	struct field f;
	uint32_t found = 0;
	size_t at = 0;

	while (at < item.n && next_field(item, &at, &f))
		found += f.number == number && f.wire == LEN_FIELD;
	return found;
}

static int walk_protobuf(struct bh_split *s)
{
	uint64_t points = s->kind == BH_KIND_SKETCHES ? SKETCH_POINTS : SERIES_POINTS;
	struct bh_str in = bh_buf_view(&s->raw);
	size_t at = 0;

	while (at < in.n) {
		struct field f;
		int rc;

		if (!next_field(in, &at, &f))
			return BH_E_FORMAT;
		if (f.number == 1 && f.wire == LEN_FIELD)
			rc = add_item(s, f.at, f.n, count_fields(f.body, points));
		else
			rc = bh_buf_append(&s->around, in.p + f.at, f.n);
		if (rc)
			return rc;
	}
	return 0;
}

/* --- JSON ------------------------------------------------------------------------------------ */

struct scan {
	const char *p;
	size_t at, n;
};

static void skip_blanks(struct scan *c)
{
	while (c->at < c->n && (c->p[c->at] == ' ' || c->p[c->at] == '\t' || c->p[c->at] == '\n' ||
				   c->p[c->at] == '\r'))
		c->at++;
}

/* The next token begins so? Then it is passed. */
static bool take(struct scan *c, char want)
{
	skip_blanks(c);
	if (c->at >= c->n || c->p[c->at] != want)
		return false;
	c->at++;
	return true;
}

static bool skip_string(struct scan *c)
{
	if (!take(c, '"'))
		return false;
	while (c->at < c->n) {
		char ch = c->p[c->at++];

		if (ch == '"')
			return true;
		if (ch == '\\')
			c->at++;
	}
	return false;
}

static bool ends_word(char ch)
{
	return ch == ',' || ch == ']' || ch == '}' || ch == ':' || ch == '"' || ch == '[' ||
	       ch == '{' || ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r';
}

/* Numbers, true, false, null: copied, so what they say does not matter. */
static bool skip_word(struct scan *c)
{
	size_t start = c->at;

	while (c->at < c->n && !ends_word(c->p[c->at]))
		c->at++;
	return c->at > start;
}

/* An array or object whose opening bracket is next, to its closing one. */
static bool skip_nested(struct scan *c)
{
	char closing[JSON_DEPTH_MAX];
	size_t depth = 0;

	do {
		char ch;

		if (c->at >= c->n)
			return false;
		ch = c->p[c->at];
		if (ch == '"') {
			if (!skip_string(c))
				return false;
			continue;
		}
		c->at++;
		if (ch == '[' || ch == '{') {
			if (depth == JSON_DEPTH_MAX)
				return false;
			closing[depth++] = ch == '[' ? ']' : '}';
		} else if (ch == ']' || ch == '}') {
			if (depth == 0 || closing[--depth] != ch)
				return false;
		}
	} while (depth);
	return true;
}

static bool skip_value(struct scan *c)
{
	skip_blanks(c);
	if (c->at >= c->n)
		return false;
	if (c->p[c->at] == '"')
		return skip_string(c);
	if (c->p[c->at] == '[' || c->p[c->at] == '{')
		return skip_nested(c);
	return skip_word(c);
}

/* "points":[[t,v],…] of a v1 series: how many pairs. */
static uint32_t v1_points(const char *p, size_t n)
{
	static const char key[] = "\"points\":[";
	const char *at = memmem(p, n, key, sizeof(key) - 1);
	struct scan c = {p, at ? (size_t)(at - p) + sizeof(key) - 1 : n, n};
	uint32_t found = 0;

	do {
		if (!skip_value(&c))
			break;
		found++;
	} while (take(&c, ','));
	return found;
}

/* Elements up to the closing bracket; the opening one is behind us. */
static int walk_elements(struct bh_split *s, struct scan *c)
{
	if (take(c, ']'))
		return 0;
	do {
		uint32_t weight;
		size_t at;
		int rc;

		skip_blanks(c);
		at = c->at;
		if (!skip_value(c))
			return BH_E_FORMAT;
		weight = s->kind == BH_KIND_SERIES_V1 ? v1_points(c->p + at, c->at - at) : 1;
		rc = add_item(s, at, c->at - at, weight);
		if (rc)
			return rc;
	} while (take(c, ','));
	return take(c, ']') ? 0 : BH_E_FORMAT;
}

static int walk_array(struct bh_split *s, struct scan *c)
{
	int rc;

	if (!take(c, '['))
		return BH_E_FORMAT;
	s->head = (uint32_t)c->at;
	rc = walk_elements(s, c);
	if (rc)
		return rc;
	s->tail = (uint32_t)c->at - 1;
	return 0;
}

static int walk_groups(struct bh_split *s, struct scan *c)
{
	if (!take(c, '{'))
		return BH_E_FORMAT;
	s->head = (uint32_t)c->at;
	if (!take(c, '}')) {
		do {
			size_t at;
			int rc;

			skip_blanks(c);
			at = c->at;
			if (!skip_string(c))
				return BH_E_FORMAT;
			rc = add_group(s, at, c->at - at);
			if (!rc)
				rc = take(c, ':') && take(c, '[') ? walk_elements(s, c)
								  : BH_E_FORMAT;
			if (rc)
				return rc;
		} while (take(c, ','));
		if (!take(c, '}'))
			return BH_E_FORMAT;
	}
	s->tail = (uint32_t)c->at - 1;
	return 0;
}

/* An object, one of whose members holds the items. */
static int walk_object(struct bh_split *s, struct scan *c, struct bh_str member,
    int (*walk)(struct bh_split *s, struct scan *c))
{
	bool found = false;

	if (!take(c, '{'))
		return BH_E_FORMAT;
	do {
		size_t at;
		int rc = 0;

		skip_blanks(c);
		at = c->at;
		if (!skip_string(c))
			return BH_E_FORMAT;
		if (bh_str_eq((struct bh_str){c->p + at, c->at - at}, member) && !found) {
			found = true;
			rc = take(c, ':') ? walk(s, c) : BH_E_FORMAT;
		} else if (!take(c, ':') || !skip_value(c)) {
			rc = BH_E_FORMAT;
		}
		if (rc)
			return rc;
	} while (take(c, ','));
	return found && take(c, '}') ? 0 : BH_E_FORMAT;
}

static int walk_json(struct bh_split *s)
{
	struct scan c = {s->raw.data, 0, s->raw.len};
	int rc;

	if (s->kind == BH_KIND_EVENTS)
		rc = walk_object(s, &c, BH_STR_LIT("\"events\""), walk_groups);
	else if (s->kind == BH_KIND_SERIES_V1)
		rc = walk_object(s, &c, BH_STR_LIT("\"series\""), walk_array);
	else
		rc = walk_array(s, &c);
	if (rc)
		return rc;
	skip_blanks(&c);
	return c.at == c.n ? 0 : BH_E_FORMAT;
}

/* --- opening and writing --------------------------------------------------------------------- */

static int walk(struct bh_split *s)
{
	switch (s->kind) {
	case BH_KIND_SERIES_V2:
	case BH_KIND_SKETCHES:
		return walk_protobuf(s);
	case BH_KIND_LOGS:
	case BH_KIND_SERIES_V1:
	case BH_KIND_CHECKS:
	case BH_KIND_EVENTS:
		return walk_json(s);
	case BH_KIND_METADATA:
		s->tail = (uint32_t)s->raw.len;
		return add_item(s, 0, s->raw.len, 1);
	case BH_KIND__END:
		break;
	}
	return BH_E_FORMAT;
}

int bh_split_open(
    struct bh_split *s, enum bh_kind kind, enum bh_encoding encoding, struct bh_str body)
{
	int rc;

	*s = (struct bh_split){.kind = kind, .encoding = encoding};
	rc = bh_unpack(encoding, body, BH_SPLIT_RAW_MAX, &s->raw);
	if (!rc)
		rc = walk(s);
	if (!rc && s->n == 0)
		rc = BH_E_FORMAT;
	if (rc)
		bh_split_release(s);
	return rc;
}

void bh_split_release(struct bh_split *s)
{
	bh_buf_release(&s->raw);
	bh_buf_release(&s->around);
	free(s->items);
	free(s->groups);
	s->items = NULL;
	s->groups = NULL;
	s->n = s->groups_n = 0;
}

/* What stands between an item and the one written before it. */
static void joint(const struct bh_split *s, const struct bh_split_item *before,
    const struct bh_split_item *item, struct bh_buf *out)
{
	const struct bh_split_group *group = s->groups_n ? &s->groups[item->group] : NULL;

	if (group && (!before || before->group != item->group)) {
		(void)bh_buf_str(out, before ? "]," : "");
		(void)bh_buf_append(out, s->raw.data + group->at, group->n);
		(void)bh_buf_str(out, ":[");
	} else if (before) {
		(void)bh_buf_str(out, ",");
	}
}

/* The items of [first, end) that are marked; marks NULL = all. */
static int write_items(
    const struct bh_split *s, size_t first, size_t end, const uint8_t *marks, struct bh_buf *out)
{
	bool json = s->kind != BH_KIND_SERIES_V2 && s->kind != BH_KIND_SKETCHES;
	const struct bh_split_item *before = NULL;
	struct bh_buf raw = BH_BUF_INIT;
	int rc;

	if (json)
		(void)bh_buf_append(&raw, s->raw.data, s->head);
	for (size_t i = first; i < end; i++) {
		if (marks && !marks[i])
			continue;
		if (json)
			joint(s, before, &s->items[i], &raw);
		(void)bh_buf_append(&raw, s->raw.data + s->items[i].at, s->items[i].n);
		before = &s->items[i];
	}
	if (s->groups_n)
		(void)bh_buf_str(&raw, "]");
	if (json)
		(void)bh_buf_append(&raw, s->raw.data + s->tail, s->raw.len - s->tail);
	else
		(void)bh_buf_append(&raw, s->around.data, s->around.len);
	rc = bh_buf_failed(&raw);
	if (!rc)
		rc = bh_pack(s->encoding, bh_buf_view(&raw), out);
	bh_buf_release(&raw);
	return rc;
}

int bh_split_part(const struct bh_split *s, size_t first, size_t n, struct bh_buf *out)
{
	return write_items(s, first, first + n, NULL, out);
}

int bh_split_pick(const struct bh_split *s, const uint8_t *marks, struct bh_buf *out)
{
	return write_items(s, 0, s->n, marks, out);
}

uint64_t bh_split_weight(const struct bh_split *s, size_t first, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = first; i < first + n; i++)
		sum += s->items[i].weight;
	return sum;
}

#include "logs-agent/journal_entry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "logs-agent/journal_json.h"
#include "logs-agent/trim.h"

#define KEEP_MEMORY ((size_t)256 << 10) /* buffers above this are given back */
#define FRAME       64                  /* all that surrounds the fields and MESSAGE, rounded up */
#define MARK        64                  /* the member that counts fields left out, rounded up */
#define PUNCTUATION 6                   /* "":"", */
#define EXPANSION   6                   /* bytes of the text for one byte of a field, at most */

static struct bh_str name_of(const struct bh_journal_entry *e, const struct bh_journal_field *f)
{
	return (struct bh_str){e->bytes.data + f->at, f->name_n};
}

static struct bh_str value_of(const struct bh_journal_entry *e, const struct bh_journal_field *f)
{
	return (struct bh_str){e->bytes.data + f->at + f->name_n, f->value_n};
}

/* --- collecting ------------------------------------------------------------------------------- */

void bh_journal_entry_release(struct bh_journal_entry *e)
{
	bh_buf_release(&e->bytes);
	bh_buf_release(&e->message);
	bh_buf_release(&e->escaped);
	bh_buf_release(&e->text);
	free(e->fields);
	free(e->order);
	*e = (struct bh_journal_entry){0};
}

static void forget(struct bh_buf *b)
{
	if (b->cap > KEEP_MEMORY)
		bh_buf_release(b);
	else
		bh_buf_clear(b);
}

void bh_journal_entry_clear(struct bh_journal_entry *e)
{
	forget(&e->bytes);
	forget(&e->message);
	forget(&e->escaped);
	forget(&e->text);
	e->fields_n = 0;
	e->order_n = 0;
	e->has_message = false;
	e->message_cut = false;
	e->left_out = 0;
	e->raw = 0;
}

static int grow(struct bh_journal_entry *e)
{
	size_t cap = e->fields_cap ? 2 * e->fields_cap : 64;
	struct bh_journal_field *fields;
	uint16_t *order;

	if (e->fields_n < e->fields_cap)
		return 0;
	fields = realloc(e->fields, cap * sizeof(*fields));
	if (!fields)
		return -ENOMEM;
	e->fields = fields;
	order = realloc(e->order, cap * sizeof(*order));
	if (!order)
		return -ENOMEM;
	e->order = order;
	e->fields_cap = cap;
	return 0;
}

static int keep_message(struct bh_journal_entry *e, struct bh_str value)
{
	size_t n = value.n < BH_JOURNAL_TEXT_MAX ? value.n : BH_JOURNAL_TEXT_MAX;

	bh_buf_clear(&e->message);
	e->has_message = true;
	e->message_cut = n < value.n;
	return bh_buf_append(&e->message, value.p, n);
}

static bool has_room(const struct bh_journal_entry *e, struct bh_str name, struct bh_str value)
{
	if (e->fields_n == BH_JOURNAL_FIELDS_MAX || name.n > BH_JOURNAL_TEXT_MAX ||
	    value.n > BH_JOURNAL_TEXT_MAX)
		return false;
	return name.n + value.n <= BH_JOURNAL_SMALL ||
	       e->bytes.len + name.n + value.n <= BH_JOURNAL_KEPT_MAX;
}

int bh_journal_entry_add(
    struct bh_journal_entry *e, struct bh_str name, struct bh_str value, size_t raw)
{
	size_t at = e->bytes.len;
	int rc;

	e->raw += raw;
	if (bh_str_eq(name, BH_STR_LIT("MESSAGE")))
		return keep_message(e, value);
	if (!has_room(e, name, value)) {
		e->left_out++;
		return 0;
	}
	rc = grow(e);
	if (!rc)
		rc = bh_buf_append(&e->bytes, name.p, name.n);
	if (!rc)
		rc = bh_buf_append(&e->bytes, value.p, value.n);
	if (!rc)
		e->fields[e->fields_n++] = (struct bh_journal_field){at, name.n, value.n, 0};
	return rc;
}

void bh_journal_entry_lost(struct bh_journal_entry *e)
{
	e->left_out++;
}

/* --- asking ----------------------------------------------------------------------------------- */

static bool find(const struct bh_journal_entry *e, struct bh_str name, struct bh_str *value)
{
	if (e->has_message && bh_str_eq(name, BH_STR_LIT("MESSAGE"))) {
		*value = bh_buf_view(&e->message);
		return !e->message_cut;
	}
	for (size_t i = e->fields_n; i-- > 0;) {
		if (bh_str_eq(name_of(e, &e->fields[i]), name)) {
			*value = value_of(e, &e->fields[i]);
			return true;
		}
	}
	return false;
}

/* The last value, empty when there is none. */
static struct bh_str get(const struct bh_journal_entry *e, const char *name)
{
	struct bh_str value;

	return find(e, bh_str_from(name), &value) ? value : (struct bh_str){NULL, 0};
}

static bool listed(const struct bh_strlist *l, struct bh_str unit)
{
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->v[i], "*") == 0 || bh_str_eq(bh_str_from(l->v[i]), unit))
			return true;
	}
	return false;
}

bool bh_journal_entry_excluded(const struct bh_journal_entry *e, const struct bh_log_source *src)
{
	struct bh_str value;

	if (src->exclude_units.n || src->exclude_user_units.n) {
		if (find(e, BH_STR_LIT("_SYSTEMD_USER_UNIT"), &value)) {
			if (listed(&src->exclude_user_units, value))
				return true;
		} else if (find(e, BH_STR_LIT("_SYSTEMD_UNIT"), &value) &&
			   listed(&src->exclude_units, value)) {
			return true;
		}
	}
	for (size_t i = 0; i < src->exclude_matches.n; i++) {
		const char *term = src->exclude_matches.v[i], *eq = strchr(term, '=');

		if (eq && find(e, (struct bh_str){term, (size_t)(eq - term)}, &value) &&
		    bh_str_eq(value, bh_str_from(eq + 1)))
			return true;
	}
	return false;
}

static enum bh_log_status status_of(const struct bh_journal_entry *e)
{
	struct bh_str p = get(e, "PRIORITY");

	if (p.n == 1 && p.p[0] >= '0' && p.p[0] <= '7')
		return (enum bh_log_status)(p.p[0] - '0');
	return BH_STATUS_INFO;
}

/* "registry:5000/team/nginx:1.25@sha256:…" is "nginx". */
static struct bh_str short_image(struct bh_str image)
{
	const char *cut = image.n ? memchr(image.p, '@', image.n) : NULL;

	if (cut)
		image.n = (size_t)(cut - image.p);
	cut = image.n ? memrchr(image.p, '/', image.n) : NULL;
	if (cut) {
		image.n -= (size_t)(cut + 1 - image.p);
		image.p = cut + 1;
	}
	cut = image.n ? memchr(image.p, ':', image.n) : NULL;
	if (cut)
		image.n = (size_t)(cut - image.p);
	return image;
}

static struct bh_str application(const struct bh_journal_entry *e, const struct bh_log_source *src)
{
	static const char *const names[] = {
	    "SYSLOG_IDENTIFIER", "_SYSTEMD_USER_UNIT", "_SYSTEMD_UNIT", "_COMM"};
	struct bh_str value = {NULL, 0};

	if (find(e, BH_STR_LIT("CONTAINER_ID_FULL"), &value)) {
		value = src->container_mode ? short_image(get(e, "IMAGE_NAME"))
					    : (struct bh_str){NULL, 0};
		if (!value.n)
			value = bh_str_from(src->default_application_name);
	}
	for (size_t i = 0; i < BH_ARRAY_LEN(names) && !value.n; i++)
		value = get(e, names[i]);
	return value;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int by_name(const void *pa, const void *pb, void *ctx)
{
	const struct bh_journal_entry *e = ctx;
	uint16_t ia = *(const uint16_t *)pa, ib = *(const uint16_t *)pb;
	struct bh_str a = name_of(e, &e->fields[ia]), b = name_of(e, &e->fields[ib]);
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	if (c == 0)
		c = (a.n > b.n) - (a.n < b.n);
	return c ? c : (ia > ib) - (ia < ib);
}

/* Sorted by name, of equal names the last added. */
static void arrange(struct bh_journal_entry *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->fields_n; i++)
		e->order[i] = (uint16_t)i;
	if (e->fields_n)
		qsort_r(e->order, e->fields_n, sizeof(*e->order), by_name, e);
	for (size_t i = 0; i < e->fields_n; i++) {
		if (i + 1 == e->fields_n || !bh_str_eq(name_of(e, &e->fields[e->order[i]]),
						name_of(e, &e->fields[e->order[i + 1]])))
			e->order[n++] = e->order[i];
	}
	e->order_n = n;
}

/* Takes the largest away until the rest fits into room. */
static size_t leave_out(struct bh_journal_entry *e, size_t room)
{
	size_t total = 0, gone = 0;

	for (size_t i = 0; i < e->order_n; i++) {
		struct bh_journal_field *f = &e->fields[e->order[i]];

		f->cost = PUNCTUATION + bh_journal_json_length(name_of(e, f)) +
			  bh_journal_json_length(value_of(e, f));
		total += f->cost;
	}
	while (total > room) {
		size_t largest = 0;

		for (size_t i = 1; i < e->order_n; i++) {
			if (e->fields[e->order[i]].cost > e->fields[e->order[largest]].cost)
				largest = i;
		}
		total -= e->fields[e->order[largest]].cost;
		e->order_n--;
		memmove(e->order + largest, e->order + largest + 1,
		    (e->order_n - largest) * sizeof(*e->order));
		gone++;
	}
	return gone;
}

static void put_pair(struct bh_buf *out, bool first, struct bh_str name, struct bh_str value)
{
	(void)bh_buf_str(out, first ? "\"" : ",\"");
	(void)bh_journal_json_put(out, name, SIZE_MAX);
	(void)bh_buf_str(out, "\":\"");
	(void)bh_journal_json_put(out, value, SIZE_MAX);
	(void)bh_buf_u8(out, '"');
}

static void put_fields(struct bh_journal_entry *e, size_t left_out)
{
	char count[24];
	int n = snprintf(count, sizeof(count), "%zu", left_out);

	for (size_t i = 0; i < e->order_n; i++) {
		const struct bh_journal_field *f = &e->fields[e->order[i]];

		put_pair(&e->text, i == 0, name_of(e, f), value_of(e, f));
	}
	if (left_out)
		put_pair(&e->text, e->order_n == 0, BH_STR_LIT("bulkhead_fields_left_out"),
		    (struct bh_str){count, n > 0 ? (size_t)n : 0});
}

/* The beginning of MESSAGE that counts, before its marker; `escaped` holds its form in JSON. */
static struct bh_str cut_message(struct bh_journal_entry *e, bool trim, size_t limit, bool *cut)
{
	struct bh_str s = bh_buf_view(&e->message);
	size_t n = s.n > limit ? bh_journal_json_boundary(s, limit ? limit : 1) : s.n;

	*cut = e->message_cut || n < s.n;
	s.n = n;
	if (trim)
		s = bh_trim(s);
	bh_buf_clear(&e->escaped);
	n = bh_journal_json_put(
	    &e->escaped, s, BH_JOURNAL_TEXT_MAX - BH_JOURNAL_ROOM - sizeof(BH_TRUNCATED));
	*cut |= n < s.n;
	s.n = n;
	if (*cut)
		(void)bh_buf_str(&e->escaped, BH_TRUNCATED);
	return s;
}

/* MESSAGE alone, with its marker. The bytes behind the part that counts are not needed again. */
static struct bh_str subject_of(struct bh_journal_entry *e, struct bh_str message, bool cut)
{
	size_t at;

	if (!cut)
		return message;
	at = (size_t)(message.p - e->message.data);
	e->message.len = at + message.n;
	(void)bh_buf_str(&e->message, BH_TRUNCATED);
	return (struct bh_str){e->message.data + at, e->message.len - at};
}

static void put_text(struct bh_journal_entry *e, struct bh_journal_text *out)
{
	(void)bh_buf_str(&e->text, "{\"journald\":{");
	put_fields(e, out->left_out);
	(void)bh_buf_u8(&e->text, '}');
	if (e->has_message) {
		(void)bh_buf_str(&e->text, ",\"message\":\"");
		out->head.n = e->text.len;
		(void)bh_buf_append(&e->text, e->escaped.data, e->escaped.len);
		(void)bh_buf_u8(&e->text, '"');
	}
	(void)bh_buf_u8(&e->text, '}');
	out->head.p = e->text.data;
	out->content = bh_buf_view(&e->text);
}

int bh_journal_entry_text(struct bh_journal_entry *e, const struct bh_log_source *src, size_t limit,
    struct bh_journal_text *out)
{
	struct bh_str subject = {NULL, 0};
	size_t room;

	*out = (struct bh_journal_text){
	    .status = status_of(e),
	    .name = application(e, src),
	    .left_out = e->left_out,
	    .raw = e->raw,
	};
	bh_buf_clear(&e->text);
	bh_buf_clear(&e->escaped);
	if (e->has_message)
		subject = cut_message(e, !src->process_raw_message, limit, &out->cut);
	if (!src->process_raw_message)
		subject = subject_of(e, subject, out->cut);
	arrange(e);
	room = BH_JOURNAL_TEXT_MAX - FRAME - MARK - e->escaped.len;
	if (e->bytes.len * EXPANSION + e->order_n * PUNCTUATION > room)
		out->left_out += leave_out(e, room);
	put_text(e, out);
	out->subject = src->process_raw_message ? out->content : subject;
	if (bh_buf_failed(&e->message) || bh_buf_failed(&e->escaped) || bh_buf_failed(&e->text))
		return -ENOMEM;
	return 0;
}

int bh_journal_put_back(struct bh_buf *out, const struct bh_journal_text *t, struct bh_str subject)
{
	(void)bh_buf_append(out, t->head.p, t->head.n);
	(void)bh_journal_json_put(out, subject, SIZE_MAX);
	(void)bh_buf_str(out, "\"}");
	return bh_buf_failed(out);
}

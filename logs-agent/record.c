#include "logs-agent/record.h"

#include <endian.h>
#include <string.h>

#include "common/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"
#define STEP        ((size_t)512) /* bytes of a text that room is made for at once */
#define ESCAPED_MAX ((size_t)6)   /* bytes that one may become */
#define WORD        sizeof(uint64_t)
#define MIDDLE_MAX  ((size_t)64) /* names and timestamp between the message and the rest */

/* Marks the bytes that a JSON string cannot hold as they are: controls, '"' and '\\'. Only the
 * lowest mark is to be trusted: a borrow may set wrong ones above it. */
static uint64_t specials(uint64_t w)
{
	const uint64_t ones = UINT64_MAX / 255, tops = ones << 7;
	const uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';

	return ((w - ones * 0x20) | (quote - ones) | (slash - ones)) & ~w & tops;
}

static bool plain(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\';
}

/* Copies up to the first special byte; may write whole words, so beyond what it returns. */
static size_t copy_plain(char *out, const char *p, size_t n)
{
	size_t i = 0;

	for (; i + WORD <= n; i += WORD) {
		uint64_t w, marks;

		memcpy(&w, p + i, WORD);
		memcpy(out + i, &w, WORD);
		marks = specials(le64toh(w));
		if (marks)
			return i + (size_t)__builtin_ctzll(marks) / 8;
	}
	for (; i < n && plain((unsigned char)p[i]); i++)
		out[i] = p[i];
	return i;
}

static char *put_special(char *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char letters[0x20] = {['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};

	*out++ = '\\';
	if (c >= 0x20) {
		*out++ = (char)c;
	} else if (letters[c]) {
		*out++ = letters[c];
	} else {
		*out++ = 'u';
		*out++ = '0';
		*out++ = '0';
		*out++ = hex[c >> 4];
		*out++ = hex[c & 15];
	}
	return out;
}

/* n bytes of UTF-8, not more than STEP. */
static int put_step(struct bh_buf *b, const char *p, size_t n)
{
	int rc = bh_buf_reserve(b, ESCAPED_MAX * n + WORD);
	char *out;

	if (rc)
		return rc;
	out = b->data + b->len;
	while (n) {
		size_t run = copy_plain(out, p, n);

		out += run;
		p += run;
		n -= run;
		if (n) {
			out = put_special(out, (unsigned char)*p++);
			n--;
		}
	}
	*out = '\0';
	b->len = (size_t)(out - b->data);
	return 0;
}

static int put_valid(struct bh_buf *b, const char *p, size_t n)
{
	int rc = 0;

	while (n && !rc) {
		size_t step = BH_MIN(n, STEP);

		rc = put_step(b, p, step);
		p += step;
		n -= step;
	}
	return rc;
}

int bh_json_escape(struct bh_buf *out, struct bh_str s)
{
	int rc = 0;

	while (s.n && !rc) {
		size_t valid = bh_utf8_valid_prefix(s.p, s.n);

		rc = put_valid(out, s.p, valid);
		s.p += valid;
		s.n -= valid;
		if (s.n && !rc) {
			rc = bh_buf_str(out, REPLACEMENT);
			s.p++;
			s.n--;
		}
	}
	return rc;
}

static void member(struct bh_buf *out, const char *name, struct bh_str value)
{
	(void)bh_buf_printf(out, ",\"%s\":\"", name);
	(void)bh_json_escape(out, value);
	(void)bh_buf_u8(out, '"');
}

static void add_tag(struct bh_buf *tags, const char *key, struct bh_str value)
{
	if (tags->len)
		(void)bh_buf_u8(tags, ',');
	(void)bh_buf_str(tags, key);
	(void)bh_json_escape(tags, value);
}

int bh_record_file_tags(struct bh_buf *out, const char *path)
{
	const char *slash = strrchr(path, '/');

	return bh_buf_printf(out, "filename:%s,dirname:%.*s", slash ? slash + 1 : path,
	    slash && slash > path ? (int)(slash - path) : 1, path);
}

int bh_record_ends_make(struct bh_record_ends *e, const struct bh_record_names *names)
{
	int rc;

	bh_record_ends_release(e);
	member(&e->head, "hostname", names->hostname);
	member(&e->head, "service", names->service);
	member(&e->head, "ddsource", names->source);
	(void)bh_buf_str(&e->head, ",\"ddtags\":\"");
	(void)bh_json_escape(&e->head, names->tailer_tags);
	e->head_has_tags = names->tailer_tags.n > 0;
	if (names->sourcecategory.n)
		add_tag(&e->tail_tags, "sourcecategory:", names->sourcecategory);
	for (size_t i = 0; names->tags && i < names->tags->n; i++)
		add_tag(&e->tail_tags, "", bh_str_from(names->tags->v[i]));
	rc = bh_buf_failed(&e->head) ? bh_buf_failed(&e->head) : bh_buf_failed(&e->tail_tags);
	if (rc)
		bh_record_ends_release(e);
	return rc;
}

void bh_record_ends_release(struct bh_record_ends *e)
{
	bh_buf_release(&e->head);
	bh_buf_release(&e->tail_tags);
	e->head_has_tags = false;
}

static void put_tags(struct bh_buf *out, const struct bh_record *r)
{
	bool any = r->ends->head_has_tags;

	for (unsigned i = 0; i < BH_MESSAGE_TAGS && r->tags >> i; i++) {
		if (!(r->tags >> i & 1))
			continue;
		if (any)
			(void)bh_buf_u8(out, ',');
		(void)bh_buf_str(out, bh_message_tag_text(i));
		any = true;
	}
	if (r->ends->tail_tags.len) {
		if (any)
			(void)bh_buf_u8(out, ',');
		(void)bh_buf_append(out, r->ends->tail_tags.data, r->ends->tail_tags.len);
		any = true;
	}
	if (r->host_tags.n) {
		if (any)
			(void)bh_buf_u8(out, ',');
		(void)bh_json_escape(out, r->host_tags);
	}
}

/* Digits of v, not negative. */
static char *put_number(char *out, int64_t v)
{
	char digits[20];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	while (n)
		*out++ = digits[--n];
	return out;
}

static char *put(char *out, const char *p, size_t n)
{
	memcpy(out, p, n);
	return out + n;
}

/* Everything between the message and the tags. Once a line: no printf. */
static int put_middle(struct bh_buf *b, const struct bh_record *r)
{
	static const char status[] = "\",\"status\":\"", timestamp[] = "\",\"timestamp\":";
	const struct bh_str name = bh_str_from(bh_log_status_name(r->status));
	const struct bh_buf *head = &r->ends->head;
	int rc = bh_buf_reserve(b, MIDDLE_MAX + name.n + head->len);
	char *out;

	if (rc)
		return rc;
	out = put(b->data + b->len, status, sizeof(status) - 1);
	out = put(out, name.p, name.n);
	out = put(out, timestamp, sizeof(timestamp) - 1);
	out = put_number(out, BH_MAX(r->timestamp_ms, 0));
	out = put(out, head->data, head->len);
	*out = '\0';
	b->len = (size_t)(out - b->data);
	return 0;
}

int bh_record_put(struct bh_buf *out, const struct bh_record *r)
{
	(void)bh_buf_append(out, "{\"message\":\"", 12);
	(void)bh_json_escape(out, r->content);
	(void)put_middle(out, r);
	put_tags(out, r);
	(void)bh_buf_append(out, "\"}", 2);
	return bh_buf_failed(out);
}

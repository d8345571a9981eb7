#include "logs-agent/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"

static bool plain(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\';
}

static int put_special(struct bh_buf *out, unsigned char c)
{
	switch (c) {
	case '"':
		return bh_buf_append(out, "\\\"", 2);
	case '\\':
		return bh_buf_append(out, "\\\\", 2);
	case '\n':
		return bh_buf_append(out, "\\n", 2);
	case '\r':
		return bh_buf_append(out, "\\r", 2);
	case '\t':
		return bh_buf_append(out, "\\t", 2);
	default:
		return bh_buf_printf(out, "\\u%04x", c);
	}
}

static int put_valid(struct bh_buf *out, const char *p, size_t n)
{
	int rc = 0;

	while (n && !rc) {
		size_t run = 0;

		while (run < n && plain((unsigned char)p[run]))
			run++;
		rc = bh_buf_append(out, p, run);
		p += run;
		n -= run;
		if (n && !rc) {
			rc = put_special(out, (unsigned char)*p++);
			n--;
		}
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

int bh_record_put(struct bh_buf *out, const struct bh_record *r)
{
	char middle[80];
	int n = snprintf(middle, sizeof(middle), "\",\"status\":\"%s\",\"timestamp\":%" PRId64,
	    bh_log_status_name(r->status), r->timestamp_ms);

	(void)bh_buf_str(out, "{\"message\":\"");
	(void)bh_json_escape(out, r->content);
	(void)bh_buf_append(out, middle, n > 0 ? (size_t)n : 0);
	(void)bh_buf_append(out, r->ends->head.data, r->ends->head.len);
	put_tags(out, r);
	(void)bh_buf_append(out, "\"}", 2);
	return bh_buf_failed(out);
}

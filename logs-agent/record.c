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

static void member(struct bh_buf *out, const char *name, const char *value)
{
	(void)bh_buf_printf(out, ",\"%s\":\"", name);
	(void)bh_json_escape(out, bh_str_from(value));
	(void)bh_buf_u8(out, '"');
}

int bh_record_tail(
    struct bh_buf *out, const char *hostname, const struct bh_log_source *src, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct bh_buf tags = BH_BUF_INIT;

	(void)bh_buf_printf(&tags, "filename:%s,dirname:%.*s", slash ? slash + 1 : path,
	    slash && slash > path ? (int)(slash - path) : 1, path);
	if (src->sourcecategory[0])
		(void)bh_buf_printf(&tags, ",sourcecategory:%s", src->sourcecategory);
	for (size_t i = 0; i < src->tags.n; i++)
		(void)bh_buf_printf(&tags, ",%s", src->tags.v[i]);
	member(out, "hostname", hostname);
	member(out, "service", src->service);
	member(out, "ddsource", src->source);
	if (tags.data)
		member(out, "ddtags", tags.data);
	(void)bh_buf_u8(out, '}');
	bh_buf_release(&tags);
	return bh_buf_failed(out);
}

int bh_record_put(struct bh_buf *out, const struct bh_record *r)
{
	char stamp[64];
	int n = snprintf(
	    stamp, sizeof(stamp), "\",\"status\":\"info\",\"timestamp\":%" PRId64, r->timestamp_ms);

	(void)bh_buf_str(out, "{\"message\":\"");
	if (r->head_marker)
		(void)bh_buf_str(out, BH_TRUNCATED);
	(void)bh_json_escape(out, r->content);
	if (r->tail_marker)
		(void)bh_buf_str(out, BH_TRUNCATED);
	(void)bh_buf_append(out, stamp, n > 0 ? (size_t)n : 0);
	(void)bh_buf_append(out, r->tail.p, r->tail.n);
	return bh_buf_failed(out);
}

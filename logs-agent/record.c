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

/* Length of the white space at the start of s (0 = none), by §6.5. */
static size_t space_at(const unsigned char *p, size_t n)
{
	if (n >= 1 && ((p[0] >= 0x09 && p[0] <= 0x0d) || p[0] == 0x20))
		return 1;
	if (n >= 2 && p[0] == 0xc2 && (p[1] == 0x85 || p[1] == 0xa0))
		return 2;
	if (n < 3)
		return 0;
	if (p[0] == 0xe1 && p[1] == 0x9a && p[2] == 0x80)
		return 3; /* U+1680 */
	if (p[0] == 0xe2 && p[1] == 0x80 &&
	    (p[2] <= 0x8a || p[2] == 0xa8 || p[2] == 0xa9 || p[2] == 0xaf))
		return 3; /* U+2000–U+200A, U+2028, U+2029, U+202F */
	if (p[0] == 0xe2 && p[1] == 0x81 && p[2] == 0x9f)
		return 3; /* U+205F */
	if (p[0] == 0xe3 && p[1] == 0x80 && p[2] == 0x80)
		return 3; /* U+3000 */
	return 0;
}

struct bh_str bh_record_trim(struct bh_str s)
{
	size_t n;

	while ((n = space_at((const unsigned char *)s.p, s.n)) > 0) {
		s.p += n;
		s.n -= n;
	}
	for (bool more = true; more && s.n;) {
		more = false;
		for (size_t k = 1; k <= 3 && k <= s.n && !more; k++) {
			if (space_at((const unsigned char *)s.p + s.n - k, k) == k) {
				s.n -= k;
				more = true;
			}
		}
	}
	return s;
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

#include "common/jsonw.h"

#include <inttypes.h>
#include <string.h>

#include "common/err.h"
#include "common/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"

void bh_jsonw_init(struct bh_jsonw *w, struct bh_buf *out)
{
	*w = (struct bh_jsonw){.out = out};
}

static void put_escaped(struct bh_buf *out, const char *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	size_t plain = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];
		char esc[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		bh_buf_append(out, p + plain, i - plain);
		plain = i + 1;
		if (c == '"' || c == '\\') {
			esc[1] = (char)c;
			bh_buf_append(out, esc, 2);
		} else {
			bh_buf_append(out, esc, sizeof(esc));
		}
	}
	bh_buf_append(out, p + plain, n - plain);
}

static void put_string(struct bh_buf *out, const char *p, size_t n)
{
	bh_buf_u8(out, '"');
	while (n) {
		size_t good = bh_utf8_valid_prefix(p, n);

		put_escaped(out, p, good);
		p += good;
		n -= good;
		if (n) {
			bh_buf_str(out, REPLACEMENT);
			p++;
			n--;
		}
	}
	bh_buf_u8(out, '"');
}

static void lead(struct bh_jsonw *w, const char *key)
{
	if (w->filled[w->depth])
		bh_buf_u8(w->out, ',');
	w->filled[w->depth] = true;
	if (!key)
		return;
	put_string(w->out, key, strlen(key));
	bh_buf_u8(w->out, ':');
}

static void enter(struct bh_jsonw *w, const char *key, uint8_t bracket)
{
	lead(w, key);
	bh_buf_u8(w->out, bracket);
	if (++w->depth == BH_JSONW_DEPTH)
		BH_BUG("JSON nested too deep");
	w->filled[w->depth] = false;
}

static void leave(struct bh_jsonw *w, uint8_t bracket)
{
	if (w->depth == 0)
		BH_BUG("JSON closed more often than opened");
	w->depth--;
	bh_buf_u8(w->out, bracket);
}

void bh_jsonw_object(struct bh_jsonw *w, const char *key)
{
	enter(w, key, '{');
}

void bh_jsonw_array(struct bh_jsonw *w, const char *key)
{
	enter(w, key, '[');
}

void bh_jsonw_object_end(struct bh_jsonw *w)
{
	leave(w, '}');
}

void bh_jsonw_array_end(struct bh_jsonw *w)
{
	leave(w, ']');
}

void bh_jsonw_document(struct bh_jsonw *w, struct bh_buf *out)
{
	bh_jsonw_init(w, out);
	bh_jsonw_object(w, NULL);
	bh_jsonw_u64(w, "schema", 1);
}

void bh_jsonw_bytes(struct bh_jsonw *w, const char *key, const char *p, size_t n)
{
	lead(w, key);
	put_string(w->out, p, n);
}

void bh_jsonw_str(struct bh_jsonw *w, const char *key, const char *s)
{
	if (s)
		bh_jsonw_bytes(w, key, s, strlen(s));
	else
		bh_jsonw_null(w, key);
}

void bh_jsonw_u64(struct bh_jsonw *w, const char *key, uint64_t v)
{
	lead(w, key);
	bh_buf_printf(w->out, "%" PRIu64, v);
}

void bh_jsonw_i64(struct bh_jsonw *w, const char *key, int64_t v)
{
	lead(w, key);
	bh_buf_printf(w->out, "%" PRId64, v);
}

void bh_jsonw_bool(struct bh_jsonw *w, const char *key, bool v)
{
	lead(w, key);
	bh_buf_str(w->out, v ? "true" : "false");
}

void bh_jsonw_null(struct bh_jsonw *w, const char *key)
{
	lead(w, key);
	bh_buf_str(w->out, "null");
}

void bh_jsonw_raw(struct bh_jsonw *w, const char *key, struct bh_str json)
{
	lead(w, key);
	bh_buf_append(w->out, json.p, json.n);
}

#include "logs-agent/journal_json.h"

#include <stdbool.h>
#include <stdint.h>

#include "common/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"

struct sink {
	struct bh_buf *out; /* NULL: only counts */
	size_t left;        /* bytes it still takes */
	size_t done;
};

static bool put(struct sink *k, const char *p, size_t n)
{
	if (n > k->left)
		return false;
	k->left -= n;
	k->done += n;
	if (k->out)
		(void)bh_buf_append(k->out, p, n);
	return true;
}

/* U+2028 and U+2029 end lines in JavaScript; in UTF-8 they differ in the last byte only. */
static bool is_line_end(const char *p, size_t n)
{
	return n >= 3 && (unsigned char)p[0] == 0xe2 && (unsigned char)p[1] == 0x80 &&
	       ((unsigned char)p[2] == 0xa8 || (unsigned char)p[2] == 0xa9);
}

/* Bytes at p, which is valid UTF-8, that stand for themselves. */
static size_t plain_run(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c < 0x20 || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' ||
		    (c == 0xe2 && is_line_end(p + i, n - i)))
			break;
	}
	return i;
}

/* Puts the escape of the character at p; 0 when there is no room, else its length in the source. */
static size_t put_escape(struct sink *k, const char *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	static const char shorts[] = "\"\"\\\\\nn\rr\tt"; /* pairs: character, letter */
	unsigned char c = (unsigned char)p[0];
	char esc[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
	size_t used = 1, len = sizeof(esc);

	for (size_t i = 0; i + 1 < sizeof(shorts); i += 2) {
		if (p[0] == shorts[i]) {
			esc[1] = shorts[i + 1];
			len = 2;
		}
	}
	if (is_line_end(p, n)) {
		esc[2] = '2';
		esc[4] = '2';
		esc[5] = (unsigned char)p[2] == 0xa8 ? '8' : '9';
		used = 3;
	}
	return put(k, esc, len) ? used : 0;
}

size_t bh_journal_json_boundary(struct bh_str s, size_t at)
{
	size_t back = 0;

	while (back < 3 && back < at && at < s.n && ((unsigned char)s.p[at - back] & 0xc0) == 0x80)
		back++;
	if (back && back < at) {
		size_t left = s.n - (at - back), n = left < back + 4 ? left : back + 4;
		const char *p = s.p + at - back;

		/* Only a character that is whole there is spared. */
		for (size_t len = back + 1; len <= 4 && len <= n; len++) {
			if (bh_utf8_valid_prefix(p, len) == len)
				return at - back;
		}
	}
	return at;
}

/* Valid UTF-8; returns how much of it went in. */
static size_t put_valid(struct sink *k, struct bh_str s)
{
	size_t at = 0, used;

	while (at < s.n) {
		size_t run = plain_run(s.p + at, s.n - at);

		if (run > k->left) {
			struct bh_str rest = {s.p + at, s.n - at};

			run = k->left;
			while (run && ((unsigned char)rest.p[run] & 0xc0) == 0x80)
				run--;
			(void)put(k, rest.p, run);
			return at + run;
		}
		(void)put(k, s.p + at, run);
		at += run;
		if (at < s.n) {
			used = put_escape(k, s.p + at, s.n - at);
			if (!used)
				return at;
			at += used;
		}
	}
	return at;
}

static size_t put_all(struct sink *k, struct bh_str s)
{
	size_t at = 0;

	while (at < s.n) {
		size_t valid = bh_utf8_valid_prefix(s.p + at, s.n - at);
		size_t used = put_valid(k, (struct bh_str){s.p + at, valid});

		at += used;
		if (used < valid)
			break;
		if (at < s.n) {
			if (!put(k, REPLACEMENT, sizeof(REPLACEMENT) - 1))
				break;
			at++;
		}
	}
	return at;
}

size_t bh_journal_json_put(struct bh_buf *out, struct bh_str s, size_t max)
{
	struct sink k = {out, max, 0};

	return put_all(&k, s);
}

size_t bh_journal_json_length(struct bh_str s)
{
	struct sink k = {NULL, SIZE_MAX, 0};

	(void)put_all(&k, s);
	return k.done;
}

#include "common/log_text.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "common/attrs.h"
#include "common/utf8.h"

#define API_KEY_DIGITS 32
#define APP_KEY_DIGITS 40
#define SHOWN_DIGITS   5
#define ESCAPE_BYTES   4

/* --- escapes ------------------------------------------------------------------------------------
 */

/* Bytes of the character at p that may stand as they are; 0: the first byte is to be escaped. */
static size_t printable(const unsigned char *p, size_t n)
{
	size_t len = 1;

	if (*p < 0x80)
		return *p >= 0x20 && *p != 0x7f;
	while (len < n && len < 4 && (p[len] & 0xc0) == 0x80)
		len++;
	for (; len > 1; len--) {
		if (bh_utf8_valid_prefix((const char *)p, len) == len)
			return *p == 0xc2 && p[1] < 0xa0 ? 0 : len;
	}
	return 0;
}

size_t bh_log_escape(char *line, size_t at, size_t cap, const char *text, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = (const unsigned char *)text, *end = p + n;

	while (p < end) {
		size_t len = printable(p, (size_t)(end - p));

		if (at + (len ? len : ESCAPE_BYTES) > cap)
			break;
		if (len) {
			memcpy(line + at, p, len);
			at += len;
			p += len;
			continue;
		}
		line[at++] = '\\';
		line[at++] = 'x';
		line[at++] = hex[*p >> 4];
		line[at++] = hex[*p++ & 15];
	}
	return at;
}

/* --- secrets ------------------------------------------------------------------------------------
 */

static bool is_word(unsigned char c)
{
	return isalnum(c) || c == '_';
}

/* A whole word at p: its digits, or 0. */
static size_t key_at(const char *p)
{
	size_t n = 0;

	while (isxdigit((unsigned char)p[n]))
		n++;
	if (is_word((unsigned char)p[n]))
		return 0;
	return n == API_KEY_DIGITS || n == APP_KEY_DIGITS ? n : 0;
}

static void mask_keys(char *text)
{
	bool within = false;

	for (char *p = text; *p; p++) {
		size_t n = within ? 0 : key_at(p);

		if (n) {
			memset(p, '*', n - SHOWN_DIGITS);
			p += n - 1;
		}
		within = is_word((unsigned char)*p);
	}
}

/* scheme://user:password@host */
static void mask_passwords(char *text)
{
	char *p = text;

	while ((p = strstr(p, "://")) != NULL) {
		char *colon = NULL;

		for (p += 3; *p && !strchr(" /?#@\"'", *p); p++) {
			if (*p == ':' && !colon)
				colon = p;
		}
		if (*p == '@' && colon)
			memset(colon + 1, '*', (size_t)(p - colon - 1));
	}
}

void bh_log_mask(char *text)
{
	mask_keys(text);
	mask_passwords(text);
}

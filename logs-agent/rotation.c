#include "logs-agent/rotation.h"

#include <stdio.h>
#include <string.h>

#include "common/attrs.h"
#include "common/str.h"

static bool is_separator(char c)
{
	return c == '.' || c == '-' || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Separator and stamp. */
static bool is_stamp(const char *s, size_t n)
{
	if (n < 2 || !is_separator(s[0]) || !is_digit(s[1]))
		return false;
	for (size_t i = 1; i < n; i++) {
		if (!is_digit(s[i]) && !is_separator(s[i]) && s[i] != ':' && s[i] != 'T')
			return false;
	}
	return true;
}

bool bh_rotation_is_name(const char *base, const char *name)
{
	size_t nb = strlen(base), nn = strlen(name);
	const char *dot = strrchr(base, '.');
	size_t stem = dot ? (size_t)(dot - base) : nb, ext = nb - stem;

	if (nn <= nb)
		return false;
	if (strncmp(name, base, nb) == 0 && is_stamp(name + nb, nn - nb))
		return true;
	return dot && strncmp(name, base, stem) == 0 && strcmp(name + nn - ext, dot) == 0 &&
	       is_stamp(name + stem, nn - nb);
}

bool bh_rotation_is_copy_name(const char *base, const char *name)
{
	static const char *const suffixes[] = {".old", ".bak", ".copy", ".orig", "~"};
	size_t nb = strlen(base);

	if (bh_rotation_is_name(base, name))
		return true;
	for (size_t i = 0; i < BH_ARRAY_LEN(suffixes); i++) {
		if (strncmp(name, base, nb) == 0 && strcmp(name + nb, suffixes[i]) == 0)
			return true;
	}
	return false;
}

/* Cut number `at` of a name: even ones take the stamp from the end, odd ones from before the
 * extension. */
static bool cut(const char *name, size_t at, char *base, size_t cap)
{
	size_t n = strlen(name), from = at / 2, end = n;
	const char *dot = strrchr(name, '.');

	if (at % 2) {
		if (!dot || (size_t)(dot - name) <= from)
			return false;
		end = (size_t)(dot - name);
	}
	return from < end && is_stamp(name + from, end - from) &&
	       (size_t)snprintf(base, cap, "%.*s%s", (int)from, name, name + end) < cap;
}

bool bh_rotation_next_base(const char *name, size_t *at, char *base, size_t cap)
{
	size_t end = 2 * strlen(name);

	while (*at < end) {
		if (is_separator(name[*at / 2]) && cut(name, (*at)++, base, cap))
			return true;
		else if (!is_separator(name[*at / 2]))
			*at += 2 - *at % 2;
	}
	return false;
}

struct format {
	const char *suffix;
	const char *magic;
	size_t magic_n;
};

static const struct format *format_of(const char *name)
{
	static const struct format formats[] = {
	    {".gz", "\x1f\x8b", 2},
	    {".bz2", "BZh", 3},
	    {".xz",
		"\xfd"
		"7zXZ",
		5},
	    {".zst", "\x28\xb5\x2f\xfd", 4},
	    {".zip", "PK", 2},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(formats); i++) {
		if (bh_str_ends(bh_str_from(name), bh_str_from(formats[i].suffix)))
			return &formats[i];
	}
	return NULL;
}

bool bh_rotation_is_compressed_name(const char *name)
{
	return format_of(name) != NULL;
}

bool bh_rotation_is_compressed(const char *name, const unsigned char *head, size_t n)
{
	const struct format *f = format_of(name);

	return f && n >= f->magic_n && memcmp(head, f->magic, f->magic_n) == 0;
}

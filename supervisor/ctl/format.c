#include "supervisor/ctl/format.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/attrs.h"

#define GAP "..."

static bool starts_char(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

static size_t width_of(const char *s, size_t n)
{
	size_t width = 0;

	for (size_t i = 0; i < n; i++)
		width += starts_char(s[i]);
	return width;
}

size_t bh_fmt_width(const char *s)
{
	return width_of(s, strlen(s));
}

/* Bytes of the first `chars` characters. */
static size_t bytes_of(const char *s, size_t n, size_t chars)
{
	size_t i = 0;

	for (; i < n; i++) {
		if (starts_char(s[i]) && chars-- == 0)
			break;
	}
	return i;
}

static void cut(struct bh_buf *out, const char *s, size_t n, size_t width)
{
	size_t have = width_of(s, n), head, tail;

	if (have <= width || width < sizeof(GAP)) {
		bh_buf_append(out, s, bytes_of(s, n, width));
		return;
	}
	head = (width - (sizeof(GAP) - 1) + 1) / 2;
	tail = width - (sizeof(GAP) - 1) - head;
	bh_buf_append(out, s, bytes_of(s, n, head));
	bh_buf_str(out, GAP);
	head = bytes_of(s, n, have - tail);
	bh_buf_append(out, s + head, n - head);
}

void bh_fmt_cut(struct bh_buf *out, const char *s, size_t width)
{
	cut(out, s, strlen(s), width);
}

static void blanks(struct bh_buf *out, size_t n)
{
	while (n--)
		bh_buf_u8(out, ' ');
}

void bh_fmt_left(struct bh_buf *out, const char *s, size_t width)
{
	size_t have = bh_fmt_width(s);

	bh_fmt_cut(out, s, width);
	blanks(out, have < width ? width - have : 0);
}

void bh_fmt_right(struct bh_buf *out, const char *s, size_t width)
{
	size_t have = bh_fmt_width(s);

	blanks(out, have < width ? width - have : 0);
	bh_buf_str(out, s);
}

void bh_fmt_wrap(struct bh_buf *out, const char *lead, const char *text)
{
	size_t indent = bh_fmt_width(lead), room = BH_COLUMNS - indent, used = 0;

	bh_buf_str(out, lead);
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, " "), width = BH_MIN(width_of(p, n), room);

		if (n && used && used + 1 + width > room) {
			bh_buf_u8(out, '\n');
			blanks(out, indent);
			used = 0;
		}
		if (n && used) {
			bh_buf_u8(out, ' ');
			used++;
		}
		cut(out, p, n, room);
		used += n ? width : 0;
		p += n;
		p += *p == ' ';
	}
	bh_buf_u8(out, '\n');
}

void bh_fmt_uptime(char out[BH_FMT_MAX], uint64_t seconds)
{
	uint64_t days = seconds / 86400, rest = seconds % 86400;
	char day[20] = "";

	if (days)
		(void)snprintf(day, sizeof(day), "%" PRIu64 " day%s, ",
		    BH_MIN(days, (uint64_t)9999999), days == 1 ? "" : "s");
	(void)snprintf(out, BH_FMT_MAX, "%s%d:%02d:%02d", day, (int)(rest / 3600),
	    (int)(rest / 60 % 60), (int)(rest % 60));
}

void bh_fmt_kib(char out[BH_FMT_MAX], uint64_t kib)
{
	if (kib < 1024)
		(void)snprintf(out, BH_FMT_MAX, "%" PRIu64 " KiB", kib);
	else if (kib < 1U << 20)
		(void)snprintf(out, BH_FMT_MAX, "%.1f MiB", (double)kib / 1024);
	else
		(void)snprintf(out, BH_FMT_MAX, "%.1f GiB", (double)kib / (1U << 20));
}

void bh_fmt_count(char out[BH_FMT_MAX], uint64_t n)
{
	static const char *const units[] = {"", "k", "M", "G", "T"};
	size_t unit = 0;

	while (n > (unit ? 99999999U : 999999999U) && unit + 1 < BH_ARRAY_LEN(units)) {
		n /= 1000;
		unit++;
	}
	(void)snprintf(out, BH_FMT_MAX, "%" PRIu64 "%s", n, units[unit]);
}

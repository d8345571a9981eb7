/*
 * One walk over the pattern by the grammar of RE2 as Go has it, which writes each piece in the
 * dialect of PCRE2. Open groups stand on a stack of bounded height, so nothing here recurses.
 *
 * Options of (?ims) are written when something that may depend on them follows, not where they
 * stand: a repeat behind them applies to what stood before, and must follow it.
 */
#include "common/re2.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/re2_internal.h"
#include "common/utf8.h"

#define NEST_MAX   400 /* RE2 has 1000, PCRE2 space for 500 while it compiles */
#define REPEAT_MAX 1000
#define UNBOUNDED  UINT32_MAX

/* An open group; the whole pattern is the outermost. */
struct level {
	size_t open_at;   /* in the pattern */
	size_t start;     /* in the translation */
	unsigned flags;   /* to go back to behind the group */
	unsigned written; /* of them, those that PCRE2 goes back to */
	uint32_t weight;  /* of its heaviest item so far */
	uint32_t nested;  /* groups within groups below it */
};

/* The piece that a repeat would apply to: always the end of the translation. */
struct item {
	enum { ITEM_NONE, ITEM_PLAIN, ITEM_NO_WIDTH, ITEM_REPEATED } kind;
	size_t start;    /* in the translation */
	uint32_t weight; /* product of the repeat counts inside */
	uint32_t nested; /* groups within groups */
};

struct parser {
	struct bh_re2_in in;
	struct bh_buf out;
	unsigned flags, written; /* enum bh_re2_flag; written: as PCRE2 has them here */
	struct item item;
	size_t repeat_end; /* where the last repeat ended, 0 = none yet */
	struct level levels[NEST_MAX + 1];
	size_t depth;        /* open groups */
	uint32_t groups;     /* that capture */
	bh_re2_group_fn *fn; /* told of names; may be NULL */
	void *ctx;
};

/* --- text --------------------------------------------------------------------------------------
 */

int bh_re2_refuse(const struct bh_re2_in *in, size_t at, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return bh_err_set(in->err, BH_E_CONFIG, "at byte %zu: %s", at, what);
}

uint32_t bh_re2_rune(struct bh_re2_in *in)
{
	const unsigned char *p = (const unsigned char *)in->text.p + in->at;
	unsigned len = p[0] < 0x80 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
	uint32_t rune = len == 1 ? p[0] : p[0] & (0xFFu >> (len + 1));

	for (unsigned i = 1; i < len; i++)
		rune = rune << 6 | (p[i] & 0x3Fu);
	in->at += len;
	return rune;
}

static bool alnum(uint32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

void bh_re2_put_rune(struct bh_buf *out, uint32_t rune)
{
	if (alnum(rune) || rune == ' ' || rune == '_')
		(void)bh_buf_u8(out, (uint8_t)rune);
	else if (rune > ' ' && rune < 0x7F)
		(void)bh_buf_printf(out, "\\%c", (int)rune);
	else
		(void)bh_buf_printf(out, rune < 0x100 ? "\\x%02x" : "\\x{%x}", rune);
}

/* What stands n bytes on, or NUL. */
static char peek(const struct parser *p, size_t n)
{
	if (n >= p->in.text.n - p->in.at)
		return '\0';
	return p->in.text.p[p->in.at + n];
}

/* --- escapes -----------------------------------------------------------------------------------
 */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int bad_hex(const struct bh_re2_in *in, size_t start)
{
	return bh_re2_refuse(in, start, "\\x wants two hexadecimal digits, or {1..10FFFF}");
}

/* Behind "\x". */
static int hex_escape(struct bh_re2_in *in, size_t start, uint32_t *rune)
{
	const char *p = in->text.p;
	bool braced = in->at < in->text.n && p[in->at] == '{';
	size_t digits = 0;

	*rune = 0;
	in->at += braced;
	for (; in->at < in->text.n && (braced || digits < 2); in->at++, digits++) {
		int v = hex_digit(p[in->at]);

		if (v < 0)
			break;
		*rune = *rune << 4 | (uint32_t)v;
		if (*rune > BH_RE2_RUNE_MAX)
			return bad_hex(in, start);
	}
	if (braced ? !digits || in->at == in->text.n || p[in->at] != '}' : digits < 2)
		return bad_hex(in, start);
	in->at += braced;
	return 0;
}

/* Up to three octal digits; the walk is at the first. */
static uint32_t octal(struct bh_re2_in *in)
{
	uint32_t rune = 0;

	for (int i = 0; i < 3 && in->at < in->text.n; i++, in->at++) {
		char c = in->text.p[in->at];

		if (c < '0' || c > '7')
			break;
		rune = rune << 3 | (uint32_t)(c - '0');
	}
	return rune;
}

static int no_such_escape(struct bh_re2_in *in, size_t start)
{
	unsigned char c = (unsigned char)in->text.p[start + 1];

	if (c >= '1' && c <= '9')
		return bh_re2_refuse(in, start, "back reference \\%c is not supported", c);
	if (c == 'k' || c == 'g')
		return bh_re2_refuse(in, start, "reference \\%c is not supported", c);
	if (c < 0x20 || c >= 0x7F)
		return bh_re2_refuse(in, start, "this character takes no backslash");
	return bh_re2_refuse(in, start, "\\%c is not supported here", c);
}

int bh_re2_escape(struct bh_re2_in *in, uint32_t *rune)
{
	static const char names[] = "afnrtv", means[] = "\a\f\n\r\t\v";
	size_t start = in->at++;
	const char *name;
	char c;

	if (in->at == in->text.n)
		return bh_re2_refuse(in, start, "a backslash ends the pattern");
	c = in->text.p[in->at];
	if (c == '0' || (c >= '1' && c <= '7' && in->text.n - in->at > 1 &&
			    in->text.p[in->at + 1] >= '0' && in->text.p[in->at + 1] <= '7')) {
		*rune = octal(in);
		return 0;
	}
	if (c == 'x') {
		in->at++;
		return hex_escape(in, start, rune);
	}
	name = c ? strchr(names, c) : NULL;
	if (name)
		*rune = (unsigned char)means[name - names];
	else if ((unsigned char)c < 0x80 && !alnum((unsigned char)c))
		*rune = (unsigned char)c;
	else
		return no_such_escape(in, start);
	in->at++;
	return 0;
}

/* --- items -------------------------------------------------------------------------------------
 */

/* Brings PCRE2's options to what they are to be from here on. */
static void write_flags(struct parser *p)
{
	static const char letters[] = "ims"; /* in the order of their bits */
	unsigned want = p->flags & ~(unsigned)BH_RE2_SWAP, on = want & ~p->written,
		 off = p->written & ~want;

	if (!on && !off)
		return;
	(void)bh_buf_str(&p->out, "(?");
	for (unsigned i = 0; i < 3; i++) {
		if (on & 1u << i)
			(void)bh_buf_u8(&p->out, (uint8_t)letters[i]);
	}
	if (off)
		(void)bh_buf_u8(&p->out, '-');
	for (unsigned i = 0; i < 3; i++) {
		if (off & 1u << i)
			(void)bh_buf_u8(&p->out, (uint8_t)letters[i]);
	}
	(void)bh_buf_u8(&p->out, ')');
	p->written = want;
}

/* The item is complete: nothing will be applied to it any more. */
static void settle(struct parser *p)
{
	struct level *l = &p->levels[p->depth];

	if (p->item.kind == ITEM_NONE)
		return;
	l->weight = BH_MAX(l->weight, p->item.weight);
	l->nested = BH_MAX(l->nested, p->item.nested);
	p->item.kind = ITEM_NONE;
}

static void begin(struct parser *p, bool width)
{
	settle(p);
	write_flags(p);
	p->item = (struct item){
	    .kind = width ? ITEM_PLAIN : ITEM_NO_WIDTH, .start = p->out.len, .weight = 1};
}

static void literal(struct parser *p)
{
	size_t from = p->in.at;
	uint32_t rune = bh_re2_rune(&p->in);

	begin(p, true);
	if (rune < 0x80)
		bh_re2_put_rune(&p->out, rune);
	else
		(void)bh_buf_append(&p->out, p->in.text.p + from, p->in.at - from);
}

/* Text of the grammar that is the same on both sides. */
static void pass(struct parser *p, size_t n, bool width)
{
	begin(p, width);
	(void)bh_buf_append(&p->out, p->in.text.p + p->in.at, n);
	p->in.at += n;
}

/* \Q…\E: characters that mean themselves. The end may be missing. */
static void quoted(struct parser *p)
{
	const char *end;
	size_t stop;

	p->in.at += 2;
	end = memmem(p->in.text.p + p->in.at, p->in.text.n - p->in.at, "\\E", 2);
	stop = end ? (size_t)(end - p->in.text.p) : p->in.text.n;
	while (p->in.at < stop)
		literal(p);
	if (end)
		p->in.at += 2;
}

static int escape(struct parser *p)
{
	uint32_t rune = 0;
	bool done;
	int rc;

	switch (peek(p, 1)) {
	case 'A':
	case 'b':
	case 'B':
	case 'z':
		pass(p, 2, false);
		return 0;
	case 'Q':
		quoted(p);
		return 0;
	default:
		break;
	}
	begin(p, true);
	rc = bh_re2_class_escape(&p->in, p->flags, &p->out, &done);
	if (rc || done)
		return rc;
	rc = bh_re2_escape(&p->in, &rune);
	if (rc)
		return rc;
	if (rune >= 0xD800 && rune <= 0xDFFF) /* in no text */
		(void)bh_buf_str(&p->out, "[^\\x00-\\x{10ffff}]");
	else
		bh_re2_put_rune(&p->out, rune);
	return 0;
}

/* --- groups ------------------------------------------------------------------------------------
 */

static int open_group(struct parser *p, const char *text, unsigned flags, size_t at)
{
	struct level *l;

	if (p->depth == NEST_MAX)
		return bh_re2_refuse(&p->in, at, "groups are nested too deeply");
	settle(p);
	l = &p->levels[++p->depth];
	*l = (struct level){.open_at = at,
	    .start = p->out.len,
	    .flags = p->flags,
	    .written = p->written,
	    .weight = 1};
	p->flags = flags;
	return bh_buf_str(&p->out, text);
}

static int close_group(struct parser *p)
{
	struct level *l = &p->levels[p->depth];

	if (p->depth == 0)
		return bh_re2_refuse(&p->in, p->in.at, "unexpected )");
	settle(p);
	p->depth--;
	p->in.at++;
	p->flags = l->flags;
	p->written = l->written;
	p->item = (struct item){ITEM_PLAIN, l->start, l->weight, l->nested + 1};
	return bh_buf_u8(&p->out, ')');
}

static int take_name(struct parser *p, struct bh_str name, size_t at)
{
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] != '_' && !alnum((unsigned char)name.p[i]))
			name.n = 0;
	}
	if (!name.n)
		return bh_re2_refuse(&p->in, at, "a group's name is made of letters, digits and _");
	return p->fn ? p->fn(p->ctx, p->groups, name) : 0;
}

/* "(?P<" or "(?<", of which skip bytes: PCRE2 wants shorter names than RE2, so it gets none. */
static int named_group(struct parser *p, size_t skip)
{
	size_t at = p->in.at;
	struct bh_str rest = {p->in.text.p + at + skip, p->in.text.n - at - skip};
	const char *end = memchr(rest.p, '>', rest.n);
	int rc;

	if (!end)
		return bh_re2_refuse(&p->in, at, "missing > of a group's name");
	rest.n = (size_t)(end - rest.p);
	p->groups++;
	rc = take_name(p, rest, at);
	if (rc)
		return rc;
	p->in.at += skip + rest.n + 1;
	return open_group(p, "(", p->flags, at);
}

/* What PCRE2 or Perl would have meant by "(?…", for the message. */
static int refuse_group(const struct parser *p)
{
	static const struct {
		const char *text, *what;
	} known[] = {
	    {"(?=", "look-ahead (?="},
	    {"(?!", "look-ahead (?!"},
	    {"(?<=", "look-behind (?<="},
	    {"(?<!", "look-behind (?<!"},
	    {"(?>", "atomic group (?>"},
	    {"(?#", "comment (?#"},
	    {"(?|", "branch reset (?|"},
	    {"(?(", "condition (?("},
	    {"(?P=", "back reference (?P="},
	    {"(?P>", "recursion (?P>"},
	    {"(?R", "recursion (?R"},
	    {"(?&", "recursion (?&"},
	    {"(?C", "callout (?C"},
	    {"(?'", "group name in quotes (?'"},
	};
	struct bh_str rest = {p->in.text.p + p->in.at, p->in.text.n - p->in.at};

	for (size_t i = 0; i < BH_ARRAY_LEN(known); i++) {
		if (bh_str_starts(rest, bh_str_from(known[i].text)))
			return bh_re2_refuse(
			    &p->in, p->in.at, "%s is not supported", known[i].what);
	}
	return bh_re2_refuse(&p->in, p->in.at, "group options are i, m, s, U and -, then : or )");
}

/* The options of "(?ims-U:" or "(?ims-U)" at the walk's place. */
static int flag_group(struct parser *p)
{
	static const char letters[] = "imsU"; /* in the order of their bits */
	unsigned flags = p->flags;
	bool off = false, any = false;
	size_t i;

	for (i = 2;; i++) {
		char c = peek(p, i);
		const char *bit = c ? strchr(letters, c) : NULL;

		if (bit && off)
			flags &= ~(1u << (bit - letters));
		else if (bit)
			flags |= 1u << (bit - letters);
		else if (c != '-' || off)
			break;
		off = off || c == '-';
		any = c != '-';
	}
	if ((peek(p, i) != ':' && peek(p, i) != ')') || (off && !any))
		return refuse_group(p);
	p->in.at += i + 1;
	if (p->in.text.p[p->in.at - 1] == ':')
		return open_group(p, "(?:", flags, p->in.at - i - 1);
	p->flags = flags;
	return 0;
}

static int group(struct parser *p)
{
	if (peek(p, 1) != '?') {
		if (peek(p, 1) == '*')
			return bh_re2_refuse(&p->in, p->in.at, "verb (* is not supported");
		p->groups++;
		p->in.at++;
		return open_group(p, "(", p->flags, p->in.at - 1);
	}
	if (peek(p, 2) == 'P' && peek(p, 3) == '<')
		return named_group(p, 4);
	if (peek(p, 2) == '<' && peek(p, 3) != '=' && peek(p, 3) != '!')
		return named_group(p, 3);
	return flag_group(p);
}

/* --- repeats -----------------------------------------------------------------------------------
 */

/* The item in a group of its own, where PCRE2 would not repeat it as it stands. */
static int wrap(struct parser *p)
{
	static const char open[] = "(?:";
	size_t n = sizeof(open) - 1, len;
	int rc;

	if (p->depth + ++p->item.nested > NEST_MAX)
		return bh_re2_refuse(&p->in, p->in.at, "repeats are nested too deeply");
	len = p->out.len - p->item.start;
	rc = bh_buf_str(&p->out, "(?:)");
	if (rc)
		return rc;
	memmove(p->out.data + p->item.start + n, p->out.data + p->item.start, len);
	memcpy(p->out.data + p->item.start, open, n);
	p->out.data[p->out.len - 1] = ')';
	return 0;
}

/* The walk is at a repeat whose operator, without a question mark of laziness, has n bytes. */
static int repeat(struct parser *p, size_t n, uint32_t min, uint32_t max)
{
	size_t at = p->in.at;
	bool lazy = at + n < p->in.text.n && p->in.text.p[at + n] == '?';
	uint32_t factor = max == UNBOUNDED ? min : max;
	int rc;

	if (p->repeat_end == at && at)
		return bh_re2_refuse(
		    &p->in, at, "a repeat of a repeat (%c) is not supported", p->in.text.p[at]);
	if (p->item.kind == ITEM_NONE)
		return bh_re2_refuse(&p->in, at, "nothing to repeat");
	if (max == 0)
		p->item.weight = 1;
	else
		p->item.weight *= BH_MAX(factor, 1); /* both at most 1000 */
	if (p->item.weight > REPEAT_MAX)
		return bh_re2_refuse(&p->in, at, "repeats multiply to more than 1000");
	if (p->item.kind != ITEM_PLAIN) {
		rc = wrap(p);
		if (rc)
			return rc;
	}
	(void)bh_buf_append(&p->out, p->in.text.p + at, n);
	if (lazy != !!(p->flags & BH_RE2_SWAP))
		(void)bh_buf_u8(&p->out, '?');
	p->in.at = p->repeat_end = at + n + lazy;
	p->item.kind = ITEM_REPEATED;
	return 0;
}

/* A number of a count; false when it is none, as RE2 sees it: no leading zero. */
static bool number(const struct parser *p, size_t *i, uint32_t *value)
{
	size_t start = *i;

	*value = 0;
	for (; isdigit((unsigned char)peek(p, *i)); (*i)++)
		*value = BH_MIN(*value * 10 + (uint32_t)(peek(p, *i) - '0'), REPEAT_MAX + 1);
	return *i > start && (peek(p, start) != '0' || *i == start + 1);
}

/* "{2}", "{2,}", "{2,3}"; anything else is a brace. */
static int counted(struct parser *p)
{
	uint32_t min, max;
	size_t i = 1;

	if (!number(p, &i, &min))
		goto brace;
	max = min;
	if (peek(p, i) == ',') {
		max = UNBOUNDED;
		if (peek(p, ++i) != '}' && !number(p, &i, &max))
			goto brace;
	}
	if (peek(p, i) != '}')
		goto brace;
	if (min > REPEAT_MAX || (max != UNBOUNDED && max > REPEAT_MAX))
		return bh_re2_refuse(&p->in, p->in.at, "repeat count above 1000");
	if (min > max)
		return bh_re2_refuse(&p->in, p->in.at, "repeat counts run backwards");
	return repeat(p, i + 1, min, max);
brace:
	literal(p);
	return 0;
}

/* --- the walk ----------------------------------------------------------------------------------
 */

static int step(struct parser *p)
{
	switch (peek(p, 0)) {
	case '(':
		return group(p);
	case ')':
		return close_group(p);
	case '|':
		settle(p);
		p->in.at++;
		return bh_buf_u8(&p->out, '|');
	case '^':
	case '$':
		pass(p, 1, false);
		return 0;
	case '.':
		pass(p, 1, true);
		return 0;
	case '[':
		begin(p, true);
		return bh_re2_class(&p->in, p->flags, &p->out);
	case '*':
		return repeat(p, 1, 0, UNBOUNDED);
	case '+':
		return repeat(p, 1, 1, UNBOUNDED);
	case '?':
		return repeat(p, 1, 0, 1);
	case '{':
		return counted(p);
	case '\\':
		return escape(p);
	default:
		literal(p);
		return 0;
	}
}

static int walk(struct parser *p)
{
	size_t valid = bh_utf8_valid_prefix(p->in.text.p, p->in.text.n);
	int rc = 0;

	if (valid < p->in.text.n)
		return bh_re2_refuse(&p->in, valid, "not UTF-8");
	while (!rc && p->in.at < p->in.text.n)
		rc = step(p);
	if (!rc)
		rc = bh_buf_failed(&p->out);
	if (!rc && p->depth)
		rc = bh_re2_refuse(
		    &p->in, p->levels[p->depth].open_at, "missing ) of the group that begins here");
	return rc;
}

int bh_re2_translate_groups(
    struct bh_str re2, struct bh_buf *out, bh_re2_group_fn *fn, void *ctx, struct bh_err *err)
{
	struct parser p = {.in = {re2, 0, err}, .fn = fn, .ctx = ctx};
	int rc;

	if (re2.n > BH_RE2_PATTERN_MAX)
		return bh_err_set(err, BH_E_LIMIT, "longer than %zu bytes", BH_RE2_PATTERN_MAX);
	rc = walk(&p);
	if (!rc && out && p.out.len)
		rc = bh_buf_append(out, p.out.data, p.out.len);
	bh_buf_release(&p.out);
	return rc;
}

int bh_re2_translate(struct bh_str re2, struct bh_buf *out, struct bh_err *err)
{
	return bh_re2_translate_groups(re2, out, NULL, NULL, err);
}

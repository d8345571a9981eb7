/*
 * Classes of characters: [...], \d \s \w, [:name:], \p{Name}. What PCRE2 reads as RE2 does is
 * passed on by name; the rest is written out as ranges. PCRE2 adds the other cases of a range under
 * (?i), but not those of a named set, which RE2 does too: \w then has U+017F and U+212A, the other
 * cases of s and k.
 */
#include "common/re2_internal.h"

#include <string.h>

#define LONG_S 0x17Fu
#define KELVIN 0x212Au

/* Members as pairs first, last. */
struct set {
	const char *name;
	const char *pairs;
	size_t pairs_n;
	bool letters; /* has s and k, so that (?i) adds to it */
};

#define SET(name, pairs, letters) \
	{ \
		name, pairs, (sizeof(pairs) - 1) / 2, letters \
	}

static const struct set digit = SET("digit", "09", false);
static const struct set space = SET("space", "\t\n\f\r  ", false); /* \s: no vertical tab */
static const struct set word = SET("word", "09AZ__az", true);

static const struct set posix[] = {
    SET("alnum", "09AZaz", true),
    SET("alpha", "AZaz", true),
    SET("ascii", "\0\x7f", true),
    SET("blank", "\t\t  ", false),
    SET("cntrl", "\0\x1f\x7f\x7f", false),
    SET("digit", "09", false),
    SET("graph", "!~", true),
    SET("lower", "az", true),
    SET("print", " ~", true),
    SET("punct", "!/:@[`{~", false),
    SET("space", "\t\r  ", false),
    SET("upper", "AZ", true),
    SET("word", "09AZ__az", true),
    SET("xdigit", "09AFaf", false),
};

/* General categories. Cn, LC and long names came with Go 1.25. */
static const char *const categories[] = {"Any", "C", "Cc", "Cf", "Co", "Cs", "L", "Ll", "Lm", "Lo",
    "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl", "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi",
    "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl", "Zp", "Zs"};

/* Scripts that both sides know: Unicode 14. */
static const char *const scripts[] = {"Adlam", "Ahom", "Anatolian_Hieroglyphs", "Arabic",
    "Armenian", "Avestan", "Balinese", "Bamum", "Bassa_Vah", "Batak", "Bengali", "Bhaiksuki",
    "Bopomofo", "Brahmi", "Braille", "Buginese", "Buhid", "Canadian_Aboriginal", "Carian",
    "Caucasian_Albanian", "Chakma", "Cham", "Cherokee", "Chorasmian", "Common", "Coptic",
    "Cuneiform", "Cypriot", "Cypro_Minoan", "Cyrillic", "Deseret", "Devanagari", "Dives_Akuru",
    "Dogra", "Duployan", "Egyptian_Hieroglyphs", "Elbasan", "Elymaic", "Ethiopic", "Georgian",
    "Glagolitic", "Gothic", "Grantha", "Greek", "Gujarati", "Gunjala_Gondi", "Gurmukhi", "Han",
    "Hangul", "Hanifi_Rohingya", "Hanunoo", "Hatran", "Hebrew", "Hiragana", "Imperial_Aramaic",
    "Inherited", "Inscriptional_Pahlavi", "Inscriptional_Parthian", "Javanese", "Kaithi", "Kannada",
    "Katakana", "Kayah_Li", "Kharoshthi", "Khitan_Small_Script", "Khmer", "Khojki", "Khudawadi",
    "Lao", "Latin", "Lepcha", "Limbu", "Linear_A", "Linear_B", "Lisu", "Lycian", "Lydian",
    "Mahajani", "Makasar", "Malayalam", "Mandaic", "Manichaean", "Marchen", "Masaram_Gondi",
    "Medefaidrin", "Meetei_Mayek", "Mende_Kikakui", "Meroitic_Cursive", "Meroitic_Hieroglyphs",
    "Miao", "Modi", "Mongolian", "Mro", "Multani", "Myanmar", "Nabataean", "Nandinagari",
    "New_Tai_Lue", "Newa", "Nko", "Nushu", "Nyiakeng_Puachue_Hmong", "Ogham", "Ol_Chiki",
    "Old_Hungarian", "Old_Italic", "Old_North_Arabian", "Old_Permic", "Old_Persian", "Old_Sogdian",
    "Old_South_Arabian", "Old_Turkic", "Old_Uyghur", "Oriya", "Osage", "Osmanya", "Pahawh_Hmong",
    "Palmyrene", "Pau_Cin_Hau", "Phags_Pa", "Phoenician", "Psalter_Pahlavi", "Rejang", "Runic",
    "Samaritan", "Saurashtra", "Sharada", "Shavian", "Siddham", "SignWriting", "Sinhala", "Sogdian",
    "Sora_Sompeng", "Soyombo", "Sundanese", "Syloti_Nagri", "Syriac", "Tagalog", "Tagbanwa",
    "Tai_Le", "Tai_Tham", "Tai_Viet", "Takri", "Tamil", "Tangsa", "Tangut", "Telugu", "Thaana",
    "Thai", "Tibetan", "Tifinagh", "Tirhuta", "Toto", "Ugaritic", "Vai", "Vithkuqi", "Wancho",
    "Warang_Citi", "Yezidi", "Yi", "Zanabazar_Square"};

static void put_range(struct bh_buf *out, uint32_t lo, uint32_t hi)
{
	/* No text holds a surrogate, and PCRE2 refuses one as an end of a range. */
	if (lo >= 0xD800 && lo <= 0xDFFF)
		lo = 0xE000;
	if (hi >= 0xD800 && hi <= 0xDFFF)
		hi = 0xD7FF;
	if (lo > hi)
		return;
	bh_re2_put_rune(out, lo);
	if (lo == hi)
		return;
	(void)bh_buf_u8(out, '-');
	bh_re2_put_rune(out, hi);
}

/* Everything else, by ranges. upper and lower are both letters when case does not count. */
static void put_complement(struct bh_buf *out, const struct set *s, bool fold)
{
	const char *pairs = s->pairs;
	size_t n = s->pairs_n;
	uint32_t from = 0;

	if (fold && n == 1 && (*pairs == 'A' || *pairs == 'a')) {
		pairs = "AZaz";
		n = 2;
	}
	for (size_t i = 0; i < n; i++) {
		uint32_t lo = (unsigned char)pairs[2 * i], hi = (unsigned char)pairs[2 * i + 1];

		if (lo > from)
			put_range(out, from, lo - 1);
		from = hi + 1;
	}
	if (fold && s->letters) {
		put_range(out, from, LONG_S - 1);
		put_range(out, LONG_S + 1, KELVIN - 1);
		from = KELVIN + 1;
	}
	put_range(out, from, BH_RE2_RUNE_MAX);
}

static void put_set(struct bh_buf *out, const struct set *s, bool negated, bool fold)
{
	if (negated) {
		put_complement(out, s, fold);
		return;
	}
	for (size_t i = 0; i < s->pairs_n; i++)
		put_range(out, (unsigned char)s->pairs[2 * i], (unsigned char)s->pairs[2 * i + 1]);
}

/* --- \p ----------------------------------------------------------------------------------------
 */

static bool listed(const char *const *list, size_t n, struct bh_str name)
{
	for (size_t i = 0; i < n; i++) {
		if (bh_str_eq(bh_str_from(list[i]), name))
			return true;
	}
	return false;
}

/* PCRE2's name for it. */
static void put_property(struct bh_buf *out, struct bh_str name, bool negated, bool fold)
{
	char letter = negated ? 'P' : 'p';
	bool cased = name.n == 2 && name.p[0] == 'L' &&
		     (name.p[1] == 'u' || name.p[1] == 'l' || name.p[1] == 't');

	if (fold && cased)
		(void)bh_buf_printf(out, "\\%c{L&}", letter);
	else if (listed(categories, BH_ARRAY_LEN(categories), name))
		(void)bh_buf_printf(out, "\\%c{%.*s}", letter, (int)name.n, name.p);
	else /* without sc: PCRE2 takes script extensions */
		(void)bh_buf_printf(out, "\\%c{sc:%.*s}", letter, (int)name.n, name.p);
}

/* The name behind \p or \P, of which the walk is behind the letter. */
static int property_name(struct bh_re2_in *in, size_t start, struct bh_str *name)
{
	const char *end;

	if (in->at == in->text.n)
		return bh_re2_refuse(in, start, "\\%c without a name", in->text.p[start + 1]);
	if (in->text.p[in->at] != '{') {
		name->p = in->text.p + in->at;
		(void)bh_re2_rune(in);
		name->n = (size_t)(in->text.p + in->at - name->p);
		return 0;
	}
	name->p = in->text.p + in->at + 1;
	end = memchr(name->p, '}', in->text.n - in->at - 1);
	if (!end)
		return bh_re2_refuse(in, start, "missing } of \\%c{", in->text.p[start + 1]);
	name->n = (size_t)(end - name->p);
	in->at += name->n + 2;
	return 0;
}

static int property(struct bh_re2_in *in, bool fold, struct bh_buf *out)
{
	size_t start = in->at;
	bool negated = in->text.p[start + 1] == 'P';
	struct bh_str name = {NULL, 0};
	int rc;

	in->at += 2;
	rc = property_name(in, start, &name);
	if (rc)
		return rc;
	if (name.n && name.p[0] == '^') {
		negated = !negated;
		name.p++;
		name.n--;
	}
	if (!listed(categories, BH_ARRAY_LEN(categories), name) &&
	    !listed(scripts, BH_ARRAY_LEN(scripts), name))
		return bh_re2_refuse(in, start, "unknown character class %.*s",
		    (int)BH_MIN(in->at - start, 60), in->text.p + start);
	put_property(out, name, negated, fold);
	return 0;
}

/* --- \d \s \w ----------------------------------------------------------------------------------
 */

/* The set of \d \s \w; NULL when c is none of them. Capitals mean the rest. */
static const struct set *perl_set(char c)
{
	switch (c) {
	case 'd':
	case 'D':
		return &digit;
	case 's':
	case 'S':
		return &space;
	case 'w':
	case 'W':
		return &word;
	default:
		return NULL;
	}
}

static void put_perl(struct bh_buf *out, char c, bool fold, bool alone)
{
	const struct set *s = perl_set(c);
	bool negated = c == 'D' || c == 'S' || c == 'W';

	if (!alone) {
		put_set(out, s, negated, fold);
	} else if (s == &digit || (s == &word && !fold)) {
		(void)bh_buf_printf(out, "\\%c", c);
	} else {
		(void)bh_buf_str(out, negated ? "[^" : "[");
		put_set(out, s, false, fold);
		(void)bh_buf_u8(out, ']');
	}
}

static int class_escape(
    struct bh_re2_in *in, unsigned flags, bool alone, struct bh_buf *out, bool *done)
{
	bool fold = flags & BH_RE2_FOLD;
	char c;

	*done = false;
	if (in->text.n - in->at < 2 || in->text.p[in->at] != '\\')
		return 0;
	c = in->text.p[in->at + 1];
	if (c == 'p' || c == 'P') {
		*done = true;
		return property(in, fold, out);
	}
	if (!perl_set(c))
		return 0;
	*done = true;
	in->at += 2;
	put_perl(out, c, fold, alone);
	return 0;
}

int bh_re2_class_escape(struct bh_re2_in *in, unsigned flags, struct bh_buf *out, bool *done)
{
	return class_escape(in, flags, true, out, done);
}

/* --- [...] -------------------------------------------------------------------------------------
 */

/* [:name:] at the walk's place. Without a ":]" anywhere behind it is an ordinary bracket. */
static int named_set(struct bh_re2_in *in, unsigned flags, struct bh_buf *out, bool *done)
{
	struct bh_str rest = {in->text.p + in->at, in->text.n - in->at}, name;
	const char *end;
	bool negated;

	*done = false;
	if (!bh_str_starts(rest, BH_STR_LIT("[:")))
		return 0;
	end = memmem(rest.p + 2, rest.n - 2, ":]", 2);
	if (!end)
		return 0;
	*done = true;
	name = (struct bh_str){rest.p + 2, (size_t)(end - rest.p - 2)};
	negated = name.n && name.p[0] == '^';
	if (negated) {
		name.p++;
		name.n--;
	}
	for (size_t i = 0; i < BH_ARRAY_LEN(posix); i++) {
		if (!bh_str_eq(bh_str_from(posix[i].name), name))
			continue;
		put_set(out, &posix[i], negated, flags & BH_RE2_FOLD);
		in->at += (size_t)(end - rest.p) + 2;
		return 0;
	}
	return bh_re2_refuse(
	    in, in->at, "unknown character class [:%.*s:]", (int)BH_MIN(name.n, 60), name.p);
}

static int class_char(struct bh_re2_in *in, size_t start, uint32_t *rune)
{
	if (in->at == in->text.n)
		return bh_re2_refuse(in, start, "missing ] of the class that begins here");
	if (in->text.p[in->at] == '\\')
		return bh_re2_escape(in, rune);
	*rune = bh_re2_rune(in);
	return 0;
}

/* One character or a range; start is the class's bracket. */
static int class_range(struct bh_re2_in *in, size_t start, struct bh_buf *out)
{
	const char *p = in->text.p;
	size_t from = in->at;
	uint32_t lo = 0, hi;
	int rc;

	rc = class_char(in, start, &lo);
	if (rc)
		return rc;
	hi = lo;
	if (in->text.n - in->at >= 2 && p[in->at] == '-' && p[in->at + 1] != ']') {
		in->at++;
		rc = class_char(in, start, &hi);
		if (rc)
			return rc;
		if (hi < lo)
			return bh_re2_refuse(in, from, "range %.*s runs backwards",
			    (int)BH_MIN(in->at - from, 60), p + from);
	}
	put_range(out, lo, hi);
	return 0;
}

int bh_re2_class(struct bh_re2_in *in, unsigned flags, struct bh_buf *out)
{
	size_t start = in->at++, items, opened = out->len;
	bool negated = false, done;
	int rc = 0;

	(void)bh_buf_u8(out, '[');
	if (in->at < in->text.n && in->text.p[in->at] == '^') {
		negated = true;
		in->at++;
		(void)bh_buf_u8(out, '^');
	}
	items = out->len;
	/* A ] that comes first means itself. */
	for (size_t first = in->at;
	     in->at == first || in->at == in->text.n || in->text.p[in->at] != ']';) {
		rc = named_set(in, flags, out, &done);
		if (!rc && !done)
			rc = class_escape(in, flags, false, out, &done);
		if (!rc && !done)
			rc = class_range(in, start, out);
		if (rc)
			return rc;
	}
	in->at++;
	if (bh_buf_failed(out) || out->len > items) {
		(void)bh_buf_u8(out, ']');
		return 0;
	}
	/* Nothing but surrogates: no character, or every one. */
	out->len = opened;
	return bh_buf_str(out, negated ? "[\\x00-\\x{10ffff}]" : "[^\\x00-\\x{10ffff}]");
}

#include "logs-agent/tokens.h"

#include <endian.h>
#include <stdbool.h>

#define RUN_MAX  10 /* longer runs look alike */
#define WORD_MAX 9
#define UUID_LEN 36

/* Class of a byte: kind of token + 1, so that every byte not named is LETTER. */
#define LETTER         0
#define CLASS_OF(kind) (BH_TOKEN_##kind + 1)
#define DIGIT          CLASS_OF(D1)

static const uint8_t classes[256] = {
    ['0'] = DIGIT,
    ['1'] = DIGIT,
    ['2'] = DIGIT,
    ['3'] = DIGIT,
    ['4'] = DIGIT,
    ['5'] = DIGIT,
    ['6'] = DIGIT,
    ['7'] = DIGIT,
    ['8'] = DIGIT,
    ['9'] = DIGIT,
    [' '] = CLASS_OF(SPACE),
    ['\t'] = CLASS_OF(SPACE),
    ['\n'] = CLASS_OF(SPACE),
    ['\r'] = CLASS_OF(SPACE),
    [':'] = CLASS_OF(COLON),
    [';'] = CLASS_OF(SEMICOLON),
    ['-'] = CLASS_OF(DASH),
    ['_'] = CLASS_OF(UNDERSCORE),
    ['/'] = CLASS_OF(SLASH),
    ['\\'] = CLASS_OF(BACKSLASH),
    ['.'] = CLASS_OF(DOT),
    [','] = CLASS_OF(COMMA),
    ['\''] = CLASS_OF(QUOTE),
    ['"'] = CLASS_OF(DOUBLE_QUOTE),
    ['`'] = CLASS_OF(BACKTICK),
    ['~'] = CLASS_OF(TILDE),
    ['*'] = CLASS_OF(STAR),
    ['+'] = CLASS_OF(PLUS),
    ['='] = CLASS_OF(EQUAL),
    ['('] = CLASS_OF(PAREN_OPEN),
    [')'] = CLASS_OF(PAREN_CLOSE),
    ['{'] = CLASS_OF(BRACE_OPEN),
    ['}'] = CLASS_OF(BRACE_CLOSE),
    ['['] = CLASS_OF(BRACKET_OPEN),
    [']'] = CLASS_OF(BRACKET_CLOSE),
    ['&'] = CLASS_OF(AMPERSAND),
    ['!'] = CLASS_OF(BANG),
    ['@'] = CLASS_OF(AT),
    ['#'] = CLASS_OF(HASH),
    ['$'] = CLASS_OF(DOLLAR),
    ['%'] = CLASS_OF(PERCENT),
    ['^'] = CLASS_OF(CARET),
};

struct word {
	char text[WORD_MAX]; /* capitals, NUL-padded */
	uint8_t kind;
};

#define AT(letter) [(letter) - 'A']
#define MTH        BH_TOKEN_MONTH
#define DAY        BH_TOKEN_DAY
#define ZONE       BH_TOKEN_ZONE

/* Words by their first letter; a row ends at its first empty text. */
static const struct word words[26][13] = {
    AT('A') = {{"AM", BH_TOKEN_PM}, {"APR", MTH}, {"AUG", MTH}, {"ALERT", BH_TOKEN_ALERT},
	{"ACST", ZONE}, {"ACDT", ZONE}, {"AEST", ZONE}, {"AEDT", ZONE}, {"AWST", ZONE},
	{"AWDT", ZONE}, {"AKST", ZONE}, {"AKDT", ZONE}},
    AT('B') = {{"BST", ZONE}},
    AT('C') = {{"CST", ZONE}, {"CDT", ZONE}, {"CET", ZONE}, {"CEST", ZONE}, {"CHST", ZONE},
	{"CHDT", ZONE}, {"CRIT", BH_TOKEN_CRITICAL}, {"CRITICAL", BH_TOKEN_CRITICAL},
	{"CRASH", BH_TOKEN_CRASH}, {"CRASHED", BH_TOKEN_CRASH}},
    AT('D') = {{"DEC", MTH}, {"DEADLOCK", BH_TOKEN_DEADLOCK}},
    AT('E') = {{"ERROR", BH_TOKEN_ERROR}, {"EST", ZONE}, {"EDT", ZONE},
	{"EXCEPTION", BH_TOKEN_EXCEPTION}, {"EMERG", BH_TOKEN_EMERGENCY},
	{"EMERGENCY", BH_TOKEN_EMERGENCY}},
    AT('F') = {{"FEB", MTH}, {"FRI", DAY}, {"FATAL", BH_TOKEN_FATAL}, {"FAILED", BH_TOKEN_FAILURE},
	{"FAILURE", BH_TOKEN_FAILURE}},
    AT('G') = {{"GMT", ZONE}},
    AT('H') = {{"HST", ZONE}, {"HDT", ZONE}},
    AT('I') = {{"IST", ZONE}},
    AT('J') = {{"JAN", MTH}, {"JUN", MTH}, {"JUL", MTH}, {"JST", ZONE}},
    AT('K') = {{"KST", ZONE}},
    AT('M') = {{"MAR", MTH}, {"MAY", MTH}, {"MON", DAY}, {"MST", ZONE}, {"MDT", ZONE},
	{"MSK", ZONE}},
    AT('N') = {{"NOV", MTH}, {"NST", ZONE}, {"NDT", ZONE}, {"NZST", ZONE}, {"NZDT", ZONE}},
    AT('O') = {{"OCT", MTH}},
    AT('P') = {{"PM", BH_TOKEN_PM}, {"PST", ZONE}, {"PDT", ZONE}, {"PANIC", BH_TOKEN_PANIC}},
    AT('S') = {{"SEP", MTH}, {"SAT", DAY}, {"SUN", DAY}, {"SEVERE", BH_TOKEN_SEVERE}},
    AT('T') = {{"T", BH_TOKEN_T}, {"TUE", DAY}, {"THU", DAY}, {"TIMEOUT", BH_TOKEN_TIMEOUT}},
    AT('U') = {{"UTC", ZONE}},
    AT('W') = {{"WED", DAY}, {"WARN", BH_TOKEN_WARN}, {"WARNING", BH_TOKEN_WARN}},
    AT('Z') = {{"Z", ZONE}},
};

void bh_tokenizer_init(struct bh_tokenizer *t, struct bh_str text)
{
	/* Pointer arithmetic on NULL is not defined, and an empty text may have no pointer. */
	const unsigned char *p = (const unsigned char *)(text.p ? text.p : "");

	*t = (struct bh_tokenizer){p, p, p + text.n};
}

/* The first letter in the lowest byte, whatever the order of bytes of the machine. */
static uint64_t word_key(const struct word *w)
{
	uint64_t v;

	memcpy(&v, w->text, sizeof(v));
	return le64toh(v);
}

static uint8_t letters(const unsigned char *p, size_t n)
{
	const uint8_t plain = (uint8_t)(BH_TOKEN_C1 + (n < RUN_MAX ? n : RUN_MAX) - 1);
	uint64_t key = 0;
	char ninth = '\0';

	if (n > WORD_MAX)
		return plain;
	for (size_t i = 0; i < n; i++) {
		/* Clears the bit that makes a letter small; only letters become capitals so. */
		const unsigned c = p[i] & 0xdfu;

		if (c < 'A' || c > 'Z')
			return plain;
		if (i < 8)
			key |= (uint64_t)c << (8 * i);
		else
			ninth = (char)c;
	}
	for (const struct word *w = words[(key & 0xff) - 'A']; w->text[0]; w++)
		if (word_key(w) == key && w->text[8] == ninth)
			return w->kind;
	return plain;
}

static bool in_word(unsigned char c)
{
	return classes[c] == LETTER || classes[c] == DIGIT || c == '_';
}

static bool is_hex(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20u) >= 'a' && (c | 0x20u) <= 'f');
}

static bool uuid_here(const struct bh_tokenizer *t)
{
	const unsigned char *p = t->at;

	if (t->end - p < UUID_LEN || p[8] != '-' || p[13] != '-' || p[18] != '-' || p[23] != '-')
		return false;
	if ((p > t->start && in_word(p[-1])) || (t->end - p > UUID_LEN && in_word(p[UUID_LEN])))
		return false;
	for (size_t i = 0; i < UUID_LEN; i++)
		if (!is_hex(p[i]) && i != 8 && i != 13 && i != 18 && i != 23)
			return false;
	return true;
}

static const unsigned char *run_end(const unsigned char *p, const unsigned char *end)
{
	const uint8_t class = classes[*p];

	do
		p++;
	while (p < end && classes[*p] == class);
	return p;
}

/* The end of four runs of 1-3 digits joined by single dots, the first of which ends at q; NULL
 * when it is something else. */
static const unsigned char *ipv4_end(
    const unsigned char *p, const unsigned char *q, const unsigned char *end)
{
	for (unsigned octets = 1;; octets++) {
		if (q - p > 3)
			return NULL;
		if (octets == 4)
			return q;
		if (end - q < 2 || q[0] != '.' || classes[q[1]] != DIGIT)
			return NULL;
		p = q + 1;
		q = run_end(p, end);
	}
}

static uint8_t next(struct bh_tokenizer *t)
{
	const unsigned char *p = t->at, *ip;
	const uint8_t class = classes[*p];
	size_t n;

	if ((class == LETTER || class == DIGIT) && uuid_here(t)) {
		t->at = p + UUID_LEN;
		return BH_TOKEN_UUID;
	}
	t->at = run_end(p, t->end);
	n = (size_t)(t->at - p);
	if (class == LETTER)
		return letters(p, n);
	if (class != DIGIT)
		return (uint8_t)(class - 1);
	ip = ipv4_end(p, t->at, t->end);
	if (ip) {
		t->at = ip;
		return BH_TOKEN_IPV4;
	}
	return (uint8_t)(BH_TOKEN_D1 + (n < RUN_MAX ? n : RUN_MAX) - 1);
}

size_t bh_tokenizer_read(struct bh_tokenizer *t, uint8_t *out, size_t max)
{
	size_t n = 0;

	while (n < max && t->at < t->end)
		out[n++] = next(t);
	return n;
}

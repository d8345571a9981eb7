#include "logs-agent/json_pieces.h"

enum state {
	S_START,
	S_VALUE,        /* a value must follow */
	S_VALUE_OR_END, /* behind [ */
	S_KEY_OR_END,   /* behind { */
	S_KEY,          /* behind the comma of an object */
	S_COLON,
	S_AFTER, /* behind a value */
	S_STRING,
	S_ESCAPE,
	S_HEX,
	S_MINUS,
	S_ZERO,
	S_INTEGER,
	S_DOT,
	S_FRACTION,
	S_EXPONENT,
	S_EXPONENT_SIGN,
	S_EXPONENT_DIGITS,
	S_WORD,
	S_END,
	S_INVALID,
};

void bh_json_pieces_init(struct bh_json_pieces *s)
{
	*s = (struct bh_json_pieces){.state = S_START};
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool in_array(const struct bh_json_pieces *s)
{
	uint32_t d = s->depth - 1;

	return s->arrays[d / 64] >> (d % 64) & 1;
}

static enum state open_level(struct bh_json_pieces *s, bool array)
{
	uint32_t d = s->depth;
	uint64_t bit = (uint64_t)1 << (d % 64);

	if (d == BH_JSON_DEPTH)
		return S_INVALID;
	if (array)
		s->arrays[d / 64] |= bit;
	else
		s->arrays[d / 64] &= ~bit;
	s->depth++;
	return array ? S_VALUE_OR_END : S_KEY_OR_END;
}

static enum state close_level(struct bh_json_pieces *s)
{
	s->depth--;
	return s->depth ? S_AFTER : S_END;
}

static enum state word(struct bh_json_pieces *s, const char *rest)
{
	s->word = rest;
	return S_WORD;
}

static enum state string(struct bh_json_pieces *s, bool key)
{
	s->key = key;
	return S_STRING;
}

static enum state value(struct bh_json_pieces *s, char c)
{
	switch (c) {
	case '{':
		return open_level(s, false);
	case '[':
		return open_level(s, true);
	case '"':
		return string(s, false);
	case '-':
		return S_MINUS;
	case '0':
		return S_ZERO;
	case 't':
		return word(s, "rue");
	case 'f':
		return word(s, "alse");
	case 'n':
		return word(s, "ull");
	default:
		return is_digit(c) ? S_INTEGER : S_INVALID;
	}
}

static enum state after_value(struct bh_json_pieces *s, char c)
{
	const bool array = in_array(s);

	if (c == ',')
		return array ? S_VALUE : S_KEY;
	return c == (array ? ']' : '}') ? close_level(s) : S_INVALID;
}

static enum state escape(struct bh_json_pieces *s, char c)
{
	if (c == 'u') {
		s->left = 4;
		return S_HEX;
	}
	return c && strchr("\"\\/bfnrt", c) ? S_STRING : S_INVALID;
}

static enum state in_string(struct bh_json_pieces *s, char c)
{
	if (c == '"')
		return s->key ? S_COLON : S_AFTER;
	if (c == '\\')
		return S_ESCAPE;
	return (unsigned char)c < 0x20 ? S_INVALID : S_STRING;
}

/* A character of a number, or the one behind it. */
static enum state number(struct bh_json_pieces *s, char c)
{
	const enum state was = s->state;

	if (is_digit(c)) {
		if (was == S_MINUS)
			return c == '0' ? S_ZERO : S_INTEGER;
		if (was == S_DOT)
			return S_FRACTION;
		if (was == S_EXPONENT || was == S_EXPONENT_SIGN)
			return S_EXPONENT_DIGITS;
		return was == S_ZERO ? S_INVALID : was;
	}
	if (was == S_EXPONENT && (c == '+' || c == '-'))
		return S_EXPONENT_SIGN;
	if (was == S_MINUS || was == S_DOT || was == S_EXPONENT || was == S_EXPONENT_SIGN)
		return S_INVALID;
	if (c == '.' && (was == S_ZERO || was == S_INTEGER))
		return S_DOT;
	if ((c == 'e' || c == 'E') && was != S_EXPONENT_DIGITS)
		return S_EXPONENT;
	return is_space(c) ? S_AFTER : after_value(s, c);
}

/* States between tokens, where white space changes nothing. */
static enum state between(struct bh_json_pieces *s, char c)
{
	switch (s->state) {
	case S_START:
		return c == '{' ? open_level(s, false) : S_INVALID;
	case S_VALUE:
		return value(s, c);
	case S_VALUE_OR_END:
		return c == ']' ? close_level(s) : value(s, c);
	case S_KEY_OR_END:
		if (c == '}')
			return close_level(s);
		return c == '"' ? string(s, true) : S_INVALID;
	case S_KEY:
		return c == '"' ? string(s, true) : S_INVALID;
	case S_COLON:
		return c == ':' ? S_VALUE : S_INVALID;
	case S_AFTER:
		return after_value(s, c);
	default: /* S_END, S_INVALID */
		return S_INVALID;
	}
}

static enum state step(struct bh_json_pieces *s, char c)
{
	switch (s->state) {
	case S_STRING:
		return in_string(s, c);
	case S_ESCAPE:
		return escape(s, c);
	case S_HEX:
		if (!is_hex(c))
			return S_INVALID;
		return --s->left ? S_HEX : S_STRING;
	case S_WORD:
		if (c != *s->word)
			return S_INVALID;
		return *++s->word ? S_WORD : S_AFTER;
	case S_MINUS:
	case S_ZERO:
	case S_INTEGER:
	case S_DOT:
	case S_FRACTION:
	case S_EXPONENT:
	case S_EXPONENT_SIGN:
	case S_EXPONENT_DIGITS:
		return number(s, c);
	default:
		return is_space(c) ? (enum state)s->state : between(s, c);
	}
}

enum bh_json_verdict bh_json_pieces_feed(struct bh_json_pieces *s, struct bh_str piece)
{
	for (size_t i = 0; i < piece.n && s->state != S_INVALID; i++)
		s->state = (uint8_t)step(s, piece.p[i]);
	if (s->state == S_INVALID)
		return BH_JSON_INVALID;
	return s->state == S_END ? BH_JSON_COMPLETE : BH_JSON_INCOMPLETE;
}

size_t bh_json_compact(char *p, size_t n)
{
	bool quoted = false;
	size_t out = 0;

	for (size_t i = 0; i < n; i++) {
		if (!quoted && is_space(p[i]))
			continue;
		if (p[i] == '"')
			quoted = !quoted;
		p[out++] = p[i];
		/* What is escaped cannot end the string. */
		if (quoted && p[i] == '\\' && i + 1 < n)
			p[out++] = p[++i];
	}
	return out;
}

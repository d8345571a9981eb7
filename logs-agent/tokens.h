/*
 * The start of a line as a list of tokens (spec/logs.md §8.1): runs of bytes of one class, with
 * words of dates, zones and severities, UUIDs and IPv4 addresses as kinds of their own. Works on
 * bytes: whatever is not a digit, white space or listed punctuation counts as a letter.
 */
#ifndef BH_LOGS_TOKENS_H
#define BH_LOGS_TOKENS_H

#include <stddef.h>
#include <stdint.h>

#include "common/str.h"

/* Kinds that can be part of a time come first: the table of pairs (label.c) is made of 64-bit
 * sets. A run of n digits is D1 + n - 1, of n letters C1 + n - 1, n counted up to 10. */
enum bh_token {
	BH_TOKEN_D1,
	BH_TOKEN_D2,
	BH_TOKEN_D3,
	BH_TOKEN_D4,
	BH_TOKEN_D6 = BH_TOKEN_D1 + 5,
	BH_TOKEN_D10 = BH_TOKEN_D1 + 9,
	BH_TOKEN_SPACE, /* space \t \n \r */
	BH_TOKEN_COLON,
	BH_TOKEN_SEMICOLON,
	BH_TOKEN_DASH,
	BH_TOKEN_UNDERSCORE,
	BH_TOKEN_SLASH,
	BH_TOKEN_BACKSLASH,
	BH_TOKEN_DOT,
	BH_TOKEN_COMMA,
	BH_TOKEN_QUOTE, /* ' */
	BH_TOKEN_DOUBLE_QUOTE,
	BH_TOKEN_BACKTICK,
	BH_TOKEN_TILDE,
	BH_TOKEN_STAR,
	BH_TOKEN_PLUS,
	BH_TOKEN_EQUAL,
	BH_TOKEN_PAREN_OPEN,
	BH_TOKEN_PAREN_CLOSE,
	BH_TOKEN_BRACE_OPEN,
	BH_TOKEN_BRACE_CLOSE,
	BH_TOKEN_BRACKET_OPEN,
	BH_TOKEN_BRACKET_CLOSE,
	BH_TOKEN_AMPERSAND,
	BH_TOKEN_BANG,
	BH_TOKEN_AT,
	BH_TOKEN_HASH,
	BH_TOKEN_DOLLAR,
	BH_TOKEN_PERCENT,
	BH_TOKEN_CARET,
	BH_TOKEN_MONTH,
	BH_TOKEN_DAY,
	BH_TOKEN_PM, /* AM PM */
	BH_TOKEN_T,
	BH_TOKEN_ZONE,
	BH_TOKEN_WARN,
	BH_TOKEN_FATAL,
	BH_TOKEN_ERROR,
	BH_TOKEN_PANIC,
	BH_TOKEN_ALERT,
	BH_TOKEN_SEVERE,
	BH_TOKEN_CRITICAL,
	BH_TOKEN_EMERGENCY,
	BH_TOKEN_EXCEPTION,
	BH_TOKEN_CRASH,
	BH_TOKEN_FAILURE,
	BH_TOKEN_DEADLOCK,
	BH_TOKEN_TIMEOUT,
	BH_TOKEN_UUID,
	BH_TOKEN_IPV4,
	BH_TOKEN_C1,
	BH_TOKEN_C10 = BH_TOKEN_C1 + 9,
	BH_TOKEN__N,
};

/* A position in text that is being cut; borrows the text. Ends of the text are ends of tokens. */
struct bh_tokenizer {
	const unsigned char *start, *at, *end;
};

void bh_tokenizer_init(struct bh_tokenizer *t, struct bh_str text);

/* The next tokens (enum bh_token), at most max of them; fewer only at the end of the text. One byte
 * of text gives at most one token. */
size_t bh_tokenizer_read(struct bh_tokenizer *t, uint8_t *out, size_t max);

#endif

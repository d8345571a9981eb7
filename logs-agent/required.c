#include "logs-agent/required.h"

#include <ctype.h>
#include <stdbool.h>

#include "common/attrs.h"

struct reader {
	struct bh_str text;
	size_t at;
	bool fold; /* (?i) occurs: then nothing is required */
};

/* What a piece of the expression says about the literal. */
struct piece {
	enum { PIECE_OTHER, PIECE_BYTES, PIECE_GROUP } kind;
	char bytes[4];
	size_t n;
	struct bh_required inner; /* of a group */
};

static void sequence(struct reader *r, struct bh_required *best);

/* The byte n on, NUL at the end. */
static char peek(const struct reader *r, size_t n)
{
	if (n >= r->text.n - r->at)
		return '\0';
	return r->text.p[r->at + n];
}

static bool more(const struct reader *r)
{
	return r->at < r->text.n;
}

/* Moves behind the next c. */
static void skip_to(struct reader *r, char c)
{
	while (more(r) && r->text.p[r->at] != c)
		r->at++;
	r->at += more(r);
}

static unsigned hex(char c)
{
	return (unsigned)(isdigit((unsigned char)c) ? c - '0' : c - 'a' + 10) & 15u;
}

/* The reader is at a backslash. */
static void escaped(struct reader *r, struct piece *p)
{
	char c = peek(r, 1);

	if (c == 'x' && peek(r, 2) != '{' && peek(r, 2) < '8') {
		p->kind = PIECE_BYTES;
		p->n = 1;
		p->bytes[0] = (char)(hex(peek(r, 2)) << 4 | hex(peek(r, 3)));
		r->at += 4;
	} else if (c == 'p' || c == 'P' || (c == 'x' && peek(r, 2) == '{')) {
		skip_to(r, '}');
	} else if (c == 'x') {
		r->at += 4;
	} else if (isalpha((unsigned char)c)) {
		r->at += 2;
	} else {
		p->kind = PIECE_BYTES;
		p->n = 1;
		p->bytes[0] = c;
		r->at += 2;
	}
}

static void skip_class(struct reader *r)
{
	while (more(r) && peek(r, 0) != ']')
		r->at += peek(r, 0) == '\\' ? 2 : 1;
	r->at = BH_MIN(r->at + 1, r->text.n);
}

/* The reader is at a parenthesis that opens. Options alone are no piece of the sequence. */
static void group(struct reader *r, struct piece *p)
{
	size_t i = 1;

	if (peek(r, 1) == '?' && peek(r, 2) == ':') {
		i = 3;
	} else if (peek(r, 1) == '?') {
		for (i = 2; peek(r, i) != ')' && peek(r, i) != '-' && peek(r, i); i++)
			r->fold = r->fold || peek(r, i) == 'i';
		skip_to(r, ')');
		return;
	}
	r->at += i;
	sequence(r, &p->inner);
	r->at = BH_MIN(r->at + 1, r->text.n);
	p->kind = PIECE_GROUP;
}

static void character(struct reader *r, struct piece *p)
{
	p->kind = PIECE_BYTES;
	do {
		p->bytes[p->n++] = r->text.p[r->at++];
	} while (p->n < sizeof(p->bytes) && ((unsigned char)peek(r, 0) & 0xC0) == 0x80);
}

static void next_piece(struct reader *r, struct piece *p)
{
	*p = (struct piece){.kind = PIECE_OTHER};
	switch (peek(r, 0)) {
	case '\\':
		escaped(r, p);
		break;
	case '[':
		skip_class(r);
		break;
	case '(':
		group(r, p);
		break;
	case '.':
	case '^':
	case '$':
		r->at++;
		break;
	default:
		character(r, p);
		break;
	}
}

/* Moves behind a repeat. *some: the piece occurs once at least; *once: and no second time. */
static void repeat(struct reader *r, bool *some, bool *once)
{
	char c = peek(r, 0);

	*some = *once = true;
	if (c != '*' && c != '+' && c != '?' && c != '{')
		return;
	*once = false;
	*some = c == '+' || (c == '{' && peek(r, 1) != '0');
	if (c == '{')
		skip_to(r, '}');
	else
		r->at++;
	if (peek(r, 0) == '?')
		r->at++;
}

static void take_longer(struct bh_required *best, const struct bh_required *other)
{
	if (other->n > best->n)
		*best = *other;
}

/* Up to the end of the group, where the reader stops at its parenthesis. */
static void sequence(struct reader *r, struct bh_required *best)
{
	struct bh_required run = {.n = 0};
	bool branches = false, some, once;
	struct piece p;

	best->n = 0;
	while (more(r) && peek(r, 0) != ')') {
		if (peek(r, 0) == '|') {
			branches = true;
			r->at++;
			continue;
		}
		next_piece(r, &p);
		repeat(r, &some, &once);
		if (p.kind == PIECE_BYTES && some && run.n + p.n <= sizeof(run.text)) {
			memcpy(run.text + run.n, p.bytes, p.n);
			run.n += p.n;
			take_longer(best, &run);
		} else if (p.kind == PIECE_GROUP && some) {
			take_longer(best, &p.inner);
		}
		if (p.kind != PIECE_BYTES || !once)
			run.n = 0;
	}
	if (branches)
		best->n = 0;
}

void bh_required_find(struct bh_str translation, struct bh_required *out)
{
	struct reader r = {translation, 0, false};

	sequence(&r, out);
	if (r.fold)
		out->n = 0;
}

#include "supervisor/books.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 4096
#define SINCE    "ledger.since_ms"

void bh_books_release(struct bh_books *b)
{
	free(b->base.v);
	free(b->totals.v);
	*b = (struct bh_books){0};
}

enum bh_role bh_book_role(const struct bh_ledger_row *row)
{
	switch (row->kind) {
	case BH_LEDGER_LISTENER:
		return BH_ROLE_DOGSTATSD;
	case BH_LEDGER_SOURCE:
		return BH_ROLE_LOGS;
	case BH_LEDGER_HANDOVER:
		return strcmp(row->name, "logs") == 0 ? BH_ROLE_LOGS : BH_ROLE_DOGSTATSD;
	case BH_LEDGER_DESTINATION:
	case BH_LEDGER__N:
		break;
	}
	return BH_ROLE_FORWARDER;
}

static bool grow(struct bh_book *book)
{
	size_t cap = book->cap ? 2 * book->cap : 16;
	void *p = book->n < ROWS_MAX ? realloc(book->v, cap * sizeof(*book->v)) : NULL;

	if (!p)
		return false;
	book->v = p;
	book->cap = cap;
	return true;
}

/* Adds to the row of that name, which is made when there is none. */
static void add(struct bh_books *b, struct bh_book *book, const struct bh_ledger_row *row)
{
	for (size_t i = 0; i < book->n; i++) {
		struct bh_ledger_row *have = &book->v[i];

		if (have->kind == row->kind && strcmp(have->name, row->name) == 0) {
			bh_ledger_add(&have->l, &row->l);
			return;
		}
	}
	if (book->n == book->cap && !grow(book))
		b->lost++;
	else
		book->v[book->n++] = *row;
}

static bool starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* Files and journals are read again; what came over a network socket is not sent twice. */
static enum bh_drop end_of(const struct bh_ledger_row *row)
{
	if (bh_book_role(row) == BH_ROLE_DOGSTATSD)
		return BH_DROP_UNPROVEN;
	return row->kind == BH_LEDGER_SOURCE &&
		       (starts(row->name, "tcp:") || starts(row->name, "udp:"))
		   ? BH_DROP_UNPROVEN
		   : BH_DROP_INTERRUPTED;
}

/* Nothing is in flight in a process that is not there. */
static struct bh_ledger_row settled(const struct bh_ledger_row *row, bool drained)
{
	struct bh_ledger_row r = *row;

	/* Open buckets of a drained dogstatsd went to the next one. */
	if (drained && r.kind == BH_LEDGER_LISTENER)
		r.l.delivered += r.l.in_flight;
	else
		bh_ledger_drop(&r.l, end_of(row), r.l.in_flight);
	r.l.in_flight = 0;
	return r;
}

void bh_books_close(struct bh_books *b, struct bh_kid *kid)
{
	if (kid->booked || kid->role == BH_ROLE_FORWARDER)
		return;
	kid->booked = true;
	for (size_t i = 0; i < kid->stats.rows_n; i++) {
		struct bh_ledger_row r = settled(&kid->stats.rows[i], kid->has_drained);

		if (bh_book_role(&r) == kid->role)
			add(b, &b->base, &r);
	}
}

void bh_books_load(struct bh_books *b, const struct bh_stat_set *forwarder)
{
	const struct bh_stat_number *since = NULL;

	for (size_t i = 0; i < forwarder->numbers_n && !since; i++) {
		if (strcmp(forwarder->numbers[i].name, SINCE) == 0)
			since = &forwarder->numbers[i];
	}
	if (!since)
		return;
	b->since_ms = (int64_t)since->value;
	for (size_t i = 0; i < forwarder->kept_n && !b->loaded; i++) {
		struct bh_ledger_row r = settled(&forwarder->kept[i], false);

		if (r.kind != BH_LEDGER_DESTINATION)
			add(b, &b->base, &r);
	}
	b->loaded = true;
}

void bh_books_sum(struct bh_books *b, const struct bh_kid *kids)
{
	b->totals.n = 0;
	for (size_t i = 0; i < b->base.n; i++)
		add(b, &b->totals, &b->base.v[i]);
	for (int role = BH_ROLE_DOGSTATSD; role < BH_ROLE__N; role++) {
		const struct bh_kid *k = &kids[role];

		if (!k->enabled)
			continue;
		for (size_t i = 0; i < k->stats.kept_n; i++) {
			if (k->stats.kept[i].kind == BH_LEDGER_DESTINATION)
				add(b, &b->totals, &k->stats.kept[i]);
		}
		if (role == BH_ROLE_FORWARDER || k->booked)
			continue;
		for (size_t i = 0; i < k->stats.rows_n; i++) {
			if (bh_book_role(&k->stats.rows[i]) == k->role)
				add(b, &b->totals, &k->stats.rows[i]);
		}
	}
}

bool bh_books_part(const struct bh_books *b, size_t *at, struct bh_buf *out)
{
	bh_buf_clear(out);
	for (; *at < b->totals.n; ++*at) {
		const struct bh_ledger_row *row = &b->totals.v[*at];
		size_t before = out->len;

		if (row->kind == BH_LEDGER_DESTINATION)
			continue;
		if (bh_ledger_row_encode(row, out))
			return false;
		if (out->len > BH_CTL_PART_MAX) {
			out->len = before;
			break;
		}
	}
	return out->len > 0;
}

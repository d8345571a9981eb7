/*
 * The ledger since the installation: what the present processes say, on top of what became of those
 * before them. The forwarder keeps it (proto/CONTROL.md LEDGER): at the first answer of a forwarder
 * the rows of earlier runs are taken over, from then on it is sent what it is to keep, whole rows,
 * so that a message lost with a killed process is made good by the next.
 *
 * When a process ends, what its last figures show in flight has no owner any more. After a drain it
 * had been handed over. Otherwise the row says so: `unproven` where nobody can give it back
 * (samples of metrics, messages from sockets), `interrupted` where it is read again unless it had
 * arrived.
 *
 * Rows of destinations are the forwarder's own and only pass through here.
 */
#ifndef BH_SUPERVISOR_BOOKS_H
#define BH_SUPERVISOR_BOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/config.h"
#include "common/ledger.h"
#include "supervisor/kid.h"
#include "supervisor/stat_set.h"

struct bh_book {
	struct bh_ledger_row *v; /* owned */
	size_t n, cap;
};

struct bh_books {
	struct bh_book base;   /* of processes that have ended */
	struct bh_book totals; /* base and the present ones, destinations included */
	bool loaded;           /* base holds what earlier runs left */
	int64_t since_ms;      /* wall clock of its beginning; with loaded */
	uint64_t lost;         /* rows without memory */
};

void bh_books_release(struct bh_books *b);

/* That process has ended with what it holds as its last figures. Once; again is harmless. */
void bh_books_close(struct bh_books *b, struct bh_kid *kid);
/* The forwarder's answer: takes over what earlier runs left, the first time. */
void bh_books_load(struct bh_books *b, const struct bh_stat_set *forwarder);
/* Adds up b->totals anew. kids: BH_ROLE__N. */
void bh_books_sum(struct bh_books *b, const struct bh_kid *kids);
/* Rows of b->totals that the forwarder is to keep, from *at on, as one LEDGER's worth of bytes;
 * *at moves on. false: there are no more. */
bool bh_books_part(const struct bh_books *b, size_t *at, struct bh_buf *out);

/* Whose the row is. */
enum bh_role bh_book_role(const struct bh_ledger_row *row);

#endif

/*
 * What one child said about itself: ledger rows, numbers and notes of one answer to STATS, bounded.
 * Entries beyond the bound are counted, not kept.
 */
#ifndef BH_SUPERVISOR_STAT_SET_H
#define BH_SUPERVISOR_STAT_SET_H

#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "proto/control.h"

#define BH_STAT_SET_MAX 4096 /* of each kind */

struct bh_stat_number {
	char name[BH_LEDGER_NAME_MAX + 1];
	uint64_t value;
};

struct bh_stat_note {
	char name[BH_LEDGER_NAME_MAX + 1];
	char text[BH_CTL_TEXT_MAX + 1];
};

struct bh_stat_set {
	struct bh_ledger_row *rows;
	size_t rows_n, rows_cap;
	struct bh_ledger_row *kept; /* since the installation */
	size_t kept_n, kept_cap;
	struct bh_stat_number *numbers;
	size_t numbers_n, numbers_cap;
	struct bh_stat_note *notes;
	size_t notes_n, notes_cap;
	uint64_t lost; /* entries beyond the bound or without memory */
};

void bh_stat_set_clear(struct bh_stat_set *s); /* forgets the content, keeps the memory */
void bh_stat_set_release(struct bh_stat_set *s);
/* Adds a copy. BH_STAT_END is ignored. */
void bh_stat_set_add(struct bh_stat_set *s, const struct bh_stat *stat);
/* Exchanges the contents. */
void bh_stat_set_swap(struct bh_stat_set *a, struct bh_stat_set *b);

#endif

#include "supervisor/stat_set.h"

#include <stdlib.h>
#include <string.h>

void bh_stat_set_clear(struct bh_stat_set *s)
{
	s->rows_n = s->kept_n = s->numbers_n = s->notes_n = 0;
	s->lost = 0;
}

void bh_stat_set_release(struct bh_stat_set *s)
{
	free(s->rows);
	free(s->kept);
	free(s->numbers);
	free(s->notes);
	*s = (struct bh_stat_set){0};
}

/* Room for one more element in an array of `size`-byte ones; NULL when there is none. */
static void *slot(void **array, size_t *n, size_t *cap, size_t size)
{
	if (*n == BH_STAT_SET_MAX)
		return NULL;
	if (*n == *cap) {
		size_t more = *cap ? *cap * 2 : 8;
		void *p = realloc(*array, more * size);

		if (!p)
			return NULL;
		*array = p;
		*cap = more;
	}
	return (char *)*array + (*n)++ * size;
}

static void add_row(struct bh_stat_set *s, const struct bh_ledger_row *row)
{
	void *array = s->rows;
	struct bh_ledger_row *to = slot(&array, &s->rows_n, &s->rows_cap, sizeof(*to));

	s->rows = array;
	if (to)
		*to = *row;
	else
		s->lost++;
}

static void add_kept(struct bh_stat_set *s, const struct bh_ledger_row *row)
{
	void *array = s->kept;
	struct bh_ledger_row *to = slot(&array, &s->kept_n, &s->kept_cap, sizeof(*to));

	s->kept = array;
	if (to)
		*to = *row;
	else
		s->lost++;
}

static void add_number(struct bh_stat_set *s, const struct bh_stat *stat)
{
	void *array = s->numbers;
	struct bh_stat_number *to = slot(&array, &s->numbers_n, &s->numbers_cap, sizeof(*to));

	s->numbers = array;
	if (!to) {
		s->lost++;
		return;
	}
	memcpy(to->name, stat->name, sizeof(to->name));
	to->value = stat->number;
}

static void add_note(struct bh_stat_set *s, const struct bh_stat *stat)
{
	void *array = s->notes;
	struct bh_stat_note *to = slot(&array, &s->notes_n, &s->notes_cap, sizeof(*to));

	s->notes = array;
	if (!to) {
		s->lost++;
		return;
	}
	memcpy(to->name, stat->name, sizeof(to->name));
	memcpy(to->text, stat->text, sizeof(to->text));
}

void bh_stat_set_add(struct bh_stat_set *s, const struct bh_stat *stat)
{
	switch (stat->type) {
	case BH_STAT_LEDGER:
		add_row(s, &stat->row);
		break;
	case BH_STAT_KEPT:
		add_kept(s, &stat->row);
		break;
	case BH_STAT_NUMBER:
		add_number(s, stat);
		break;
	case BH_STAT_NOTE:
		add_note(s, stat);
		break;
	case BH_STAT_END:
		break;
	}
}

void bh_stat_set_swap(struct bh_stat_set *a, struct bh_stat_set *b)
{
	struct bh_stat_set t = *a;

	*a = *b;
	*b = t;
}

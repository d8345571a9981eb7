#include "common/nearest.h"

#include <string.h>

#include "common/attrs.h"

#define WORD_MAX 127

size_t bh_edit_distance(const char *a, const char *b, size_t limit)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];
	size_t na = strlen(a), nb = strlen(b);

	if (na > WORD_MAX || nb > WORD_MAX || na > nb + limit || nb > na + limit)
		return limit + 1;
	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t *spare = before;

		before = last;
		last = row;
		row = spare;
		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t replace = last[j - 1] + (a[i - 1] != b[j - 1]);

			row[j] = BH_MIN(BH_MIN(last[j], row[j - 1]) + 1, replace);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = BH_MIN(row[j], before[j - 2] + 1);
		}
	}
	return row[nb] > limit ? limit + 1 : row[nb];
}

size_t bh_edit_tolerance(const char *word)
{
	size_t n = strlen(word);

	if (n < 4)
		return 1;
	return n < 9 ? 2 : 3;
}

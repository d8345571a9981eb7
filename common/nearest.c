#include "common/nearest.h"

#include <string.h>

#include "common/attrs.h"

#define WORD_MAX 127

size_t bh_edit_distance(const char *a, const char *b, size_t limit)
{
	size_t row[WORD_MAX + 1];
	size_t na = strlen(a), nb = strlen(b);

	if (na > WORD_MAX || nb > WORD_MAX)
		return limit + 1;
	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t replace = diagonal + (a[i - 1] != b[j - 1]);
			size_t best = BH_MIN(row[j], row[j - 1]) + 1;

			diagonal = row[j];
			row[j] = BH_MIN(best, replace);
		}
	}
	return row[nb] > limit ? limit + 1 : row[nb];
}

/* Shared by journal.c (reading) and journal_look.c (why there is nothing to read). */
#ifndef BH_LOGS_JOURNAL_INTERNAL_H
#define BH_LOGS_JOURNAL_INTERNAL_H

#include <stdbool.h>

struct bh_journal;

/* Whether the library could open a file. dir: the directory of the source, "" for the system's
 * journal; borrowed from the source. */
bool bh_journal_has_files(struct bh_journal *j, const char **dir);

#endif

/* The journald sources of this process (spec/logs.md §12): each opened when it can be, read while
 * there is credit, its cursor kept in a row of the registry. */
#ifndef BH_LOGS_JOURNALS_H
#define BH_LOGS_JOURNALS_H

#include <stddef.h>

struct bh_logs;
struct bh_journal_tailer;

struct bh_journals {
	struct bh_journal_tailer *v; /* owned */
	size_t n;
};

/* Once, when the rows of the registry are there. A journal that cannot be opened is tried again
 * every scan period; its source's note says why. */
void bh_journals_start(struct bh_logs *l);
/* There is credit again. */
void bh_journals_go_on(struct bh_logs *l);
/* Reads no more, and gives everything back; harmless when nothing was started. */
void bh_journals_stop(struct bh_logs *l);

#endif

/* The journald sources of this process (spec/logs.md §12): each opened when it can be, read while
 * there is credit, its cursor kept in a row of the registry. */
#ifndef BH_LOGS_JOURNALS_H
#define BH_LOGS_JOURNALS_H

#include <stdbool.h>

struct bh_logs;
struct bh_source;
struct bh_journal_tailer;

struct bh_journals {
	struct bh_journal_tailer *first; /* owned */
	bool started;
};

/* Once, when the rows of the registry are there. A journal that cannot be opened is tried again
 * every scan period; its source's note says why. */
void bh_journals_start(struct bh_logs *l);
/* One more source, after the start; what has another type or does not run is passed over. */
void bh_journals_add(struct bh_logs *l, struct bh_source *s);
/* A source is not configured any more: reads no more of it; its row stays. */
void bh_journals_leave(struct bh_logs *l, const struct bh_source *s);
/* There is credit again. */
void bh_journals_go_on(struct bh_logs *l);
/* Reads no more, and gives everything back; harmless when nothing was started. */
void bh_journals_stop(struct bh_logs *l);

#endif

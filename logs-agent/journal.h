/*
 * One tailer of one journald source (spec/logs.md §12): the journal files of a directory, or of the
 * local system, read entry by entry from a cursor on. Each entry is one message; there is no
 * framing and no aggregation (§6.2).
 *
 * Life: open, start, then in turns whatever wakes the loop (the descriptor, the time-out) -> wake,
 * and read until nothing more is there. Nothing blocks and nothing sleeps. After an error of start,
 * wake or read the tailer is good for close only; open again later and start at the position.
 *
 * The library's handle belongs to the thread that opened it. It opens files by name for as long as
 * it lives (rotation), so a confined process needs the right to read /etc/machine-id,
 * /var/log/journal and /run/log/journal, or the source's directory, and to use inotify.
 *
 * Memory: journal_entry.h, and what the library maps. Of a compressed field it is asked to unpack
 * BH_JOURNAL_TEXT_MAX bytes, all that can be used; version 252 unpacks all of it, into a buffer
 * that it keeps until the journal file goes. What a text takes is reused; the library allocates one
 * cursor per entry.
 */
#ifndef BH_LOGS_JOURNAL_H
#define BH_LOGS_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/config.h"
#include "common/err.h"
#include "logs-agent/journal_entry.h"

struct bh_journal;

/* Appends the identity of the source, "journald:<config_id>", "journald:<path>" or
 * "journald:default", uncut: the key of its row in the registry. -ENOMEM. */
int bh_journal_identity(const struct bh_log_source *src, struct bh_buf *out) BH_MUST_CHECK;

/*
 * Opens the journal of src, which is borrowed until close. limit: max_message_size_bytes. A journal
 * without a single readable file opens all the same, as files may come: ask bh_journal_look().
 * The text of an error says what to do: -ENOENT (directory missing), -EACCES, -EMFILE (inotify
 * instances), -EINVAL (a match names no field), others of the library. Try again later.
 */
int bh_journal_open(struct bh_journal **out, const struct bh_log_source *src, size_t limit,
    struct bh_err *err) BH_MUST_CHECK;
void bh_journal_close(struct bh_journal *j); /* NULL is allowed */

/*
 * Whether there is anything to read: 0; -EACCES when files exist and none may be read (membership
 * of systemd-journal or adm is missing); -ENOENT when there is none yet; BH_E_FORMAT when there are
 * and the library can use none. A finding for the status; the tailer works on. Looks at directories
 * and files: not for every turn.
 */
int bh_journal_look(struct bh_journal *j, struct bh_err *err) BH_MUST_CHECK;

/* Where reading began. */
struct bh_journal_began {
	enum bh_journal_place {
		BH_JOURNAL_AT_HEAD,
		BH_JOURNAL_AT_TAIL,
		BH_JOURNAL_AT_CURSOR,
	} place;
	bool refused; /* a cursor was stored, the library refused it: to be warned of */
};

/*
 * Sets the place, once, before the first read. cursor: the stored one, NULL or "" for none. resume:
 * this is not the first start of this source since the product started, so forceBeginning and
 * forceEnd count as beginning and end (§4.3 [B]).
 *
 * At the cursor, its entry is passed over when it is still there; when it was vacuumed, reading
 * goes on with the first entry behind its place, and none is missed (§12 [B]). From then on the
 * position is known: register it before the first entry is handed over (§4.3).
 */
int bh_journal_start(struct bh_journal *j, const char *cursor, bool resume,
    struct bh_journal_began *began, struct bh_err *err) BH_MUST_CHECK;

/* Cursor of the last entry that was read, excluded ones included, or where reading began; "" at
 * the head and in a journal without entries. Borrowed until the next read, or close. */
const char *bh_journal_position(const struct bh_journal *j);

/* The descriptor to watch for BH_LOOP_READ, for as long as the tailer is open. */
int bh_journal_fd(const struct bh_journal *j);

/* When to wake at the latest, from now on: at most one second, because no notice comes from some
 * file systems. now_ns: monotonic time. */
int64_t bh_journal_timeout_ns(struct bh_journal *j, int64_t now_ns);

/* Takes notice of what happened to the files: new entries, rotation, vacuum. Then read. */
int bh_journal_wake(struct bh_journal *j, struct bh_err *err) BH_MUST_CHECK;

/* An entry, borrowed until the callback returns. */
struct bh_journal_message {
	struct bh_journal_text text;
	const char *cursor;   /* position behind it */
	uint64_t realtime_us; /* when journald received it; 0 = unknown */
};

/* 0: go on; positive: enough for now, read ends with 0; negative: read ends with it. In each case
 * the entry counts as passed on. */
typedef int bh_journal_fn(void *ctx, const struct bh_journal_message *m);

struct bh_journal_seen {
	unsigned passed, excluded; /* entries given to fn, entries dropped by the exclude_ keys */
	bool more;                 /* read ended before the journal did */
};

/* Reads at most max entries, excluded ones included. */
int bh_journal_read(struct bh_journal *j, unsigned max, bh_journal_fn *fn, void *ctx,
    struct bh_journal_seen *seen, struct bh_err *err) BH_MUST_CHECK;

#endif

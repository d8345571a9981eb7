/*
 * Our own log: one line an event, on a descriptor (stderr by default).
 *
 *   2026-11-21T04:10:00.123Z INFO forwarder[123] spool: message text key=value
 *
 * For the journal's stream the time is left out and a "<N>" priority stands in front; for the
 * system's log a line is a datagram with the head of RFC 3164. Nothing a client sent reaches a
 * terminal raw, and what looks like a key or a password is masked (log_text.h): but secrets must
 * not be passed in at all. Lines are cut at 2 KiB. A write that fails is noted and ignored: losing
 * stderr must not stop a process.
 *
 * Rate limit: the same message passes once in 10 s, debug excepted (log_repeat.h). A call site
 * whose messages differ owns a struct bh_log_limit; bh_log_limited() lets one line per 10 s through
 * and says how many were held back.
 *
 * A struct bh_log is owned by main() and shared by pointer for the life of the process. Modules
 * that decide (parsers, state machines) do not log; they return errors and counts. NULL logs
 * nothing.
 */
#ifndef BH_COMMON_LOG_H
#define BH_COMMON_LOG_H

#include <stdint.h>

#include "common/attrs.h"
#include "common/clock.h"
#include "common/log_repeat.h"
#include "common/log_ring.h"

enum bh_log_form { BH_LOG_PLAIN, BH_LOG_JOURNAL, BH_LOG_SYSLOG };

enum bh_log_level { BH_LOG_ERROR, BH_LOG_WARN, BH_LOG_INFO, BH_LOG_DEBUG };

struct bh_log {
	const struct bh_clock *clock;
	const char *role; /* borrowed for ever, a literal */
	int fd;
	enum bh_log_level level;
	enum bh_log_form form;
	atomic_bool failed;       /* the last write did; whoever owns fd may open it again */
	struct bh_log_ring *ring; /* borrowed: gets every line as well; NULL = none */
	struct bh_log_repeats repeats;
};

struct bh_log_limit {
	int64_t next_ns; /* mono time from which the next line may pass */
	uint64_t held;
};

/* The form is that of the journal when $JOURNAL_STREAM names fd. */
void bh_log_init(struct bh_log *log, const struct bh_clock *clock, const char *role, int fd);

/* "plain", "journal", "syslog": how a supervisor tells its children (BULKHEAD_LOG). */
const char *bh_log_form_name(enum bh_log_form form);
enum bh_log_form bh_log_form_parse(const char *word); /* NULL, or another word: plain */

/* Agent words: off critical error warn info debug trace (any case). -1 when unknown. */
int bh_log_level_parse(const char *word, enum bh_log_level *level) BH_MUST_CHECK;

void bh_log_write(struct bh_log *log, enum bh_log_level level, const char *component,
    const char *fmt, ...) BH_PRINTF(4, 5);
void bh_log_limited(struct bh_log *log, struct bh_log_limit *limit, enum bh_log_level level,
    const char *component, const char *fmt, ...) BH_PRINTF(5, 6);

#define bh_error(log, component, ...) bh_log_write((log), BH_LOG_ERROR, (component), __VA_ARGS__)
#define bh_warn(log, component, ...)  bh_log_write((log), BH_LOG_WARN, (component), __VA_ARGS__)
#define bh_info(log, component, ...)  bh_log_write((log), BH_LOG_INFO, (component), __VA_ARGS__)
#define bh_debug(log, component, ...) bh_log_write((log), BH_LOG_DEBUG, (component), __VA_ARGS__)

#endif

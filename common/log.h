/*
 * Our own log: one line an event, on a descriptor (stderr by default).
 *
 *   2026-11-21T04:10:00.123Z INFO forwarder[123] spool: message text key=value
 *
 * When the descriptor is the journal's stream, the time is left out and a "<N>" priority stands in
 * front. Control characters of data are escaped, so nothing a client sent reaches a terminal raw.
 * Lines are cut at 2 KiB. A write that fails is ignored: losing stderr must not stop a process.
 *
 * Rate limit: a call site that may repeat owns a struct bh_log_limit; bh_log_limited() lets one
 * line per 10 s through and says how many were held back. Secrets must not be passed in at all.
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

enum bh_log_level { BH_LOG_ERROR, BH_LOG_WARN, BH_LOG_INFO, BH_LOG_DEBUG };

struct bh_log {
	const struct bh_clock *clock;
	const char *role; /* borrowed for ever, a literal */
	int fd;
	enum bh_log_level level;
	int journal; /* fd is the journal's stream */
};

struct bh_log_limit {
	int64_t next_ns; /* mono time from which the next line may pass */
	uint64_t held;
};

void bh_log_init(struct bh_log *log, const struct bh_clock *clock, const char *role, int fd);

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

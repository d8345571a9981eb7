/*
 * Log lines of spec/experiments.md §2, drawn from a seed: the same seed and the same times give
 * the same bytes, so the agent and the floor are measured on the same file.
 *
 *   ascii   random printable, about 3 kB
 *   apache  combined access log, about 170 bytes
 *   syslog  RFC 5424, about 170 bytes
 *   ddlog   JSON with message, status, timestamp, hostname, service, ddsource, ddtags
 *
 * Somewhere in each line stands one mark "@STREAM:NUMBER:TIME@" in decimal: its stream, its place
 * there counted from 0, and when it was made (wall time in ms). No other '@' occurs, and nothing
 * in a mark is changed by JSON, so that a receiver finds it by looking for that letter.
 */
#ifndef BH_BENCH_LOGS_LOAD_H
#define BH_BENCH_LOGS_LOAD_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "common/attrs.h"
#include "common/rng.h"

#define BH_LOG_LINE_MAX 8192

enum bh_log_kind { BH_LOG_ASCII, BH_LOG_APACHE, BH_LOG_SYSLOG, BH_LOG_DDLOG, BH_LOG__N };

struct bh_log_load {
	enum bh_log_kind kind;
	struct bh_rng rng;
	uint32_t stream;
	uint64_t next;     /* number of the line that comes next */
	time_t second;     /* of which `stamp` is the text */
	char stamp[2][32]; /* access log, ISO */
};

/* -EINVAL: no such kind. */
int bh_log_load_init(
    struct bh_log_load *l, const char *kind, uint32_t stream, uint64_t seed) BH_MUST_CHECK;
/* Writes one line with its newline to out (BH_LOG_LINE_MAX bytes), returns its length. */
size_t bh_log_load_line(struct bh_log_load *l, int64_t wall_ms, char *out);

#endif

/*
 * A source while it runs: what its configuration compiles to, shared by all its tailers, and what
 * becomes of its messages.
 */
#ifndef BH_LOGS_SOURCE_H
#define BH_LOGS_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/ledger.h"
#include "common/log.h"
#include "logs-agent/aggregator.h"
#include "logs-agent/encoding.h"
#include "logs-agent/fingerprint.h"
#include "logs-agent/rules.h"
#include "proto/fingerprint_text.h"

#define BH_NOTE_MAX 220

enum bh_source_type {
	BH_SOURCE_FILE,
	BH_SOURCE_TCP,
	BH_SOURCE_UDP,
	BH_SOURCE_JOURNALD,
	BH_SOURCE_RUN, /* standard output or error of the supervisor's command */
};

enum bh_line_format { BH_FORMAT_NONE, BH_FORMAT_DOCKER, BH_FORMAT_CRI, BH_FORMAT_SYSLOG };

struct bh_source {
	const struct bh_log_source *cfg; /* borrowed, or own */
	struct bh_log_source *own;       /* owned; NULL = cfg is another's */
	enum bh_source_type type;
	enum bh_line_format format;
	size_t limit; /* L of §6.1, bytes */
	struct bh_decoder decoder;
	struct bh_aggregation aggregation;
	struct bh_ruleset *rules; /* owned; NULL = none */
	struct bh_ledger l;       /* messages */
	uint64_t batched;         /* of those in flight: in the open batch */
	bool runs;                /* false: note says why it does not */
	char note[BH_NOTE_MAX];   /* last error in words; "" = none */
	char said[BH_NOTE_MAX];   /* what of it the log has heard */
	/* files */
	char fp_config[BH_FP_TEXT_MAX]; /* its fingerprints are made with this */
	bool scanned;                   /* its first scan is over: new files start at 0 */
	unsigned matched, tailed;       /* at the last scan */
	char lost[BH_NOTE_MAX]; /* files whose position went with a damaged store (§16.5); "" = none
				 */
	unsigned lost_files;
	char row_name[32];    /* "source:…": its row in the registry */
	int64_t last_scan_ns; /* wall: its last complete scan in an earlier run; 0 = unknown */
	/* its place among the others */
	size_t place;           /* in their list, while it is configured */
	bool busy;              /* not configured any more, and its port is not closed yet */
	bool late;              /* came with a reload: forced positions do not act (§4.3, 1) */
	struct bh_source *next; /* of those that are not configured any more */
};

/* Compiles what src asks for. A fault of its own keeps it from running and is told in note and log;
 * the others run. -ENOMEM. */
int bh_source_init(struct bh_source *s, const struct bh_log_source *src,
    const struct bh_config *cfg, struct bh_log *log) BH_MUST_CHECK;
void bh_source_release(struct bh_source *s);

/* A source that owns its configuration: moves the content of src. NULL when memory is short; then
 * src is as it was. */
struct bh_source *bh_source_new(
    struct bh_log_source *src, const struct bh_config *cfg, struct bh_log *log);
void bh_source_free(struct bh_source *s); /* harmless for NULL */

/* The same source, written elsewhere: takes over where, and what is said of its fault, by exchange.
 */
void bh_source_moved(struct bh_source *s, struct bh_log_source *now);

#endif

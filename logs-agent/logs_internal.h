/* Shared by logs.c (life, link), handover.c (batches) and tailing.c (which files, which
 * generations). */
#ifndef BH_LOGS_LOGS_INTERNAL_H
#define BH_LOGS_LOGS_INTERNAL_H

#include "common/ledger.h"
#include "common/producer.h"
#include "common/rng.h"
#include "logs-agent/body.h"
#include "logs-agent/generation.h"
#include "logs-agent/logs.h"
#include "logs-agent/rows.h"

#define BH_NOTE_MAX  220
#define BH_CHUNK     ((size_t)64 << 10)
#define BH_QUEUE_MAX 2 /* closed batches waiting for credit: then reading pauses */

struct bh_source {
	const struct bh_log_source *cfg;
	struct bh_ledger l;       /* lines */
	bool runs;                /* false: note says why it does not */
	bool scanned;             /* its first scan is over: new files start at 0 */
	char note[BH_NOTE_MAX];   /* last error in words; "" = none */
	unsigned matched, tailed; /* at the last scan */
};

/* A closed batch: waiting in the queue, then (without its bytes) for its acknowledgement. */
struct bh_packet {
	struct bh_packet *next;
	struct bh_buf body, origins;
	enum bh_encoding encoding;
	uint32_t items;
	uint64_t raw, seq;
	int64_t first_ts_ms, last_ts_ms;
	uint64_t lines[]; /* per source */
};

struct bh_batch {
	struct bh_buf json;
	uint32_t items;
	uint64_t raw;
	int64_t first_ts_ms, last_ts_ms;
	uint64_t *lines; /* per source */
};

struct bh_logs {
	struct bh_child *child;
	struct bh_producer *producer;
	struct bh_rng rng;
	struct bh_rows rows;
	struct bh_source *sources;
	size_t sources_n;
	struct bh_generation *head, *tail;
	struct bh_batch batch;
	struct bh_body body;
	struct bh_buf chunk;
	struct bh_packet *queue, **queue_end;
	unsigned queue_n;
	struct bh_packet *flying, **flying_end;
	struct bh_ledger handover; /* items */
	struct bh_timer work, scan, poll, batch_timer, dirty_timer, ready_timer, drain_timer;
	struct bh_watch inotify;
	struct bh_log_limit limit;
	uint64_t rotations, truncations, generations_lost;
	int64_t run_started_ns; /* wall: start of the supervisor; files born later are new */
	bool link_ready, told_ready, draining, fencing, drained;
};

/* handover.c */
int bh_handover_frame(void *ctx, const struct bh_frame *frame); /* ctx: struct bh_generation */
void bh_handover_close(struct bh_logs *l); /* closes the batch, dirty generations included */
void bh_handover_pump(struct bh_logs *l);  /* sends what waits */
void bh_handover_durable(struct bh_logs *l, uint64_t seq, bool refused);
void bh_handover_dirty(struct bh_logs *l);              /* something to tell within a second */
uint64_t bh_handover_unproven(const struct bh_logs *l); /* items not acknowledged */

/* tailing.c */
void bh_tailing_scan(struct bh_logs *l); /* expands all sources */
void bh_tailing_poll(struct bh_logs *l); /* looks at every generation */
void bh_tailing_read(struct bh_logs *l); /* reads what may be read; arms work when more is there */
bool bh_logs_may_read(const struct bh_logs *l);

#endif

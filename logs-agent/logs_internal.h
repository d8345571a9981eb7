/*
 * The state of the process, shared by
 *   logs.c       life, link, figures
 *   scan.c       which paths are selected
 *   ages.c       what the registry keeps of scans, and for how long of files
 *   start_position.c  where a file begins to be read
 *   discovery.c  which file is which generation
 *   find.c       where the content of generations is now
 *   shadow.c     copies of live files under way
 *   journals.c   the same for journals: opening, reading, positions
 *   tailing.c    looking at open generations and reading them
 *   inlet.c      sockets of tcp and udp sources
 *   reload.c     sources that come and go while the others run
 *   handover.c   messages into batches, batches to the forwarder
 */
#ifndef BH_LOGS_LOGS_INTERNAL_H
#define BH_LOGS_LOGS_INTERNAL_H

#include "common/child.h"
#include "common/fill.h"
#include "common/ledger.h"
#include "common/producer.h"
#include "common/rng.h"
#include "logs-agent/body.h"
#include "logs-agent/dirlist.h"
#include "logs-agent/generation.h"
#include "logs-agent/inlet.h"
#include "logs-agent/journal_entry.h"
#include "logs-agent/journals.h"
#include "logs-agent/logs.h"
#include "logs-agent/rows.h"
#include "logs-agent/source.h"
#include "logs-agent/stream.h"
#include "logs-agent/target.h"
#include "logs-agent/watches.h"

#define BH_CHUNK     ((size_t)64 << 10)
#define BH_QUEUE_MAX 2 /* closed batches waiting for credit: then reading pauses */

/* A closed batch: waiting in the queue, then (without its bytes) for its acknowledgement. */
struct bh_packet {
	struct bh_packet *next;
	struct bh_buf body, origins;
	enum bh_encoding encoding;
	uint32_t items;
	uint64_t raw, seq;
	int64_t first_ts_ms, last_ts_ms;
	size_t shares_n;
	/* A source stays until none of its messages is in flight (reload.c). */
	struct bh_share {
		struct bh_source *source;
		uint64_t lines;
	} shares[];
};

struct bh_batch {
	struct bh_buf json;
	uint32_t items;
	int64_t first_ts_ms, last_ts_ms;
};

struct bh_logs_counts {
	uint64_t bytes_read, rotations, truncations, generations_lost, bytes_lost,
	    nul_bytes_skipped, resumed_renamed, copies_recognised, files_waiting, read_errors;
};

struct bh_logs {
	struct bh_child *child;
	struct bh_producer *producer;
	struct bh_rng rng;
	struct bh_rows rows;
	struct bh_targets targets;
	struct bh_watches watches;
	struct bh_dirlists dirs;    /* of the scan or rotation that is being looked into */
	struct bh_source **sources; /* those of the configuration, in its order; owned */
	size_t sources_n;
	struct bh_source *leaving; /* not configured any more; messages of them are in flight */
	struct bh_ledger left;     /* what became of the messages of those that are gone */
	bool look_for_gone;        /* the next scan looks for files of rows that have no path now */
	struct bh_generation *head, *tail;
	struct bh_generation *ready, **ready_end; /* have something to read, in turn */
	struct bh_generation *dirty, **dirty_end; /* have something to tell */
	struct bh_row *dirty_rows;                /* so do rows without an open generation */
	struct bh_inlets *inlets;
	struct bh_assembler_work work;
	struct bh_batch batch;
	struct bh_body body;
	struct bh_streams streams; /* of those who look live */
	struct bh_buf chunk;
	int64_t arrived_ns; /* mono: when what is handed over now was read; 0 = just now */
	int64_t chunk_ms;   /* wall time at which it was read, while it is taken apart; else 0 */
	struct bh_rules_work rules_work;
	struct bh_buf put_back; /* a journal entry whose message the rules changed */
	struct bh_journals journals;
	struct bh_buf host_tags;    /* joined; empty once expected_tags_duration is over */
	int64_t host_tags_until_ns; /* mono */
	struct bh_packet *queue, **queue_end;
	unsigned queue_n;
	struct bh_packet *flying, **flying_end;
	uint64_t closed, durable;  /* batches */
	struct bh_ledger handover; /* items */
	struct bh_timer work_timer, scan, poll, batch_timer, dirty_timer, ready_timer, drain_timer,
	    held_timer, inotify_timer;
	struct bh_watch inotify;
	struct bh_log_limit limit;
	struct bh_logs_counts counts;
	/* intake.md §16.3: messages whose lines were read and may go on, at most one a file, seen
	 * with each look at the files; those of the open batch, and those of closed ones that are
	 * not acknowledged, seen at the end of each turn. */
	struct bh_fill input_fill, batch_fill, payloads_fill;
	uint64_t scans;
	int64_t expired_ns;        /* mono: when rows were looked through last */
	unsigned live, draining_n; /* open generations at their path, and away from it */
	int64_t store_lost_ns;     /* wall: last write of a store that was lost; 0 = none was */
	struct bh_grants grants;   /* the directories it may read, for life */
	int64_t born_ns;           /* mono: start of this process */
	bool denied;               /* this scan was refused a file */
	int64_t run_started_ns;    /* wall: start of the supervisor; files born later are new */
	bool link_ready, told_ready, draining, fencing, drained;
};

/* --- handover.c --- */
/* One message of a tailer: into the batch (true), or dropped with a reason. */
bool bh_handover_message(struct bh_logs *l, struct bh_source *s, const struct bh_record_ends *ends,
    const struct bh_message *m);
/* The same of a journal's entry. */
bool bh_handover_journal(struct bh_logs *l, struct bh_source *s, const struct bh_record_ends *ends,
    const struct bh_journal_text *t);
/* After the position of a message has moved: closes the batch when it is full. */
void bh_handover_after(struct bh_logs *l);
/* g has something to tell: with the batch when that carries a message of it, else within a second.
 */
void bh_handover_touch(struct bh_logs *l, struct bh_generation *g, bool carried);
/* The same of a row without an open generation. */
void bh_handover_touch_row(struct bh_logs *l, struct bh_row *row);
/* It goes with what goes next, whenever that is. */
void bh_handover_add_row(struct bh_logs *l, struct bh_row *row);
void bh_handover_close(struct bh_logs *l); /* closes the batch, dirty generations included */
void bh_handover_pump(struct bh_logs *l);  /* sends what waits */
void bh_handover_durable(struct bh_logs *l, uint64_t seq, enum bh_refuse_cause refused);
uint64_t bh_handover_unproven(const struct bh_logs *l); /* items not acknowledged */

/* --- scan.c --- */
/* Now, and again after each period. */
void bh_scan_run(struct bh_logs *l);
/* A name appeared or went: a scan comes soon. */
void bh_scan_hurry(struct bh_logs *l);
/* Says of a source what is wrong with a path, in the log when that is new. */
void bh_scan_note(struct bh_logs *l, struct bh_source *s, const char *path, int rc);

/* --- outgrown.c --- */
/* After a scan: asks for a start when that would let this process read what it may not yet. */
void bh_outgrown_check(struct bh_logs *l);
/* Whether these sources need a directory that it may not read. */
bool bh_outgrown_by(const struct bh_logs *l, const struct bh_config *next);

/* --- ages.c --- */
/* Before the first scan: when the sources were scanned last in an earlier run. */
void bh_ages_recall(struct bh_logs *l);
/* After a scan, and at the end: the registry is to know of it. */
void bh_ages_note_scan(struct bh_logs *l, bool end);
/* The first of these for one source. */
void bh_ages_recall_one(struct bh_logs *l, struct bh_source *s);
/* And the last. */
void bh_ages_note_end(struct bh_logs *l, const struct bh_source *s);
/* Rows whose time is over (§16.4). */
void bh_ages_expire(struct bh_logs *l);

/* --- start_position.c --- */
/* Whether this forced mode acts now. */
bool bh_start_is_forced(const struct bh_logs *l, const struct bh_source *s, const char *mode);
bool bh_start_at_end(const struct bh_source *s); /* the mode is end, forced or not */
/* The end of the last whole line before size. */
uint64_t bh_start_after_last_line(const struct bh_target *t, uint64_t size);
/* Of a file without a row, at a path of which nothing is known. */
uint64_t bh_start_offset(
    const struct bh_logs *l, const struct bh_target *t, const struct bh_file_id *id);
/* After a lost store: names a file whose position may have been lost with it. */
void bh_start_tell_lost(
    const struct bh_logs *l, struct bh_target *t, const struct bh_file_id *id, uint64_t from);

/* --- discovery.c --- */
/* Everything of one path that is not open yet, oldest first: generations found again, generations
 * in between, the file at the path. since_ns: wall time from which unknown rotated files are new.
 */
void bh_discover(struct bh_logs *l, struct bh_target *t, int64_t since_ns);
/* Whether the registry tells of a generation of the path. */
bool bh_discover_knows(const struct bh_logs *l, const char *path);
/* The path has no place yet: its row says from where it will be read. */
void bh_discover_waiting(struct bh_logs *l, struct bh_target *t);
/* The file of a path repeats what another one held: its row says that it was read. */
void bh_discover_nothing_new(struct bh_logs *l, struct bh_target *t, const struct bh_file_id *id);
/* Whether the file of a path that waits has bytes that were not read. */
bool bh_discover_has_more(const struct bh_logs *l, const struct bh_target *t);
/* g is not at its path any more, and what is there now follows. */
void bh_discover_rotated(struct bh_logs *l, struct bh_generation *g);
/* The content of g went away under its descriptor: it goes on in a copy, or is over. */
void bh_discover_truncated(struct bh_logs *l, struct bh_generation *g);

/* --- shadow.c --- */
/* Looks at the live files that t may be a copy of: whether they were truncated must be known before
 * t is judged. */
void bh_shadow_look(struct bh_logs *l, const struct bh_target *t);
/* Whether the file at t is a copy of a live one, under way or waiting for the truncation. */
bool bh_shadow_is(const struct bh_logs *l, const struct bh_target *t, const struct bh_file_id *id);

/* g is rotated, not truncated: copies that were made of it hold nothing new. */
void bh_shadow_settle(struct bh_logs *l, const struct bh_generation *g);

/* --- tailing.c --- */
void bh_tailing_poll(struct bh_logs *l); /* looks at every generation that is due */
void bh_tailing_look(struct bh_logs *l, struct bh_generation *g);
void bh_tailing_read(struct bh_logs *l); /* reads what may be read; arms work when more is there */
void bh_tailing_ready(struct bh_logs *l, struct bh_generation *g); /* something to read */
void bh_tailing_add(struct bh_logs *l, struct bh_generation *g);
/* To its end once more, before its successor begins: a writer may have gone on in it. */
void bh_tailing_read_again(struct bh_logs *l, struct bh_generation *g);
/* At rest, and everything acknowledged: its descriptor goes, its row waits. */
void bh_tailing_set_aside(struct bh_logs *l, struct bh_generation *g);
/* Away from its path: read to its end, then kept open for close_timeout. */
void bh_tailing_rotate(struct bh_logs *l, struct bh_generation *g);
/* A draining one is at its path again. */
void bh_tailing_return(struct bh_logs *l, struct bh_generation *g);
/* Over: what is unfinished or held becomes messages. */
void bh_tailing_finish(struct bh_logs *l, struct bh_generation *g);
/* What is held becomes messages; unfinished lines stay. For the drain. */
void bh_tailing_flush(struct bh_logs *l);
/* Of a source that is not configured any more, everything flushed and handed over: closes its
 * files; their rows stay. */
void bh_tailing_leave(struct bh_logs *l, const struct bh_source *s);
/* What is held of that source becomes messages; unfinished lines stay. */
void bh_tailing_flush_source(struct bh_logs *l, const struct bh_source *s);
bool bh_logs_may_read(const struct bh_logs *l);

/* --- reload.c --- */
/* The sources of next instead of those there are (§2.1); moves them out of next. r->restart:
 * nothing has changed, and a new process is needed. */
void bh_reload_sources(struct bh_logs *l, struct bh_config *next, struct bh_ctl_reloaded *r);
/* Messages were acknowledged: sources that are not configured any more may be done. */
void bh_reload_settle(struct bh_logs *l);
/* What became of all messages of sources that are not configured any more. */
struct bh_ledger bh_reload_left(const struct bh_logs *l);

#endif

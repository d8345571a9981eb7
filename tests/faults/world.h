/*
 * The forwarder's store and custody, whole, between doubles that know the truth: two producers with
 * their windows, and an intake that answers as it is told. What the doubles know lies in shared
 * memory, so it outlives the process whose forwarder is killed.
 *
 * Lines of a log are numbered parts of two files; a part is acknowledged when the payload that
 * carries it is, and taken when the intake has answered for it. With FAULT_LOG in the environment
 * the forwarders' log is shown.
 */
#ifndef BH_TESTS_WORLD_H
#define BH_TESTS_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ledger.h"
#include "tests/faults/faultvfs.h"

#define WORLD_FILES   2
#define WORLD_PARTS   60 /* of each file */
#define WORLD_METRICS 64
#define WORLD_SEQS    256

/* spec/durability.md §15, by their names there. */
enum world_point {
	POINT_NONE,
	POINT_BEFORE_COMMIT,
	POINT_AFTER_COMMIT_BEFORE_ACK,
	POINT_AFTER_2XX_BEFORE_COMMIT,
	POINT_IN_FENCE,
	POINT_BEFORE_WELCOME,
	POINT_IN_RESUME,
	POINT_IN_CHECKPOINT,
	POINT_IN_VACUUM,
	POINT_IN_MIGRATION,
	POINT_BALLAST_UNLINKED,
	POINT_BEFORE_QUARANTINE_RENAME,
	POINT_AFTER_QUARANTINE_RENAME,
	POINT__N
};

#define WORLD_DESTS  3
#define WORLD_SECOND "https://second.test" /* of the destinations of logs, when there are two */
#define WORLD_THIRD  "https://third.test"  /* the unreliable one, when there is one */

enum world_unreliable {
	UNRELIABLE_NONE,
	UNRELIABLE_MEMORY,
	UNRELIABLE_SPOOL, /* bulkhead.spool_unreliable */
	UNRELIABLE__N
};

enum world_script {
	WORLD_OUTAGES, /* whose steps WORLD_OUTAGE and others are of */
	WORLD_IDLES,   /* with much that is free in the file */
	WORLD_AGES,    /* no more is known of lines that expired than their count: it ends there */
};

/* Of a line or a metric. Bit d is what it is to destination d; metrics have only the first. */
struct fate {
	uint8_t handed; /* to the forwarder, at least once */
	uint8_t acked;
	uint8_t taken, dropped;
	uint8_t row; /* in the spool, as of the last start */
};

struct sent {
	uint16_t part[WORLD_FILES]; /* 0 = none of this file */
	uint16_t metric;            /* 0 = none */
	bool acked;
	bool unreadable; /* the forwarder never can; its origins it can */
};

struct stream {
	uint64_t epoch, next_seq;
	uint32_t generation;
	bool credit;
	bool ready; /* knows where to go on */
	struct sent window[WORLD_SEQS];
};

struct truth {
	char dir[64];
	char wrong[512]; /* the first thing that did not hold; "" = none */
	struct stream streams[2];
	unsigned next_part[WORLD_FILES], next_metric, turn_of_file;
	struct fate parts[WORLD_FILES][WORLD_PARTS + 1], metrics[WORLD_METRICS + 1];
	/* as committed at a start */
	unsigned seen_safe[WORLD_FILES], seen_delivered[WORLD_FILES], seen_complete[WORLD_FILES];
	unsigned step;    /* of the script, the next one */
	unsigned pause;   /* WORLD_PAUSE: before this step; 0 = at the end */
	unsigned rest_ms; /* that go by before it is gone */
	/* Of each destination: lines taken and maybe not committed; taken once more, and how many
	 * of them may be. */
	unsigned open[WORLD_DESTS], repeats[WORLD_DESTS], allowed[WORLD_DESTS];
	unsigned full, fatal, refused_start, replaced;
	unsigned operations;    /* counted up to the end of the script */
	unsigned failed;        /* of them */
	enum world_point point; /* where to kill itself */
	unsigned passage;       /* the how many-th time it comes by */
	bool no_fatal;          /* an end by itself is wrong */
	bool in_order;          /* one request at a time: lines must come in their order */
	bool bad_rows;          /* a row may fail its check */
	bool two;               /* logs have two destinations, and each answers in its own time */
	enum world_unreliable unreliable;
	bool third_silent;   /* it never answers before the end of the script */
	unsigned shift;      /* of the other ones' answers against the script */
	bool silent;         /* the second one never answers, the first one at once */
	int64_t jump_ms;     /* the wall clock is set by so much after a start, a minute goes by */
	uint64_t logs_bytes; /* what rows of logs may take; 0 = no bound of their own */
	int64_t logs_ttl_ms; /* 0 = as ever */
	bool logs_drop;      /* the oldest go when it is full; otherwise it waits */
	enum world_script script;
	int64_t pages[5];           /* of the file, where the script looks */
	uint64_t drops[BH_DROP__N]; /* of logs at the end of the script, by the ledger */
	struct bh_ledger third; /* of the unreliable one, of the last forwarder, after its stop */
};

/* In shared memory, with a folder of its own below /tmp. */
struct truth *world_new(void);
void world_free(struct truth *t); /* the folder too */
/* Back to the beginning: an empty folder. */
void world_reset(struct truth *t);

enum world_end {
	WORLD_PAUSE,  /* runs the script to its end or to t->pause, and is gone without a word */
	WORLD_STOP,   /* then stops in order, without the network */
	WORLD_FINISH, /* then delivers everything, drains and stops in order */
};

/*
 * A forwarder from its start, in a process of its own: checks what the store holds against the
 * truth, then goes on with the script where the one before it stood. plan: in force from the start
 * on, after the checks when `late`; lifted before WORLD_FINISH. Returns the status of waitpid().
 */
int world_run(struct truth *t, const struct fault_plan *plan, bool late, enum world_end end);

/* As world_run() with WORLD_FINISH and nothing failing: how many operations of these kinds it makes
 * before the end of the script. The world is reset before and after. */
unsigned world_operations(struct truth *t, unsigned ops, unsigned files);
#define WORLD_OUTAGE  16 /* the step of the script at which rows wait and the intake fails */
#define WORLD_REFUSAL 60 /* and the one at which a payload comes that cannot be read */

#endif

/*
 * What the command of `bulkhead run -- COMMAND` writes: from its pipes to our own standard output
 * and error, byte for byte, and a copy to the logs process, which makes lines of it. Nothing is
 * looked into here but for the end of a line after a gap.
 *
 *   command ── pipe ──▶ supervisor ──┬──▶ our stdout (or stderr)
 *                                    └──▶ socket, inherited by each logs process
 *
 * The pipe and the socket are the supervisor's, so a logs process that dies takes nothing of the
 * output with it, and the command gets no SIGPIPE; what it had not read its successor reads. Our
 * output being full holds the command up, as it would without us. The logs process being slow holds
 * it up for at most BH_JOB_STALL_NS, and one that does not run not at all: what it cannot be given
 * then is missing from the logs only, counted, from one end of line to another.
 *
 * When the reader of our own output is gone the pipe is closed, and the command learns it as usual.
 */
#ifndef BH_SUPERVISOR_JOB_OUTPUT_H
#define BH_SUPERVISOR_JOB_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/loop.h"

#define BH_JOB_STREAMS  2
#define BH_JOB_STALL_NS (5 * BH_NS_PER_S)
#define BH_JOB_CHUNK    65536

/* How our own descriptor is written to without waiting for it, and without changing a flag that
 * others share with us. */
enum bh_job_sink { BH_SINK_OWN, BH_SINK_SOCKET, BH_SINK_FILE, BH_SINK_SHARED };

struct bh_job_stream {
	struct bh_job_output *all;
	int fd[2]; /* the command's pipe: reading, writing end */
	struct bh_watch in;
	int sink;
	enum bh_job_sink kind;
	bool sink_owned;
	struct bh_watch out;
	int link[2]; /* socket to the logs process: our end, its end */
	struct bh_watch copy;
	struct bh_timer stall;
	char *buf; /* BH_JOB_CHUNK bytes */
	size_t len, written, copied;
	bool ended;    /* nothing more comes */
	bool skipping; /* the logs process is not waited for, until it takes something */
	bool broken;   /* the last byte it was given is within a line */
	uint64_t skipped;
	size_t left; /* once the command ended: bytes it had written that are still in the pipe */
};

struct bh_job_output {
	struct bh_loop *loop;
	struct bh_job_stream stream[BH_JOB_STREAMS];
	bool (*logs_expected)(void *logs_ctx); /* a logs process runs, or will in a moment */
	void *logs_ctx;
	void (*done)(void *ctx); /* bh_job_output_done() became true */
	void *ctx;
	bool ending; /* the command ended */
};

void bh_job_output_init(struct bh_job_output *o);
/* Pipes, sockets, buffers. -errno; then o is for release. logs_expected is set by the caller. */
int bh_job_output_open(struct bh_job_output *o, struct bh_loop *loop) BH_MUST_CHECK;
void bh_job_output_release(struct bh_job_output *o);

/* 0 = standard output, 1 = standard error: the end the command writes to, for the fork. */
int bh_job_output_writer(const struct bh_job_output *o, int i);
/* The end each logs process inherits; -1 when nothing is open. */
int bh_job_output_link(const struct bh_job_output *o, int i);

/* The command runs: its ends are closed here, and what it writes is passed on. */
void bh_job_output_started(struct bh_job_output *o);
/* The command ended. What it wrote before is passed on; what processes it left behind write later
 * is passed on as long as we live, and is no log. */
void bh_job_output_end(struct bh_job_output *o);
/* The logs process is in another state: it may not be worth waiting for. */
void bh_job_output_look(struct bh_job_output *o);
/* After bh_job_output_end(): all that the command wrote is written, and copied or counted. */
bool bh_job_output_done(const struct bh_job_output *o);
/* Bytes that wait for a logs process. */
uint64_t bh_job_output_unread(const struct bh_job_output *o);
/* Bytes that are missing from the logs. */
uint64_t bh_job_output_skipped(const struct bh_job_output *o);

#endif

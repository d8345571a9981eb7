/*
 * One event loop a process: epoll (level-triggered), timers on the monotonic clock, and an optional
 * hook after every turn (group commit, batching). Single-threaded; nothing here is locked.
 *
 * Callbacks run to completion and must be short. A callback may add, change or remove any watch or
 * timer, its own included: a removed watch is not called again in this turn.
 *
 * Watches and timers are embedded in their owner's struct; the loop only links them. The owner
 * keeps them in place while they are active, and closes the descriptor itself, after
 * bh_loop_del_fd(), or with bh_loop_close_fd().
 */
#ifndef BH_COMMON_LOOP_H
#define BH_COMMON_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/clock.h"

struct bh_loop;
struct bh_watch;
struct bh_timer;

enum bh_loop_events {
	BH_LOOP_READ = 1,
	BH_LOOP_WRITE = 2,
	BH_LOOP_HANGUP = 4, /* reported only: error or hang-up on the descriptor */
};

typedef void bh_watch_fn(struct bh_watch *w, unsigned events);
typedef void bh_timer_fn(struct bh_timer *t);

struct bh_watch {
	int fd; /* -1 when not active */
	unsigned events;
	bh_watch_fn *fn;
	struct bh_loop *loop;
};

struct bh_timer {
	int64_t at_ns; /* mono time; meaningful while armed */
	bh_timer_fn *fn;
	size_t slot; /* position in the heap + 1; 0 when not armed */
	struct bh_loop *loop;
};

struct bh_loop {
	const struct bh_clock *clock;
	int epoll_fd;
	bool stop;
	struct bh_timer **heap; /* min-heap by at_ns */
	size_t heap_len, heap_cap;
	void *ready; /* events of the turn in progress; NULL between turns */
	int ready_len;
	void (*turn_end)(void *ctx); /* called after the events of every turn; may be NULL */
	void *turn_ctx;
};

/* 0 or -errno. The clock must outlive the loop and be the kernel's (the loop sleeps on it). */
int bh_loop_init(struct bh_loop *loop, const struct bh_clock *clock) BH_MUST_CHECK;
void bh_loop_release(struct bh_loop *loop);

/* Starts watching fd. The watch must not be active. 0 or -errno. */
int bh_loop_add_fd(struct bh_loop *loop, struct bh_watch *w, int fd, unsigned events,
    bh_watch_fn *fn) BH_MUST_CHECK;
/* Changes what an active watch waits for; 0 events is allowed (hang-ups are still reported). */
int bh_loop_mod_fd(struct bh_watch *w, unsigned events);
/* Stops watching. Harmless on an inactive watch. Call it before closing the descriptor. */
void bh_loop_del_fd(struct bh_watch *w);
/* The same, and closes the descriptor: for a watch that is all that holds it. */
void bh_loop_close_fd(struct bh_watch *w);

/* Arms (or re-arms) a timer for an absolute mono time. Aborts only when out of memory at the first
 * arming of more timers than ever before; arm all timers once at start to rule that out. */
void bh_timer_at(struct bh_loop *loop, struct bh_timer *t, int64_t at_ns, bh_timer_fn *fn);
void bh_timer_in(struct bh_loop *loop, struct bh_timer *t, int64_t delay_ns, bh_timer_fn *fn);
void bh_timer_cancel(struct bh_timer *t); /* harmless when not armed */

static inline bool bh_timer_armed(const struct bh_timer *t)
{
	return t->slot != 0;
}

/* Runs until bh_loop_stop(). 0, or -errno when epoll itself fails. */
int bh_loop_run(struct bh_loop *loop) BH_MUST_CHECK;
/* One turn: waits at most max_wait_ns (-1 = until something happens). For tests and drains. */
int bh_loop_turn(struct bh_loop *loop, int64_t max_wait_ns) BH_MUST_CHECK;
void bh_loop_stop(struct bh_loop *loop);

#endif

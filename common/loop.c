#include "common/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/err.h"

#define TURN_EVENTS 64

int bh_loop_init(struct bh_loop *loop, const struct bh_clock *clock)
{
	*loop = (struct bh_loop){.clock = clock, .epoll_fd = -1};
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll_fd < 0 ? -errno : 0;
}

void bh_loop_release(struct bh_loop *loop)
{
	if (loop->epoll_fd >= 0)
		(void)close(loop->epoll_fd);
	free(loop->heap);
	*loop = (struct bh_loop){.epoll_fd = -1};
}

static uint32_t to_epoll(unsigned events)
{
	uint32_t e = 0;

	if (events & BH_LOOP_READ)
		e |= EPOLLIN;
	if (events & BH_LOOP_WRITE)
		e |= EPOLLOUT;
	return e;
}

int bh_loop_add_fd(
    struct bh_loop *loop, struct bh_watch *w, int fd, unsigned events, bh_watch_fn *fn)
{
	struct epoll_event ev = {.events = to_epoll(events), .data.ptr = w};

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		w->fd = -1;
		return -errno;
	}
	*w = (struct bh_watch){fd, events, fn, loop};
	return 0;
}

int bh_loop_mod_fd(struct bh_watch *w, unsigned events)
{
	struct epoll_event ev = {.events = to_epoll(events), .data.ptr = w};

	if (!w->loop || w->fd < 0)
		return -EBADF;
	if (w->events == events)
		return 0;
	if (epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) < 0)
		return -errno;
	w->events = events;
	return 0;
}

void bh_loop_del_fd(struct bh_watch *w)
{
	struct epoll_event *ready;

	if (!w->loop || w->fd < 0)
		return;
	(void)epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	/* The turn in progress may hold an event for this watch: it must not be delivered. */
	ready = w->loop->ready;
	for (int i = 0; ready && i < w->loop->ready_len; i++) {
		if (ready[i].data.ptr == w)
			ready[i].data.ptr = NULL;
	}
	w->fd = -1;
	w->loop = NULL;
}

void bh_loop_close_fd(struct bh_watch *w)
{
	int fd = w->fd;

	bh_loop_del_fd(w);
	if (fd >= 0)
		(void)close(fd);
	w->fd = -1;
}

static void heap_put(struct bh_loop *loop, size_t i, struct bh_timer *t)
{
	loop->heap[i] = t;
	t->slot = i + 1;
}

static void sift_up(struct bh_loop *loop, size_t i)
{
	struct bh_timer *t = loop->heap[i];

	while (i > 0) {
		size_t up = (i - 1) / 2;

		if (loop->heap[up]->at_ns <= t->at_ns)
			break;
		heap_put(loop, i, loop->heap[up]);
		i = up;
	}
	heap_put(loop, i, t);
}

static void sift_down(struct bh_loop *loop, size_t i)
{
	struct bh_timer *t = loop->heap[i];

	for (;;) {
		size_t kid = 2 * i + 1;

		if (kid >= loop->heap_len)
			break;
		if (kid + 1 < loop->heap_len && loop->heap[kid + 1]->at_ns < loop->heap[kid]->at_ns)
			kid++;
		if (loop->heap[kid]->at_ns >= t->at_ns)
			break;
		heap_put(loop, i, loop->heap[kid]);
		i = kid;
	}
	heap_put(loop, i, t);
}

void bh_timer_cancel(struct bh_timer *t)
{
	struct bh_loop *loop = t->loop;
	size_t i;

	if (!t->slot)
		return;
	i = t->slot - 1;
	t->slot = 0;
	loop->heap_len--;
	if (i == loop->heap_len)
		return;
	heap_put(loop, i, loop->heap[loop->heap_len]);
	sift_up(loop, i);
	sift_down(loop, loop->heap[i]->slot - 1);
}

void bh_timer_at(struct bh_loop *loop, struct bh_timer *t, int64_t at_ns, bh_timer_fn *fn)
{
	bh_timer_cancel(t);
	if (loop->heap_len == loop->heap_cap) {
		size_t cap = loop->heap_cap ? loop->heap_cap * 2 : 16;
		struct bh_timer **heap =
		    reallocarray((void *)loop->heap, cap, sizeof(struct bh_timer *));

		if (!heap)
			BH_BUG("out of memory for a timer");
		loop->heap = heap;
		loop->heap_cap = cap;
	}
	t->at_ns = at_ns;
	t->fn = fn;
	t->loop = loop;
	heap_put(loop, loop->heap_len++, t);
	sift_up(loop, loop->heap_len - 1);
}

void bh_timer_in(struct bh_loop *loop, struct bh_timer *t, int64_t delay_ns, bh_timer_fn *fn)
{
	bh_timer_at(loop, t, bh_mono_ns(loop->clock) + delay_ns, fn);
}

/* Milliseconds until the first timer, rounded up so that it is due when epoll returns. */
static int wait_ms(const struct bh_loop *loop, int64_t max_wait_ns)
{
	int64_t wait = max_wait_ns;

	if (loop->heap_len) {
		int64_t left = loop->heap[0]->at_ns - bh_mono_ns(loop->clock);

		left = BH_MAX(left, 0);
		wait = wait < 0 ? left : BH_MIN(wait, left);
	}
	if (wait < 0)
		return -1;
	wait = (wait + BH_NS_PER_MS - 1) / BH_NS_PER_MS;
	return (int)BH_MIN(wait, (int64_t)60 * 60 * 1000);
}

static void run_timers(struct bh_loop *loop)
{
	int64_t now = bh_mono_ns(loop->clock);

	/* Timers armed by these callbacks for "now" wait for the next turn: at_ns > now ends it. */
	while (loop->heap_len && loop->heap[0]->at_ns <= now) {
		struct bh_timer *t = loop->heap[0];

		bh_timer_cancel(t);
		t->fn(t);
		if (loop->stop)
			return;
	}
}

static unsigned from_epoll(uint32_t e)
{
	unsigned events = 0;

	if (e & EPOLLIN)
		events |= BH_LOOP_READ;
	if (e & EPOLLOUT)
		events |= BH_LOOP_WRITE;
	if (e & (EPOLLHUP | EPOLLERR))
		events |= BH_LOOP_HANGUP;
	return events;
}

int bh_loop_turn(struct bh_loop *loop, int64_t max_wait_ns)
{
	struct epoll_event ready[TURN_EVENTS];
	int n = epoll_wait(loop->epoll_fd, ready, TURN_EVENTS, wait_ms(loop, max_wait_ns));

	if (n < 0 && errno != EINTR)
		return -errno;
	loop->ready = ready;
	loop->ready_len = n;
	for (int i = 0; i < n; i++) {
		struct bh_watch *w = ready[i].data.ptr;

		if (w)
			w->fn(w, from_epoll(ready[i].events));
	}
	loop->ready = NULL;
	loop->ready_len = 0;
	run_timers(loop);
	if (loop->turn_end)
		loop->turn_end(loop->turn_ctx);
	return 0;
}

int bh_loop_run(struct bh_loop *loop)
{
	int rc = 0;

	while (!loop->stop && rc == 0)
		rc = bh_loop_turn(loop, -1);
	return rc;
}

void bh_loop_stop(struct bh_loop *loop)
{
	loop->stop = true;
}

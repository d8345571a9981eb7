#include "dogstatsd/flusher.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define STACK_BYTES ((size_t)1 << 20) /* of addresses; the encoder touches some KiB */

struct result {
	struct result *next;
	struct bh_payload *payload; /* NULL = end of a job */
	struct bh_encoder_counts counts;
};

struct bh_flusher {
	struct bh_encoder encoder; /* the thread's, once it runs */
	bh_flush_result_fn *fn;
	void *ctx;
	unsigned backlog; /* the loop's */
	bool threaded;
	pthread_t thread;
	struct bh_watch bell;
	int bell_fd;
	/* under the lock */
	pthread_mutex_t lock;
	pthread_cond_t work, room;
	bool quit, hastened;
	size_t posted, downstream; /* bytes in results; beyond them */
	struct bh_flush_job *jobs, **jobs_end;
	struct result *results, **results_end;
	struct result *spare; /* makes the end of a job known even without memory */
};

/* --- the thread --------------------------------------------------------------------------------
 */

static bool crowded(const struct bh_flusher *f)
{
	return !f->quit && !f->hastened && f->posted + f->downstream > BH_FLUSHER_AHEAD_BYTES;
}

/* Under the lock. Real time: a thread has no other way to wait. */
static void wait_for_room(struct bh_flusher *f)
{
	struct timespec until;
	int rc = 0;

	if (!crowded(f))
		return;
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += BH_FLUSHER_WAIT_NS;
	if (until.tv_nsec >= BH_NS_PER_S) {
		until.tv_nsec -= BH_NS_PER_S;
		until.tv_sec++;
	}
	while (crowded(f) && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&f->room, &f->lock, &until);
}

static void post(struct bh_flusher *f, struct bh_payload *p)
{
	struct result *r = p ? malloc(sizeof(*r)) : NULL;
	const uint64_t one = 1;

	if (p && !r) {
		/* No memory to hand it over: it is lost, and counted as such. */
		f->encoder.writer.lost += p->items;
		f->encoder.emitted -= p->items;
		free(p);
		return;
	}
	(void)pthread_mutex_lock(&f->lock);
	if (r) {
		wait_for_room(f);
		f->posted += p->len;
	} else {
		r = f->spare;
		f->spare = NULL;
	}
	*r = (struct result){.payload = p, .counts = bh_encoder_counts(&f->encoder)};
	*f->results_end = r;
	f->results_end = &r->next;
	(void)pthread_mutex_unlock(&f->lock);
	(void)!write(f->bell_fd, &one, sizeof(one)); /* full means that it rings already */
}

static void on_payload(void *ctx, struct bh_payload *p)
{
	struct bh_flusher *f = ctx;

	if (f->threaded) {
		post(f, p);
	} else {
		struct bh_encoder_counts counts = bh_encoder_counts(&f->encoder);

		f->fn(f->ctx, p, &counts);
	}
}

/* NULL: the process ends. */
static struct bh_flush_job *next_job(struct bh_flusher *f)
{
	struct bh_flush_job *job;

	(void)pthread_mutex_lock(&f->lock);
	/* The end of the last job was taken note of before another begins: one spare is enough. */
	while (!f->quit && (!f->jobs || !f->spare))
		(void)pthread_cond_wait(&f->work, &f->lock);
	job = f->quit ? NULL : f->jobs;
	if (job) {
		f->jobs = job->next;
		if (!f->jobs)
			f->jobs_end = &f->jobs;
	}
	(void)pthread_mutex_unlock(&f->lock);
	return job;
}

static void *run(void *arg)
{
	struct bh_flusher *f = arg;
	struct bh_flush_job *job;

	while ((job = next_job(f))) {
		bh_encoder_run(&f->encoder, job);
		post(f, NULL);
	}
	return NULL;
}

/* --- the loop ----------------------------------------------------------------------------------
 */

static struct result *take_results(struct bh_flusher *f)
{
	struct result *list;

	(void)pthread_mutex_lock(&f->lock);
	list = f->results;
	f->results = NULL;
	f->results_end = &f->results;
	f->posted = 0;
	(void)pthread_mutex_unlock(&f->lock);
	return list;
}

static void give_spare_back(struct bh_flusher *f, struct result *r)
{
	(void)pthread_mutex_lock(&f->lock);
	r->next = NULL;
	f->spare = r;
	(void)pthread_cond_signal(&f->work);
	(void)pthread_mutex_unlock(&f->lock);
}

static void on_bell(struct bh_watch *w, unsigned events)
{
	struct bh_flusher *f = BH_CONTAINER(w, struct bh_flusher, bell);
	struct result *r, *next;
	uint64_t n;

	(void)events;
	if (read(w->fd, &n, sizeof(n)) < 0)
		return;
	for (r = take_results(f); r; r = next) {
		struct bh_payload *p = r->payload;
		struct bh_encoder_counts counts = r->counts;

		next = r->next;
		if (p) {
			free(r);
		} else {
			f->backlog--;
			give_spare_back(f, r);
		}
		f->fn(f->ctx, p, &counts);
	}
}

static int start_thread(struct bh_flusher *f, struct bh_err *err)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int rc;

	/* Signals are the loop's. */
	(void)sigfillset(&all);
	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&f->thread, &attr, run, f);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	f->threaded = rc == 0;
	return rc ? bh_err_set(err, -rc, "start the flush thread") : 0;
}

/* For a wait with a limit that a step of the wall clock does not move. */
static void init_room(struct bh_flusher *f)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&f->room, &attr);
	(void)pthread_condattr_destroy(&attr);
}

static int open_thread(struct bh_flusher *f, struct bh_loop *loop, struct bh_err *err)
{
	int rc;

	f->spare = malloc(sizeof(*f->spare));
	if (!f->spare)
		return bh_err_set(err, -ENOMEM, "flush thread");
	f->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->bell_fd < 0)
		return bh_err_set(err, -errno, "eventfd of the flush thread");
	rc = bh_loop_add_fd(loop, &f->bell, f->bell_fd, BH_LOOP_READ, on_bell);
	return rc ? bh_err_set(err, rc, "watch the flush thread") : start_thread(f, err);
}

int bh_flusher_new(struct bh_flusher **out, struct bh_loop *loop, const struct bh_config *cfg,
    bh_flush_result_fn *result, void *ctx, struct bh_err *err)
{
	struct bh_flusher *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return bh_err_set(err, -ENOMEM, "flusher");
	f->fn = result;
	f->ctx = ctx;
	f->bell.fd = f->bell_fd = -1;
	f->jobs_end = &f->jobs;
	f->results_end = &f->results;
	(void)pthread_mutex_init(&f->lock, NULL);
	(void)pthread_cond_init(&f->work, NULL);
	init_room(f);
	rc = bh_encoder_init(&f->encoder, cfg, on_payload, f);
	if (rc)
		(void)bh_err_set(err, rc, "encoder");
	else if (loop)
		rc = open_thread(f, loop, err);
	if (rc) {
		bh_flusher_free(f);
		return rc;
	}
	*out = f;
	return 0;
}

static void stop_thread(struct bh_flusher *f)
{
	if (!f->threaded)
		return;
	(void)pthread_mutex_lock(&f->lock);
	f->quit = true;
	(void)pthread_cond_signal(&f->work);
	(void)pthread_cond_signal(&f->room);
	(void)pthread_mutex_unlock(&f->lock);
	(void)pthread_join(f->thread, NULL);
}

void bh_flusher_free(struct bh_flusher *f)
{
	if (!f)
		return;
	stop_thread(f);
	bh_loop_del_fd(&f->bell);
	if (f->bell_fd >= 0)
		(void)close(f->bell_fd);
	while (f->jobs) {
		struct bh_flush_job *job = f->jobs;

		f->jobs = job->next;
		bh_flush_job_free(job);
	}
	while (f->results) {
		struct result *r = f->results;

		f->results = r->next;
		free(r->payload);
		free(r);
	}
	free(f->spare);
	bh_encoder_release(&f->encoder);
	(void)pthread_cond_destroy(&f->work);
	(void)pthread_cond_destroy(&f->room);
	(void)pthread_mutex_destroy(&f->lock);
	free(f);
}

void bh_flusher_submit(struct bh_flusher *f, struct bh_flush_job *job)
{
	if (!f->threaded) {
		struct bh_encoder_counts counts;

		bh_encoder_run(&f->encoder, job);
		counts = bh_encoder_counts(&f->encoder);
		f->fn(f->ctx, NULL, &counts);
		return;
	}
	f->backlog++;
	job->next = NULL;
	(void)pthread_mutex_lock(&f->lock);
	*f->jobs_end = job;
	f->jobs_end = &job->next;
	(void)pthread_cond_signal(&f->work);
	(void)pthread_mutex_unlock(&f->lock);
}

void bh_flusher_downstream(struct bh_flusher *f, size_t bytes)
{
	(void)pthread_mutex_lock(&f->lock);
	f->downstream = bytes;
	(void)pthread_cond_signal(&f->room);
	(void)pthread_mutex_unlock(&f->lock);
}

void bh_flusher_hasten(struct bh_flusher *f)
{
	(void)pthread_mutex_lock(&f->lock);
	f->hastened = true;
	(void)pthread_cond_signal(&f->room);
	(void)pthread_mutex_unlock(&f->lock);
}

unsigned bh_flusher_backlog(const struct bh_flusher *f)
{
	return f->backlog;
}

const struct bh_series_format *bh_flusher_format(const struct bh_flusher *f)
{
	return f->encoder.output.format;
}

size_t bh_flusher_skipped_words(const struct bh_flusher *f)
{
	return f->encoder.hist.skipped;
}

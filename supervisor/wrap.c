/*
 * `bulkhead run -- COMMAND`: the agent around one command (DESIGN §5). The command starts when
 * every child runs or has failed to, and after START_NS at the latest; when it ends the agent
 * drains, and the exit status is the command's, whatever became of the agent. An agent that cannot
 * be started is reported, and the command runs without it.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "supervisor/job_config.h"
#include "supervisor/supervisor.h"

#define COMPONENT "run"
#define START_NS  (10 * BH_NS_PER_S)
#define SOON_NS   (2 * BH_NS_PER_S) /* a child that starts again within it is waited for */

extern char **environ;

int bh_wrap_config(struct bh_supervisor *s, struct bh_config *cfg)
{
	return bh_wraps(s) ? bh_job_config(cfg, s->job.argv[0]) : 0;
}

/* It runs, or will in a moment. */
static bool is_expected(const struct bh_supervisor *s, enum bh_role role)
{
	const struct bh_life *l = &s->kids[role].life;

	if (l->state == BH_LIFE_BACKOFF)
		return l->timer_ns - bh_mono_ns(s->loop.clock) < SOON_NS;
	return l->state == BH_LIFE_STARTING || l->state == BH_LIFE_RUNNING;
}

static bool logs_expected(void *ctx)
{
	return is_expected(ctx, BH_ROLE_LOGS);
}

static void begin_stop(struct bh_supervisor *s)
{
	s->job_waits = false;
	bh_timer_cancel(&s->job_timer);
	bh_stop_begin(s, "command ended");
}

static void on_no_producer(struct bh_timer *t)
{
	begin_stop(BH_CONTAINER(t, struct bh_supervisor, job_timer));
}

/* A stop does not start a process that is between two lives, and what the command sent it waits
 * unread. */
static bool needs_producers(const struct bh_supervisor *s)
{
	static const enum bh_role producers[] = {BH_ROLE_DOGSTATSD, BH_ROLE_LOGS};

	for (size_t i = 0; i < BH_ARRAY_LEN(producers) && !bh_stopping(s); i++) {
		if (s->kids[producers[i]].enabled && is_expected(s, producers[i]) &&
		    s->kids[producers[i]].life.state != BH_LIFE_RUNNING)
			return true;
	}
	return false;
}

static void on_job_done(void *ctx)
{
	struct bh_supervisor *s = ctx;

	bh_timer_cancel(&s->job_timer);
	if (s->alone) {
		bh_loop_stop(&s->loop);
		return;
	}
	bh_info(&s->log, COMPONENT, "the command ended status=%d", s->job.status);
	s->exit_wanted = true;
	/* From here on a signal hastens the drain. */
	s->stop_signals = BH_MAX(s->stop_signals, 1u);
	s->stop_signal_ns = bh_mono_ns(s->loop.clock);
	s->job_waits = needs_producers(s);
	if (s->job_waits)
		bh_timer_in(&s->loop, &s->job_timer, SOON_NS, on_no_producer);
	else
		begin_stop(s);
}

int bh_wrap_set_up(struct bh_supervisor *s)
{
	struct bh_job *j = &s->job;
	int rc = 0;

	bh_job_adopt_strangers();
	j->loop = &s->loop;
	j->done = on_job_done;
	j->ctx = s;
	if (bh_wraps(s) && !s->alone && s->cfg.logs_enabled && s->cfg.run_logs) {
		j->output.logs_expected = logs_expected;
		j->output.logs_ctx = s;
		rc = bh_job_output_open(&j->output, &s->loop);
		j->collects = rc == 0;
	}
	return rc;
}

static void start(struct bh_supervisor *s)
{
	char **env = bh_job_env(environ, s->alone ? NULL : &s->sockets);

	bh_timer_cancel(&s->job_timer);
	if (!env)
		(void)fprintf(stderr, "bulkhead: out of memory: the command is not told where to "
				      "send metrics\n");
	bh_job_start(&s->job, env ? env : environ);
	bh_job_env_free(env);
}

static void on_wait_over(struct bh_timer *t)
{
	struct bh_supervisor *s = BH_CONTAINER(t, struct bh_supervisor, job_timer);

	bh_warn(&s->log, COMPONENT, "the agent is not ready yet; the command starts without it");
	start(s);
}

void bh_wrap_begin(struct bh_supervisor *s)
{
	if (bh_wraps(s))
		bh_timer_in(&s->loop, &s->job_timer, START_NS, on_wait_over);
}

/* It runs, or it did not come up and will be tried again without anybody waiting for it. */
static bool settled(const struct bh_kid *k)
{
	enum bh_life_state state = k->life.state;

	return !k->enabled || (state != BH_LIFE_STOPPED && state != BH_LIFE_STARTING);
}

void bh_wrap_pump(struct bh_supervisor *s)
{
	bool all = true;

	if (!bh_wraps(s))
		return;
	if (s->job.collects)
		bh_job_output_look(&s->job.output);
	if (s->job_waits && !needs_producers(s))
		begin_stop(s);
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++)
		all = all && settled(&s->kids[i]);
	if (all && !s->job.started && !s->job.ended && !bh_stopping(s))
		start(s);
}

bool bh_wrap_signal(struct bh_supervisor *s, int signo, bool from_kernel)
{
	struct bh_job *j = &s->job;

	if (!bh_wraps(s) || j->ended)
		return false;
	if (j->started) {
		bh_job_signal(j, signo, from_kernel);
		if (signo == SIGTERM && !s->stop_asked_ns)
			s->stop_asked_ns = bh_mono_ns(s->loop.clock);
	} else if (signo == SIGTERM || signo == SIGINT || signo == SIGQUIT || signo == SIGHUP) {
		bh_job_cancel(j, signo);
	}
	return true;
}

void bh_wrap_report(const struct bh_supervisor *s)
{
	const struct bh_job_output *o = &s->job.output;
	uint64_t n = bh_job_output_skipped(o) + bh_job_output_unread(o);

	if (n)
		(void)fprintf(stderr,
		    "bulkhead: %" PRIu64 " bytes of the command's output did not become logs: the "
		    "logs process did not take them\n",
		    n);
}

void bh_wrap_alone(struct bh_supervisor *s)
{
	start(s);
}

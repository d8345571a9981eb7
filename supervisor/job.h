/*
 * The command of `bulkhead run -- COMMAND`: started when the agent is ready, watched to its end
 * (DESIGN §5, spec/supervision.md §6, §17).
 *
 * The command gets back what it would have had without us: signal mask and actions, core limit,
 * standard input and every descriptor we inherited. Its standard output and error pass through
 * job_output.h when they are sources of logs, else they are ours.
 *
 * It has a process group of its own, and what is sent to us is sent on to that group. In the
 * foreground of a terminal it stays in ours instead: the keys (Ctrl-C, Ctrl-Z) reach it as the
 * terminal sends them, to every member of a pipeline alike, and only what other processes send us
 * is sent on.
 */
#ifndef BH_SUPERVISOR_JOB_H
#define BH_SUPERVISOR_JOB_H

#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/loop.h"
#include "supervisor/job_output.h"
#include "supervisor/sockets.h"

struct bh_job {
	char **argv; /* borrowed; NULL = there is no command */
	struct bh_loop *loop;
	void (*done)(void *ctx); /* once: it ended, or did not start, and its output is written */
	void *ctx;
	pid_t pid; /* 0 = none */
	bool started, ended, told;
	bool foreground; /* of a terminal: it stays in our process group */
	int status;      /* as a shell tells it: 128 + n after signal n; 126, 127: not started */
	struct bh_watch process;
	struct bh_job_output output;
	bool collects; /* output is open */
	/* as they were before us */
	sigset_t mask;
	struct sigaction pipe_action;
	struct rlimit core;
};

/* First of all, before any signal or limit is touched. argv: ends with NULL; NULL = no command. */
void bh_job_init(struct bh_job *j, char **argv);
void bh_job_release(struct bh_job *j);

/* Makes strangers whose parents ended ours to reap (as pid 1 they are anyway). */
void bh_job_adopt_strangers(void);

/* Forks and executes. Where that fails the reason goes to standard error, and j has ended. env:
 * bh_job_env_*; borrowed. */
void bh_job_start(struct bh_job *j, char **env);

static inline bool bh_job_runs(const struct bh_job *j)
{
	return j->started && !j->ended;
}

/* Sends a signal on that we received; from_kernel: a terminal's key, say. Harmless when it does not
 * run. */
void bh_job_signal(struct bh_job *j, int signo, bool from_kernel);
/* Its process has ended and was not reaped yet. */
void bh_job_reap(struct bh_job *j);
/* It is not to start any more; as if a signal had ended it. */
void bh_job_cancel(struct bh_job *j, int signo);

/* Our environment for the command: what concerns our service manager is left out, and where to send
 * metrics is put in (sockets may be NULL). NULL: no memory. Freed by bh_job_env_free(). */
char **bh_job_env(char *const *own, const struct bh_sockets *sockets) BH_MUST_CHECK;
void bh_job_env_free(char **env);

#endif

#include "supervisor/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOT_FOUND      127
#define NOT_EXECUTABLE 126

static bool is_foreground(void)
{
	int tty = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	bool yes = tty >= 0 && tcgetpgrp(tty) == getpgrp();

	if (tty >= 0)
		(void)close(tty);
	return yes;
}

void bh_job_init(struct bh_job *j, char **argv)
{
	*j = (struct bh_job){.argv = argv};
	j->process.fd = -1;
	bh_job_output_init(&j->output);
	(void)sigprocmask(SIG_BLOCK, NULL, &j->mask);
	(void)sigaction(SIGPIPE, NULL, &j->pipe_action);
	if (getrlimit(RLIMIT_CORE, &j->core) < 0)
		j->core = (struct rlimit){0, 0};
	j->foreground = argv && is_foreground();
}

void bh_job_adopt_strangers(void)
{
	if (getpid() != 1)
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

void bh_job_release(struct bh_job *j)
{
	bh_loop_close_fd(&j->process);
	bh_job_output_release(&j->output);
}

/* --- between fork and exec ----------------------------------------------------------------------
 */

static void restore_signals(const struct bh_job *j)
{
	(void)sigaction(SIGPIPE, &j->pipe_action, NULL);
	(void)sigprocmask(SIG_SETMASK, &j->mask, NULL);
}

_Noreturn static void become_command(const struct bh_job *j, char **env, int report)
{
	int error;

	if (!j->foreground)
		(void)setpgid(0, 0);
	for (int i = 0; i < BH_JOB_STREAMS && j->collects; i++) {
		if (dup2(bh_job_output_writer(&j->output, i), STDOUT_FILENO + i) < 0)
			goto fail;
	}
	(void)setrlimit(RLIMIT_CORE, &j->core);
	restore_signals(j);
	(void)execvpe(j->argv[0], j->argv, env);
fail:
	error = errno;
	if (write(report, &error, sizeof(error)) < 0)
		_exit(NOT_EXECUTABLE);
	_exit(error == ENOENT ? NOT_FOUND : NOT_EXECUTABLE);
}

/* --- our side
 * ------------------------------------------------------------------------------------- */

/* Once: it is over, and nothing of its output is left to write. */
static void tell_done(void *ctx)
{
	struct bh_job *j = ctx;

	if (j->told || !j->ended || (j->collects && !bh_job_output_done(&j->output)))
		return;
	j->told = true;
	j->done(j->ctx);
}

static void finish(struct bh_job *j, int status)
{
	j->ended = true;
	j->status = status;
	if (j->collects)
		bh_job_output_end(&j->output);
	tell_done(j);
}

static void did_not_start(struct bh_job *j, int error, const char *what)
{
	(void)fprintf(stderr, "bulkhead: %s: %s\n", what, strerror(error));
	finish(j, error == ENOENT ? NOT_FOUND : NOT_EXECUTABLE);
}

void bh_job_reap(struct bh_job *j)
{
	siginfo_t si = {0};

	if (!j->pid || waitid(P_PID, (id_t)j->pid, &si, WEXITED | WNOHANG) < 0 || si.si_pid == 0)
		return;
	j->pid = 0;
	bh_loop_close_fd(&j->process);
	finish(j, si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status);
}

static void on_process(struct bh_watch *w, unsigned events)
{
	(void)events;
	bh_job_reap(BH_CONTAINER(w, struct bh_job, process));
}

/* SIGCHLD tells of its end as well, so one that cannot be watched is reaped all the same. */
static void watch(struct bh_job *j)
{
	int fd = (int)syscall(SYS_pidfd_open, j->pid, 0);

	if (fd >= 0 && bh_loop_add_fd(j->loop, &j->process, fd, BH_LOOP_READ, on_process))
		(void)close(fd);
}

/* 0 when exec closed the pipe, else what went wrong. */
static int read_report(int fd)
{
	int error = 0;
	ssize_t n;

	do {
		n = read(fd, &error, sizeof(error));
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(error) ? error : 0;
}

void bh_job_start(struct bh_job *j, char **env)
{
	int report[2], error;
	pid_t pid;

	if (j->started || j->ended)
		return;
	j->started = true;
	j->output.done = tell_done;
	j->output.ctx = j;
	if (pipe2(report, O_CLOEXEC) < 0) {
		did_not_start(j, errno, "pipe");
		return;
	}
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0)
		become_command(j, env, report[1]);
	error = pid < 0 ? errno : 0;
	(void)close(report[1]);
	if (pid > 0) {
		if (!j->foreground)
			(void)setpgid(pid, pid); /* on both sides: it is so whoever comes first */
		error = read_report(report[0]);
	}
	(void)close(report[0]);
	if (error) {
		while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			continue;
		did_not_start(j, error, j->argv[0]);
		return;
	}
	j->pid = pid;
	if (j->collects)
		bh_job_output_started(&j->output);
	watch(j);
}

void bh_job_signal(struct bh_job *j, int signo, bool from_kernel)
{
	if (!j->pid)
		return;
	if (!j->foreground)
		(void)kill(-j->pid, signo);
	else if (!from_kernel)
		(void)kill(j->pid, signo);
}

void bh_job_cancel(struct bh_job *j, int signo)
{
	if (j->started || j->ended)
		return;
	finish(j, 128 + signo);
}

/* --- its environment
 * ------------------------------------------------------------------------------ */

/* What we add: at most these, and only where the user has not said otherwise. */
#define ADDED_MAX 4

static bool is_named(const char *entry, const char *name)
{
	size_t n = strlen(name);

	return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

static bool is_ours(const char *entry)
{
	static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
	    /* settings of the agent; the command is told where it listens */
	    "DD_DOGSTATSD_SOCKET", "DD_DOGSTATSD_PORT"};

	for (size_t i = 0; i < BH_ARRAY_LEN(names); i++) {
		if (is_named(entry, names[i]))
			return true;
	}
	return false;
}

static bool has(char *const *env, const char *name)
{
	for (; *env; env++) {
		if (is_named(*env, name))
			return true;
	}
	return false;
}

static int add(char **env, size_t *n, const char *name, const char *before, const char *value)
{
	if (asprintf(&env[*n], "%s=%s%s", name, before, value) < 0) {
		env[*n] = NULL;
		return -ENOMEM;
	}
	(*n)++;
	return 0;
}

static const struct bh_socket *find(const struct bh_sockets *s, enum bh_socket_kind kind)
{
	for (size_t i = 0; s && i < s->n; i++) {
		if (s->v[i].kind == kind)
			return &s->v[i];
	}
	return NULL;
}

/* A Unix socket is where nothing is lost: clients that take a URL are sent there. */
static int add_sockets(char *const *own, char **env, size_t *n, const struct bh_sockets *sockets)
{
	const struct bh_socket *uds = find(sockets, BH_SOCKET_DATAGRAM);
	const struct bh_socket *udp = find(sockets, BH_SOCKET_UDP);
	const char *port = udp ? strrchr(udp->name, ':') : NULL;
	int rc = 0;

	if (uds) {
		rc = add(env, n, "DD_DOGSTATSD_SOCKET", "", uds->path);
		if (!rc && !has(own, "DD_DOGSTATSD_URL"))
			rc = add(env, n, "DD_DOGSTATSD_URL", "unix://", uds->path);
	}
	if (port && !rc) {
		rc = add(env, n, "DD_DOGSTATSD_PORT", "", port + 1);
		if (!rc && !has(own, "DD_AGENT_HOST"))
			rc = add(env, n, "DD_AGENT_HOST", "", "127.0.0.1");
	}
	return rc;
}

char **bh_job_env(char *const *own, const struct bh_sockets *sockets)
{
	size_t all = 0, n = 0;
	char **env;
	int rc = 0;

	while (own[all])
		all++;
	env = (char **)calloc(all + ADDED_MAX + 1, sizeof(char *));
	if (!env)
		return NULL;
	for (size_t i = 0; i < all && !rc; i++) {
		if (is_ours(own[i]))
			continue;
		env[n] = strdup(own[i]);
		rc = env[n++] ? 0 : -ENOMEM;
	}
	if (!rc)
		rc = add_sockets(own, env, &n, sockets);
	if (!rc)
		return env;
	bh_job_env_free(env);
	return NULL;
}

void bh_job_env_free(char **env)
{
	for (size_t i = 0; env && env[i]; i++)
		free(env[i]);
	free((void *)env);
}

#include "supervisor/command.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK 4096

extern char **environ;

void bh_command_init(struct bh_command *c, struct bh_loop *loop, bh_command_fn *done)
{
	*c = (struct bh_command){.loop = loop, .done = done};
	c->process.fd = c->in_watch.fd = c->out_watch.fd = -1;
}

static void wipe(struct bh_buf *b)
{
	if (b->cap)
		explicit_bzero(b->data, b->cap);
	bh_buf_release(b);
}

static void kill_group(const struct bh_command *c)
{
	if (c->pid > 0)
		(void)kill(-c->pid, SIGKILL);
}

static void release(struct bh_command *c)
{
	bh_timer_cancel(&c->deadline);
	bh_loop_close_fd(&c->process);
	bh_loop_close_fd(&c->in_watch);
	bh_loop_close_fd(&c->out_watch);
	wipe(&c->in);
	wipe(&c->out);
	c->pid = 0;
	c->late = c->too_long = false;
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* Reads what is there. */
static void take_output(struct bh_command *c)
{
	char chunk[CHUNK];
	ssize_t n = 1;

	while (n > 0 && c->out_watch.fd >= 0) {
		n = read(c->out_watch.fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR) {
			n = 1;
			continue;
		}
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) {
			bh_loop_close_fd(&c->out_watch);
			break;
		}
		if (c->out.len + (size_t)n > c->max) {
			c->too_long = true;
			kill_group(c);
			bh_loop_close_fd(&c->out_watch);
			break;
		}
		(void)bh_buf_append(&c->out, chunk, (size_t)n);
	}
	explicit_bzero(chunk, sizeof(chunk));
}

static void on_output(struct bh_watch *w, unsigned events)
{
	(void)events;
	take_output(BH_CONTAINER(w, struct bh_command, out_watch));
}

static void on_input(struct bh_watch *w, unsigned events)
{
	struct bh_command *c = BH_CONTAINER(w, struct bh_command, in_watch);
	ssize_t n;

	(void)events;
	do {
		n = write(w->fd, c->in.data + c->written, c->in.len - c->written);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return;
	/* One that does not read its input may still know the answer. */
	if (n > 0)
		c->written += (size_t)n;
	if (n < 0 || c->written == c->in.len) {
		bh_loop_close_fd(w);
		wipe(&c->in);
	}
}

/* --- the end ---------------------------------------------------------------------------------- */

static void on_deadline(struct bh_timer *t)
{
	struct bh_command *c = BH_CONTAINER(t, struct bh_command, deadline);

	c->late = true;
	kill_group(c);
}

static enum bh_command_end end_of(const struct bh_command *c, const siginfo_t *si)
{
	if (c->too_long)
		return BH_COMMAND_TOO_LONG;
	if (c->late)
		return BH_COMMAND_LATE;
	if (si->si_code != CLD_EXITED)
		return BH_COMMAND_SIGNALED;
	return si->si_status ? BH_COMMAND_EXITED : BH_COMMAND_DONE;
}

void bh_command_reap(struct bh_command *c)
{
	enum bh_command_end end;
	struct bh_buf out;
	siginfo_t si = {0};
	id_t process = (id_t)c->process.fd;

	if (waitid(P_PIDFD, process, &si, WEXITED | WNOHANG | WNOWAIT) < 0 || si.si_pid == 0)
		return;
	take_output(c);
	/* While it is a zombie its number, and so its group's, is nobody else's. */
	kill_group(c);
	(void)waitid(P_PIDFD, process, &si, WEXITED);
	out = c->out;
	c->out = (struct bh_buf)BH_BUF_INIT;
	end = end_of(c, &si);
	release(c);
	c->done(c, end, si.si_status, &out);
	wipe(&out);
}

static void on_process(struct bh_watch *w, unsigned events)
{
	(void)events;
	bh_command_reap(BH_CONTAINER(w, struct bh_command, process));
}

void bh_command_cancel(struct bh_command *c)
{
	kill_group(c);
	if (c->pid > 0 && waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		(void)waitpid(c->pid, NULL, 0);
	release(c);
}

/* --- the start -------------------------------------------------------------------------------- */

static bool passes(const char *variable)
{
	static const char *const kept_back[] = {"DD_", "BULKHEAD_", "LD_",
	    "NOTIFY_SOCKET=", "WATCHDOG_", "LISTEN_", "MAINPID=", "FDSTORE="};

	for (size_t i = 0; i < BH_ARRAY_LEN(kept_back); i++) {
		if (strncmp(variable, kept_back[i], strlen(kept_back[i])) == 0)
			return false;
	}
	return true;
}

static char **make_environment(void)
{
	size_t n = 0, kept = 0;
	char **env;

	while (environ && environ[n])
		n++;
	env = calloc(n + 1, sizeof(*env));
	for (size_t i = 0; env && i < n; i++) {
		if (passes(environ[i]))
			env[kept++] = environ[i]; /* borrowed until exec */
	}
	return env;
}

struct pipes {
	int in[2], out[2], report[2];
};

static void close_pair(int pair[2])
{
	for (int i = 0; i < 2; i++) {
		if (pair[i] >= 0)
			(void)close(pair[i]);
		pair[i] = -1;
	}
}

static void close_pipes(struct pipes *p)
{
	close_pair(p->in);
	close_pair(p->out);
	close_pair(p->report);
}

static int make_pipes(struct pipes *p)
{
	*p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}};
	if (pipe2(p->in, O_CLOEXEC) < 0 || pipe2(p->out, O_CLOEXEC) < 0 ||
	    pipe2(p->report, O_CLOEXEC) < 0 || fcntl(p->in[1], F_SETFL, O_NONBLOCK) < 0 ||
	    fcntl(p->out[0], F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

/* Between fork and exec: async-signal-safe calls only. */
_Noreturn static void become(const struct pipes *p, char *const *argv, char *const *env)
{
	static const struct rlimit no_core = {0, 0};
	struct sigaction plain = {.sa_handler = SIG_DFL};
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int error;
	sigset_t none;

	(void)sigemptyset(&none);
	if (null >= 0 && setpgid(0, 0) == 0 && dup2(p->in[0], 0) == 0 && dup2(p->out[1], 1) == 1 &&
	    dup2(null, 2) == 2 && syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0 &&
	    setrlimit(RLIMIT_CORE, &no_core) == 0 && sigaction(SIGPIPE, &plain, NULL) == 0 &&
	    sigprocmask(SIG_SETMASK, &none, NULL) == 0)
		(void)execve(argv[0], argv, env);
	error = errno;
	(void)!write(p->report[1], &error, sizeof(error));
	_exit(127);
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

/* Waits for exec, which takes no time worth speaking of. 0 or -errno; then nothing is left. */
static int fork_exec(struct pipes *p, char *const *argv, pid_t *pid)
{
	char **env = make_environment();
	int error = 0;
	ssize_t n;

	if (!env)
		return -ENOMEM;
	*pid = fork();
	if (*pid == 0)
		become(p, argv, env);
	free(env);
	if (*pid < 0)
		return -errno;
	(void)close(p->report[1]);
	p->report[1] = -1;
	do {
		n = read(p->report[0], &error, sizeof(error));
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	reap(*pid);
	*pid = 0;
	return n == (ssize_t)sizeof(error) && error ? -error : -EIO;
}

/* What is watched is closed with its watch. */
static int watch(struct bh_command *c, struct pipes *p)
{
	long process = syscall(SYS_pidfd_open, c->pid, 0);
	int rc = process < 0 ? -errno : 0;

	if (!rc) {
		rc = bh_loop_add_fd(c->loop, &c->process, (int)process, BH_LOOP_READ, on_process);
		if (rc)
			(void)close((int)process);
	}
	if (!rc)
		rc = bh_loop_add_fd(c->loop, &c->out_watch, p->out[0], BH_LOOP_READ, on_output);
	if (!rc)
		p->out[0] = -1;
	if (!rc)
		rc = bh_loop_add_fd(c->loop, &c->in_watch, p->in[1], BH_LOOP_WRITE, on_input);
	if (!rc)
		p->in[1] = -1;
	return rc;
}

int bh_command_start(struct bh_command *c, char *const *argv, struct bh_buf *in, size_t max,
    int64_t timeout_ns, struct bh_err *err)
{
	struct pipes p;
	int rc = make_pipes(&p);

	c->in = *in;
	*in = (struct bh_buf)BH_BUF_INIT;
	c->written = 0;
	c->max = max;
	if (!rc)
		rc = fork_exec(&p, argv, &c->pid);
	if (!rc)
		rc = watch(c, &p);
	close_pipes(&p);
	if (rc) {
		bh_command_cancel(c);
		return bh_err_set(err, rc, "%s", argv[0]);
	}
	bh_timer_in(c->loop, &c->deadline, timeout_ns, on_deadline);
	return 0;
}

int bh_command_check(const char *path, bool group_exec, struct bh_err *err)
{
	mode_t forbidden = group_exec ? (mode_t)(S_IWGRP | S_IRWXO) : (mode_t)(S_IRWXG | S_IRWXO);
	struct stat st;

	if (path[0] != '/')
		return bh_err_set(
		    err, BH_E_CONFIG, "%s: not an absolute path; write it from / on", path);
	if (stat(path, &st) < 0)
		return bh_err_set(err, -errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return bh_err_set(err, BH_E_CONFIG, "%s: not a regular file", path);
	if (st.st_uid != geteuid() && !(group_exec && st.st_uid == 0))
		return bh_err_set(err, BH_E_CONFIG,
		    "%s belongs to uid %u; it must belong to uid %u, which runs it: chown %u %s",
		    path, (unsigned)st.st_uid, (unsigned)geteuid(), (unsigned)geteuid(), path);
	if (st.st_mode & forbidden)
		return bh_err_set(err, BH_E_CONFIG,
		    "%s has rights %03o, which let %s use it: chmod %s %s", path,
		    (unsigned)(st.st_mode & 0777), group_exec ? "others" : "its group or others",
		    group_exec ? "750" : "700", path);
	if (access(path, X_OK) < 0)
		return bh_err_set(
		    err, BH_E_CONFIG, "%s cannot be executed: chmod u+x %s", path, path);
	return 0;
}

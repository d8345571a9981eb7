#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/child.h"
#include "common/sandbox_orders.h"

#define CLEAR_OF (BH_CHILD_FD_FIRST + BH_CHILD_FDS_MAX + 1) /* lowest number no child is given */
#define MOVES    (BH_CHILD_FD_FIRST + BH_CHILD_FDS_MAX + 1)
#define ENV_MAX  16

enum stage { STAGE_GROUP, STAGE_NULL, STAGE_FD, STAGE_RIGHTS, STAGE_EXEC };

struct failure {
	int32_t stage;
	int32_t error;
	int32_t step; /* of STAGE_RIGHTS */
};

/* All the new process needs, made before the fork. */
struct plan {
	const char *exe;
	const struct bh_ids *ids;
	enum bh_ids_step step;
	char *argv[2];
	char *envp[ENV_MAX];
	size_t env_n;
	int from[MOVES]; /* from[i] becomes descriptor i; -1 = stays closed */
	int count;
	int report_fd;
};

static const char *stage_name(int32_t stage)
{
	static const char *const names[] = {
	    "set the process group",
	    "open /dev/null",
	    "move descriptors",
	    "drop rights",
	    "execute",
	};

	return stage >= 0 && (size_t)stage < BH_ARRAY_LEN(names) ? names[stage] : "start";
}

/* --- between fork and exec: async-signal-safe calls only ------------------------------------- */

_Noreturn static void die(const struct plan *p, enum stage stage)
{
	struct failure f = {(int32_t)stage, errno, (int32_t)p->step};

	if (write(p->report_fd, &f, sizeof(f)) < 0)
		_exit(126);
	_exit(127);
}

/* Everything goes up out of the way first, so that no move overwrites a source of a later one. */
static void move_fds(struct plan *p)
{
	int report = fcntl(p->report_fd, F_DUPFD_CLOEXEC, CLEAR_OF);

	if (report < 0)
		die(p, STAGE_FD);
	p->report_fd = report;
	for (int i = 0; i < p->count; i++) {
		p->from[i] = fcntl(p->from[i], F_DUPFD_CLOEXEC, CLEAR_OF);
		if (p->from[i] < 0)
			die(p, STAGE_FD);
	}
	for (int i = 0; i < p->count; i++) {
		if (dup2(p->from[i], i) < 0)
			die(p, STAGE_FD);
	}
	if (syscall(SYS_close_range, (unsigned)p->count, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		die(p, STAGE_FD);
}

_Noreturn static void become_child(struct plan *p)
{
	if (setpgid(0, 0) < 0)
		die(p, STAGE_GROUP);
	p->from[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (p->from[0] < 0)
		die(p, STAGE_NULL);
	move_fds(p);
	p->step = bh_ids_drop(p->ids);
	if (p->step)
		die(p, STAGE_RIGHTS);
	(void)execve(p->exe, p->argv, p->envp);
	die(p, STAGE_EXEC);
}

/* --- the supervisor's side ------------------------------------------------------------------- */

static int add_env(struct plan *p, char *text)
{
	if (!text || p->env_n + 1 >= ENV_MAX) {
		free(text);
		return -ENOMEM;
	}
	p->envp[p->env_n++] = text;
	return 0;
}

static int add_env_text(struct plan *p, const char *name, const char *value)
{
	char *text = NULL;

	if (asprintf(&text, "%s=%s", name, value) < 0)
		text = NULL;
	return add_env(p, text);
}

static int add_fds(struct plan *p, const struct bh_spawn_request *req)
{
	struct bh_buf names = BH_BUF_INIT;
	size_t len;
	int rc;

	(void)bh_buf_str(&names, "BULKHEAD_FDS=");
	for (size_t i = 0; i < req->fds_n; i++) {
		if (i)
			(void)bh_buf_u8(&names, ',');
		for (const char *s = req->fds[i].name; *s; s++)
			(void)bh_buf_u8(&names, *s == ',' ? '_' : (uint8_t)*s);
		(void)bh_buf_printf(&names, ":%d", p->count);
		p->from[p->count++] = req->fds[i].fd;
	}
	rc = bh_buf_failed(&names);
	if (!rc)
		rc = add_env(p, bh_buf_detach(&names, &len));
	bh_buf_release(&names);
	return rc;
}

/* What the child is told of rights: its own, and who its peers are. */
static int add_rights(struct plan *p, const struct bh_spawn_request *req)
{
	char text[BH_ORDERS_TEXT_MAX];
	int rc = 0;

	if (req->plan) {
		bh_sandbox_orders_print(&req->plan->orders, text);
		rc = add_env_text(p, "BULKHEAD_RIGHTS", text);
	}
	if (!rc && req->uids) {
		(void)snprintf(text, sizeof(text), "%u,%u,%u",
		    (unsigned)req->uids[BH_ROLE_DOGSTATSD], (unsigned)req->uids[BH_ROLE_LOGS],
		    (unsigned)req->uids[BH_ROLE_FORWARDER]);
		rc = add_env_text(p, "BULKHEAD_UIDS", text);
	}
	if (!rc && req->probe)
		rc = add_env_text(p, "BULKHEAD_PROBE", req->probe);
	if (!rc && req->started_ns) {
		(void)snprintf(text, sizeof(text), "%" PRId64, req->started_ns);
		rc = add_env_text(p, "BULKHEAD_STARTED", text);
	}
	return rc;
}

static int make_plan(struct plan *p, const struct bh_spawn_request *req, int control_fd)
{
	static const char *const passed[] = {"PATH", "LANG", "TZ"};
	static const struct bh_ids unchanged = {.change = false};
	char text[32];
	int rc = 0;

	if (req->fds_n > BH_CHILD_FDS_MAX)
		return BH_E_LIMIT;
	p->exe = req->exe;
	p->ids = req->plan ? &req->plan->ids : &unchanged;
	p->argv[0] = strdup(req->exe);
	if (!p->argv[0])
		return -ENOMEM;
	p->from[0] = -1; /* /dev/null, opened by the child */
	p->from[1] = p->from[2] = req->log_fd;
	p->from[BH_CHILD_FD_CONTROL] = control_fd;
	p->from[BH_CHILD_FD_CONFIG] = req->config_fd;
	p->count = BH_CHILD_FD_FIRST;
	for (size_t i = 0; i < BH_ARRAY_LEN(passed) && !rc; i++) {
		const char *value = getenv(passed[i]);

		rc = value ? add_env_text(p, passed[i], value) : 0;
	}
	(void)snprintf(text, sizeof(text), "%" PRIu32, req->generation);
	rc = rc ? rc : add_env_text(p, "BULKHEAD_GENERATION", text);
	(void)snprintf(text, sizeof(text), "%" PRIx64, req->run_id);
	rc = rc ? rc : add_env_text(p, "BULKHEAD_RUN_ID", text);
	if (!rc && req->spool_only)
		rc = add_env_text(p, "BULKHEAD_DRAIN", "spool-only");
	rc = rc ? rc : add_rights(p, req);
	if (!rc && req->log_form)
		rc = add_env_text(p, "BULKHEAD_LOG", req->log_form);
	rc = rc ? rc : add_fds(p, req);
	if (!rc && req->lock_fd >= 0)
		p->from[p->count++] = req->lock_fd;
	return rc;
}

static void free_plan(struct plan *p)
{
	free(p->argv[0]);
	for (size_t i = 0; i < p->env_n; i++)
		free(p->envp[i]);
}

static int pidfd_open(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : (int)fd;
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

/* Waits until exec has closed the pipe or the child has said why not. */
static int wait_exec(struct plan *p, int fd, bool *exec_failed, struct bh_err *err)
{
	struct failure f;
	ssize_t n;

	do {
		n = read(fd, &f, sizeof(f));
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		return 0;
	if (n != (ssize_t)sizeof(f))
		return bh_err_set(
		    err, BH_E_STATE, "start %s: no report from the new process", p->exe);
	*exec_failed = f.stage == STAGE_EXEC && f.error != ENOMEM && f.error != EAGAIN;
	if (f.stage != STAGE_RIGHTS || f.step < 0 || f.step >= BH_IDS__N)
		return bh_err_set(err, -f.error, "%s %s", stage_name(f.stage), p->exe);
	p->step = (enum bh_ids_step)f.step;
	return bh_err_set(err, -f.error, "%s %s", bh_ids_step_name(p->step), p->exe);
}

static int fork_exec(struct plan *p, pid_t *pid, bool *exec_failed, struct bh_err *err)
{
	int report[2];
	int rc;

	if (pipe2(report, O_CLOEXEC) < 0)
		return bh_err_set(err, -errno, "pipe");
	p->report_fd = report[1];
	*pid = fork();
	if (*pid == 0)
		become_child(p);
	(void)close(report[1]);
	if (*pid < 0) {
		rc = bh_err_set(err, -errno, "fork");
		(void)close(report[0]);
		return rc;
	}
	rc = wait_exec(p, report[0], exec_failed, err);
	(void)close(report[0]);
	if (rc)
		reap(*pid);
	return rc;
}

int bh_spawn(const struct bh_spawn_request *req, struct bh_spawned *out, bool *exec_failed,
    struct bh_err *err)
{
	struct plan p = {0};
	int pair[2] = {-1, -1};
	int rc;

	*exec_failed = false;
	*out = (struct bh_spawned){.pid_fd = -1, .control_fd = -1};
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return bh_err_set(err, -errno, "socketpair");
	rc = make_plan(&p, req, pair[1]);
	if (rc) {
		(void)bh_err_set(err, rc, "prepare the start of %s", req->exe);
		goto out;
	}
	/* Only our end: the flag belongs to the end, and the child's writes may wait. */
	if (fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0) {
		rc = bh_err_set(err, -errno, "control socket");
		goto out;
	}
	rc = fork_exec(&p, &out->pid, exec_failed, err);
	out->failed = p.step;
	if (rc)
		goto out;
	out->pid_fd = pidfd_open(out->pid);
	if (out->pid_fd < 0) {
		rc = bh_err_set(err, out->pid_fd, "pidfd of %s", req->exe);
		(void)kill(out->pid, SIGKILL);
		reap(out->pid);
		goto out;
	}
	out->control_fd = pair[0];
	pair[0] = -1;
out:
	free_plan(&p);
	if (pair[0] >= 0)
		(void)close(pair[0]);
	(void)close(pair[1]);
	return rc;
}

int bh_spawn_seal(const char *name, const void *p, size_t n)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t done = 0;
	int rc;

	if (fd < 0)
		return -errno;
	while (done < n) {
		ssize_t w = write(fd, (const char *)p + done, n - done);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			goto fail;
		done += (size_t)w;
	}
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
		return fd;
fail:
	rc = -errno;
	(void)close(fd);
	return rc;
}

int bh_spawn_find(enum bh_role role, char **path, struct bh_err *err)
{
	static const char *const places[] = {"libexec", "../libexec/bulkhead"};
	const char *name = bh_role_name(role);
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return bh_err_set(err, -errno, "read /proc/self/exe");
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < BH_ARRAY_LEN(places); i++) {
		if (asprintf(path, "%s/%s/bulkhead-%s", self, places[i], name) < 0)
			return bh_err_set(err, -ENOMEM, "path of bulkhead-%s", name);
		if (access(*path, X_OK) == 0)
			return 0;
		free(*path);
		*path = NULL;
	}
	return bh_err_set(err, -ENOENT,
	    "bulkhead-%s is neither in %s/libexec nor in %s/../libexec/bulkhead: the installation "
	    "is "
	    "incomplete",
	    name, self, self);
}

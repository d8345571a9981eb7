#include "supervisor/ctl/inquiry.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/config_load.h"
#include "common/pass_fd.h"
#include "common/percent.h"
#include "common/sibling.h"
#include "supervisor/ctl/view_json.h"

extern char **environ;

#define LINE_MAX_BYTES ((size_t)64 << 20)

/* --- lines ------------------------------------------------------------------------------------ */

struct lines {
	int from;
	int wait_ms;
	struct bh_buf in;
	size_t used; /* bytes of it that were given out */
	int passed;  /* -1 = no descriptor came */
};

/* More bytes: 0; BH_E_CLOSED at the end; -ETIMEDOUT; -errno. */
static int fill(struct lines *l)
{
	struct pollfd p = {.fd = l->from, .events = POLLIN};
	char part[65536];
	ssize_t n;
	int ready;

	do
		ready = poll(&p, 1, l->wait_ms);
	while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		return ready ? -errno : -ETIMEDOUT;
	n = bh_pass_fd_receive(l->from, part, sizeof(part), &l->passed, 0);
	if (n < 0)
		return (int)n;
	if (n == 0)
		return BH_E_CLOSED;
	if (l->used) {
		memmove(l->in.data, l->in.data + l->used, l->in.len - l->used);
		l->in.len -= l->used;
		l->used = 0;
	}
	return l->in.len > LINE_MAX_BYTES ? BH_E_LIMIT : bh_buf_append(&l->in, part, (size_t)n);
}

/* The next line as JSON, the caller's; NULL with *rc set. */
static json_t *next_line(struct lines *l, int *rc)
{
	json_t *json;
	const char *end;

	*rc = 0;
	for (;;) {
		size_t left = l->in.len - l->used;

		end = left ? memchr(l->in.data + l->used, '\n', left) : NULL;
		if (end)
			break;
		*rc = fill(l);
		if (*rc)
			return NULL;
	}
	json = json_loadb(l->in.data + l->used, (size_t)(end - (l->in.data + l->used)), 0, NULL);
	l->used = (size_t)(end - l->in.data) + 1;
	if (!json)
		*rc = BH_E_FORMAT;
	return json;
}

/* 0 with *end, or the error. */
static int read_lines(struct lines *l, const struct bh_inquiry *q, json_t **end)
{
	int rc = 0;

	for (;;) {
		json_t *line = next_line(l, &rc);

		if (!line)
			return rc;
		if (json_object_get(line, "end") || json_object_get(line, "error")) {
			*end = line;
			return 0;
		}
		q->row(q->ctx, line);
		json_decref(line);
	}
}

/* --- who answers ------------------------------------------------------------------------------ */

/* A descriptor with the configuration, as a forwarder reads it. */
static int sealed_config(const struct bh_config *cfg)
{
	struct bh_buf bytes = BH_BUF_INIT;
	int fd = memfd_create("bulkhead-config", MFD_CLOEXEC);
	int rc = fd < 0 ? -errno : bh_config_encode(cfg, BH_ROLE_FORWARDER, &bytes);

	if (!rc &&
	    (write(fd, bytes.data, bytes.len) != (ssize_t)bytes.len || lseek(fd, 0, SEEK_SET) < 0))
		rc = -errno;
	if (bytes.data)
		explicit_bzero(bytes.data, bytes.len);
	bh_buf_release(&bytes);
	if (!rc)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

static void run_forwarder(const char *path, const char *request, int config, int out)
{
	char *const args[] = {(char *)(uintptr_t) "bulkhead-forwarder",
	    (char *)(uintptr_t) "answer", (char *)(uintptr_t)request, NULL};

	if (dup2(config, 0) < 0 || dup2(out, 1) < 0)
		_exit(127);
	(void)execv(path, args);
	_exit(127);
}

/* Starts it; the descriptor to read from, or -errno. */
static int start_forwarder(
    const struct bh_config *cfg, const char *request, pid_t *pid, struct bh_err *err)
{
	char *path = NULL;
	int ends[2] = {-1, -1}, config;
	int rc = bh_sibling_find("forwarder", &path, err);

	if (rc)
		return rc;
	config = sealed_config(cfg);
	if (config < 0)
		rc = bh_err_set(err, config, "configuration");
	else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		rc = bh_err_set(err, -errno, "socket");
	if (!rc) {
		*pid = fork();
		if (*pid == 0)
			run_forwarder(path, request, config, ends[1]);
		if (*pid < 0)
			rc = bh_err_set(err, -errno, "start %s", path);
	}
	free(path);
	if (config >= 0)
		(void)close(config);
	if (ends[1] >= 0)
		(void)close(ends[1]);
	if (rc && ends[0] >= 0)
		(void)close(ends[0]);
	return rc ? rc : ends[0];
}

static int answer_here(
    const struct bh_ctl_options *o, const struct bh_inquiry *q, pid_t *pid, struct bh_err *err)
{
	struct bh_findings findings = {0};
	struct bh_buf request = BH_BUF_INIT;
	struct bh_config cfg;
	int rc = bh_config_load(&cfg, o->config, environ, &findings);

	if (rc)
		(void)bh_err_set(
		    err, BH_E_CONFIG, "the configuration is wrong: %.200s", findings.v[0].text);
	else
		rc = bh_buf_printf(&request, "%s%s", q->request ? q->request : q->verb, q->offline);
	if (!rc)
		rc = start_forwarder(&cfg, request.data, pid, err);
	bh_buf_release(&request);
	bh_findings_release(&findings);
	bh_config_release(&cfg);
	return rc;
}

/* The descriptor to read from: >= 0. -ENOENT: nobody runs. Else *code is the exit status. */
static int ask_supervisor(const struct bh_ctl_options *o, const struct bh_inquiry *q, int *code)
{
	struct bh_buf path = BH_BUF_INIT, answer = BH_BUF_INIT, request = BH_BUF_INIT;
	struct bh_ctl_member member = {"request", NULL};
	struct bh_err err = BH_ERR_INIT;
	struct bh_config cfg;
	json_t *json = NULL;
	int fd = -1, rc = bh_ctl_socket(o, &cfg, &path);

	if (!rc && q->request)
		rc = bh_percent_encode(bh_str_from(q->request), &request);
	member.value = request.data;
	if (!rc)
		rc = bh_ctl_ask(path.data, q->verb, &member, q->request ? 1 : 0,
		    (o->timeout_s ? (int)o->timeout_s : 5) * 1000, &answer, &fd, &err);
	if (!rc)
		json = json_loadb(answer.data, answer.len, 0, NULL);
	*code = BH_CTL_DONE;
	if (rc == -ENOENT || rc == -ECONNREFUSED || json_is_true(json_object_get(json, "stopped")))
		fd = -ENOENT;
	else if (rc)
		*code = bh_ctl_fail(o, err.text[0] ? err.text : bh_err_name(rc), BH_CTL_UNKNOWN);
	else if (json_object_get(json, "error"))
		*code = bh_ctl_fail(o, bh_json_text(json, "error"),
		    json_is_true(json_object_get(json, "denied")) ? BH_CTL_UNKNOWN : BH_CTL_WRONG);
	else if (fd < 0)
		*code = bh_ctl_fail(o, "the answer came without a socket", BH_CTL_WRONG);
	json_decref(json);
	bh_buf_release(&path);
	bh_buf_release(&answer);
	bh_buf_release(&request);
	bh_config_release(&cfg);
	return fd;
}

static const char *cause_of(int rc)
{
	switch (rc) {
	case BH_E_CLOSED:
		return "the forwarder ended without a whole answer";
	case -ETIMEDOUT:
		return "the forwarder does not answer";
	default:
		return bh_err_name(rc);
	}
}

int bh_ctl_inquire(const struct bh_ctl_options *o, const struct bh_inquiry *q, json_t **end,
    int *fd, bool *offline)
{
	struct bh_err err = BH_ERR_INIT;
	int code, rc;
	pid_t pid = 0;
	struct lines l = {.from = ask_supervisor(o, q, &code), .passed = -1};

	l.wait_ms = (o->timeout_s ? (int)o->timeout_s : q->wait_s) * 1000;
	*fd = -1;
	*end = NULL;
	*offline = l.from == -ENOENT;
	if (code)
		return code;
	if (*offline && !q->offline)
		return bh_ctl_fail(
		    o, "the forwarder does not run: start bulkhead first", BH_CTL_STOPPED);
	if (*offline)
		l.from = answer_here(o, q, &pid, &err);
	if (l.from < 0)
		return bh_ctl_fail(o, err.text[0] ? err.text : bh_err_name(l.from), BH_CTL_WRONG);
	rc = read_lines(&l, q, end);
	(void)close(l.from);
	bh_buf_release(&l.in);
	if (pid > 0 && rc)
		(void)kill(pid, SIGTERM);
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
	if (rc)
		code = bh_ctl_fail(o, cause_of(rc), BH_CTL_WRONG);
	else if (json_object_get(*end, "error"))
		code = bh_ctl_fail(o, bh_json_text(*end, "error"), BH_CTL_WRONG);
	if (code) {
		json_decref(*end);
		if (l.passed >= 0)
			(void)close(l.passed);
		return code;
	}
	*fd = l.passed;
	return BH_CTL_DONE;
}

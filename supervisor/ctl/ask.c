#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config_load.h"
#include "common/jsonw.h"
#include "common/version.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/view_json.h"

extern char **environ;

int bh_ctl_usage(const char *what, const char *word)
{
	(void)fprintf(stderr, "bulkheadctl: %s%s%s (bulkheadctl help lists what there is)\n",
	    word ? word : "", word ? ": " : "", what);
	return BH_CTL_USAGE;
}

void bh_ctl_print(const struct bh_buf *b)
{
	if (b->len)
		(void)fwrite(b->data, 1, b->len, stdout);
}

static void print_json_error(const char *text)
{
	struct bh_buf json = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_document(&w, &json);
	bh_jsonw_str(&w, "error", text);
	bh_jsonw_object_end(&w);
	(void)bh_buf_u8(&json, '\n');
	bh_ctl_print(&json);
	bh_buf_release(&json);
}

void bh_ctl_tell_role(const char *role, const char *reason, const char *next)
{
	(void)fprintf(stderr, "bulkheadctl: %s: ERROR (%s%s%s)\n", role, reason,
	    *next ? "; next: " : "", next);
}

int bh_ctl_fail(const struct bh_ctl_options *o, const char *text, int code)
{
	if (o->json)
		print_json_error(text);
	(void)fprintf(stderr, "bulkheadctl: ERROR (%s)\n", text);
	return code;
}

/* Has anything ever run there? */
static bool is_installed(const char *socket_path)
{
	struct bh_buf dir = BH_BUF_INIT;
	const char *slash = strrchr(socket_path, '/');
	bool there = !slash || slash == socket_path ||
		     bh_buf_append(&dir, socket_path, (size_t)(slash - socket_path)) != 0 ||
		     access(dir.data, F_OK) == 0 || errno != ENOENT;

	bh_buf_release(&dir);
	return there;
}

static int absent_code(const struct bh_ctl_query *q, const char *socket_path)
{
	if (q == &bh_ctl_status)
		return BH_CTL_NOT_RUNNING;
	if (q == &bh_ctl_health)
		return BH_CTL_WRONG;
	return is_installed(socket_path) ? BH_CTL_STOPPED : BH_CTL_NOT_INSTALLED;
}

static int cannot_ask(const struct bh_ctl_options *o, const struct bh_ctl_query *q, int rc,
    const char *socket_path, const char *text)
{
	bool absent = rc == -ENOENT || rc == -ECONNREFUSED;

	if (absent && q == &bh_ctl_version) {
		(void)printf(o->json ? "{\"schema\":1,\"version\":null,\"bulkheadctl\":\"%s\"}\n"
				     : "bulkheadctl %s\nbulkhead    does not run\n",
		    BH_VERSION);
		return BH_CTL_DONE;
	}
	if (absent && q->absent_is_fine)
		return BH_CTL_DONE;
	if (absent)
		return bh_ctl_fail(o, text, absent_code(q, socket_path));
	if (q == &bh_ctl_status || rc == -EACCES || rc == -EPERM)
		return bh_ctl_fail(o, text, BH_CTL_UNKNOWN);
	return bh_ctl_fail(o, text, BH_CTL_WRONG);
}

/* The answer as an object, the caller's; NULL when it is none, or an error, which was told: *code.
 */
static json_t *understand(const struct bh_ctl_options *o, const struct bh_buf *answer, int *code)
{
	json_t *json = json_loadb(answer->data, answer->len, 0, NULL);

	*code = BH_CTL_DONE;
	if (!json) {
		*code =
		    bh_ctl_fail(o, "the answer is not JSON: another version runs?", BH_CTL_WRONG);
	} else if (json_object_get(json, "error")) {
		*code = bh_ctl_fail(o, bh_json_text(json, "error"),
		    json_is_true(json_object_get(json, "denied")) ? BH_CTL_UNKNOWN : BH_CTL_WRONG);
		json_decref(json);
		json = NULL;
	}
	return json;
}

static int show(
    const struct bh_ctl_options *o, const struct bh_ctl_query *q, const struct bh_buf *answer)
{
	struct bh_buf text = BH_BUF_INIT;
	int code;
	json_t *json = understand(o, answer, &code);

	if (!json)
		return code;
	if (o->json && q->view && !q->own_json)
		(void)bh_buf_printf(&text, "%s\n", answer->data);
	else if (q->view && !o->quiet)
		q->view(json, &text);
	bh_ctl_print(&text);
	code = q->verdict ? q->verdict(json) : BH_CTL_DONE;
	bh_buf_release(&text);
	json_decref(json);
	return code;
}

static int timeout_ms(
    const struct bh_ctl_options *o, const struct bh_ctl_query *q, const struct bh_config *cfg)
{
	if (o->timeout_s)
		return (int)(o->timeout_s * 1000);
	return q->drains ? (int)BH_MIN(bh_config_stop_budget_ms(cfg) + 5000, (int64_t)INT32_MAX)
			 : (q->wait_s ? q->wait_s : 5) * 1000;
}

int bh_ctl_socket(const struct bh_ctl_options *o, struct bh_config *cfg, struct bh_buf *path)
{
	struct bh_findings findings = {0};

	/* A configuration that became wrong does not keep anybody from asking what runs. */
	if (bh_config_load(cfg, o->config, environ, &findings)) {
		for (size_t i = 0; i < findings.n && !o->socket; i++) {
			if (findings.v[i].level == BH_FINDING_ERROR)
				(void)fprintf(stderr, "bulkheadctl: %s\n", findings.v[i].text);
		}
	}
	bh_findings_release(&findings);
	return o->socket ? bh_buf_str(path, o->socket)
			 : bh_buf_printf(path, "%s/ctl.sock", cfg->run_dir);
}

/* The answer's text into *answer; BH_CTL_DONE, or what went wrong was told. */
static int ask(const struct bh_ctl_options *o, const struct bh_ctl_query *q,
    const struct bh_ctl_member *members, size_t n, struct bh_buf *answer, int *fd)
{
	struct bh_buf path = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_config cfg;
	int rc, code;

	*fd = -1;
	rc = bh_ctl_socket(o, &cfg, &path);
	if (rc)
		(void)bh_err_set(&err, rc, "path of the socket");
	else
		rc = bh_ctl_ask(
		    path.data, q->name, members, n, timeout_ms(o, q, &cfg), answer, fd, &err);
	code = rc ? cannot_ask(o, q, rc, path.data ? path.data : "", err.text) : BH_CTL_DONE;
	bh_buf_release(&path);
	bh_config_release(&cfg);
	return code;
}

int bh_ctl_ask_with(const struct bh_ctl_options *o, const struct bh_ctl_query *q,
    const struct bh_ctl_member *members, size_t n, int *fd)
{
	struct bh_buf answer = BH_BUF_INIT;
	int code = ask(o, q, members, n, &answer, fd);

	/* Without an answer there is one case that is none: version says it by itself. */
	if (code == BH_CTL_DONE && answer.len)
		code = show(o, q, &answer);
	bh_buf_release(&answer);
	return code;
}

json_t *bh_ctl_fetch(
    const struct bh_ctl_options *o, const struct bh_ctl_query *q, int *fd, int *code)
{
	struct bh_buf answer = BH_BUF_INIT;
	json_t *json = NULL;

	*code = ask(o, q, NULL, 0, &answer, fd);
	if (*code == BH_CTL_DONE && answer.len)
		json = understand(o, &answer, code);
	bh_buf_release(&answer);
	return json;
}

int bh_ctl_put_json(const json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);
	int code = text && puts(text) >= 0 && fflush(stdout) == 0 ? BH_CTL_DONE : BH_CTL_WRONG;

	free(text);
	return code;
}

int bh_ctl_ask_one(const struct bh_ctl_options *o, const struct bh_ctl_query *q, const char *value)
{
	const struct bh_ctl_member member = {q->member, value};
	int fd;
	int code = bh_ctl_ask_with(o, q, &member, value ? 1 : 0, &fd);

	if (fd >= 0)
		(void)close(fd);
	return code;
}

int bh_ctl_ask_plain(const struct bh_ctl_options *o, const struct bh_ctl_query *q, char **words)
{
	return *words ? bh_ctl_usage("unexpected argument", *words) : bh_ctl_ask_one(o, q, NULL);
}

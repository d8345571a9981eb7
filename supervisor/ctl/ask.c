#include <errno.h>
#include <limits.h>
#include <stdio.h>
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

	bh_jsonw_init(&w, &json);
	bh_jsonw_object(&w, NULL);
	bh_jsonw_u64(&w, "schema", 1);
	bh_jsonw_str(&w, "error", text);
	bh_jsonw_object_end(&w);
	(void)bh_buf_u8(&json, '\n');
	bh_ctl_print(&json);
	bh_buf_release(&json);
}

int bh_ctl_fail(const struct bh_ctl_options *o, const char *text, int code)
{
	if (o->json)
		print_json_error(text);
	(void)fprintf(stderr, "bulkheadctl: ERROR (%s)\n", text);
	return code;
}

static int cannot_ask(
    const struct bh_ctl_options *o, const struct bh_ctl_query *q, int rc, const char *text)
{
	bool absent = rc == -ENOENT || rc == -ECONNREFUSED;

	if (absent && q == &bh_ctl_version) {
		(void)printf(o->json ? "{\"schema\":1,\"version\":null,\"bulkheadctl\":\"%s\"}\n"
				     : "bulkheadctl %s\nbulkhead    does not run\n",
		    BH_VERSION);
		return BH_CTL_DONE;
	}
	if (absent)
		return bh_ctl_fail(
		    o, text, q == &bh_ctl_status ? BH_CTL_NOT_RUNNING : BH_CTL_STOPPED);
	return bh_ctl_fail(o, text, rc == BH_E_CLOSED ? BH_CTL_WRONG : BH_CTL_UNKNOWN);
}

static int show(
    const struct bh_ctl_options *o, const struct bh_ctl_query *q, const struct bh_buf *answer)
{
	struct bh_buf text = BH_BUF_INIT;
	json_t *json = json_loadb(answer->data, answer->len, 0, NULL);
	int code;

	if (!json)
		return bh_ctl_fail(
		    o, "the answer is not JSON: another version runs?", BH_CTL_WRONG);
	if (json_object_get(json, "error")) {
		code =
		    json_is_true(json_object_get(json, "denied")) ? BH_CTL_UNKNOWN : BH_CTL_WRONG;
		(void)bh_ctl_fail(o, bh_json_text(json, "error"), code);
	} else {
		if (o->json && q->view && !q->own_json)
			(void)bh_buf_printf(&text, "%s\n", answer->data);
		else if (q->view)
			q->view(json, &text);
		bh_ctl_print(&text);
		code = q->verdict ? q->verdict(json) : BH_CTL_DONE;
	}
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

int bh_ctl_ask_with(const struct bh_ctl_options *o, const struct bh_ctl_query *q,
    const struct bh_ctl_member *members, size_t n, int *fd)
{
	struct bh_buf path = BH_BUF_INIT, answer = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_config cfg;
	int rc, code;

	*fd = -1;
	rc = bh_ctl_socket(o, &cfg, &path);
	if (rc)
		(void)bh_err_set(&err, rc, "path of the socket");
	else
		rc = bh_ctl_ask(
		    path.data, q->name, members, n, timeout_ms(o, q, &cfg), &answer, fd, &err);
	code = rc ? cannot_ask(o, q, rc, err.text) : show(o, q, &answer);
	bh_buf_release(&path);
	bh_buf_release(&answer);
	bh_config_release(&cfg);
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

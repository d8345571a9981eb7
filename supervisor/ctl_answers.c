#include "supervisor/ctl_answers.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/jsonw.h"
#include "supervisor/supervisor.h"

#define REPORT_MAX ((size_t)64 << 10)

/* What the supervisor before this one wrote; 0 or -errno. */
static int read_report(const char *run_path, struct bh_buf *out)
{
	struct bh_buf path = BH_BUF_INIT;
	char part[4096];
	ssize_t n = 0;
	int fd, rc = bh_buf_printf(&path, "%s/last-stop.json", run_path);

	fd = rc ? -1 : open(path.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (!rc && fd < 0)
		rc = -errno;
	while (!rc && out->len < REPORT_MAX && (n = read(fd, part, sizeof(part))) > 0)
		rc = bh_buf_append(out, part, (size_t)n);
	if (!rc && n < 0)
		rc = -errno;
	if (fd >= 0)
		(void)close(fd);
	bh_buf_release(&path);
	return rc;
}

/* One line of it: a newline inside would end the answer early. */
static void answer_text(struct bh_ctl_conn *c, struct bh_str json)
{
	while (json.n && json.p[json.n - 1] == '\n')
		json.n--;
	if (json.n < 2 || json.p[0] != '{' || json.p[json.n - 1] != '}' ||
	    memchr(json.p, '\n', json.n))
		bh_ctl_answer_error(c, "last-stop.json is damaged");
	else
		bh_ctl_answer(c, json);
}

void bh_last_stop_answer(struct bh_supervisor *s, struct bh_ctl_conn *c)
{
	struct bh_buf text = BH_BUF_INIT;
	int rc = s->report.len ? 0 : read_report(s->cfg.run_path, &text);

	if (rc == -ENOENT)
		bh_ctl_answer_error(c, "bulkhead has not been stopped here yet");
	else if (rc)
		bh_ctl_answer_error(c, bh_err_name(rc));
	else
		answer_text(c, bh_buf_view(s->report.len ? &s->report : &text));
	bh_buf_release(&text);
}

static void put_signal(struct bh_supervisor *s, int role, int signo, struct bh_jsonw *w)
{
	struct bh_kid *k = &s->kids[role];
	bool running = k->pid != 0;
	bool ok = bh_kid_signal(k, signo);

	bh_jsonw_object(w, NULL);
	bh_jsonw_str(w, "name", bh_role_name((enum bh_role)role));
	bh_jsonw_bool(w, "ok", ok);
	bh_jsonw_bool(w, "running", running);
	bh_jsonw_str(w, "result",
	    ok           ? "signalled"
	    : k->enabled ? "is not running"
			 : "is not configured");
	bh_jsonw_object_end(w);
}

void bh_signal_answer(struct bh_supervisor *s, struct bh_ctl_conn *c)
{
	struct bh_buf json = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_document(&w, &json);
	bh_jsonw_array(&w, "results");
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (c->roles & 1u << i)
			put_signal(s, i, c->signo, &w);
	}
	bh_jsonw_array_end(&w);
	bh_jsonw_object_end(&w);
	bh_ctl_answer(c, bh_buf_view(&json));
	bh_buf_release(&json);
}

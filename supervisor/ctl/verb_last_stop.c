/* last-stop: the report of the last drain, from the supervisor or, when none runs, from its file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/config_load.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/view.h"
#include "supervisor/ctl/view_json.h"

static int show(const struct bh_ctl_options *o, const json_t *report)
{
	struct bh_buf text = BH_BUF_INIT;

	if (o->json) {
		(void)bh_ctl_put_json(report);
	} else if (!o->quiet) {
		(void)bh_buf_printf(&text, "%s (%s, %s)\n", bh_json_text(report, "end"),
		    bh_json_text(report, "cause"), bh_json_text(report, "mode"));
		bh_view_report(report, &text);
	}
	bh_ctl_print(&text);
	bh_buf_release(&text);
	return json_is_true(json_object_get(report, "accounted")) ? BH_CTL_DONE : BH_CTL_WRONG;
}

static json_t *read_file(const struct bh_ctl_options *o, int *code)
{
	struct bh_findings findings = {0};
	struct bh_buf path = BH_BUF_INIT;
	json_error_t error;
	struct bh_config cfg;
	json_t *report = NULL;

	/* A configuration that became wrong still holds the place, or its default. */
	if (bh_config_load(&cfg, o->config, environ, &findings))
		(void)fputs(
		    "bulkheadctl: the configuration is wrong: looking where it can be\n", stderr);
	if (!bh_buf_printf(&path, "%s/last-stop.json", cfg.run_path)) {
		errno = 0;
		report = json_load_file(path.data, 0, &error);
	}
	if (!report && errno == ENOENT)
		*code = bh_ctl_fail(o, "bulkhead has not been stopped here yet", BH_CTL_WRONG);
	else if (!report)
		*code = bh_ctl_fail(o, errno ? strerror(errno) : error.text,
		    errno == EACCES ? BH_CTL_UNKNOWN : BH_CTL_WRONG);
	bh_findings_release(&findings);
	bh_buf_release(&path);
	bh_config_release(&cfg);
	return report;
}

int bh_ctl_run_last_stop(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	static const struct bh_ctl_query q = {.name = "last-stop", .absent_is_fine = true};
	json_t *report;
	int fd, code;

	(void)command;
	if (*words)
		return bh_ctl_usage("unexpected argument", *words);
	report = bh_ctl_fetch(o, &q, &fd, &code);
	if (!report && code == BH_CTL_DONE)
		report = read_file(o, &code);
	if (report)
		code = show(o, report);
	json_decref(report);
	return code;
}

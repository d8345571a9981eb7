/* The verbs that are one question: about the processes, or orders to them. */
#include <stdio.h>
#include <string.h>

#include "common/version.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/view.h"
#include "supervisor/ctl/view_json.h"

#define RELOAD_WAIT_S 120 /* three processes, one after the other, each with its drain */

static int status_verdict(const json_t *answer)
{
	return bh_view_all_running(answer) ? BH_CTL_DONE : BH_CTL_NOT_RUNNING;
}

static int ledger_verdict(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "balanced")) ? BH_CTL_DONE : BH_CTL_WRONG;
}

static int report_verdict(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "accounted")) ? BH_CTL_DONE : BH_CTL_WRONG;
}

static int results_verdict(const json_t *answer)
{
	const json_t *results = json_object_get(answer, "results");
	const json_t *one;
	size_t i;

	json_array_foreach(results, i, one)
	{
		if (!json_is_true(json_object_get(one, "ok")))
			return BH_CTL_WRONG;
	}
	return json_is_array(results) ? BH_CTL_DONE : BH_CTL_WRONG;
}

static int reload_verdict(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "applied")) ? results_verdict(answer)
								: BH_CTL_WRONG;
}

static int version_verdict(const json_t *answer)
{
	return *bh_json_text(answer, "version") ? BH_CTL_DONE : BH_CTL_WRONG;
}

static void version_view(const json_t *answer, struct bh_buf *out)
{
	(void)bh_buf_printf(
	    out, "bulkheadctl %s\nbulkhead    %s\n", BH_VERSION, bh_json_text(answer, "version"));
}

const struct bh_ctl_query bh_ctl_status = {
    .name = "status", .view = bh_view_status, .verdict = status_verdict};
const struct bh_ctl_query bh_ctl_ledger = {
    .name = "ledger", .view = bh_view_ledger, .verdict = ledger_verdict};
const struct bh_ctl_query bh_ctl_drain = {
    .name = "drain", .drains = true, .view = bh_view_report, .verdict = report_verdict};
const struct bh_ctl_query bh_ctl_shutdown = {
    .name = "shutdown", .drains = true, .view = bh_view_report, .verdict = report_verdict};
const struct bh_ctl_query bh_ctl_version = {
    .name = "version", .view = version_view, .verdict = version_verdict};
const struct bh_ctl_query bh_ctl_start = {
    .name = "start", .member = "names", .view = bh_view_results, .verdict = results_verdict};
const struct bh_ctl_query bh_ctl_stop = {.name = "stop",
    .drains = true,
    .member = "names",
    .view = bh_view_results,
    .verdict = results_verdict};
const struct bh_ctl_query bh_ctl_restart = {.name = "restart",
    .drains = true,
    .member = "names",
    .view = bh_view_results,
    .verdict = results_verdict};
const struct bh_ctl_query bh_ctl_reload = {
    .name = "reload", .view = bh_view_reload, .verdict = reload_verdict, .wait_s = RELOAD_WAIT_S};
const struct bh_ctl_query bh_ctl_reopen_logs = {.name = "reopen-logs"};
const struct bh_ctl_query bh_ctl_dogstatsd_stats = {
    .name = "dogstatsd-stats", .view = bh_view_metrics};

/* Names are words; what else they may be the supervisor says. */
static bool join_names(char **words, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (; *words; words++) {
		int n = snprintf(out + len, cap - len, "%s%s", len ? " " : "", *words);

		if (n < 0 || (size_t)n >= cap - len || strpbrk(*words, "\"\\") || !**words)
			return false;
		len += (size_t)n;
	}
	return true;
}

int bh_ctl_run_query(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	const struct bh_ctl_query *q = command->query;
	char names[256];

	if (!q->member)
		return bh_ctl_ask_plain(o, q, words);
	if (!*words)
		return bh_ctl_usage("needs the name of a process, or all", command->name);
	if (!join_names(words, names, sizeof(names)))
		return bh_ctl_usage(
		    "no such process: dogstatsd, logs, forwarder or all", command->name);
	return bh_ctl_ask_one(o, q, names);
}

/* The verbs that are one question: about the processes, or orders to them. */
#include <stdio.h>
#include <string.h>

#include "common/attrs.h"
#include "common/version.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/view.h"
#include "supervisor/ctl/view_json.h"

#define RELOAD_WAIT_S 120 /* three processes, one after the other, each with its drain */

static int ledger_verdict(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "balanced")) ? BH_CTL_DONE : BH_CTL_WRONG;
}

static int report_verdict(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "accounted")) ? BH_CTL_DONE : BH_CTL_WRONG;
}

static const char *next_step(const char *reason)
{
	static const struct {
		const char *reason, *next;
	} steps[] = {
	    {"is not running", "bulkheadctl start"},
	    {"is not configured", "see use_dogstatsd and logs_enabled in datadog.yaml"},
	    {"does not start; its log says why", "bulkheadctl status -v"},
	    {"does not start; trying again", "bulkheadctl status -v"},
	    {"stopped without proof for everything", "bulkheadctl ledger"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(steps); i++) {
		if (strcmp(steps[i].reason, reason) == 0)
			return steps[i].next;
	}
	return "";
}

int bh_ctl_results_verdict(const json_t *answer)
{
	const json_t *results = json_object_get(answer, "results");
	int code = json_is_array(results) ? BH_CTL_DONE : BH_CTL_WRONG;
	const json_t *one;
	size_t i;

	json_array_foreach(results, i, one)
	{
		if (json_is_true(json_object_get(one, "ok")))
			continue;
		bh_ctl_tell_role(bh_json_text(one, "name"), bh_json_text(one, "result"),
		    next_step(bh_json_text(one, "result")));
		code = BH_CTL_WRONG;
	}
	return code;
}

static int health_verdict(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "healthy")) ? BH_CTL_DONE : BH_CTL_WRONG;
}

static int reload_verdict(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "applied")) ? bh_ctl_results_verdict(answer)
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

const struct bh_ctl_query bh_ctl_status = {.name = "status"};
const struct bh_ctl_query bh_ctl_health = {
    .name = "health", .view = bh_view_health, .verdict = health_verdict};
const struct bh_ctl_query bh_ctl_ledger = {
    .name = "ledger", .view = bh_view_ledger, .verdict = ledger_verdict};
const struct bh_ctl_query bh_ctl_drain = {
    .name = "drain", .drains = true, .view = bh_view_report, .verdict = report_verdict};
const struct bh_ctl_query bh_ctl_shutdown = {
    .name = "shutdown", .drains = true, .view = bh_view_report, .verdict = report_verdict};
const struct bh_ctl_query bh_ctl_version = {
    .name = "version", .view = version_view, .verdict = version_verdict};
const struct bh_ctl_query bh_ctl_start = {
    .name = "start", .member = "names", .view = bh_view_results, .verdict = bh_ctl_results_verdict};
const struct bh_ctl_query bh_ctl_stop = {.name = "stop",
    .drains = true,
    .member = "names",
    .view = bh_view_results,
    .verdict = bh_ctl_results_verdict};
const struct bh_ctl_query bh_ctl_restart = {.name = "restart",
    .drains = true,
    .member = "names",
    .view = bh_view_results,
    .verdict = bh_ctl_results_verdict};
const struct bh_ctl_query bh_ctl_reload = {
    .name = "reload", .view = bh_view_reload, .verdict = reload_verdict, .wait_s = RELOAD_WAIT_S};
/* Done is done: only --json shows that there is an answer. */
static void no_view(const json_t *answer, struct bh_buf *out)
{
	(void)answer;
	(void)out;
}

const struct bh_ctl_query bh_ctl_reopen_logs = {.name = "reopen-logs", .view = no_view};
const struct bh_ctl_query bh_ctl_dogstatsd_stats = {
    .name = "dogstatsd-stats", .view = bh_view_metrics};

/* Names are words; what else they may be the supervisor says. */
bool bh_ctl_join_names(char **words, char *out, size_t cap)
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
	if (!bh_ctl_join_names(words, names, sizeof(names)))
		return bh_ctl_usage(
		    "no such process: dogstatsd, logs, forwarder or all", command->name);
	return bh_ctl_ask_one(o, q, names);
}

/* status and pid: about the processes, all or those that were named. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/config.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/view.h"
#include "supervisor/ctl/view_json.h"

static bool is_all(const char *word)
{
	return strcmp(word, "all") == 0;
}

static bool is_role(const char *word)
{
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (strcmp(word, bh_role_name((enum bh_role)i)) == 0)
			return true;
	}
	return false;
}

static json_t *find_role(const json_t *status, const char *name)
{
	const json_t *roles = json_object_get(status, "roles");

	for (size_t i = 0; i < json_array_size(roles); i++) {
		json_t *role = json_array_get(roles, i);

		if (strcmp(bh_json_text(role, "name"), name) == 0)
			return role;
	}
	return NULL;
}

/* The roles that the words name, in the order of the words, a new array. *code: BH_CTL_UNKNOWN when
 * one is not there, which was told. */
static json_t *choose(const json_t *status, char **words, int *code)
{
	json_t *chosen = json_array();

	for (; *words; words++) {
		json_t *role = find_role(status, *words);

		if (is_all(*words)) {
			(void)json_array_extend(chosen, json_object_get(status, "roles"));
		} else if (role) {
			(void)json_array_append(chosen, role);
		} else {
			bh_ctl_tell_role(*words,
			    is_role(*words) ? "is not configured" : "no such process",
			    is_role(*words) ? "see use_dogstatsd and logs_enabled in datadog.yaml"
					    : "dogstatsd, logs, forwarder or all");
			*code = BH_CTL_UNKNOWN;
		}
	}
	return chosen;
}

static void put_text(
    const struct bh_ctl_options *o, const json_t *status, bool named, struct bh_buf *out)
{
	const json_t *roles = json_object_get(status, "roles");

	if (named) {
		bh_view_roles(roles, o->verbose, out);
		if (o->verbose)
			bh_view_deaths(roles, out);
	} else if (o->verbose) {
		bh_view_status_verbose(status, out);
	} else {
		bh_view_status(status, out);
	}
}

int bh_ctl_run_status(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	struct bh_buf text = BH_BUF_INIT;
	int fd, code;
	json_t *status = bh_ctl_fetch(o, &bh_ctl_status, &fd, &code);

	(void)command;
	if (!status)
		return code;
	if (*words)
		(void)json_object_set_new(status, "roles", choose(status, words, &code));
	if (o->json)
		(void)bh_ctl_put_json(status);
	else if (!o->quiet)
		put_text(o, status, *words != NULL, &text);
	bh_ctl_print(&text);
	if (code == BH_CTL_DONE && !bh_view_all_running(status))
		code = BH_CTL_NOT_RUNNING;
	bh_buf_release(&text);
	json_decref(status);
	return code;
}

/* --- pid -------------------------------------------------------------------------------------- */

static int put_pids(const struct bh_ctl_options *o, const json_t *roles)
{
	json_t *answer = json_object(), *list = json_array();
	int code = BH_CTL_DONE;
	const json_t *role;
	size_t i;

	json_array_foreach(roles, i, role)
	{
		int64_t pid = bh_json_int(role, "pid");

		if (!pid)
			code = BH_CTL_STOPPED;
		if (!o->json && !o->quiet)
			(void)printf("%" PRId64 "\n", pid);
		(void)json_array_append_new(
		    list, json_pack("{s:s,s:I}", "name", bh_json_text(role, "name"), "pid",
			      (json_int_t)pid));
	}
	(void)json_object_set_new(answer, "schema", json_integer(1));
	(void)json_object_set_new(answer, "pids", list);
	if (o->json)
		(void)bh_ctl_put_json(answer);
	json_decref(answer);
	return code;
}

/* As supervisorctl: without a name the supervisor's own. */
int bh_ctl_run_pid(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	static const struct bh_ctl_query q = {.name = "status"};
	json_t *status, *roles;
	int fd, code, result;

	(void)command;
	status = bh_ctl_fetch(o, &q, &fd, &code);
	if (!status)
		return code;
	if (*words) {
		roles = choose(status, words, &code);
	} else {
		roles = json_array();
		(void)json_array_append_new(
		    roles, json_pack("{s:s,s:I}", "name", "supervisor", "pid",
			       (json_int_t)bh_json_int(status, "pid")));
	}
	result = put_pids(o, roles);
	json_decref(roles);
	json_decref(status);
	return code ? code : result;
}

/* signal SIG NAME...: one of the few that mean something to a child. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/attrs.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/view.h"
#include "supervisor/ctl/view_json.h"

static const char *known(const char *word)
{
	static const char *const names[] = {"HUP", "USR1", "USR2", "QUIT", "KILL"};

	if (strncasecmp(word, "SIG", 3) == 0)
		word += 3;
	for (size_t i = 0; i < BH_ARRAY_LEN(names); i++) {
		if (strcasecmp(names[i], word) == 0)
			return names[i];
	}
	return NULL;
}

static int verdict(const json_t *answer)
{
	int code = bh_ctl_results_verdict(answer);
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(answer, "results"), i, one)
	{
		if (!json_is_true(json_object_get(one, "running")))
			code = BH_CTL_STOPPED;
	}
	return code;
}

int bh_ctl_run_signal(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	static const struct bh_ctl_query q = {
	    .name = "signal", .view = bh_view_results, .verdict = verdict};
	const char *sig = *words ? known(*words) : NULL;
	struct bh_ctl_member members[2];
	char names[256];
	int fd, code;

	if (!sig)
		return bh_ctl_usage(
		    "needs HUP, USR1, USR2, QUIT or KILL, then names", command->name);
	if (!words[1] || !bh_ctl_join_names(words + 1, names, sizeof(names)))
		return bh_ctl_usage("needs the name of a process, or all", command->name);
	members[0] = (struct bh_ctl_member){"names", names};
	members[1] = (struct bh_ctl_member){"signal", sig};
	code = bh_ctl_ask_with(o, &q, members, 2, &fd);
	if (fd >= 0)
		(void)close(fd);
	return code;
}

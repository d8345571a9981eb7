/* dogstatsd-capture and dogstatsd-replay. */
#include <stdio.h>
#include <string.h>

#include "common/config_load.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/replay.h"
#include "supervisor/ctl/view_json.h"

extern char **environ;

static void capture_view(const json_t *answer, struct bh_buf *out)
{
	(void)bh_buf_printf(out, "%s\n", bh_json_text(answer, "path"));
}

int bh_ctl_run_capture(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	static const struct bh_ctl_query q = {
	    .name = "dogstatsd-capture", .member = "seconds", .view = capture_view};

	(void)command;
	if (words[0] && words[1])
		return bh_ctl_usage("unexpected argument", words[1]);
	if (words[0] && (!*words[0] || strspn(words[0], "0123456789") != strlen(words[0])))
		return bh_ctl_usage("a number of seconds is wanted", words[0]);
	return bh_ctl_ask_one(o, &q, words[0] ? words[0] : "60");
}

int bh_ctl_run_replay(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	struct bh_findings findings = {0};
	struct bh_err err = BH_ERR_INIT;
	struct bh_config cfg;
	uint64_t packets;
	int rc;

	if (!words[0] || words[1])
		return bh_ctl_usage("needs one file", command->name);
	(void)!bh_config_load(&cfg, o->config, environ, &findings);
	rc = bh_replay(words[0], cfg.dogstatsd_socket, &packets, &err);
	bh_findings_release(&findings);
	bh_config_release(&cfg);
	if (rc)
		return bh_ctl_fail(o, err.text, BH_CTL_WRONG);
	(void)printf(o->json ? "{\"schema\":1,\"packets\":%llu}\n" : "%llu packets\n",
	    (unsigned long long)packets);
	return BH_CTL_DONE;
}

/* diagnose: what is between the agent and each intake. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/inquiry.h"
#include "supervisor/ctl/view_json.h"

#define WAIT_S 90 /* the longest check, with a proxy that does not answer */

struct seen {
	const struct bh_ctl_options *o;
	bool any;
	unsigned failed;
};

static void row(void *ctx, const json_t *r)
{
	struct seen *s = ctx;
	const char *result = bh_json_text(r, "result");

	s->failed += strcmp(result, "fail") == 0;
	if (s->o->json) {
		(void)fputs(s->any ? "," : "{\"schema\":1,\"checks\":[", stdout);
		(void)json_dumpf(r, stdout, JSON_COMPACT);
	} else {
		(void)printf("%-5s %-6s %s: %s\n", result, bh_json_text(r, "check"),
		    bh_json_text(r, "target"), bh_json_text(r, "detail"));
		if (*bh_json_text(r, "fix"))
			(void)printf("             %s\n", bh_json_text(r, "fix"));
	}
	s->any = true;
	(void)fflush(stdout);
}

int bh_ctl_run_diagnose(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	struct seen s = {.o = o};
	const struct bh_inquiry q = {
	    .verb = "diagnose", .offline = "", .wait_s = WAIT_S, .row = row, .ctx = &s};
	json_t *end = NULL;
	bool offline = false;
	int fd = -1, code;

	(void)command;
	if (*words)
		return bh_ctl_usage("unexpected argument", *words);
	code = bh_ctl_inquire(o, &q, &end, &fd, &offline);
	json_decref(end);
	if (fd >= 0)
		(void)close(fd);
	if (o->json && (s.any || !code))
		(void)printf("%s],\"failed\":%u,\"running\":%s}\n",
		    s.any ? "" : "{\"schema\":1,\"checks\":[", s.failed,
		    offline ? "false" : "true");
	else if (!code)
		(void)printf("%u checks failed%s\n", s.failed,
		    offline ? "; the forwarder does not run, these are made from here" : "");
	return code ? code : s.failed ? BH_CTL_WRONG : BH_CTL_DONE;
}

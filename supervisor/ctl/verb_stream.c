/* stream-logs: the question; what comes is shown by stream.c. */
#include <unistd.h>

#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/stream.h"

int bh_ctl_run_stream(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	static const struct bh_ctl_query q = {.name = "stream-logs"};
	const struct bh_stream_show what = {(uint32_t)o->duration_s, (uint64_t)o->count, o->json};
	struct bh_ctl_member members[2];
	struct bh_err err = BH_ERR_INIT;
	size_t n = 0;
	int fd, code;

	(void)command;
	if (*words)
		return bh_ctl_usage("unexpected argument", *words);
	if (o->source)
		members[n++] = (struct bh_ctl_member){"source", o->source};
	if (o->service)
		members[n++] = (struct bh_ctl_member){"service", o->service};
	code = bh_ctl_ask_with(o, &q, members, n, &fd);
	if (code == BH_CTL_DONE && fd < 0)
		return bh_ctl_fail(o, "the answer came without a stream", BH_CTL_WRONG);
	if (fd >= 0 && code == BH_CTL_DONE)
		return bh_stream_show(fd, &what, &err) ? bh_ctl_fail(o, err.text, BH_CTL_WRONG)
						       : BH_CTL_DONE;
	if (fd >= 0)
		(void)close(fd);
	return code;
}

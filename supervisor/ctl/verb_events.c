/* events: those that are kept, then, with --follow, each as it happens (supervisor/events.h). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervisor/ctl/ctl.h"

#define EVENT_MAX 4096

/* Each is printed as JSON again, so that nothing else reaches the terminal. */
static int put_datagram(const char *p, size_t n)
{
	json_t *event = json_loadb(p, n, 0, NULL);
	int code = event ? bh_ctl_put_json(event) : BH_CTL_WRONG;

	json_decref(event);
	return code;
}

static int follow(const struct bh_ctl_options *o, int fd)
{
	char event[EVENT_MAX];
	int code = BH_CTL_DONE;

	while (code == BH_CTL_DONE) {
		ssize_t n = recv(fd, event, sizeof(event), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return bh_ctl_fail(o, strerror(errno), BH_CTL_WRONG);
		if (n == 0)
			return bh_ctl_fail(o, "the supervisor ended", BH_CTL_WRONG);
		code = put_datagram(event, (size_t)n);
	}
	return code;
}

int bh_ctl_run_events(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	const struct bh_ctl_query q = {.name = o->follow ? "events-follow" : "events"};
	const json_t *event;
	int fd, code;
	json_t *answer;
	size_t i;

	(void)command;
	if (*words)
		return bh_ctl_usage("unexpected argument", *words);
	answer = bh_ctl_fetch(o, &q, &fd, &code);
	json_array_foreach(json_object_get(answer, "events"), i, event)
	{
		code = code ? code : bh_ctl_put_json(event);
	}
	json_decref(answer);
	if (code == BH_CTL_DONE && o->follow)
		code = fd < 0 ? bh_ctl_fail(o, "the answer came without events", BH_CTL_WRONG)
			      : follow(o, fd);
	if (fd >= 0)
		(void)close(fd);
	return code;
}

/*
 * evilchild: stands in for a role and breaks the rules of the control channel. What it does is the
 * word in the file EXECUTABLE.mode; see the table. Started by the supervisor, descriptor 3 is the
 * channel.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "proto/control.h"

#define CHANNEL    3
#define STUFF_SIZE 65536

struct evil {
	uint32_t generation;
	enum bh_role role;
};

/* false when nobody is there any more. */
static bool say_raw(const void *p, size_t n)
{
	return send(CHANNEL, p, n, MSG_NOSIGNAL) >= 0 || errno == EMSGSIZE || errno == ENOBUFS;
}

static bool say(const struct evil *e, struct bh_ctl_msg m)
{
	struct bh_buf out = BH_BUF_INIT;
	bool there;

	m.generation = m.generation ? m.generation : e->generation;
	there = bh_ctl_encode(&m, &out) == 0 && say_raw(out.data, out.len);
	bh_buf_release(&out);
	return there;
}

static void hello(const struct evil *e)
{
	struct bh_ctl_msg m = {.type = BH_CTL_HELLO};

	m.u.hello.role = e->role;
	m.u.hello.pid = (uint32_t)getpid();
	(void)say(e, m);
}

static void ready(const struct evil *e)
{
	hello(e);
	(void)say(e, (struct bh_ctl_msg){.type = BH_CTL_READY});
}

/* --- what it does ----------------------------------------------------------------------------- */

static void silent(const struct evil *e)
{
	(void)e;
}

static void garbage(const struct evil *e)
{
	char stuff[512];

	ready(e);
	memset(stuff, 0xa5, sizeof(stuff));
	(void)say_raw(stuff, sizeof(stuff));
}

static void garbage_first(const struct evil *e)
{
	(void)e;
	(void)say_raw("READY\n", 6);
}

/* Longer than a message may be, and longer than what is read of one. */
static void huge(const struct evil *e)
{
	static char stuff[STUFF_SIZE];

	ready(e);
	(void)say_raw(stuff, sizeof(stuff));
}

static void wrong_length(const struct evil *e)
{
	struct bh_buf out = BH_BUF_INIT;
	struct bh_ctl_msg m = {.type = BH_CTL_HEARTBEAT, .generation = e->generation};

	ready(e);
	if (bh_ctl_encode(&m, &out) == 0) {
		memset(out.data + 12, 0xff, 4); /* "length of the rest" */
		(void)say_raw(out.data, out.len);
	}
	bh_buf_release(&out);
}

static void wrong_version(const struct evil *e)
{
	struct bh_buf out = BH_BUF_INIT;
	struct bh_ctl_msg m = {.type = BH_CTL_HEARTBEAT, .generation = e->generation};

	ready(e);
	if (bh_ctl_encode(&m, &out) == 0) {
		out.data[2] = 99;
		(void)say_raw(out.data, out.len);
	}
	bh_buf_release(&out);
}

static void ready_twice(const struct evil *e)
{
	ready(e);
	(void)say(e, (struct bh_ctl_msg){.type = BH_CTL_READY});
}

static void other_role(const struct evil *e)
{
	struct bh_ctl_msg m = {.type = BH_CTL_HELLO};

	m.u.hello.role = e->role == BH_ROLE_LOGS ? BH_ROLE_DOGSTATSD : BH_ROLE_LOGS;
	m.u.hello.pid = (uint32_t)getpid();
	(void)say(e, m);
}

static void ack_unasked(const struct evil *e)
{
	ready(e);
	(void)say(e, (struct bh_ctl_msg){.type = BH_CTL_DRAIN_ACK});
}

/* What only the supervisor says. */
static void commands(const struct evil *e)
{
	ready(e);
	(void)say(e, (struct bh_ctl_msg){.type = BH_CTL_EXIT});
}

static void early_beat(const struct evil *e)
{
	hello(e);
	(void)say(e, (struct bh_ctl_msg){.type = BH_CTL_HEARTBEAT});
}

static void old_generation(const struct evil *e)
{
	struct bh_ctl_msg m = {.type = BH_CTL_READY, .generation = e->generation + 1000};

	hello(e);
	(void)say(e, m);
}

static void flood_of(const struct evil *e, struct bh_ctl_msg m)
{
	while (say(e, m))
		continue;
}

static void flood(const struct evil *e)
{
	ready(e);
	flood_of(e, (struct bh_ctl_msg){.type = BH_CTL_HEARTBEAT});
}

static void flood_old(const struct evil *e)
{
	ready(e);
	flood_of(
	    e, (struct bh_ctl_msg){.type = BH_CTL_HEARTBEAT, .generation = e->generation + 1000});
}

/* Figures without end: a name more each time. */
static void flood_stats(const struct evil *e)
{
	struct bh_ctl_msg m = {.type = BH_CTL_STATS_REPLY};

	ready(e);
	m.u.stat.type = BH_STAT_NOTE;
	memset(m.u.stat.text, 'x', BH_CTL_TEXT_MAX);
	for (unsigned i = 0;; i++) {
		(void)snprintf(m.u.stat.name, sizeof(m.u.stat.name), "note %u", i);
		if (!say(e, m))
			return;
	}
}

/* The process ends; one that it made goes on with its channel. */
static void leave_a_flood(const struct evil *e)
{
	ready(e);
	if (fork() == 0)
		flood_of(e, (struct bh_ctl_msg){.type = BH_CTL_HEARTBEAT});
	else
		_exit(0);
}

static void close_channel(const struct evil *e)
{
	ready(e);
	(void)close(CHANNEL);
}

static void close_early(const struct evil *e)
{
	(void)e;
	(void)close(CHANNEL);
}

static void nothing_in_it(const struct evil *e)
{
	ready(e);
	(void)say_raw("", 0);
}

static void stand_still(const struct evil *e)
{
	(void)e;
	(void)raise(SIGSTOP);
}

static void only_ready(const struct evil *e)
{
	ready(e);
}

static const struct {
	const char *mode;
	void (*act)(const struct evil *e);
} acts[] = {
    {"ack-unasked", ack_unasked},
    {"close-channel", close_channel},
    {"close-early", close_early},
    {"commands", commands},
    {"early-beat", early_beat},
    {"flood", flood},
    {"flood-old", flood_old},
    {"flood-stats", flood_stats},
    {"garbage", garbage},
    {"garbage-first", garbage_first},
    {"huge", huge},
    {"leave-a-flood", leave_a_flood},
    {"never-ready", silent},
    {"nothing-in-it", nothing_in_it},
    {"old-generation", old_generation},
    {"only-ready", only_ready},
    {"other-role", other_role},
    {"ready-twice", ready_twice},
    {"stand-still", stand_still},
    {"wrong-length", wrong_length},
    {"wrong-version", wrong_version},
};

/* --- its start -------------------------------------------------------------------------------- */

static bool read_mode(const char *exe, char mode[64])
{
	char path[4096];
	FILE *f;
	bool read;

	(void)snprintf(path, sizeof(path), "%s.mode", exe);
	f = fopen(path, "re");
	if (!f)
		return false;
	read = fgets(mode, 64, f) != NULL;
	mode[strcspn(mode, "\n")] = '\0';
	(void)fclose(f);
	return read;
}

static enum bh_role role_of(const char *exe)
{
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		const char *name = bh_role_name((enum bh_role)i);
		size_t n = strlen(name), all = strlen(exe);

		if (all > n && strcmp(exe + all - n, name) == 0)
			return (enum bh_role)i;
	}
	return BH_ROLE_DOGSTATSD;
}

int main(int argc, char **argv)
{
	const char *generation = getenv("BULKHEAD_GENERATION");
	struct evil e = {0};
	char mode[64];

	if (argc < 1 || !generation || !read_mode(argv[0], mode))
		return 2;
	for (int signo = 1; signo < NSIG; signo++)
		(void)signal(signo, SIG_IGN);
	e.generation = (uint32_t)strtoul(generation, NULL, 10);
	e.role = role_of(argv[0]);
	for (size_t i = 0; i < BH_ARRAY_LEN(acts); i++) {
		if (strcmp(acts[i].mode, mode) == 0)
			acts[i].act(&e);
	}
	for (;;)
		(void)pause();
}

/* The command of `bulkhead run -- COMMAND` (supervisor/job.h): its environment, its status. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervisor/job.h"
#include "supervisor/job_config.h"

static const char *get(char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; *env; env++) {
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	}
	return NULL;
}

#define assert_is(env, name, want) \
	do { \
		const char *got_ = get(env, name), *want_ = (want); \
		cr_assert(got_ &&want_ ? strcmp(got_, want_) == 0 : got_ == want_, "%s: %s", name, \
		    got_ ? got_ : "not there"); \
	} while (0)

Test(job, the_command_is_told_where_to_send_metrics)
{
	static char home[] = "HOME=/root", notify[] = "NOTIFY_SOCKET=/run/x",
		    port[] = "DD_DOGSTATSD_PORT=-1", path[] = "DD_DOGSTATSD_SOCKET=/old";
	char *own[] = {home, notify, port, path, NULL};
	char udp[] = "udp:127.0.0.1:18125", unix_name[] = "uds:/s", unix_path[] = "/s";
	struct bh_sockets s = {
	    .v = {{udp, BH_SOCKET_UDP, -1, NULL}, {unix_name, BH_SOCKET_DATAGRAM, -1, unix_path}},
	    .n = 2};
	char **env = bh_job_env(own, &s);

	assert_is(env, "HOME", "/root");
	assert_is(env, "NOTIFY_SOCKET", NULL);
	assert_is(env, "DD_DOGSTATSD_SOCKET", "/s");
	assert_is(env, "DD_DOGSTATSD_URL", "unix:///s");
	assert_is(env, "DD_DOGSTATSD_PORT", "18125");
	assert_is(env, "DD_AGENT_HOST", "127.0.0.1");
	bh_job_env_free(env);
}

Test(job, what_the_user_says_of_clients_stays)
{
	static char url[] = "DD_DOGSTATSD_URL=udp://a:1", host[] = "DD_AGENT_HOST=b";
	char *own[] = {url, host, NULL};
	char udp[] = "udp:[::1]:8125";
	struct bh_sockets s = {.v = {{udp, BH_SOCKET_UDP, -1, NULL}}, .n = 1};
	char **env = bh_job_env(own, &s);

	assert_is(env, "DD_DOGSTATSD_URL", "udp://a:1");
	assert_is(env, "DD_AGENT_HOST", "b");
	assert_is(env, "DD_DOGSTATSD_PORT", "8125");
	bh_job_env_free(env);
}

/* --- the process --------------------------------------------------------------------------------
 */

struct watched {
	struct bh_loop loop;
	struct bh_job job;
	unsigned told;
};

static void on_done(void *ctx)
{
	struct watched *w = ctx;

	w->told++;
	bh_loop_stop(&w->loop);
}

static void set_up(struct watched *w, char **argv)
{
	*w = (struct watched){0};
	cr_assert_eq(bh_loop_init(&w->loop, &bh_clock_system), 0);
	bh_job_init(&w->job, argv);
	w->job.loop = &w->loop;
	w->job.done = on_done;
	w->job.ctx = w;
}

static int run(const char *script)
{
	static char sh[] = "sh", c[] = "-c";
	char *text = strdup(script), *argv[] = {sh, c, text, NULL};
	char *env[] = {NULL};
	struct watched w;

	set_up(&w, argv);
	bh_job_start(&w.job, env);
	cr_assert_eq(bh_loop_run(&w.loop), 0);
	cr_assert_eq(w.told, 1);
	bh_job_release(&w.job);
	bh_loop_release(&w.loop);
	free(text);
	return w.job.status;
}

Test(job, the_status_is_that_of_a_shell)
{
	cr_assert_eq(run("exit 0"), 0);
	cr_assert_eq(run("exit 7"), 7);
	cr_assert_eq(run("kill -9 $$"), 137);
	cr_assert_eq(run("kill -15 $$"), 143);
}

Test(job, it_leads_a_group_of_its_own)
{
	cr_assert_eq(run("test $(ps -o pgid= -p $$) -eq $$"), 0);
}

Test(job, what_does_not_start_has_the_status_of_a_shell_too)
{
	static char missing[] = "/nonexistent/x", folder[] = "/tmp";
	char *first[] = {missing, NULL}, *second[] = {folder, NULL}, *env[] = {NULL};
	struct watched w;

	set_up(&w, first);
	bh_job_start(&w.job, env);
	cr_assert_eq(w.told, 1);
	cr_assert_eq(w.job.status, 127);
	set_up(&w, second);
	bh_job_start(&w.job, env);
	cr_assert_eq(w.told, 1);
	cr_assert_eq(w.job.status, 126);
}

Test(job, one_that_is_called_off_never_starts)
{
	static char yes[] = "true";
	char *argv[] = {yes, NULL}, *env[] = {NULL};
	struct watched w;

	set_up(&w, argv);
	bh_job_cancel(&w.job, SIGTERM);
	bh_job_start(&w.job, env);
	cr_assert_eq(w.told, 1);
	cr_assert_eq(w.job.status, 143);
	cr_assert_not(bh_job_runs(&w.job));
}

/* --- its configuration --------------------------------------------------------------------------
 */

Test(job, its_output_is_two_sources_named_after_it)
{
	struct bh_config cfg = {0};

	bh_config_defaults(&cfg);
	cfg.logs_enabled = true;
	cr_assert_eq(bh_job_config(&cfg, "/usr/bin/backup"), 0);
	cr_assert_eq(cfg.log_sources_n, 2);
	cr_assert_str_eq(cfg.log_sources[0].type, "run");
	cr_assert_str_eq(cfg.log_sources[0].path, "stdout");
	cr_assert_str_eq(cfg.log_sources[1].path, "stderr");
	cr_assert_str_eq(cfg.log_sources[0].service, "backup");
	cr_assert_str_eq(cfg.log_sources[1].source, "backup");
	cr_assert_str_eq(cfg.log_level, "warn", "our notes do not mix with its own");
	bh_config_release(&cfg);
}

Test(job, it_has_no_sources_without_logs)
{
	struct bh_config cfg = {0};

	bh_config_defaults(&cfg);
	cr_assert_eq(bh_job_config(&cfg, "x"), 0);
	cr_assert_eq(cfg.log_sources_n, 0);
	cfg.logs_enabled = true;
	cfg.run_logs = false;
	cr_assert_eq(bh_job_config(&cfg, "x"), 0);
	cr_assert_eq(cfg.log_sources_n, 0);
	bh_config_release(&cfg);
}

/* --- its output ---------------------------------------------------------------------------------
 */

struct piped {
	struct bh_loop loop;
	struct bh_job_output o;
	bool logs, done;
};

static bool expected(void *ctx)
{
	return ((struct piped *)ctx)->logs;
}

static void output_done(void *ctx)
{
	((struct piped *)ctx)->done = true;
}

static void open_output(struct piped *p)
{
	char path[] = "/tmp/bh-job-XXXXXX";
	int fd = mkstemp(path);

	*p = (struct piped){0};
	(void)unlink(path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	cr_assert_eq(bh_loop_init(&p->loop, &bh_clock_system), 0);
	bh_job_output_init(&p->o);
	cr_assert_eq(bh_job_output_open(&p->o, &p->loop), 0);
	p->o.logs_expected = expected;
	p->o.logs_ctx = p->o.ctx = p;
	p->o.done = output_done;
	(void)close(fd);
}

/* Writes so much as the command would, and hands it on. */
static void say(struct piped *p, int writer, const char *text, size_t n)
{
	while (n) {
		ssize_t part = write(writer, text, n > 4096 ? 4096 : n);

		cr_assert_gt(part, 0);
		text += part;
		n -= (size_t)part;
		cr_assert_eq(bh_loop_turn(&p->loop, 0), 0);
	}
}

static size_t size_of_output(void)
{
	return (size_t)lseek(STDOUT_FILENO, 0, SEEK_CUR);
}

Test(job_output, what_no_logs_process_takes_is_written_and_counted)
{
	size_t big = (size_t)4 << 20;
	char *text = malloc(big), got[65536];
	struct piped p;
	int writer;
	ssize_t n;

	memset(text, 'x', big);
	for (size_t i = 99; i < big; i += 100)
		text[i] = '\n';
	open_output(&p);
	writer = dup(bh_job_output_writer(&p.o, 0));
	bh_job_output_started(&p.o);
	say(&p, writer, text, big);
	cr_assert_eq(size_of_output(), big, "nothing is held up");
	cr_assert_gt(bh_job_output_skipped(&p.o), 0);
	/* A logs process comes: it gets what waited, then whole lines. */
	while (recv(bh_job_output_link(&p.o, 0), got, sizeof(got), MSG_DONTWAIT) > 0)
		continue;
	say(&p, writer, "rest of a line\nwhole\n", 21);
	(void)close(writer);
	bh_job_output_end(&p.o);
	cr_assert(p.done);
	n = recv(bh_job_output_link(&p.o, 0), got, sizeof(got), MSG_DONTWAIT);
	cr_assert(n == 6 || (n == 7 && got[0] == '\n'), "the line that was cut ends");
	cr_assert_eq(memcmp(got + n - 6, "whole\n", 6), 0);
	cr_assert_eq(size_of_output(), big + 21);
	bh_job_output_release(&p.o);
	bh_loop_release(&p.loop);
	free(text);
}

Test(job_output, a_slow_logs_process_holds_the_command_up)
{
	char block[4096], got[65536];
	uint64_t written = 0, taken = 0;
	struct piped p;
	int writer;
	ssize_t n;

	memset(block, 'y', sizeof(block));
	open_output(&p);
	p.logs = true;
	writer = dup(bh_job_output_writer(&p.o, 0));
	cr_assert_eq(fcntl(writer, F_SETFL, O_NONBLOCK), 0);
	bh_job_output_started(&p.o);
	while ((n = write(writer, block, sizeof(block))) > 0) {
		written += (uint64_t)n;
		cr_assert_eq(bh_loop_turn(&p.loop, 0), 0);
	}
	cr_assert_eq(bh_job_output_skipped(&p.o), 0);
	(void)close(writer);
	bh_job_output_end(&p.o);
	cr_assert_not(p.done);
	while (!p.done || bh_job_output_unread(&p.o)) {
		n = recv(bh_job_output_link(&p.o, 0), got, sizeof(got), MSG_DONTWAIT);
		taken += n > 0 ? (uint64_t)n : 0;
		cr_assert_eq(bh_loop_turn(&p.loop, 0), 0);
	}
	cr_assert_eq(taken, written);
	cr_assert_eq(bh_job_output_skipped(&p.o), 0);
	bh_job_output_release(&p.o);
	bh_loop_release(&p.loop);
}

Test(job_output, one_that_dies_while_it_is_waited_for_is_waited_for_no_more)
{
	char block[4096];
	struct piped p;
	int writer;

	memset(block, 'z', sizeof(block));
	open_output(&p);
	p.logs = true;
	writer = dup(bh_job_output_writer(&p.o, 0));
	cr_assert_eq(fcntl(writer, F_SETFL, O_NONBLOCK), 0);
	bh_job_output_started(&p.o);
	while (write(writer, block, sizeof(block)) > 0)
		cr_assert_eq(bh_loop_turn(&p.loop, 0), 0);
	p.logs = false;
	bh_job_output_look(&p.o);
	cr_assert_gt(write(writer, block, sizeof(block)), 0, "the pipe has room again");
	(void)close(writer);
	bh_job_output_end(&p.o);
	cr_assert(p.done);
	bh_job_output_release(&p.o);
	bh_loop_release(&p.loop);
}

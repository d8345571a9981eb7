#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervisor/spawn.h"

static char dir[] = "/tmp/bh-spawn-XXXXXX";
static char exe[64];

static void set_up(void)
{
	cr_assert(mkdtemp(dir));
	(void)snprintf(exe, sizeof(exe), "%s/child", dir);
}

static void tear_down(void)
{
	(void)unlink(exe);
	(void)rmdir(dir);
}

TestSuite(spawn, .init = set_up, .fini = tear_down);

static void write_script(const char *text, mode_t mode)
{
	FILE *f = fopen(exe, "we");

	cr_assert(f);
	cr_assert(fputs(text, f) >= 0);
	cr_assert_eq(fclose(f), 0);
	cr_assert_eq(chmod(exe, mode), 0);
}

static struct bh_spawn_request request(void)
{
	return (struct bh_spawn_request){.exe = exe,
	    .role = BH_ROLE_LOGS,
	    .generation = 3,
	    .run_id = 0xabcdef,
	    .config_fd = open("/dev/null", O_RDONLY | O_CLOEXEC),
	    .log_fd = STDERR_FILENO,
	    .lock_fd = -1};
}

static int wait_status(const struct bh_spawned *s)
{
	int status = -1;

	cr_assert_eq(waitpid(s->pid, &status, 0), s->pid);
	(void)close(s->pid_fd);
	(void)close(s->control_fd);
	return status;
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

Test(spawn, an_executable_that_is_missing_is_named_and_leaves_nothing_behind)
{
	struct bh_spawn_request req = request();
	struct bh_err err = BH_ERR_INIT;
	struct bh_spawned s;
	bool exec_failed = false;
	int before = count_fds();

	cr_assert_eq(bh_spawn(&req, &s, &exec_failed, &err), -ENOENT);
	cr_assert(exec_failed);
	cr_assert(strstr(err.text, exe), "%s", err.text);
	cr_assert(strstr(err.text, "execute"), "%s", err.text);
	cr_assert_eq(count_fds(), before);
	cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
	cr_assert_eq(errno, ECHILD);
}

Test(spawn, a_file_that_is_not_executable_is_an_exec_failure)
{
	struct bh_spawn_request req = request();
	struct bh_err err = BH_ERR_INIT;
	struct bh_spawned s;
	bool exec_failed = false;

	write_script("#!/bin/sh\n", 0600);
	cr_assert_eq(bh_spawn(&req, &s, &exec_failed, &err), -EACCES);
	cr_assert(exec_failed);
}

/* The child looks at what it was given, and says what is wrong by its exit status. */
static const char inspect[] =
    "#!/bin/sh\n"
    "[ \"$(readlink /proc/$$/fd/0)\" = /dev/null ] || exit 1\n"
    "case $(readlink /proc/$$/fd/3) in socket:*) ;; *) exit 2 ;; esac\n"
    "[ \"$(readlink /proc/$$/fd/5)\" = /dev/zero ] || exit 3\n"
    "[ \"$(readlink /proc/$$/fd/6)\" = /dev/full ] || exit 4\n"
    "[ \"$BULKHEAD_FDS\" = \"udp:[::1]:8125:5,uds:/a_b:6\" ] || exit 5\n"
    "[ \"$BULKHEAD_GENERATION\" = 3 ] || exit 6\n"
    "[ \"$BULKHEAD_RUN_ID\" = abcdef ] || exit 7\n"
    "[ -z \"$BULKHEAD_DRAIN\" ] || exit 8\n"
    "[ -z \"$DD_API_KEY$BULKHEAD_OTHER$HOME\" ] || exit 9\n"
    "grep -q '^NoNewPrivs:.1$' /proc/$$/status || exit 10\n"
    "[ \"$(ulimit -c)\" = 0 ] || exit 11\n"
    "for fd in 8 9 11 12 13 14 15 16 17 18 19; do\n" /* 10 is the shell's own */
    "  [ -e /proc/$$/fd/$fd ] && exit 12\n"
    "done\n"
    "[ \"$(ps -o pgid= -p $$ 2>/dev/null | tr -d ' ' || echo $$)\" = $$ ] || exit 13\n"
    "exit 0\n";

Test(spawn, the_child_is_given_its_descriptors_and_its_environment_and_nothing_else)
{
	struct bh_spawn_request req = request();
	struct bh_spawn_fd fds[] = {{"udp:[::1]:8125", -1}, {"uds:/a,b", -1}};
	struct bh_err err = BH_ERR_INIT;
	struct bh_spawned s;
	bool exec_failed = false;

	write_script(inspect, 0700);
	fds[0].fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	fds[1].fd = open("/dev/full", O_RDONLY | O_CLOEXEC);
	for (int fd = 8; fd < 20; fd++) /* without CLOEXEC, to be closed nevertheless */
		cr_assert_geq(dup(fds[0].fd), 0);
	req.fds = fds;
	req.fds_n = 2;
	req.lock_fd = fds[0].fd;
	(void)setenv("DD_API_KEY", "secret", 1);
	(void)setenv("BULKHEAD_OTHER", "x", 1);
	cr_assert_eq(bh_spawn(&req, &s, &exec_failed, &err), 0, "%s", err.text);
	cr_assert_eq(wait_status(&s), 0);
}

Test(spawn, a_restart_within_a_drain_is_marked_spool_only)
{
	struct bh_spawn_request req = request();
	struct bh_err err = BH_ERR_INIT;
	struct bh_spawned s;
	bool exec_failed = false;

	write_script("#!/bin/sh\n[ \"$BULKHEAD_DRAIN\" = spool-only ]\n", 0700);
	req.spool_only = true;
	cr_assert_eq(bh_spawn(&req, &s, &exec_failed, &err), 0, "%s", err.text);
	cr_assert_eq(wait_status(&s), 0);
}

Test(spawn, the_end_of_the_child_is_end_of_file_on_its_channel)
{
	struct bh_spawn_request req = request();
	struct bh_err err = BH_ERR_INIT;
	struct bh_spawned s;
	bool exec_failed = false;
	int status, fd;
	char byte;

	write_script("#!/bin/sh\nexit 9\n", 0700);
	cr_assert_eq(bh_spawn(&req, &s, &exec_failed, &err), 0, "%s", err.text);
	fd = fcntl(s.control_fd, F_DUPFD_CLOEXEC, 3);
	status = wait_status(&s);
	cr_assert(WIFEXITED(status));
	cr_assert_eq(WEXITSTATUS(status), 9);
	cr_assert_eq(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
	(void)close(fd);
}

Test(spawn, sealed_bytes_can_be_read_and_not_changed)
{
	int fd = bh_spawn_seal("test", "secret", 6);
	char back[8] = "";

	cr_assert_geq(fd, 0);
	cr_assert_eq(pread(fd, back, sizeof(back), 0), 6);
	cr_assert_str_eq(back, "secret");
	cr_assert_eq(pwrite(fd, "x", 1, 0), -1);
	cr_assert_eq(ftruncate(fd, 0), -1);
	(void)close(fd);
}

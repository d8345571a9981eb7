#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervisor/rundir.h"

static char base[] = "/tmp/bh-rundir-XXXXXX";
static char run_dir[64], run_path[64];
static struct bh_rundir first = BH_RUNDIR_INIT, second = BH_RUNDIR_INIT;
static struct bh_err err;

static void set_up(void)
{
	cr_assert(mkdtemp(base));
	(void)snprintf(run_dir, sizeof(run_dir), "%s/a/run", base);
	(void)snprintf(run_path, sizeof(run_path), "%s/b/lib", base);
}

static void remove_all(void)
{
	static const char *const names[] = {"/a/run/bulkhead.pid", "/a/run/children.lock",
	    "/a/run/link", "/a/run", "/a", "/b/lib/store", "/b/lib", "/b", ""};
	char path[96];

	bh_rundir_release(&first);
	bh_rundir_release(&second);
	for (size_t i = 0; i < BH_ARRAY_LEN(names); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", base, names[i]);
		(void)remove(path);
	}
}

TestSuite(rundir, .init = set_up, .fini = remove_all);

static mode_t mode_of(const char *dir, const char *name)
{
	char path[96];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	cr_assert_eq(stat(path, &st), 0, "%s", path);
	return st.st_mode & 07777;
}

static void read_pid(char *out, size_t cap)
{
	char path[96];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/bulkhead.pid", run_dir);
	f = fopen(path, "re");
	cr_assert(f);
	if (!fgets(out, (int)cap, f))
		out[0] = '\0';
	(void)fclose(f);
}

Test(rundir, what_is_missing_is_made_and_what_is_private_is_private)
{
	cr_assert_eq(bh_rundir_take(&first, run_dir, run_path, 0, &err), 0, "%s", err.text);
	cr_assert_eq(mode_of(run_dir, "link"), 0700);
	cr_assert_eq(mode_of(run_path, "store"), 0700);
	cr_assert_eq(mode_of(run_dir, ""), 0755);
}

Test(rundir, a_store_that_others_may_enter_is_closed_to_them)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "%s/store", run_path);
	cr_assert_eq(bh_rundir_take(&first, run_dir, run_path, 0, &err), 0, "%s", err.text);
	bh_rundir_release(&first);
	cr_assert_eq(chmod(path, 0777), 0);
	cr_assert_eq(bh_rundir_take(&first, run_dir, run_path, 0, &err), 0, "%s", err.text);
	cr_assert_eq(mode_of(run_path, "store"), 0700);
}

Test(rundir, a_second_instance_is_refused_and_told_who_runs)
{
	char want[32], pid[32];

	cr_assert_eq(bh_rundir_take(&first, run_dir, run_path, 0, &err), 0, "%s", err.text);
	cr_assert_eq(bh_rundir_take(&second, run_dir, run_path, 0, &err), BH_E_STATE);
	(void)snprintf(want, sizeof(want), "pid %d", (int)getpid());
	cr_assert(strstr(err.text, want), "%s", err.text);
	cr_assert(strstr(err.text, run_dir), "%s", err.text);
	read_pid(pid, sizeof(pid));
	cr_assert_eq(strtol(pid, NULL, 10), getpid(), "the refused one leaves the file alone");
}

Test(rundir, a_pid_file_that_nobody_locks_is_taken_over)
{
	char pid[32];

	cr_assert_eq(bh_rundir_take(&first, run_dir, run_path, 0, &err), 0, "%s", err.text);
	bh_rundir_release(&first);
	read_pid(pid, sizeof(pid));
	cr_assert_str_eq(pid, "", "emptied, not removed");
	cr_assert_eq(bh_rundir_take(&second, run_dir, run_path, 0, &err), 0, "%s", err.text);
}

Test(rundir, children_of_an_earlier_supervisor_are_waited_for)
{
	int orphan;

	cr_assert_eq(bh_rundir_take(&first, run_dir, run_path, 0, &err), 0, "%s", err.text);
	orphan = fcntl(first.children_fd, F_DUPFD_CLOEXEC, 3);
	bh_rundir_release(&first);
	cr_assert_eq(bh_rundir_take(&second, run_dir, run_path, 60, &err), BH_E_STATE);
	cr_assert(strstr(err.text, "earlier supervisor"), "%s", err.text);
	(void)close(orphan);
	cr_assert_eq(bh_rundir_take(&second, run_dir, run_path, 0, &err), 0, "%s", err.text);
}

Test(rundir, a_file_in_the_place_of_a_directory_is_named)
{
	char path[96];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/a", base);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0);
	(void)close(fd);
	cr_assert_eq(bh_rundir_take(&first, run_dir, run_path, 0, &err), -ENOTDIR);
	cr_assert(strstr(err.text, path), "%s", err.text);
	cr_assert(strstr(err.text, "run_dir"), "%s", err.text);
}

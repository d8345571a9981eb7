#include "common/sandbox_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "common/child.h"

#define DOGSTATSD (1u << BH_ROLE_DOGSTATSD)
#define LOGS      (1u << BH_ROLE_LOGS)
#define FORWARDER (1u << BH_ROLE_FORWARDER)
#define ALL       (DOGSTATSD | LOGS | FORWARDER)

/* Each returns 0 when it succeeded, else -errno. */

static int open_one(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	(void)close(fd);
	return 0;
}

static int read_passwords(void)
{
	return open_one("/etc/shadow", O_RDONLY);
}

static int list_root(void)
{
	return open_one("/", O_RDONLY | O_DIRECTORY);
}

static int read_parent(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%ld/environ", (long)getppid());
	return open_one(path, O_RDONLY);
}

static int write_file(void)
{
	char path[64];
	int rc;

	(void)snprintf(path, sizeof(path), "/tmp/bulkhead-probe-%ld", (long)getpid());
	rc = open_one(path, O_WRONLY | O_CREAT | O_EXCL);
	if (!rc)
		(void)unlink(path);
	return rc;
}

/* To a port that nothing has: an answer of the network means that the question got through. */
static int connect_out(void)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	rc = connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
	(void)close(fd);
	return rc == -ECONNREFUSED ? 0 : rc;
}

static int execute(void)
{
	static const char *const argv[] = {"true", NULL}, *const envp[] = {NULL};

	(void)execve("/bin/true", (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)envp);
	return -errno;
}

static int make_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? -errno : 0;
}

static int trace_parent(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) < 0 ? -errno : 0;
}

static int signal_parent(void)
{
	return kill(getppid(), 0) < 0 ? -errno : 0;
}

static int become_root(void)
{
	return setresuid(0, 0, 0) < 0 ? -errno : 0;
}

static int mount_something(void)
{
	return mount("none", "/tmp", "tmpfs", 0, NULL) < 0 ? -errno : 0;
}

static int map_code(void)
{
	void *p = mmap(
	    NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -errno : 0;
}

static const struct {
	unsigned roles;
	const char *name;
	int (*act)(void);
} acts[] = {
    {ALL, "read-shadow", read_passwords},
    {ALL, "list-root", list_root},
    {ALL, "read-supervisor", read_parent},
    {ALL, "write-tmp", write_file},
    {ALL, "connect-out", connect_out},
    {ALL, "execute", execute},
    {ALL, "fork", make_process},
    {ALL, "ptrace", trace_parent},
    {ALL, "signal", signal_parent},
    {ALL, "setuid-root", become_root},
    {ALL, "mount", mount_something},
    {DOGSTATSD, "map-code", map_code},
};

const char *bh_probe_name(enum bh_role role, size_t i)
{
	for (size_t k = 0; k < BH_ARRAY_LEN(acts); k++) {
		if (acts[k].roles & 1u << role && i-- == 0)
			return acts[k].name;
	}
	return NULL;
}

_Noreturn void bh_probe_run(const char *name)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(acts); i++) {
		int rc;

		if (strcmp(acts[i].name, name) != 0)
			continue;
		rc = acts[i].act();
		_exit(rc ? BH_PROBE_REFUSED + BH_MIN(-rc, 99) : BH_PROBE_DONE);
	}
	_exit(BH_EXIT_USAGE);
}

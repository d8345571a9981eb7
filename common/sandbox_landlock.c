#include "common/sandbox_landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- the kernel's interface: include/uapi/linux/landlock.h --------------------------------------
 */

#define NR_CREATE_RULESET 444
#define NR_ADD_RULE       445
#define NR_RESTRICT_SELF  446
#define GET_VERSION       1u
#define RULE_PATH         1
#define RULE_PORT         2

#define FS_EXECUTE      (1ull << 0)
#define FS_WRITE_FILE   (1ull << 1)
#define FS_READ_FILE    (1ull << 2)
#define FS_READ_DIR     (1ull << 3)
#define FS_REMOVE_DIR   (1ull << 4)
#define FS_REMOVE_FILE  (1ull << 5)
#define FS_MAKE_CHAR    (1ull << 6)
#define FS_MAKE_DIR     (1ull << 7)
#define FS_MAKE_REG     (1ull << 8)
#define FS_MAKE_SOCK    (1ull << 9)
#define FS_MAKE_FIFO    (1ull << 10)
#define FS_MAKE_BLOCK   (1ull << 11)
#define FS_MAKE_SYM     (1ull << 12)
#define FS_REFER        (1ull << 13)
#define FS_TRUNCATE     (1ull << 14)
#define FS_IOCTL_DEV    (1ull << 15)
#define NET_BIND_TCP    (1ull << 0)
#define NET_CONNECT_TCP (1ull << 1)
#define SCOPE_ABSTRACT  (1ull << 0)
#define SCOPE_SIGNAL    (1ull << 1)

struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* since ABI 4 */
	uint64_t scoped;             /* since ABI 6 */
};

struct path_rule {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

struct port_rule {
	uint64_t allowed_access;
	uint64_t port;
};

/* File rights by the ABI that brought them. */
static const struct {
	int abi;
	uint64_t rights;
} levels[] = {
    {1, (FS_MAKE_SYM << 1) - 1},
    {2, FS_REFER},
    {3, FS_TRUNCATE},
    {5, FS_IOCTL_DEV},
};

static const struct {
	enum bh_landlock_use use;
	uint64_t rights;
} uses[] = {
    {BH_USE_READ, FS_READ_FILE},
    {BH_USE_LIST, FS_READ_DIR},
    {BH_USE_WRITE, FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_REG | FS_REMOVE_FILE | FS_MAKE_DIR |
		       FS_REMOVE_DIR | FS_REFER},
    {BH_USE_SOCKET, FS_MAKE_SOCK | FS_REMOVE_FILE},
};

#define OF_A_FILE (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

uint64_t bh_landlock_handled(int abi)
{
	uint64_t rights = 0;

	for (size_t i = 0; i < BH_ARRAY_LEN(levels); i++)
		rights |= abi >= levels[i].abi ? levels[i].rights : 0;
	return rights;
}

uint64_t bh_landlock_access(unsigned use, int abi)
{
	uint64_t rights = 0;

	for (size_t i = 0; i < BH_ARRAY_LEN(uses); i++)
		rights |= use & uses[i].use ? uses[i].rights : 0;
	return rights & bh_landlock_handled(abi);
}

int bh_landlock_abi(void)
{
	long abi = syscall(NR_CREATE_RULESET, NULL, 0, GET_VERSION);

	return abi < 0 ? 0 : (int)abi;
}

/* --- the rules ----------------------------------------------------------------------------------
 */

int bh_landlock_allow(struct bh_landlock_rules *r, const char *path, unsigned use)
{
	struct bh_landlock_rule *grown;

	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(r->v[i].path, path) == 0) {
			r->v[i].use |= use;
			return 0;
		}
	}
	if (r->n == BH_LANDLOCK_RULES_MAX)
		return BH_E_LIMIT;
	grown = reallocarray(r->v, r->n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	r->v = grown;
	grown[r->n] = (struct bh_landlock_rule){strdup(path), use};
	if (!grown[r->n].path)
		return -ENOMEM;
	r->n++;
	return 0;
}

int bh_landlock_allow_port(struct bh_landlock_rules *r, uint16_t port)
{
	for (size_t i = 0; i < r->ports_n; i++) {
		if (r->ports[i] == port)
			return 0;
	}
	if (r->ports_n == BH_LANDLOCK_PORTS_MAX)
		return BH_E_LIMIT;
	r->ports[r->ports_n++] = port;
	return 0;
}

void bh_landlock_release(struct bh_landlock_rules *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->v[i].path);
	free(r->v);
	*r = (struct bh_landlock_rules){0};
}

/* --- in force -----------------------------------------------------------------------------------
 */

static int add_path(int ruleset, const struct bh_landlock_rule *rule, int abi, uint16_t *applied)
{
	struct path_rule attr = {bh_landlock_access(rule->use, abi), -1};
	struct stat st;
	int rc = 0;

	attr.parent_fd = open(rule->path, O_PATH | O_CLOEXEC);
	if (attr.parent_fd < 0)
		return 0;
	if (fstat(attr.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		attr.allowed_access &= OF_A_FILE;
	/* Some kinds of files (memfd, pipes) cannot be named by a rule: they need none. */
	if (syscall(NR_ADD_RULE, ruleset, RULE_PATH, &attr, 0) == 0)
		(*applied)++;
	else if (errno != EBADFD && errno != EINVAL)
		rc = -errno;
	(void)close(attr.parent_fd);
	return rc;
}

static int add_ports(int ruleset, const struct bh_landlock_rules *r, uint16_t *applied)
{
	for (size_t i = 0; i < r->ports_n; i++) {
		struct port_rule attr = {NET_CONNECT_TCP, r->ports[i]};

		if (syscall(NR_ADD_RULE, ruleset, RULE_PORT, &attr, 0) < 0)
			return -errno;
		(*applied)++;
	}
	return 0;
}

static int open_ruleset(int abi)
{
	struct ruleset_attr attr = {.handled_access_fs = bh_landlock_handled(abi)};
	size_t n = sizeof(attr.handled_access_fs);
	long fd;

	if (abi >= 4) {
		attr.handled_access_net = NET_BIND_TCP | NET_CONNECT_TCP;
		n = offsetof(struct ruleset_attr, scoped);
	}
	if (abi >= 6) {
		attr.scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL;
		n = sizeof(attr);
	}
	fd = syscall(NR_CREATE_RULESET, &attr, n, 0);
	return fd < 0 ? -errno : (int)fd;
}

int bh_landlock_enter(const struct bh_landlock_rules *r, int abi, uint16_t *applied)
{
	int fd = open_ruleset(abi), rc = 0;

	*applied = 0;
	if (fd < 0)
		return fd;
	for (size_t i = 0; i < r->n && !rc; i++)
		rc = add_path(fd, &r->v[i], abi, applied);
	if (!rc && abi >= 4)
		rc = add_ports(fd, r, applied);
	if (!rc && syscall(NR_RESTRICT_SELF, fd, 0) < 0)
		rc = -errno;
	(void)close(fd);
	return rc;
}

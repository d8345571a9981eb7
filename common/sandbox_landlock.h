/*
 * Landlock: which files a process may use and which TCP ports it may connect to, from the moment on
 * (spec/supervision.md §12). Binds the calling thread and what it starts later: to be called before
 * the first thread. Not stopped by it: stat, chmod, UDP, connect() to a pathname socket, and what
 * is open already.
 *
 * The kernel's interface is defined here; the headers of Debian 12 know ABI 2 only.
 */
#ifndef BH_COMMON_SANDBOX_LANDLOCK_H
#define BH_COMMON_SANDBOX_LANDLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/err.h"

/* What is allowed below a path. */
enum bh_landlock_use {
	BH_USE_READ = 1 << 0,   /* open files for reading */
	BH_USE_LIST = 1 << 1,   /* read directories */
	BH_USE_WRITE = 1 << 2,  /* make, write, truncate, rename and remove files and directories */
	BH_USE_SOCKET = 1 << 3, /* make and remove Unix sockets */
};

#define BH_LANDLOCK_RULES_MAX 512
#define BH_LANDLOCK_PORTS_MAX 32

struct bh_landlock_rule {
	char *path;   /* owned */
	unsigned use; /* of enum bh_landlock_use */
};

struct bh_landlock_rules {
	struct bh_landlock_rule *v; /* owned */
	size_t n;
	uint16_t ports[BH_LANDLOCK_PORTS_MAX]; /* TCP ports to connect to */
	size_t ports_n;
};

/* A path that is there already gains the use. -ENOMEM, BH_E_LIMIT. */
int bh_landlock_allow(struct bh_landlock_rules *r, const char *path, unsigned use) BH_MUST_CHECK;
/* A port more; BH_E_LIMIT. */
int bh_landlock_allow_port(struct bh_landlock_rules *r, uint16_t port) BH_MUST_CHECK;
void bh_landlock_release(struct bh_landlock_rules *r);

/* The kernel's version of the interface; 0 when there is none, or it is switched off or refused. */
int bh_landlock_abi(void);

/* The access rights the kernel of this ABI is told to watch over, and those of a use. For tests. */
uint64_t bh_landlock_handled(int abi);
uint64_t bh_landlock_access(unsigned use, int abi);

/*
 * Enters a domain that allows these rules only. A path that does not exist, or cannot be looked up,
 * grants nothing. *applied counts the rules in force. -errno; then nothing is in force.
 */
int bh_landlock_enter(const struct bh_landlock_rules *r, int abi, uint16_t *applied) BH_MUST_CHECK;

#endif

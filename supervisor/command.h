/*
 * Runs one program of the configuration beside the event loop: bytes in, bytes out, a deadline
 * (spec/intake.md §13.6). The program has a process group of its own, no descriptors but three, its
 * stderr goes nowhere, and the environment is ours without DD_*, BULKHEAD_* and what concerns the
 * loader or the service manager. Whatever of its group is left at the end is killed.
 */
#ifndef BH_SUPERVISOR_COMMAND_H
#define BH_SUPERVISOR_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/loop.h"

enum bh_command_end {
	BH_COMMAND_DONE,     /* exit status 0 */
	BH_COMMAND_EXITED,   /* another one: code */
	BH_COMMAND_SIGNALED, /* killed by signal: code */
	BH_COMMAND_LATE,     /* killed at the deadline */
	BH_COMMAND_TOO_LONG, /* killed because it wrote more than max */
};

struct bh_command;
/* Called once, from the loop, when nothing runs any more: c may be started again. out is what it
 * wrote, borrowed until return and wiped then. */
typedef void bh_command_fn(
    struct bh_command *c, enum bh_command_end end, int code, const struct bh_buf *out);

struct bh_command {
	struct bh_loop *loop;
	bh_command_fn *done;
	pid_t pid; /* 0 = none runs */
	struct bh_watch process, in_watch, out_watch;
	struct bh_timer deadline;
	struct bh_buf in; /* wiped once it is written */
	size_t written;
	struct bh_buf out;
	size_t max;
	bool late, too_long;
};

void bh_command_init(struct bh_command *c, struct bh_loop *loop, bh_command_fn *done);
/* Starts argv[0], an absolute path; argv ends with NULL. in moves into c, also after an error.
 * -errno when it cannot be started; done is not called then. */
int bh_command_start(struct bh_command *c, char *const *argv, struct bh_buf *in, size_t max,
    int64_t timeout_ns, struct bh_err *err) BH_MUST_CHECK;
/* It may have ended: who sees SIGCHLD first says so. Harmless when it has not. */
void bh_command_reap(struct bh_command *c);
/* Kills it without calling done. Harmless when nothing runs. */
void bh_command_cancel(struct bh_command *c);

/* May such a file be run (the Agent's rules)? Absolute, a regular file, owned by this user, and
 * with no rights for group and others; group_exec lets the group read and execute it, and root own
 * it. BH_E_CONFIG with the fix in err. */
int bh_command_check(const char *path, bool group_exec, struct bh_err *err) BH_MUST_CHECK;

#endif

/*
 * Starts one child: fork, then exec, with the descriptors and the environment common/child.h
 * describes (spec/supervision.md §1). Between fork and exec only async-signal-safe calls are made;
 * all memory the new process needs is prepared before. A failure up to and including exec comes
 * back as {stage, errno} over a pipe that exec closes, so bh_spawn() knows whether the program
 * runs.
 *
 * The call waits for exec, which takes well under a millisecond on a local file system.
 */
#ifndef BH_SUPERVISOR_SPAWN_H
#define BH_SUPERVISOR_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/err.h"
#include "supervisor/rights.h"

struct bh_spawn_fd {
	const char *name; /* as announced in BULKHEAD_FDS; a comma is announced as '_' */
	int fd;           /* borrowed */
};

/* Everything is borrowed for the call. */
struct bh_spawn_request {
	const char *exe;
	enum bh_role role;
	uint32_t generation;
	uint64_t run_id;
	bool spool_only;
	int64_t started_ns;                /* wall time of the supervisor's start */
	const struct bh_rights_plan *plan; /* NULL: the rights stay as they are */
	const uid_t *uids;                 /* [BH_ROLE__N] of the children; NULL = not told */
	const char *probe;                 /* an act to try instead of the role's work; NULL */
	int config_fd;                     /* sealed memfd, see bh_spawn_seal */
	int log_fd;                        /* becomes 1 and 2 */
	const char *log_form;              /* of lines on it (common/log.h); NULL = plain */
	int lock_fd;                       /* held open by the child and not announced; -1 = none */
	const struct bh_spawn_fd *fds;
	size_t fds_n;
};

struct bh_spawned {
	pid_t pid;
	int pid_fd;              /* owned by the caller */
	int control_fd;          /* owned by the caller; non-blocking */
	enum bh_ids_step failed; /* which right could not be given up; BH_IDS_OK = none */
};

/*
 * 0, or an error with text in err; then nothing is left behind. *exec_failed tells that the
 * executable itself could not be started (missing, not executable, wrong format): a retry helps
 * only when somebody repairs the installation. out->failed tells that a right could not be given
 * up.
 */
int bh_spawn(const struct bh_spawn_request *req, struct bh_spawned *out, bool *exec_failed,
    struct bh_err *err) BH_MUST_CHECK;

/* A sealed memfd with these bytes, or -errno. The caller owns it, wipes and frees its own copy. */
int bh_spawn_seal(const char *name, const void *p, size_t n) BH_MUST_CHECK;

/* "bulkhead-<what>" in libexec/ beside the supervisor's own executable (a build folder), else in
 * ../libexec/bulkhead/ of it (an installation). The caller frees *path. */
int bh_spawn_find(enum bh_role role, char **path, struct bh_err *err) BH_MUST_CHECK;

#endif

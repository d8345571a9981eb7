/*
 * What bulkheadctl security shows: the rights in force in each child, the gaps, and the outcome of
 * a self-test. The test tries each forbidden act of common/sandbox_probe.h in a process of its own
 * that is started like the child of that role, rights and all, and thrown away: one at a time,
 * without holding anything up.
 */
#ifndef BH_SUPERVISOR_SECURITY_H
#define BH_SUPERVISOR_SECURITY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/config.h"
#include "common/loop.h"
#include "supervisor/ctl_server.h"

struct bh_supervisor;

struct bh_self_test {
	bool active;
	bool failed;       /* an act succeeded, or could not be tried */
	enum bh_role role; /* of the act under way */
	size_t act;
	pid_t pid;
	struct bh_watch process;
	struct bh_timer limit;
	struct bh_buf json; /* array elements so far */
};

void bh_self_test_init(struct bh_self_test *t);
/* The process of an act may have ended: who sees SIGCHLD first says so. */
void bh_self_test_reap(struct bh_supervisor *s);
/* Ends a process that is under way. */
void bh_self_test_release(struct bh_self_test *t);

/* Answers BH_VERB_SECURITY at once, BH_VERB_SECURITY_TEST when the test is over. */
void bh_security_take(struct bh_supervisor *s, struct bh_ctl_conn *conn);

/* How the process of an act ended, as the answer shows it: "refused", "killed", "DONE" or
 * "unknown". status: as of waitid(), killed tells that code is a signal. *ok: the act had no
 * effect. */
const char *bh_self_test_result(bool killed, int status, bool *ok);

#endif

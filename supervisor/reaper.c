#include "supervisor/reaper.h"

#include <sys/wait.h>

#include "supervisor/supervisor.h"

/* false: it is not one of ours. */
static bool reap_own(struct bh_supervisor *s, pid_t pid)
{
	if (s->job.pid == pid) {
		bh_job_reap(&s->job);
		return true;
	}
	if (s->reload.resolver.command.pid == pid) {
		bh_command_reap(&s->reload.resolver.command);
		return true;
	}
	if (s->self_test.pid == pid) {
		bh_self_test_reap(s);
		return true;
	}
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (s->kids[i].pid == pid) {
			bh_kid_reap(&s->kids[i]);
			return true;
		}
	}
	return false;
}

void bh_reap_all(struct bh_supervisor *s)
{
	/* Looked at first: the owner of a process wants its status, and takes it itself. */
	for (;;) {
		siginfo_t si = {0};

		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 || si.si_pid == 0)
			return;
		if (!reap_own(s, si.si_pid) && waitid(P_PID, (id_t)si.si_pid, &si, WEXITED) < 0)
			return;
	}
}

#include "supervisor/security.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/jsonw.h"
#include "common/sandbox_probe.h"
#include "supervisor/supervisor.h"

#define LIMIT_NS (5 * BH_NS_PER_S) /* for one act */

/* --- rights in force ----------------------------------------------------------------------------
 */

static void put_caps(struct bh_jsonw *w, const char *key, uint64_t set)
{
	bh_jsonw_array(w, key);
	for (int i = 0; i < 64; i++) {
		if (set & (uint64_t)1 << i)
			bh_jsonw_str(w, NULL, bh_cap_name(i));
	}
	bh_jsonw_array_end(w);
}

static void put_gaps(struct bh_jsonw *w, uint32_t gaps)
{
	bh_jsonw_array(w, "gaps");
	for (int i = 0; i < BH_GAP__N; i++) {
		if (!(gaps & 1u << i))
			continue;
		bh_jsonw_object(w, NULL);
		bh_jsonw_str(w, "name", bh_gap_name((enum bh_gap)i));
		bh_jsonw_str(w, "advice", bh_gap_advice((enum bh_gap)i));
		bh_jsonw_object_end(w);
	}
	bh_jsonw_array_end(w);
}

static void put_rights(struct bh_jsonw *w, const struct bh_rights *r)
{
	bh_jsonw_u64(w, "uid", r->uid);
	bh_jsonw_u64(w, "gid", r->gid);
	put_caps(w, "capabilities", r->cap_effective);
	put_caps(w, "bounding_set", r->cap_bounding);
	bh_jsonw_bool(w, "no_new_privs", r->no_new_privs);
	bh_jsonw_str(w, "seccomp", r->seccomp == 2 ? "filter" : "off");
	bh_jsonw_object(w, "landlock");
	bh_jsonw_u64(w, "abi", r->landlock_abi);
	bh_jsonw_u64(w, "rules", r->landlock_rules);
	bh_jsonw_object_end(w);
	bh_jsonw_bool(w, "own_network", r->own_network);
	bh_jsonw_bool(w, "no_core", r->no_core);
	put_gaps(w, r->gaps);
}

static void put_roles(const struct bh_supervisor *s, struct bh_jsonw *w)
{
	bh_jsonw_array(w, "roles");
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		const struct bh_kid *k = &s->kids[i];

		if (!k->enabled)
			continue;
		bh_jsonw_object(w, NULL);
		bh_jsonw_str(w, "name", bh_role_name(k->role));
		bh_jsonw_str(w, "state", bh_life_state_name(k->life.state));
		bh_jsonw_i64(w, "pid", k->pid);
		/* Those of a process that was never READY nobody knows. */
		if (k->has_rights)
			put_rights(w, &k->rights);
		bh_jsonw_object_end(w);
	}
	bh_jsonw_array_end(w);
}

static void make_answer(const struct bh_supervisor *s, bool tested, struct bh_buf *json)
{
	struct bh_jsonw w;

	bh_jsonw_document(&w, json);
	bh_jsonw_str(&w, "hardening", bh_hardening_name(s->rights.hardening));
	bh_jsonw_bool(&w, "own_users", s->rights.separate);
	put_roles(s, &w);
	if (tested) {
		bh_jsonw_array(&w, "self_test");
		(void)bh_buf_append(json, s->self_test.json.data, s->self_test.json.len);
		bh_jsonw_array_end(&w);
		bh_jsonw_bool(&w, "self_test_passed", !s->self_test.failed);
	}
	bh_jsonw_object_end(&w);
}

/* --- the self-test ------------------------------------------------------------------------------
 */

void bh_self_test_init(struct bh_self_test *t)
{
	*t = (struct bh_self_test){.active = false};
	t->process.fd = -1;
}

static void forget_process(struct bh_self_test *t)
{
	bh_timer_cancel(&t->limit);
	bh_loop_close_fd(&t->process);
	t->pid = 0;
}

void bh_self_test_release(struct bh_self_test *t)
{
	if (t->pid) {
		(void)kill(t->pid, SIGKILL);
		(void)waitpid(t->pid, NULL, 0);
	}
	forget_process(t);
	bh_buf_release(&t->json);
	t->active = false;
}

const char *bh_self_test_result(bool killed, int status, bool *ok)
{
	*ok = killed ? status == SIGSYS : status > BH_PROBE_REFUSED && status < BH_PROBE_DONE;
	if (killed && *ok)
		return "killed";
	if (*ok)
		return "refused";
	return !killed && status == BH_PROBE_DONE ? "DONE" : "unknown";
}

static void record(struct bh_self_test *t, bool killed, int status)
{
	bool ok;
	const char *result = bh_self_test_result(killed, status, &ok);
	char detail[64];
	struct bh_jsonw w;

	if (killed)
		(void)snprintf(detail, sizeof(detail), "signal %d", status);
	else if (ok)
		(void)snprintf(detail, sizeof(detail), "%s", strerror(status - BH_PROBE_REFUSED));
	else
		(void)snprintf(detail, sizeof(detail), "exit status %d", status);
	t->failed |= !ok;
	if (t->json.len)
		(void)bh_buf_u8(&t->json, ',');
	bh_jsonw_init(&w, &t->json);
	bh_jsonw_object(&w, NULL);
	bh_jsonw_str(&w, "role", bh_role_name(t->role));
	bh_jsonw_str(&w, "act", bh_probe_name(t->role, t->act));
	bh_jsonw_str(&w, "result", result);
	bh_jsonw_str(&w, "detail", detail);
	bh_jsonw_bool(&w, "ok", ok);
	bh_jsonw_object_end(&w);
}

static void answer_all(struct bh_supervisor *s)
{
	struct bh_buf json = BH_BUF_INIT;

	make_answer(s, true, &json);
	bh_ctl_answer_waiting(&s->ctl, BH_VERB_SECURITY_TEST, &json);
	bh_buf_release(&json);
}

static void on_end(struct bh_watch *w, unsigned events);

static void on_limit(struct bh_timer *timer)
{
	struct bh_self_test *t = BH_CONTAINER(timer, struct bh_self_test, limit);

	(void)kill(t->pid, SIGKILL); /* its end is seen like any other */
}

/* As the child is started, without its sockets. */
static int start(struct bh_supervisor *s, const char *act)
{
	struct bh_self_test *t = &s->self_test;
	const struct bh_kid *k = &s->kids[t->role];
	struct bh_spawn_request req = {.exe = k->exe,
	    .role = t->role,
	    .generation = 1,
	    .run_id = s->env.run_id,
	    .started_ns = s->env.started_ns,
	    .plan = &s->rights.of[t->role],
	    .uids = s->rights.uids,
	    .probe = act,
	    .config_fd = k->config_fd,
	    .log_fd = s->env.log_fd,
	    .lock_fd = -1};
	struct bh_err err = BH_ERR_INIT;
	struct bh_spawned child;
	bool exec_failed;
	int rc = bh_spawn(&req, &child, &exec_failed, &err);

	if (rc)
		return rc;
	(void)close(child.control_fd);
	t->pid = child.pid;
	bh_timer_in(&s->loop, &t->limit, LIMIT_NS, on_limit);
	rc = bh_loop_add_fd(&s->loop, &t->process, child.pid_fd, BH_LOOP_READ, on_end);
	if (rc)
		(void)close(child.pid_fd);
	return rc;
}

/* Those of one child after those of another; what cannot be started has failed. */
static void go_on(struct bh_supervisor *s)
{
	struct bh_self_test *t = &s->self_test;

	while (t->role < BH_ROLE__N) {
		const char *act = bh_probe_name(t->role, t->act);

		if (!act || !s->kids[t->role].enabled) {
			t->role = (enum bh_role)(t->role + 1);
			t->act = 0;
			continue;
		}
		if (start(s, act) == 0)
			return;
		record(t, false, BH_EXIT_INTERNAL);
		t->act++;
	}
	t->active = false;
	answer_all(s);
	bh_self_test_release(t);
}

void bh_self_test_reap(struct bh_supervisor *s)
{
	struct bh_self_test *t = &s->self_test;
	siginfo_t si = {0};

	if (waitid(P_PIDFD, (id_t)t->process.fd, &si, WEXITED | WNOHANG) == 0 && si.si_pid == 0)
		return;
	record(t, si.si_pid && si.si_code != CLD_EXITED, si.si_status);
	forget_process(t);
	t->act++;
	go_on(s);
}

static void on_end(struct bh_watch *w, unsigned events)
{
	(void)events;
	bh_self_test_reap(BH_CONTAINER(w, struct bh_supervisor, self_test.process));
}

void bh_security_take(struct bh_supervisor *s, struct bh_ctl_conn *conn)
{
	struct bh_self_test *t = &s->self_test;
	struct bh_buf json = BH_BUF_INIT;

	if (conn->verb == BH_VERB_SECURITY) {
		make_answer(s, false, &json);
		bh_ctl_answer(conn, bh_buf_view(&json));
		bh_buf_release(&json);
		return;
	}
	if (t->active)
		return; /* the answer that is under way is for this one too */
	bh_self_test_release(t);
	t->active = true;
	t->failed = false;
	t->role = BH_ROLE_DOGSTATSD;
	t->act = 0;
	go_on(s);
}

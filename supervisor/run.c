#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/child.h"
#include "common/config_check.h"
#include "common/config_load.h"
#include "common/sandbox_sanitizer.h"
#include "common/version.h"
#include "supervisor/config_answer.h"
#include "supervisor/own_log.h"
#include "supervisor/reaper.h"
#include "supervisor/rundir_owner.h"
#include "supervisor/sealed.h"
#include "supervisor/state_fs.h"
#include "supervisor/supervisor.h"

#define COMPONENT        "supervisor"
#define OFF_NS           (3600 * BH_NS_PER_S)
#define WAIT_CHILDREN_MS 15000 /* orphans of an earlier supervisor drain for 10 s */

extern char **environ;

static int complain(const struct bh_err *err, int exit_code)
{
	(void)fprintf(stderr, "bulkhead: %s\n", err->text);
	return exit_code;
}

/* Notes are for status; one that finds no memory is in the log all the same. */
static void keep(struct bh_strlist *list, const char *text)
{
	if (bh_strlist_add(list, text, strlen(text)))
		(void)fprintf(stderr, "bulkhead: out of memory for a note\n");
}

/* --- configuration ---------------------------------------------------------------------------- */

static int load_config(struct bh_supervisor *s, const char *path)
{
	struct bh_findings findings = {0};
	struct bh_config_trace trace;
	bool wrong = bh_config_load_traced(&s->cfg, path, environ, &findings, &trace) != 0;

	s->config_path = path;
	/* A command runs without an agent where there is no key, and nobody asked to hear of it. */
	if (!wrong && bh_wraps(s) && !s->cfg.api_key[0]) {
		bh_config_trace_release(&trace);
		bh_findings_release(&findings);
		return BH_EXIT_CONFIG;
	}
	if (!wrong)
		bh_config_check(&s->cfg, &trace, &findings);
	bh_config_trace_release(&trace);
	for (size_t i = 0; i < findings.n; i++) {
		bool is_error = findings.v[i].level == BH_FINDING_ERROR;

		(void)fprintf(stderr, "bulkhead: %s: %s\n", is_error ? "error" : "warning",
		    findings.v[i].text);
		if (!is_error)
			keep(&s->config_notes, findings.v[i].text);
	}
	wrong = findings.errors > 0;
	bh_findings_release(&findings);
	if (!wrong && bh_wrap_config(s, &s->cfg)) {
		(void)fputs("bulkhead: out of memory\n", stderr);
		return BH_EXIT_INTERNAL;
	}
	bh_rng_init(&s->rng);
	bh_config_diff_note(s);
	return wrong ? BH_EXIT_CONFIG : 0;
}

/* Before anything else is taken: the command of the configuration may need its time. */
static int find_secrets(struct bh_supervisor *s)
{
	struct bh_err err = BH_ERR_INIT;
	int rc;

	bh_key_watch_note(s, &s->cfg);
	rc = bh_resolve(&s->cfg, &s->secrets, &err);
	if (rc == 0)
		return 0;
	/* The service manager tries again what may succeed then, and nothing else. */
	return complain(&err, rc == BH_E_STATE ? BH_EXIT_UNAVAILABLE : BH_EXIT_CONFIG);
}

static int open_log(struct bh_supervisor *s, int *fd)
{
	struct bh_err err = BH_ERR_INIT;

	*fd = bh_own_log_open(&s->cfg, &err);
	if (*fd < 0) {
		(void)fprintf(stderr, "bulkhead: error: %s\n", err.text);
		return *fd == -EACCES || *fd == -EPERM ? BH_EXIT_NOPERM : BH_EXIT_CONFIG;
	}
	bh_log_init(&s->log, &bh_clock_system, "bulkhead", *fd);
	if (bh_own_log_target(&s->cfg) == BH_OWN_LOG_SYSLOG)
		s->log.form = BH_LOG_SYSLOG;
	bh_log_rings_open(&s->rings);
	s->log.ring = s->rings.map[BH_ROLE_SUPERVISOR];
	if (bh_log_level_parse(s->cfg.log_level, &s->log.level))
		s->log.level = BH_LOG_INFO;
	return 0;
}

/* --- children --------------------------------------------------------------------------------- */

static int seal_config(struct bh_supervisor *s, struct bh_kid *k)
{
	struct bh_err err = BH_ERR_INIT;

	k->config_fd = bh_sealed_make(&s->cfg, k->role, &s->secrets, &err);
	if (k->config_fd >= 0)
		return 0;
	return complain(&err, err.code == BH_E_CONFIG ? BH_EXIT_CONFIG : BH_EXIT_INTERNAL);
}

static int enable(struct bh_supervisor *s, enum bh_role role)
{
	struct bh_kid *k = &s->kids[role];
	struct bh_err err = BH_ERR_INIT;

	k->enabled = true;
	if (bh_spawn_find(role, &k->exe, &err))
		return complain(&err, BH_EXIT_UNAVAILABLE);
	return seal_config(s, k);
}

static int prepare_children(struct bh_supervisor *s)
{
	int rc = enable(s, BH_ROLE_FORWARDER);

	if (!rc && bh_sockets_listening(&s->sockets))
		rc = enable(s, BH_ROLE_DOGSTATSD);
	if (!rc && s->cfg.logs_enabled)
		rc = enable(s, BH_ROLE_LOGS);
	/* The children's sealed copies are the only ones from here on. */
	bh_secrets_wipe_plain(&s->cfg);
	bh_secrets_release(&s->secrets);
	return rc;
}

/* 0, or the exit status when the configuration insists on a listener and there is none. */
static int open_sockets(struct bh_supervisor *s)
{
	static const char none[] =
	    "DogStatsD is off: no listener came up (see the causes beside this note)";

	if (bh_sockets_open(&s->sockets, &s->cfg, &s->given))
		bh_error(&s->log, COMPONENT, "out of memory for the listeners");
	for (size_t i = 0; i < s->sockets.notes.n; i++)
		bh_error(&s->log, COMPONENT, "listener: %s", s->sockets.notes.v[i]);
	for (size_t i = 0; i < s->sockets.n; i++)
		bh_info(&s->log, COMPONENT, "%s %s",
		    s->sockets.v[i].kind == BH_SOCKET_FORWARD ? "packets go on to" : "listening on",
		    s->sockets.v[i].name);
	if (!s->cfg.use_dogstatsd || bh_sockets_listening(&s->sockets))
		return 0;
	if (!bh_sockets_wanted(&s->cfg) && !s->cfg.dogstatsd_require_listener) {
		bh_info(&s->log, COMPONENT,
		    "DogStatsD is off by configuration: it has no port and no socket");
		return 0;
	}
	bh_error(&s->log, COMPONENT, "%s", none);
	keep(&s->sockets.notes, none);
	return s->cfg.dogstatsd_require_listener ? BH_EXIT_UNAVAILABLE : 0;
}

/* --- rights ----------------------------------------------------------------------------------- */

static void on_off_timer(struct bh_timer *t)
{
	struct bh_supervisor *s = BH_CONTAINER(t, struct bh_supervisor, off_timer);

	bh_warn(&s->log, COMPONENT, "%s", bh_gap_advice(BH_GAP_HARDENING_OFF));
	bh_timer_in(&s->loop, t, OFF_NS, on_off_timer);
}

/* 0, or the exit status: a user is configured wrongly, or strict finds a gap. */
static int plan_rights(struct bh_supervisor *s, struct bh_rights_means *means)
{
	struct bh_err why = BH_ERR_INIT;

	bh_rights_look(means);
	if (bh_rights_plan(&s->cfg, means, &s->rights, &why))
		return complain(&why, BH_EXIT_CONFIG);
	s->rights.quiet = bh_wraps(s);
	return 0;
}

/* What is missing before any child runs. */
static int tell_gaps(struct bh_supervisor *s)
{
	uint32_t all = 0;

	if (!s->rights.separate)
		bh_info(&s->log, COMPONENT, "one user for all processes: %s", s->rights.why_shared);
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		uint32_t gaps = s->kids[i].enabled ? s->rights.of[i].orders.gaps : 0;

		bh_rights_tell(&s->rights, (enum bh_role)i, gaps, &s->log);
		all |= gaps;
	}
	bh_supervisor_limits(s);
	if (s->rights.hardening == BH_HARDENING_OFF)
		bh_timer_in(&s->loop, &s->off_timer, OFF_NS, on_off_timer);
	if (!all || s->rights.hardening != BH_HARDENING_STRICT)
		return 0;
	bh_error(&s->log, COMPONENT, "bulkhead.hardening is strict: nothing is started with a gap");
	return BH_EXIT_NOPERM;
}

/* For a supervisor that is root: whose the directories of the children are. */
static int settle_owner(struct bh_supervisor *s, struct bh_err *err)
{
	const struct bh_ids *ids = &s->rights.of[BH_ROLE_FORWARDER].ids;
	struct bh_rundir_owner owner = {
	    .separate = s->rights.separate, .uid = ids->uid, .gid = ids->gid, .ipc = s->rights.ipc};

	return bh_rundir_settle(s->cfg.run_dir, s->cfg.run_path, &owner, err);
}

/* For status it is among the notes (reload.c). */
static void warn_state_fs(struct bh_supervisor *s)
{
	const char *hint = bh_state_fs_check(s->cfg.run_path);

	if (hint)
		bh_warn(&s->log, COMPONENT, "run_path %s %s", s->cfg.run_path, hint);
}

/* --- signals ---------------------------------------------------------------------------------- */

static void on_signal(struct bh_watch *w, unsigned events)
{
	struct bh_supervisor *s = BH_CONTAINER(w, struct bh_supervisor, signals);
	struct signalfd_siginfo si;

	(void)events;
	while (read(w->fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo != SIGCHLD &&
		    bh_wrap_signal(s, (int)si.ssi_signo, si.ssi_code == SI_KERNEL))
			continue;
		switch (si.ssi_signo) {
		case SIGCHLD:
			bh_reap_all(s);
			break;
		case SIGUSR1:
			bh_log_reopen(s, NULL);
			break;
		case SIGCONT:
		case SIGWINCH:
			break;
		case SIGTERM:
			bh_stop_signal(s, "SIGTERM");
			break;
		case SIGINT:
			bh_stop_signal(s, "SIGINT");
			break;
		case SIGHUP:
			bh_reload_ask(s, NULL);
			break;
		case SIGQUIT:
			bh_stop_now(s);
			break;
		default:
			bh_warn(&s->log, COMPONENT,
			    "signal %u has no effect in this version; a restart reads the "
			    "configuration",
			    si.ssi_signo);
		}
	}
}

static int watch_signals(struct bh_supervisor *s)
{
	/* The last two are for a command only: SIGCONT acts on us too, as it should. */
	static const int taken[] = {
	    SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, SIGWINCH, SIGCONT};
	size_t n = BH_ARRAY_LEN(taken) - (bh_wraps(s) ? 0 : 2);
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;
	int fd, rc;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < n; i++)
		(void)sigaddset(&set, taken[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || sigaction(SIGPIPE, &ignore, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	rc = bh_loop_add_fd(&s->loop, &s->signals, fd, BH_LOOP_READ, on_signal);
	if (rc)
		(void)close(fd);
	return rc;
}

/* --- up and down ------------------------------------------------------------------------------ */

static int set_up_core(struct bh_supervisor *s, int log_fd)
{
	static const struct rlimit no_core = {0, 0};
	int rc;

	rc = bh_loop_init(&s->loop, &bh_clock_system);
	if (!rc)
		rc = watch_signals(s);
	if (!rc && setrlimit(RLIMIT_CORE, &no_core) < 0)
		rc = -errno;
	/* Its memory had the key, and its descriptors lead to it. */
	if (!rc && !BH_SANITIZED && s->rights.hardening != BH_HARDENING_OFF &&
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		rc = -errno;
	/* A command may well run sudo; each child gives its rights up by itself. */
	if (!rc && !bh_wraps(s) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		rc = -errno;
	if (!rc)
		rc = bh_wrap_set_up(s);
	if (rc)
		return rc;
	s->started_ns = bh_mono_ns(s->loop.clock);
	s->env = (struct bh_kid_env){.loop = &s->loop,
	    .rng = &s->rng,
	    .log = &s->log,
	    .run_id = bh_rng_u64(&s->rng),
	    .started_ns = bh_wall_ns(s->loop.clock),
	    .plans = &s->rights,
	    .log_fd = log_fd,
	    .lock_fd = s->rundir.children_fd,
	    .ops = &bh_supervisor_kid_ops,
	    .ctx = s};
	for (int i = 0; i < BH_ROLE__N; i++)
		bh_kid_init(&s->kids[i], (enum bh_role)i, &s->env);
	bh_orders_init(s);
	bh_events_init(&s->events, &s->loop);
	bh_self_test_init(&s->self_test);
	bh_reload_init(s);
	bh_handover_fds_init(&s->handover);
	s->collect = (struct bh_collect){
	    .kids = s->kids, .loop = &s->loop, .done = bh_supervisor_collected, .ctx = s};
	return 0;
}

static int bring_up(struct bh_supervisor *s, int log_fd)
{
	struct bh_err err = BH_ERR_INIT;
	int rc = set_up_core(s, log_fd);

	if (rc) {
		(void)bh_err_set(&err, rc, "set up the supervisor");
		return complain(&err, BH_EXIT_INTERNAL);
	}
	rc = open_sockets(s);
	if (!rc)
		(void)bh_reload_ports(s);
	warn_state_fs(s);
	if (!rc)
		rc = prepare_children(s);
	if (!rc)
		rc = tell_gaps(s);
	if (rc)
		return rc;
	rc = bh_ctl_server_open(&s->ctl, &s->loop, &s->log, s->cfg.run_dir, &err);
	if (rc)
		return complain(&err, rc == BH_E_CONFIG ? BH_EXIT_CONFIG : BH_EXIT_INTERNAL);
	s->ctl.handle = bh_supervisor_handle_ctl;
	s->ctl.noted = bh_supervisor_note_request;
	s->ctl.limited = bh_supervisor_note_limit;
	s->ctl.ctx = s;
	bh_rounds_start(s);
	bh_info(&s->log, COMPONENT, "bulkhead %s pid=%d run_dir=%s run_path=%s", BH_VERSION,
	    (int)getpid(), s->cfg.run_dir, s->cfg.run_path);
	bh_key_watch_arm(s);
	bh_supervisor_tell_manager(s);
	bh_wrap_begin(s);
	bh_supervisor_start_children(s);
	return 0;
}

static void take_down(struct bh_supervisor *s)
{
	bh_ctl_server_close(&s->ctl);
	bh_timer_cancel(&s->off_timer);
	bh_self_test_release(&s->self_test);
	bh_rounds_release(&s->rounds);
	for (int i = 0; i < BH_ROLE__N; i++)
		bh_kid_release(&s->kids[i]);
	bh_loop_close_fd(&s->signals);
	bh_timer_cancel(&s->job_timer);
	bh_timer_cancel(&s->notify_timer);
	bh_notify_release(&s->notify);
	bh_job_release(&s->job);
	bh_sockets_release(&s->sockets);
	bh_log_sockets_release(&s->log_sockets);
	bh_handover_fds_release(&s->handover);
	bh_reload_release(&s->reload);
	for (int i = 0; i < BH_ROLE__N; i++)
		bh_query_release(&s->queries[i]);
	bh_events_release(&s->events);
	bh_key_watch_cancel(&s->key_watch);
	bh_loop_release(&s->loop);
	bh_buf_release(&s->report);
}

static int exit_code_of(int rc)
{
	if (rc == BH_E_STATE)
		return BH_EXIT_UNPROVEN;
	return rc == -EACCES || rc == -EPERM || rc == -EROFS ? BH_EXIT_NOPERM : BH_EXIT_INTERNAL;
}

static int run_locked(struct bh_supervisor *s, int log_fd)
{
	int rc = bring_up(s, log_fd);

	if (!rc) {
		rc = bh_loop_run(&s->loop);
		if (rc)
			bh_error(&s->log, COMPONENT, "event loop: %s", bh_err_name(rc));
		rc = rc ? BH_EXIT_INTERNAL : s->exit_code;
	}
	take_down(s);
	return rc;
}

static struct bh_supervisor *new_supervisor(char **command)
{
	struct bh_supervisor *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	bh_notify_init(&s->notify);
	bh_job_init(&s->job, command);
	bh_log_rings_init(&s->rings);
	s->rundir = (struct bh_rundir)BH_RUNDIR_INIT;
	s->signals.fd = s->ctl.listener.fd = -1;
	bh_page_init(&s->rounds.page);
	s->loop.epoll_fd = -1;
	bh_self_test_init(&s->self_test);
	for (size_t i = 0; i < BH_CTL_CONNS; i++)
		s->ctl.conn[i].io = (struct bh_conn)BH_CONN_INIT;
	for (int i = 0; i < BH_ROLE__N; i++) {
		s->kids[i].config_fd = -1;
		s->kids[i].process.fd = s->kids[i].control.fd = -1;
	}
	return s;
}

/* Only the command: no child, no socket. Its end ends the loop. */
static int run_alone(struct bh_supervisor *s)
{
	int rc;

	s->alone = true;
	s->job.collects = false;
	bh_rng_init(&s->rng);
	bh_log_init(&s->log, &bh_clock_system, "bulkhead", STDERR_FILENO);
	rc = bh_loop_init(&s->loop, &bh_clock_system);
	if (!rc)
		rc = watch_signals(s);
	if (!rc)
		rc = bh_wrap_set_up(s);
	if (rc) {
		(void)fprintf(stderr, "bulkhead: cannot watch a command: %s\n", bh_err_name(rc));
		return BH_EXIT_INTERNAL;
	}
	bh_wrap_alone(s);
	rc = s->job.told ? 0 : bh_loop_run(&s->loop);
	bh_loop_close_fd(&s->signals);
	bh_job_release(&s->job);
	bh_loop_release(&s->loop);
	return rc ? BH_EXIT_INTERNAL : 0;
}

/* The status of the whole: the command's, where there is one, even when the agent got nowhere. */
static int end_status(struct bh_supervisor *s, int rc)
{
	if (!bh_wraps(s))
		return rc;
	if (!s->job.told)
		rc = run_alone(s);
	return s->job.told ? s->job.status : rc;
}

int bh_supervisor_run(const char *config_path, char **command)
{
	struct bh_supervisor *s = new_supervisor(command);
	struct bh_err err = BH_ERR_INIT;
	struct bh_rights_means means;
	int log_fd = -1, rc;

	if (!s) {
		(void)fputs("bulkhead: out of memory\n", stderr);
		return BH_EXIT_INTERNAL;
	}
	bh_given_take(&s->given, environ, getpid());
	rc = load_config(s, config_path);
	if (!rc)
		rc = open_log(s, &log_fd);
	if (!rc)
		rc = find_secrets(s);
	if (!rc)
		rc = plan_rights(s, &means);
	if (!rc) {
		/* Signals have their default action until here: a wait for orphans can be broken
		 * off. */
		rc = bh_rundir_take(
		    &s->rundir, s->cfg.run_dir, s->cfg.run_path, WAIT_CHILDREN_MS, &err);
		if (!rc && means.root)
			rc = settle_owner(s, &err);
		rc = rc ? complain(&err, exit_code_of(rc)) : run_locked(s, log_fd);
		bh_rundir_release(&s->rundir);
	}
	rc = end_status(s, rc);
	s->log.ring = NULL;
	bh_log_rings_release(&s->rings);
	bh_strlist_release(&s->notes);
	bh_strlist_release(&s->config_notes);
	bh_strlist_release(&s->limits);
	bh_secrets_release(&s->secrets);
	bh_config_image_release(&s->image);
	bh_config_release(&s->cfg);
	if (log_fd > STDERR_FILENO)
		(void)close(log_fd);
	free(s);
	return rc;
}

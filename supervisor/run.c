#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/child.h"
#include "common/config_load.h"
#include "common/version.h"
#include "supervisor/reload_config.h"
#include "supervisor/sealed.h"
#include "supervisor/supervisor.h"

#define COMPONENT        "supervisor"
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
	bool wrong = bh_config_load(&s->cfg, path, environ, &findings) != 0;

	if (!wrong)
		bh_config_check(&s->cfg, &findings);
	for (size_t i = 0; i < findings.n; i++) {
		bool is_error = findings.v[i].level == BH_FINDING_ERROR;

		(void)fprintf(stderr, "bulkhead: %s: %s\n", is_error ? "error" : "warning",
		    findings.v[i].text);
		if (!is_error)
			keep(&s->config_notes, findings.v[i].text);
	}
	wrong = findings.errors > 0;
	bh_findings_release(&findings);
	s->config_path = path;
	return wrong ? BH_EXIT_CONFIG : 0;
}

static int open_log(struct bh_supervisor *s, int *fd)
{
	*fd = STDERR_FILENO;
	if (s->cfg.log_file[0]) {
		*fd = open(
		    s->cfg.log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
		if (*fd < 0) {
			(void)fprintf(stderr, "bulkhead: error: log_file %s: %s\n", s->cfg.log_file,
			    strerror(errno));
			return errno == EACCES || errno == EPERM ? BH_EXIT_NOPERM : BH_EXIT_CONFIG;
		}
	}
	bh_log_init(&s->log, &bh_clock_system, "bulkhead", *fd);
	if (bh_log_level_parse(s->cfg.log_level, &s->log.level))
		s->log.level = BH_LOG_INFO;
	return 0;
}

/* --- children --------------------------------------------------------------------------------- */

static int seal_config(struct bh_supervisor *s, struct bh_kid *k)
{
	struct bh_err err = BH_ERR_INIT;

	k->config_fd = bh_sealed_make(&s->cfg, k->role);
	if (k->config_fd >= 0)
		return 0;
	(void)bh_err_set(&err, k->config_fd, "hand the configuration to %s", bh_role_name(k->role));
	return complain(&err, BH_EXIT_INTERNAL);
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
	/* The forwarder's sealed copy is the only one from here on. */
	explicit_bzero(s->cfg.api_key, strlen(s->cfg.api_key));
	return rc;
}

/* 0, or the exit status when the configuration insists on a listener and there is none. */
static int open_sockets(struct bh_supervisor *s)
{
	static const char none[] =
	    "DogStatsD is off: no listener came up (see the causes beside this note)";

	if (bh_sockets_open(&s->sockets, &s->cfg))
		bh_error(&s->log, COMPONENT, "out of memory for the listeners");
	for (size_t i = 0; i < s->sockets.notes.n; i++)
		bh_error(&s->log, COMPONENT, "listener: %s", s->sockets.notes.v[i]);
	for (size_t i = 0; i < s->sockets.n; i++)
		bh_info(&s->log, COMPONENT, "%s %s",
		    s->sockets.v[i].kind == BH_SOCKET_FORWARD ? "packets go on to" : "listening on",
		    s->sockets.v[i].name);
	if (!s->cfg.use_dogstatsd || bh_sockets_listening(&s->sockets))
		return 0;
	bh_error(&s->log, COMPONENT, "%s", none);
	keep(&s->sockets.notes, none);
	return s->cfg.dogstatsd_require_listener ? BH_EXIT_UNAVAILABLE : 0;
}

static void note_limits(struct bh_supervisor *s)
{
	static const char *const limits[] = {
	    "all processes run as one user: no separation by uid",
	    "no system call filter (seccomp) and no file rules (Landlock)",
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(limits); i++)
		keep(&s->limits, limits[i]);
	if (geteuid() == 0)
		bh_warn(&s->log, COMPONENT, "running as root: every process has all rights");
}

/* --- signals ---------------------------------------------------------------------------------- */

static void on_signal(struct bh_watch *w, unsigned events)
{
	struct bh_supervisor *s = BH_CONTAINER(w, struct bh_supervisor, signals);
	struct signalfd_siginfo si;

	(void)events;
	while (read(w->fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		switch (si.ssi_signo) {
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
	static const int taken[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;
	int fd, rc;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < BH_ARRAY_LEN(taken); i++)
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

	bh_rng_init(&s->rng);
	rc = bh_loop_init(&s->loop, &bh_clock_system);
	if (!rc)
		rc = watch_signals(s);
	if (!rc &&
	    (setrlimit(RLIMIT_CORE, &no_core) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0))
		rc = -errno;
	if (rc)
		return rc;
	s->started_ns = bh_mono_ns(s->loop.clock);
	s->env = (struct bh_kid_env){.loop = &s->loop,
	    .rng = &s->rng,
	    .log = &s->log,
	    .run_id = bh_rng_u64(&s->rng),
	    .log_fd = log_fd,
	    .lock_fd = s->rundir.children_fd,
	    .ops = &bh_supervisor_kid_ops,
	    .ctx = s};
	for (int i = 0; i < BH_ROLE__N; i++)
		bh_kid_init(&s->kids[i], (enum bh_role)i, &s->env);
	bh_orders_init(s);
	bh_events_init(&s->events, &s->loop);
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
	note_limits(s);
	if (!rc)
		rc = prepare_children(s);
	if (rc)
		return rc;
	rc = bh_ctl_server_open(&s->ctl, &s->loop, &s->log, s->cfg.run_dir, &err);
	if (rc)
		return complain(&err, rc == BH_E_CONFIG ? BH_EXIT_CONFIG : BH_EXIT_INTERNAL);
	s->ctl.handle = bh_supervisor_handle_ctl;
	s->ctl.noted = bh_supervisor_note_request;
	s->ctl.limited = bh_supervisor_note_limit;
	s->ctl.ctx = s;
	bh_info(&s->log, COMPONENT, "bulkhead %s pid=%d run_dir=%s run_path=%s", BH_VERSION,
	    (int)getpid(), s->cfg.run_dir, s->cfg.run_path);
	bh_supervisor_start_children(s);
	return 0;
}

static void take_down(struct bh_supervisor *s)
{
	int fd = s->signals.fd;

	bh_ctl_server_close(&s->ctl);
	for (int i = 0; i < BH_ROLE__N; i++)
		bh_kid_release(&s->kids[i]);
	bh_loop_del_fd(&s->signals);
	if (fd >= 0)
		(void)close(fd);
	bh_sockets_release(&s->sockets);
	bh_log_sockets_release(&s->log_sockets);
	bh_handover_fds_release(&s->handover);
	bh_reload_release(&s->reload);
	bh_events_release(&s->events);
	bh_loop_release(&s->loop);
	bh_buf_release(&s->report);
	for (int i = 0; i < BH_ROLE__N; i++)
		bh_query_release(&s->queries[i]);
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

static struct bh_supervisor *new_supervisor(void)
{
	struct bh_supervisor *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->rundir = (struct bh_rundir)BH_RUNDIR_INIT;
	s->signals.fd = s->ctl.listener.fd = -1;
	s->loop.epoll_fd = -1;
	for (size_t i = 0; i < BH_CTL_CONNS; i++)
		s->ctl.conn[i].watch.fd = -1;
	for (int i = 0; i < BH_ROLE__N; i++) {
		s->kids[i].config_fd = -1;
		s->kids[i].process.fd = s->kids[i].control.fd = -1;
	}
	return s;
}

int bh_supervisor_run(const char *config_path)
{
	struct bh_supervisor *s = new_supervisor();
	struct bh_err err = BH_ERR_INIT;
	int log_fd = -1, rc;

	if (!s) {
		(void)fputs("bulkhead: out of memory\n", stderr);
		return BH_EXIT_INTERNAL;
	}
	rc = load_config(s, config_path);
	if (!rc)
		rc = open_log(s, &log_fd);
	if (!rc) {
		/* Signals have their default action until here: a wait for orphans can be broken
		 * off. */
		rc = bh_rundir_take(
		    &s->rundir, s->cfg.run_dir, s->cfg.run_path, WAIT_CHILDREN_MS, &err);
		rc = rc ? complain(&err, exit_code_of(rc)) : run_locked(s, log_fd);
		bh_rundir_release(&s->rundir);
	}
	bh_strlist_release(&s->notes);
	bh_strlist_release(&s->config_notes);
	bh_strlist_release(&s->limits);
	bh_config_release(&s->cfg);
	if (log_fd > STDERR_FILENO)
		(void)close(log_fd);
	free(s);
	return rc;
}

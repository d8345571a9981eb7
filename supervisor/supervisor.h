/*
 * The supervisor: one thread, one loop, three children (spec/supervision.md §1-§5). This header is
 * the shared state of its parts: supervisor.c (children and questions), stop.c (the ordered end),
 * run.c (bringing everything up and down).
 */
#ifndef BH_SUPERVISOR_SUPERVISOR_H
#define BH_SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/config_view.h"
#include "common/err.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/rng.h"
#include "supervisor/collect.h"
#include "supervisor/ctl_server.h"
#include "supervisor/deaths.h"
#include "supervisor/drain.h"
#include "supervisor/events.h"
#include "supervisor/handover.h"
#include "supervisor/key_watch.h"
#include "supervisor/job.h"
#include "supervisor/kid.h"
#include "supervisor/log_serve.h"
#include "supervisor/notify.h"
#include "supervisor/orders.h"
#include "supervisor/query.h"
#include "supervisor/reload.h"
#include "supervisor/rights.h"
#include "supervisor/rounds.h"
#include "supervisor/rundir.h"
#include "supervisor/security.h"
#include "supervisor/sockets.h"
#include "supervisor/sockets_logs.h"

struct bh_supervisor {
	struct bh_config cfg;
	struct bh_config_image image; /* of cfg, before its secrets were wiped */
	const char *config_path;      /* of the command line; NULL = the usual places */
	struct bh_log log;
	struct bh_loop loop;
	struct bh_rng rng;
	struct bh_rundir rundir;
	struct bh_given given; /* until the sockets are open */
	struct bh_sockets sockets;
	struct bh_log_rings rings;
	struct bh_spawn_fd ring_fd; /* the forwarder's */
	struct bh_spawn_fd
	    socket_fds[BH_SOCKETS_MAX + 3]; /* dogstatsd's, hand-over and ring included */
	struct bh_spawn_fd logs_fds[BH_CHILD_FDS_MAX]; /* those of log_sockets, and the command's */
	struct bh_log_sockets log_sockets; /* of log sources; they outlive every logs process */
	struct bh_handover_fds handover;
	struct bh_strlist config_notes; /* warnings of the configuration in use */
	struct bh_strlist notes;        /* these, and listeners: for the status */
	struct bh_strlist limits;       /* protections that are missing */
	struct bh_rights_plans rights;  /* what each child is started with */
	struct bh_timer off_timer;      /* hardening off is said again */
	struct bh_kid_env env;
	struct bh_kid kids[BH_ROLE__N];      /* [BH_ROLE_SUPERVISOR] is unused */
	struct bh_deaths deaths[BH_ROLE__N]; /* of these */
	struct bh_events events;
	struct bh_order orders[BH_ROLE__N];
	struct bh_query queries[BH_ROLE__N]; /* to each child */
	uint32_t inquiries;                  /* asked so far (inquiry.h) */
	struct bh_reload reload;
	struct bh_self_test self_test;
	struct bh_key_watch key_watch;
	struct bh_secrets secrets; /* until the children's configurations are sealed */
	struct bh_collect collect;
	struct bh_rounds rounds;
	struct bh_ctl_server ctl;
	struct bh_watch signals;
	struct bh_timer status_timer;
	struct bh_notify notify;
	struct bh_timer notify_timer; /* READY at the latest; then each second of a drain */
	int64_t started_ns;
	bool producers_started;
	bool was_ready;

	struct bh_job job;         /* run -- COMMAND */
	struct bh_timer job_timer; /* the command does not wait longer than this */
	bool job_waits;            /* the drain waits for a producer that starts */
	bool alone;                /* the agent could not be started: there is only the command */

	/* the end */
	struct bh_drain drain;
	struct bh_timer drain_timer;
	const char *stop_cause; /* of the drain; a literal */
	int64_t stop_wall_ns;   /* wall time of its begin */
	bool exit_wanted;       /* leave when the drain is done */
	int64_t stop_asked_ns;  /* mono: the first TERM that the command was given; 0 = none */
	unsigned stop_signals;  /* TERM and INT that counted */
	int64_t stop_signal_ns; /* mono time of the last one that counted */
	bool pumping;
	bool killing;         /* immediate stop */
	struct bh_buf report; /* JSON of the last drain; empty before */
	bool accounted;       /* its verdict */
	int exit_code;
	int refusal; /* exit status that stands whatever the drain says; 0 = none */
};

/* --- supervisor.c --- */
extern const struct bh_kid_ops bh_supervisor_kid_ops;
void bh_supervisor_start_children(struct bh_supervisor *s);
void bh_supervisor_write_status(struct bh_supervisor *s);
/* From the start on: READY, and beats. */
void bh_supervisor_tell_manager(struct bh_supervisor *s);
void bh_supervisor_handle_ctl(void *ctx, struct bh_ctl_conn *conn);
void bh_supervisor_note_request(void *ctx, const struct bh_ctl_conn *conn);
void bh_supervisor_note_limit(void *ctx, const char *text);
void bh_supervisor_collected(void *ctx);
/* The gaps of the children, as the status shows them. */
void bh_supervisor_limits(struct bh_supervisor *s);
bool bh_supervisor_alive(const struct bh_supervisor *s); /* any child process left */

/* --- stop.c --- */
/* Begins the ordered drain unless one has begun. */
void bh_stop_begin(struct bh_supervisor *s, const char *cause);
/* TERM or INT: ordered, then fast, then at once. */
void bh_stop_signal(struct bh_supervisor *s, const char *cause);
/* SIGKILL to all children; the loop ends when they are gone. */
void bh_stop_now(struct bh_supervisor *s);
/* A fact for the drain was noted: carries out what follows. Harmless when none runs. */
void bh_stop_pump(struct bh_supervisor *s);

static inline bool bh_stopping(const struct bh_supervisor *s)
{
	return s->killing || s->drain.phase != BH_DRAIN_IDLE;
}

/* --- wrap.c --- */
/* Before the configuration is used: sources of the command's output, a quieter log. */
int bh_wrap_config(struct bh_supervisor *s, struct bh_config *cfg) BH_MUST_CHECK;
/* The loop is there. -errno. */
int bh_wrap_set_up(struct bh_supervisor *s) BH_MUST_CHECK;
/* Children are being started: the command follows when they have, or could not. */
void bh_wrap_begin(struct bh_supervisor *s);
/* A child's state changed. */
void bh_wrap_pump(struct bh_supervisor *s);
/* A signal of ours. false: it is not the command's. */
bool bh_wrap_signal(struct bh_supervisor *s, int signo, bool from_kernel);
/* The drain is over: what is left to say. */
void bh_wrap_report(const struct bh_supervisor *s);
/* Without an agent; the loop is there. */
void bh_wrap_alone(struct bh_supervisor *s);

static inline bool bh_wraps(const struct bh_supervisor *s)
{
	return s->job.argv != NULL;
}

/* --- run.c --- */
/* From configuration to exit status. config_path may be NULL. command: what runs beside the agent
 * and gives the exit status, ends with NULL; or NULL. */
int bh_supervisor_run(const char *config_path, char **command);

#endif

/*
 * reload: the configuration is read and checked again, and each process gets what changed for it
 * (spec/supervision.md §7). A configuration with an error changes nothing.
 *
 *   same bytes for a child          it never notices
 *   log sources only                RELOAD to the logs process, which applies them while it runs,
 *                                   or says that it must be started again
 *   API keys only                   RELOAD to the forwarder, which sends with the new ones from
 * then on anything else                   restarted as by `restart`, one after the other, forwarder
 * last options of the supervisor that act only at a start keep their value, and are named
 *
 * Handles (common/secret.h) get their values anew; while these are being found everything goes on.
 * When one cannot be found, nothing changes. A refresh does this alone: the files of the
 * configuration are not read, and only secrets are new.
 *
 * A process that was stopped stays so, one that gave up is started. Requests that come meanwhile
 * are answered by a further reload that follows. SIGHUP asks for the same without an answer; the
 * log tells the outcome in both cases.
 */
#ifndef BH_SUPERVISOR_RELOAD_H
#define BH_SUPERVISOR_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/config_load.h"
#include "common/loop.h"
#include "proto/control.h"
#include "supervisor/ctl_server.h"
#include "supervisor/resolver.h"

#define BH_RELOAD_TEXT_MAX 160

struct bh_supervisor;

struct bh_reload_result {
	bool told, ok;
	char text[BH_RELOAD_TEXT_MAX];
};

struct bh_reload {
	bool active;
	bool again;     /* asked for while active */
	uint32_t round; /* counts them; a connection notes the one that answers it */
	bool applied;   /* the configuration had no error */
	struct bh_findings findings;
	struct bh_strlist needs_start; /* keys */
	unsigned todo;                 /* 1 << role: to be restarted */
	enum bh_role now;              /* being restarted; BH_ROLE_SUPERVISOR = none */
	uint32_t generation;           /* of that one, before */
	unsigned asked;                /* 1 << role: RELOAD was sent, RELOADED is awaited */
	uint32_t id;                   /* of these */
	struct bh_timer answer;        /* for them; BH_CONTAINER of the supervisor */
	bool refresh;                  /* nothing but secrets is new */
	bool resolving;                /* their values are being found */
	struct bh_resolver resolver;   /* by this one; BH_CONTAINER too */
	struct bh_config next;         /* while resolving, unless refresh */
	bool pumping;
	struct bh_reload_result result[BH_ROLE__N];
};

/* conn: who waits for the answer; NULL = nobody. */
void bh_reload_ask(struct bh_supervisor *s, struct bh_ctl_conn *conn);
/* Secrets anew; read_key: api_key is looked up in the configuration too. Does nothing while a
 * reload is under way. */
void bh_reload_refresh(struct bh_supervisor *s, bool read_key);
/* A child's state changed, or its process is gone: what follows is done. */
void bh_reload_pump(struct bh_supervisor *s);
void bh_reload_answered(
    struct bh_supervisor *s, enum bh_role role, uint32_t id, const struct bh_ctl_reloaded *r);
/* An ordered stop of everything begins. */
void bh_reload_give_up(struct bh_supervisor *s);
void bh_reload_init(struct bh_supervisor *s);
void bh_reload_release(struct bh_reload *r);

/* At the start, and before each start of the logs process: ports as the configuration has them, and
 * the notes of the status. Returns whether one was opened. */
bool bh_reload_ports(struct bh_supervisor *s);

/* "1 source added, 2 removed, 1 changed, 3 unchanged"; what is 0 is left out. Empty: nothing
 * changed. */
void bh_reload_describe(const struct bh_sources_change *c, char *out, size_t cap);

#endif

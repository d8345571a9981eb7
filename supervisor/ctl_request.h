/*
 * One request on the control socket: a line with a flat JSON object of strings, {"verb":"status"}
 * {"verb":"restart","names":"dogstatsd logs"}, {"verb":"dogstatsd-capture","seconds":"60"} or
 * {"verb":"stream-logs","source":"nginx","service":"web"}, the last two members as wanted.
 * Strict: no other types, no nesting, no escapes of JSON, no unknown or repeated key. Names of
 * files come in the form of common/percent.h, which needs no escapes.
 */
#ifndef BH_SUPERVISOR_CTL_REQUEST_H
#define BH_SUPERVISOR_CTL_REQUEST_H

#include "common/attrs.h"
#include "common/config.h"
#include "common/str.h"
#include "proto/control.h"
#include "supervisor/capture.h"

enum bh_verb {
	BH_VERB_STATUS,
	BH_VERB_LEDGER,
	BH_VERB_DRAIN,
	BH_VERB_SHUTDOWN,
	BH_VERB_VERSION,
	BH_VERB_START, /* with names */
	BH_VERB_STOP,
	BH_VERB_RESTART,
	BH_VERB_DOGSTATSD_STATS,
	BH_VERB_CONTEXTS,
	BH_VERB_SENDERS,
	BH_VERB_CAPTURE,     /* with seconds */
	BH_VERB_STREAM_LOGS, /* with source, service, both or neither */
	BH_VERB_REGISTRY,
	BH_VERB_REGISTRY_SHOW, /* with identifier */
	BH_VERB_REGISTRY_FORGET,
	BH_VERB_REGISTRY_IMPORT, /* with file */
	BH_VERB_QUARANTINE,
	BH_VERB_QUARANTINE_REPLAY,
	BH_VERB_RELOAD,
	BH_VERB_HEALTH,
	BH_VERB_LAST_STOP,
	BH_VERB_EVENTS,
	BH_VERB_EVENTS_FOLLOW,
	BH_VERB_SIGNAL, /* with names and signal */
	BH_VERB_SECURITY,
	BH_VERB_SECURITY_TEST,
	BH_VERB_CONFIG_DIFF,
	BH_VERB_REOPEN_LOGS,
	BH_VERB_TAIL,  /* with names, from, both or neither */
	BH_VERB_SPOOL, /* with request */
	BH_VERB_SPOOL_PURGE,
	BH_VERB_SPOOL_REPLAY,
	BH_VERB_SPOOL_ACKNOWLEDGE,
	BH_VERB_DIAGNOSE,
	BH_VERB__N,
};

struct bh_ctl_request {
	enum bh_verb verb;
	unsigned roles; /* 1 << enum bh_role, of the names; 0 where the verb takes none */
	uint64_t from[BH_ROLE__N]; /* tail: a position for each role */
	uint32_t seconds;          /* 0 where the verb takes none */
	int signo;                 /* of signal; else 0 */
	struct bh_stream_filter filter;
	struct bh_str arg; /* identifier, file or request as it came; borrows from the line */
};

const char *bh_verb_name(enum bh_verb verb);

/* 0; BH_E_FORMAT when it is not such an object, a member is missing or not the verb's; BH_E_STATE
 * when the verb is unknown; BH_E_LIMIT when a name is. "all" stands for every child; tail
 * takes "supervisor" as well, and means it by "all" too. A
 * signal that the verb does not send is BH_E_FORMAT. */
int bh_ctl_request_parse(struct bh_str line, struct bh_ctl_request *r) BH_MUST_CHECK;

#endif

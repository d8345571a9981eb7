/*
 * What the verbs of bulkheadctl share: the options, the question to the supervisor and the exit
 * statuses (spec/supervision.md §9.1). A verb is a row of the table in main.c and a function; the
 * functions are in verb_*.c and verbs_process.c.
 */
#ifndef BH_CTL_CTL_H
#define BH_CTL_CTL_H

#include <jansson.h>
#include <stdbool.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/config.h"
#include "supervisor/ctl/client.h"

enum bh_ctl_exit {
	BH_CTL_DONE = 0,
	BH_CTL_WRONG = 1,
	BH_CTL_USAGE = 2,
	BH_CTL_NOT_RUNNING = 3, /* status */
	BH_CTL_UNKNOWN = 4,     /* no answer, or insufficient privilege */
	BH_CTL_NOT_INSTALLED = 5,
	BH_CTL_STOPPED = 7, /* other verbs: there is nobody to ask */
};

/* The command line. Strings are argv's. */
struct bh_ctl_options {
	const char *config;
	const char *socket;
	long timeout_s; /* 0 = by verb */
	bool json;
	bool quiet;                              /* no text; the exit status tells */
	bool verbose;                            /* status, diagnose */
	bool list;                               /* diagnose */
	bool follow;                             /* events, tail */
	const char *source, *service;            /* stream-logs */
	long duration_s;                         /* stream-logs; 0 = no end */
	long long count;                         /* stream-logs; 0 = no end */
	bool non_default;                        /* config show */
	const char *destination, *class, *older; /* spool */
	bool yes;                                /* spool purge */
	bool self_test;                          /* security */
};

/* A question to the supervisor and what to do with its answer. */
struct bh_ctl_query {
	const char *name;
	bool drains;        /* the answer may take a whole stop */
	const char *member; /* what it takes beside itself; NULL = nothing */
	void (*view)(const json_t *answer, struct bh_buf *out); /* NULL: the answer is not shown */
	int (*verdict)(const json_t *answer);                   /* NULL: any answer is good */
	bool own_json;       /* --json changes nothing: the view is JSON, of another form */
	int wait_s;          /* for the answer; 0 = 5 */
	bool absent_is_fine; /* bh_ctl_fetch: without a supervisor NULL and BH_CTL_DONE */
};

struct bh_ctl_command;
/* words: what follows the verb, up to a NULL. Returns the exit status. */
typedef int bh_ctl_run(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words);

struct bh_ctl_command {
	const char *name;
	const char *args; /* for the help; NULL = none */
	const char *help; /* one line, or more with \n between them */
	bh_ctl_run *run;
	const struct bh_ctl_query *query; /* of bh_ctl_run_query; else NULL */
	const char *options;              /* letters of main.c's table it takes beside the common */
};

/* Asks the query of the command; its words are the names of processes when it has a member. */
bh_ctl_run bh_ctl_run_query;
bh_ctl_run bh_ctl_run_quarantine, bh_ctl_run_registry, bh_ctl_run_stream, bh_ctl_run_top,
    bh_ctl_run_capture, bh_ctl_run_replay, bh_ctl_run_config, bh_ctl_run_tail, bh_ctl_run_spool,
    bh_ctl_run_diagnose, bh_ctl_run_security;
bh_ctl_run bh_ctl_run_status, bh_ctl_run_pid, bh_ctl_run_events, bh_ctl_run_last_stop,
    bh_ctl_run_signal;

extern const struct bh_ctl_query bh_ctl_status, bh_ctl_ledger, bh_ctl_drain, bh_ctl_shutdown,
    bh_ctl_version, bh_ctl_start, bh_ctl_stop, bh_ctl_restart, bh_ctl_reload,
    bh_ctl_dogstatsd_stats, bh_ctl_reopen_logs, bh_ctl_health;

/* Says on stderr what is wrong with the command line; word may be NULL. Returns BH_CTL_USAGE. */
int bh_ctl_usage(const char *what, const char *word);
/* Says on stderr, and with --json on stdout, what failed. Returns code. */
int bh_ctl_fail(const struct bh_ctl_options *o, const char *text, int code);
void bh_ctl_print(const struct bh_buf *b);

/* The socket to ask: --socket, else that of the configuration. cfg is filled, with defaults when
 * the configuration is wrong, and is the caller's to release. 0 or -ENOMEM. */
int bh_ctl_socket(
    const struct bh_ctl_options *o, struct bh_config *cfg, struct bh_buf *path) BH_MUST_CHECK;
/* Asks, shows, returns the exit status. *fd: a descriptor that came with the answer, the caller's,
 * or -1. */
int bh_ctl_ask_with(const struct bh_ctl_options *o, const struct bh_ctl_query *q,
    const struct bh_ctl_member *members, size_t n, int *fd);
/* Asks for an answer that the caller shows: an object, the caller's; NULL when there is none, what
 * went wrong was told then, and *code is the exit status. *fd as above. */
json_t *bh_ctl_fetch(
    const struct bh_ctl_options *o, const struct bh_ctl_query *q, int *fd, int *code);
/* One line on stdout. Returns the exit status. */
int bh_ctl_put_json(const json_t *json);
/* "bulkheadctl: ROLE: ERROR (REASON; next: NEXT)" on stderr; next may be "". */
void bh_ctl_tell_role(const char *role, const char *reason, const char *next);
/* Of an answer with "results": tells what failed. BH_CTL_DONE when nothing did. */
int bh_ctl_results_verdict(const json_t *answer);
/* Joins names by blanks. false when one is no name, or they do not fit. */
bool bh_ctl_join_names(char **words, char *out, size_t cap);

/* The same with the query's one member, or none when value is NULL. */
int bh_ctl_ask_one(const struct bh_ctl_options *o, const struct bh_ctl_query *q, const char *value);
/* A query without a member and without words. */
int bh_ctl_ask_plain(const struct bh_ctl_options *o, const struct bh_ctl_query *q, char **words);

#endif

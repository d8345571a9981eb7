/*
 * Finds the values of the handles of a configuration (common/secret.h): reads the files, and asks
 * secret_backend_command for all the others in one call (the Agent's protocol 1.0):
 *
 *   stdin   {"version": "1.0", "secrets": ["a", "b"]}
 *   stdout  {"a": {"value": "…", "error": null}, "b": {"value": "…"}}
 *
 * The supervisor runs the command, as its own user: no child may execute anything, and the children
 * that need a value get it in their sealed configuration. All or nothing: one value that is missing
 * fails the whole. No value and nothing the command wrote but its "error" texts comes into a
 * message.
 */
#ifndef BH_SUPERVISOR_RESOLVER_H
#define BH_SUPERVISOR_RESOLVER_H

#include "common/config.h"
#include "common/secret.h"
#include "supervisor/command.h"

struct bh_resolver;
/* err: NULL when every value is in secrets, which is wiped after the call unless it is taken over.
 * Its code is BH_E_STATE when a later try may succeed without a change of the configuration. r may
 * be started again. */
typedef void bh_resolver_fn(
    struct bh_resolver *r, struct bh_secrets *secrets, const struct bh_err *err);

struct bh_resolver {
	struct bh_command command;
	bh_resolver_fn *done;
	struct bh_secrets secrets; /* while it works */
	bool trim;
	char *path; /* of the command, for messages; owned */
	int64_t timeout_ms, max;
};

void bh_resolver_init(struct bh_resolver *r, struct bh_loop *loop, bh_resolver_fn *done);
/* raw is borrowed for the call. done may be called before it returns. One at a time. */
void bh_resolver_start(struct bh_resolver *r, const struct bh_config *raw);
/* done is not called any more. */
void bh_resolver_cancel(struct bh_resolver *r);

/* The same with a loop of its own, until done: for a start. *out is the caller's to release. */
int bh_resolve(
    const struct bh_config *raw, struct bh_secrets *out, struct bh_err *err) BH_MUST_CHECK;

/* Takes the values out of what the command wrote. BH_E_CONFIG; exposed for its tests. */
int bh_resolver_read(
    struct bh_secrets *s, const char *answer, bool trim, struct bh_err *err) BH_MUST_CHECK;

#endif

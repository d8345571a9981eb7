/*
 * What is between this process and each intake (spec/intake.md §2, §3, §13.6): name, connection,
 * proxy, certificate, answer, clock, key, and the disk below run_path. Each check is one line of
 * JSON: check, target, result ("pass", "warn", "fail", "skip"), detail, and with the last three
 * mostly fix; the last line is {"end":true,…}. A check that fails ends those of its target.
 *
 * Requests wait for answers, so a running forwarder does this on a thread of its own, with copies
 * of all it needs.
 */
#ifndef BH_FORWARDER_DIAGNOSE_H
#define BH_FORWARDER_DIAGNOSE_H

#include <stdbool.h>

#include "common/attrs.h"
#include "common/config.h"
#include "forwarder/endpoints.h"

struct bh_diagnose;

/* Here and now; fd is a socket, borrowed. The exit status of a process that does nothing else. The
 * keys are cfg's; "" = not known, then it is not checked. */
int bh_diagnose_here(const struct bh_config *cfg, int fd);

/* The same on a thread, with these destinations and keys (by their index there) instead of cfg's.
 * Copies all, duplicates fd. -EAGAIN: one is under way in *d. */
int bh_diagnose_start(struct bh_diagnose **d, const struct bh_config *cfg,
    const struct bh_endpoint_list *list, const char *const *keys, int fd) BH_MUST_CHECK;
/* Ends it; waits for a request that will not end, but not for ever. */
void bh_diagnose_stop(struct bh_diagnose **d);

#endif

/*
 * What bulkheadctl spool purge and replay do to a store whose forwarder does not run: the same
 * custody as in a forwarder, without network and links, so that ledger, positions and counts move
 * as they do there. What is sent again waits for the next start.
 */
#ifndef BH_FORWARDER_SPOOL_CHANGE_H
#define BH_FORWARDER_SPOOL_CHANGE_H

#include "common/config.h"
#include "common/err.h"
#include "forwarder/spool_view.h"

/* *done counts the payloads it was about. BH_E_STATE: another process holds the store; BH_E_CONFIG:
 * it is damaged, and is left as it is; -ENOSPC; the store's errors. err says what happened. */
int bh_spool_change(const struct bh_config *cfg, const struct bh_spool_request *r,
    struct bh_spool_walk *done, struct bh_err *err) BH_MUST_CHECK;

#endif

/*
 * One request on the control socket: a line with a flat JSON object of strings, {"verb":"status"}.
 * Strict: no other types, no nesting, no escapes (no verb needs one), no unknown or repeated key.
 */
#ifndef BH_SUPERVISOR_CTL_REQUEST_H
#define BH_SUPERVISOR_CTL_REQUEST_H

#include "common/attrs.h"
#include "common/str.h"

enum bh_verb {
	BH_VERB_STATUS,
	BH_VERB_LEDGER,
	BH_VERB_DRAIN,
	BH_VERB_SHUTDOWN,
	BH_VERB_VERSION,
	BH_VERB__N,
};

const char *bh_verb_name(enum bh_verb verb);

/* 0; BH_E_FORMAT when it is not such an object, BH_E_STATE when the verb is unknown. */
int bh_ctl_request_parse(struct bh_str line, enum bh_verb *verb) BH_MUST_CHECK;

#endif

/*
 * struct bh_sandbox_orders as a word of the child's environment, BULKHEAD_RIGHTS:
 * "auto,1,998,997,4,1,0": hardening, dropped, uid, gid, capabilities (hex), own network, gaps
 * (hex).
 */
#ifndef BH_COMMON_SANDBOX_ORDERS_H
#define BH_COMMON_SANDBOX_ORDERS_H

#include <stddef.h>

#include "common/sandbox.h"

#define BH_ORDERS_TEXT_MAX 96

void bh_sandbox_orders_print(const struct bh_sandbox_orders *o, char out[BH_ORDERS_TEXT_MAX]);
/* BH_E_FORMAT. */
int bh_sandbox_orders_parse(const char *text, struct bh_sandbox_orders *o) BH_MUST_CHECK;

#endif

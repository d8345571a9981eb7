/*
 * Packets sent on unchanged to another server (spec/dogstatsd.md §2.6), through a connected UDP
 * socket that the supervisor made. Nothing waits for it: what the kernel does not take is counted.
 */
#ifndef BH_DOGSTATSD_RELAY_H
#define BH_DOGSTATSD_RELAY_H

#include <stdint.h>

#include "common/str.h"

struct bh_relay {
	int fd; /* owned by the process; -1 = off */
	uint64_t sent, failed;
};

/* fd is not -1. */
void bh_relay_send(struct bh_relay *r, struct bh_str packet);

#endif

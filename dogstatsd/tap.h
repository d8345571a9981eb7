/* What is done with every packet before it is parsed: sent on, captured. Most often nothing. */
#ifndef BH_DOGSTATSD_TAP_H
#define BH_DOGSTATSD_TAP_H

#include "dogstatsd/capture.h"
#include "dogstatsd/relay.h"

struct bh_tap {
	struct bh_relay relay;
	struct bh_capture capture;
};

static inline void bh_tap_packet(struct bh_tap *t, struct bh_str packet)
{
	if (t->relay.fd >= 0)
		bh_relay_send(&t->relay, packet);
	if (t->capture.fd >= 0)
		bh_capture_packet(&t->capture, packet);
}

#endif

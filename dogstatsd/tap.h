/* What is done with every packet before it is parsed: sent on, captured, its sender counted. Most
 * often nothing. */
#ifndef BH_DOGSTATSD_TAP_H
#define BH_DOGSTATSD_TAP_H

#include "dogstatsd/capture.h"
#include "dogstatsd/relay.h"
#include "dogstatsd/senders.h"

struct bh_tap {
	struct bh_relay relay;
	struct bh_capture capture;
	struct bh_senders senders;
};

/* from: NULL when nobody knows. now: Unix seconds. */
static inline void bh_tap_packet(
    struct bh_tap *t, struct bh_str packet, const struct bh_sender *from, int64_t now)
{
	if (t->relay.fd >= 0)
		bh_relay_send(&t->relay, packet);
	if (t->capture.fd >= 0)
		bh_capture_packet(&t->capture, packet, from ? from->pid : 0);
	if (from && t->senders.rows)
		bh_senders_note(&t->senders, from, packet.n, now);
}

#endif

/* The forwarder's end of the link, as little of it as a producer needs to see: greets,
 * acknowledges, answers fences, keeps bodies. Lives in the loop of the process under test. */
#ifndef BH_TESTS_DOGSTATSD_PEER_H
#define BH_TESTS_DOGSTATSD_PEER_H

#include "common/ipc.h"
#include "dogstatsd/payload.h"
#include "proto/link.h"

struct peer {
	struct bh_ipc *data, *answers;
	struct bh_payload *payloads; /* taken, oldest first */
	uint64_t base;
	bool mute;       /* acknowledges nothing */
	bool refuse;     /* refuses every payload as too big */
	uint32_t credit; /* payloads; 0 = as much as the link ever gives */
};

/* Listens below run_dir (made with its link folder). */
void peer_open(struct peer *p, struct bh_loop *loop, const char *run_dir);
void peer_close(struct peer *p);

#endif

/*
 * When the producer's end of the link speaks, resends and renews (spec/durability.md §12, table
 * "Producer"): plain data in, an action out. Times are mono ns, passed in.
 */
#ifndef BH_COMMON_PRODUCER_STATE_H
#define BH_COMMON_PRODUCER_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum bh_link_state {
	BH_LINK_DOWN,     /* nothing said yet */
	BH_LINK_GREETING, /* HELLO sent, WELCOME (and RESUME, for a new epoch) awaited */
	BH_LINK_READY,
};

enum bh_link_action {
	BH_LINK_DO_NOTHING,
	BH_LINK_DO_HELLO,         /* send HELLO */
	BH_LINK_DO_RENEW,         /* replace both sockets, then send HELLO */
	BH_LINK_DO_RENEW_AND_ASK, /* the same; and ask to be started again, in order */
};

#define BH_LINK_HELLO_NS (50LL * 1000000) /* HELLO again without WELCOME */
#define BH_LINK_HELLO_SLOW_NS \
	(1000LL * 1000000) /* the same while the forwarder is known to be down */
#define BH_LINK_QUIET_NS        (200LL * 1000000) /* READY, something outstanding, nothing heard */
#define BH_LINK_RENEW_NS        (400LL * 1000000) /* silence after HELLO while the forwarder runs */
#define BH_LINK_RENEW_DOUBLINGS 4  /* each renewal in a row waits twice as long, so many times */
#define BH_LINK_RENEWALS_MAX    16 /* each leaves two sockets behind; then it is time to ask */

struct bh_link_fsm {
	enum bh_link_state state;
	bool peer_running;
	int64_t heard_ns; /* last message from the forwarder, or the start of the present silence */
	int64_t hello_ns; /* last HELLO */
	unsigned renewed; /* renewals since the link was last READY */
	unsigned renewals; /* all of them */
};

void bh_link_fsm_init(struct bh_link_fsm *f, int64_t now_ns);
/* Any message of ours arrived. */
void bh_link_fsm_heard(struct bh_link_fsm *f, int64_t now_ns);
/* WELCOME, with RESUME complete where one follows. */
void bh_link_fsm_ready(struct bh_link_fsm *f, int64_t now_ns);
/* A forwarder that came back knows little of us: READY becomes GREETING. The caller sends HELLO
 * when the state is GREETING and running is true. */
void bh_link_fsm_peer(struct bh_link_fsm *f, bool running, int64_t now_ns);
/* Something became outstanding on an idle link: silence counts from now. */
void bh_link_fsm_sent(struct bh_link_fsm *f, int64_t now_ns);
/* What to do now; the state moves as the action says. outstanding: something must come from the
 * forwarder (window not empty, fence pending, no credit). */
enum bh_link_action bh_link_fsm_tick(struct bh_link_fsm *f, int64_t now_ns, bool outstanding);
/* When tick must be asked again; -1 = not before something happens (no wake-ups when idle). */
int64_t bh_link_fsm_next(const struct bh_link_fsm *f, bool outstanding);

#endif

#include "common/producer_state.h"

void bh_link_fsm_init(struct bh_link_fsm *f, int64_t now_ns)
{
	*f = (struct bh_link_fsm){BH_LINK_DOWN, true, now_ns, now_ns};
}

void bh_link_fsm_heard(struct bh_link_fsm *f, int64_t now_ns)
{
	f->heard_ns = now_ns;
}

void bh_link_fsm_ready(struct bh_link_fsm *f, int64_t now_ns)
{
	f->state = BH_LINK_READY;
	f->heard_ns = now_ns;
}

void bh_link_fsm_peer(struct bh_link_fsm *f, bool running, int64_t now_ns)
{
	/* A forwarder that just came up has been silent for a reason: its silence starts now. */
	if (running && !f->peer_running)
		f->heard_ns = now_ns;
	f->peer_running = running;
}

void bh_link_fsm_sent(struct bh_link_fsm *f, int64_t now_ns)
{
	f->heard_ns = now_ns;
}

static int64_t hello_period(const struct bh_link_fsm *f)
{
	return f->peer_running ? BH_LINK_HELLO_NS : BH_LINK_HELLO_SLOW_NS;
}

static enum bh_link_action greet(struct bh_link_fsm *f, int64_t now_ns)
{
	f->state = BH_LINK_GREETING;
	f->hello_ns = now_ns;
	return BH_LINK_DO_HELLO;
}

enum bh_link_action bh_link_fsm_tick(struct bh_link_fsm *f, int64_t now_ns, bool outstanding)
{
	switch (f->state) {
	case BH_LINK_DOWN:
		f->heard_ns = now_ns;
		return greet(f, now_ns);
	case BH_LINK_GREETING:
		if (f->peer_running && now_ns - f->heard_ns >= BH_LINK_RENEW_NS) {
			f->heard_ns = now_ns;
			(void)greet(f, now_ns);
			return BH_LINK_DO_RENEW;
		}
		if (now_ns - f->hello_ns >= hello_period(f))
			return greet(f, now_ns);
		return BH_LINK_DO_NOTHING;
	case BH_LINK_READY:
		if (!outstanding || now_ns - f->heard_ns < BH_LINK_QUIET_NS)
			return BH_LINK_DO_NOTHING;
		return greet(f, now_ns);
	}
	return BH_LINK_DO_NOTHING;
}

int64_t bh_link_fsm_next(const struct bh_link_fsm *f, bool outstanding)
{
	int64_t hello;

	switch (f->state) {
	case BH_LINK_DOWN:
		return f->heard_ns;
	case BH_LINK_GREETING:
		hello = f->hello_ns + hello_period(f);
		if (f->peer_running && f->heard_ns + BH_LINK_RENEW_NS < hello)
			return f->heard_ns + BH_LINK_RENEW_NS;
		return hello;
	case BH_LINK_READY:
		return outstanding ? f->heard_ns + BH_LINK_QUIET_NS : -1;
	}
	return -1;
}

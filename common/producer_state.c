#include "common/producer_state.h"

void bh_link_fsm_init(struct bh_link_fsm *f, int64_t now_ns)
{
	*f = (struct bh_link_fsm){
	    .state = BH_LINK_DOWN, .peer_running = true, .heard_ns = now_ns, .hello_ns = now_ns};
}

void bh_link_fsm_heard(struct bh_link_fsm *f, int64_t now_ns)
{
	f->heard_ns = now_ns;
}

void bh_link_fsm_ready(struct bh_link_fsm *f, int64_t now_ns)
{
	f->state = BH_LINK_READY;
	f->heard_ns = now_ns;
	f->renewed = 0;
}

void bh_link_fsm_peer(struct bh_link_fsm *f, bool running, int64_t now_ns)
{
	if (running && !f->peer_running) {
		/* It has been silent for a reason: the silence that means a fault starts now. */
		f->heard_ns = f->hello_ns = now_ns;
		if (f->state == BH_LINK_READY)
			f->state = BH_LINK_GREETING;
	}
	f->peer_running = running;
}

void bh_link_fsm_sent(struct bh_link_fsm *f, int64_t now_ns)
{
	f->heard_ns = now_ns;
}

/* Registry rows on their way are an answer in progress: they put the next HELLO off. */
static int64_t next_hello(const struct bh_link_fsm *f)
{
	int64_t period = f->peer_running ? BH_LINK_HELLO_NS : BH_LINK_HELLO_SLOW_NS;
	int64_t answered = f->heard_ns > f->hello_ns ? f->heard_ns : f->hello_ns;

	return answered + period;
}

/* A forwarder that is stopped for long must not cost sockets without end. */
static int64_t next_renewal(const struct bh_link_fsm *f)
{
	unsigned n = f->renewed < BH_LINK_RENEW_DOUBLINGS ? f->renewed : BH_LINK_RENEW_DOUBLINGS;

	return f->heard_ns + (BH_LINK_RENEW_NS << n);
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
		if (f->peer_running && now_ns >= next_renewal(f)) {
			f->heard_ns = now_ns;
			f->renewed++;
			(void)greet(f, now_ns);
			/* A request that came at a bad time is made again. */
			return ++f->renewals % BH_LINK_RENEWALS_MAX ? BH_LINK_DO_RENEW
								    : BH_LINK_DO_RENEW_AND_ASK;
		}
		if (now_ns >= next_hello(f))
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
		hello = next_hello(f);
		if (f->peer_running && next_renewal(f) < hello)
			return next_renewal(f);
		return hello;
	case BH_LINK_READY:
		return outstanding ? f->heard_ns + BH_LINK_QUIET_NS : -1;
	}
	return -1;
}

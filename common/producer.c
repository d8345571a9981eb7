#include "common/producer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ipc_link.h"
#include "common/producer_state.h"

#define COMPONENT     "link"
#define PATH_LIMIT    107
#define DATA_SEND_BUF 4 /* messages; spec/durability.md §12 */
#define ANSWER_BUF    64

/* One payload of the window: the encoded message, kept byte for byte until it is durable. */
struct slot {
	char *bytes;
	size_t n, body;
	uint32_t items;
	enum bh_refuse_cause refused;
};

struct bh_producer {
	struct bh_producer_config cfg;
	struct bh_ipc *data, *answers;
	struct bh_link_fsm fsm;
	struct bh_timer tick;
	struct bh_log_limit limit;
	struct slot window[BH_LINK_WINDOW]; /* seq is in slot seq % BH_LINK_WINDOW */
	uint64_t epoch, base, next,
	    sent; /* next: to be assigned; sent: all below went to the library */
	uint64_t bytes, items, resent;
	uint32_t credit_msgs, credit_kib;
	bool first_ready_done, hello_pending, resuming;
	bool fence_pending, fence_unsent;
	uint64_t fence_seq;
	uint64_t resumed;  /* RESUME messages taken since WELCOME */
	uint64_t received; /* what the forwarder last said it has, in an unbroken run */
	uint64_t malformed;
};

int bh_link_path(char *out, size_t cap, const char *run_dir, enum bh_role role, bool answers)
{
	int n = snprintf(
	    out, cap, "%s/link/%s.%s", run_dir, bh_role_name(role), answers ? "answer" : "data");

	return n < 0 || (size_t)n >= cap || n > PATH_LIMIT ? -ENAMETOOLONG : 0;
}

static int64_t now(const struct bh_producer *p)
{
	return bh_mono_ns(p->cfg.loop->clock);
}

static bool outstanding(const struct bh_producer *p)
{
	return p->base + 1 < p->next || p->fence_pending;
}

/* Without credit a lost ACK would leave nobody to speak first: then we ask. */
static bool waits(const struct bh_producer *p)
{
	return outstanding(p) || (p->fsm.state == BH_LINK_READY && p->credit_msgs == 0);
}

static struct slot *slot_of(struct bh_producer *p, uint64_t seq)
{
	return &p->window[seq % BH_LINK_WINDOW];
}

static void on_tick(struct bh_timer *t);

static void arm(struct bh_producer *p)
{
	int64_t at = bh_link_fsm_next(&p->fsm, waits(p));

	if (at < 0)
		bh_timer_cancel(&p->tick);
	else
		bh_timer_at(p->cfg.loop, &p->tick, at, on_tick);
}

static struct bh_link_msg message(const struct bh_producer *p, enum bh_link_type type)
{
	struct bh_link_msg m;

	memset(&m, 0, sizeof(m));
	m.head.type = type;
	m.head.epoch = p->epoch;
	return m;
}

/* true = the library took it */
static bool send_small(struct bh_producer *p, const struct bh_link_msg *m)
{
	return bh_ipc_send_link(p->data, m) == 0;
}

static void send_hello(struct bh_producer *p)
{
	struct bh_link_msg m = message(p, BH_LINK_HELLO);

	m.u.hello.role = (uint8_t)p->cfg.role;
	m.u.hello.token = p->cfg.run_id;
	m.u.hello.generation = p->cfg.generation;
	p->hello_pending = !send_small(p, &m);
}

static bool send_slot(struct bh_producer *p, const struct slot *s)
{
	struct bh_ipc_msg *msg = NULL;
	int rc = bh_ipc_msg_new(&msg, s->n);

	if (!rc) {
		memcpy(bh_ipc_msg_data(msg), s->bytes, s->n);
		rc = bh_ipc_send(p->data, &msg);
	}
	bh_ipc_msg_free(msg);
	return rc == 0;
}

static void send_fence(struct bh_producer *p)
{
	struct bh_link_msg m = message(p, BH_LINK_FENCE);

	m.head.seq = p->fence_seq;
	p->fence_unsent = !send_small(p, &m);
}

/* Sends what the library has not had yet, in order. A full queue calls back (writable). */
static void pump(struct bh_producer *p)
{
	if (p->hello_pending)
		send_hello(p);
	if (p->fsm.state != BH_LINK_READY)
		return;
	while (p->sent < p->next) {
		if (!send_slot(p, slot_of(p, p->sent)))
			return;
		p->sent++;
	}
	if (p->fence_unsent)
		send_fence(p);
}

static void writable(void *ctx)
{
	pump(ctx);
}

static void release_slot(struct bh_producer *p, uint64_t seq)
{
	struct slot *s = slot_of(p, seq);

	p->bytes -= s->body;
	p->items -= s->items;
	free(s->bytes);
	s->bytes = NULL;
}

/* Everything up to base is durable: the window lets go of it and the owner hears of each. */
static void advance(struct bh_producer *p, uint64_t base)
{
	if (base >= p->next)
		return; /* nonsense of a peer: nothing beyond what was assigned can be durable */
	while (p->base < base) {
		uint64_t seq = ++p->base;
		struct slot *s = slot_of(p, seq);
		uint32_t items = s->items;
		enum bh_refuse_cause refused = s->refused;

		release_slot(p, seq);
		p->sent = BH_MAX(p->sent, seq + 1);
		p->cfg.ops->durable(p->cfg.ctx, seq, items, refused);
	}
}

static void become_ready(struct bh_producer *p)
{
	bh_link_fsm_ready(&p->fsm, now(p));
	p->resuming = false;
	p->fence_unsent = p->fence_pending;
	pump(p);
	if (!p->first_ready_done) {
		p->first_ready_done = true;
		p->cfg.ops->ready(p->cfg.ctx);
	}
	p->cfg.ops->credit(p->cfg.ctx);
}

static void take_credit(struct bh_producer *p, const struct bh_link_head *h)
{
	p->credit_msgs = BH_MIN(h->credit_msgs, BH_LINK_WINDOW - 1);
	p->credit_kib = h->credit_kib;
}

/* received: what the forwarder holds in memory; everything behind it goes again, in order. */
static void rewind_to(struct bh_producer *p, uint64_t received)
{
	if (received < p->base || received >= p->next)
		return;
	p->resent += p->sent > received + 1 ? p->sent - received - 1 : 0;
	p->sent = received + 1;
}

static void on_welcome(struct bh_producer *p, const struct bh_link_msg *m)
{
	take_credit(p, &m->head);
	if (p->fsm.state != BH_LINK_GREETING)
		return;
	p->received = m->head.seq;
	if (m->u.welcome.resume_follows) {
		/* It forgot what it had called durable: its store was replaced, our positions mean
		 * nothing to it. */
		if (p->base > 0) {
			p->cfg.ops->stale(p->cfg.ctx);
			return;
		}
		p->resuming = true;
		p->resumed = 0;
	} else {
		advance(p, m->head.base_seq);
	}
	rewind_to(p, m->head.seq);
	if (!p->resuming)
		become_ready(p);
}

static void on_resume(struct bh_producer *p, const struct bh_link_msg *m)
{
	struct bh_origins_reader r;
	struct bh_origin o;
	int rc;

	/* A gap in the numbers is a lost message: no READY, so HELLO asks for all of it again. */
	if (!p->resuming || m->head.seq != p->resumed + 1)
		return;
	p->resumed++;
	rc = bh_origins_begin(&r, m->u.resume.rows.p, m->u.resume.rows.n);
	while (rc == 0 && (rc = bh_origins_next(&r, &o)) == 1) {
		if (p->cfg.ops->resume_row && !p->first_ready_done)
			p->cfg.ops->resume_row(p->cfg.ctx, &o);
		rc = 0;
	}
	if (rc < 0)
		p->malformed++;
	/* Many rows take their time; it is not the forwarder's silence. */
	bh_link_fsm_heard(&p->fsm, now(p));
	if (m->u.resume.last)
		become_ready(p);
}

static void on_ack(struct bh_producer *p, const struct bh_link_msg *m)
{
	bool progress = m->head.base_seq > p->base || m->head.seq > p->received;
	bool complete = m->head.seq + 1 >= p->next && !p->fence_pending;

	take_credit(p, &m->head);
	advance(p, m->head.base_seq);
	p->received = BH_MAX(p->received, m->head.seq);
	/* A sign of life counts only when something moved or nothing is missing: a lost message,
	 * and a socket that takes nothing any more, must end in a greeting. */
	if (progress || (complete && p->fsm.state == BH_LINK_READY))
		bh_link_fsm_heard(&p->fsm, now(p));
	if (p->fsm.state == BH_LINK_READY)
		p->cfg.ops->credit(p->cfg.ctx);
}

static void on_refuse(struct bh_producer *p, const struct bh_link_msg *m)
{
	if (m->head.seq > p->base && m->head.seq < p->next)
		slot_of(p, m->head.seq)->refused = m->u.refuse.cause;
}

static void on_fence_ack(struct bh_producer *p, const struct bh_link_msg *m)
{
	if (!p->fence_pending || m->head.seq < p->fence_seq)
		return;
	advance(p, m->head.seq);
	p->fence_pending = p->fence_unsent = false;
	p->cfg.ops->fenced(p->cfg.ctx);
}

static void dispatch(struct bh_producer *p, const struct bh_link_msg *m)
{
	/* REFUSE comes along with ACKs. */
	if (m->head.type != BH_LINK_ACK && m->head.type != BH_LINK_REFUSE)
		bh_link_fsm_heard(&p->fsm, now(p));
	switch (m->head.type) {
	case BH_LINK_WELCOME:
		on_welcome(p, m);
		break;
	case BH_LINK_RESUME:
		on_resume(p, m);
		break;
	case BH_LINK_ACK:
		on_ack(p, m);
		break;
	case BH_LINK_REFUSE:
		on_refuse(p, m);
		break;
	case BH_LINK_FENCE_ACK:
		on_fence_ack(p, m);
		break;
	case BH_LINK_STALE:
		p->cfg.ops->stale(p->cfg.ctx);
		break;
	case BH_LINK_HELLO:
	case BH_LINK_DATA:
	case BH_LINK_FENCE:
		p->malformed++;
		break;
	}
}

static void on_answer(void *ctx, struct bh_ipc_msg *msg)
{
	struct bh_producer *p = ctx;
	struct bh_link_msg m;

	if (bh_link_decode(bh_ipc_msg_data(msg), bh_ipc_msg_size(msg), &m))
		p->malformed++;
	else if ((m.head.epoch == p->epoch) != (m.head.type == BH_LINK_STALE))
		dispatch(
		    p, &m); /* STALE names the epoch that replaced ours; an heir may read it too */
	bh_ipc_msg_free(msg);
	arm(p);
}

static void renew(struct bh_producer *p)
{
	struct bh_err err = BH_ERR_INIT;

	bh_log_limited(p->cfg.log, &p->limit, BH_LOG_WARN, COMPONENT,
	    "no answer from the forwarder for %lld ms: dialing anew renewals=%u",
	    BH_LINK_RENEW_NS / BH_NS_PER_MS, bh_ipc_renewals(p->data) + 1);
	if (bh_ipc_renew(p->data, &err) || bh_ipc_renew(p->answers, &err))
		bh_log_limited(p->cfg.log, &p->limit, BH_LOG_ERROR, COMPONENT, "%s", err.text);
}

static void on_tick(struct bh_timer *t)
{
	struct bh_producer *p = BH_CONTAINER(t, struct bh_producer, tick);
	enum bh_link_action action = bh_link_fsm_tick(&p->fsm, now(p), waits(p));

	if (action == BH_LINK_DO_RENEW || action == BH_LINK_DO_RENEW_AND_ASK)
		renew(p);
	if (action == BH_LINK_DO_RENEW_AND_ASK) {
		bh_error(p->cfg.log, COMPONENT, "%u renewals: this process asks for a restart",
		    p->fsm.renewals);
		if (p->cfg.ops->again)
			p->cfg.ops->again(p->cfg.ctx);
	}
	if (action != BH_LINK_DO_NOTHING) {
		p->resuming = false;
		send_hello(p);
	}
	arm(p);
}

static int open_sockets(struct bh_producer *p, struct bh_err *err)
{
	char path[PATH_LIMIT + 1];
	struct bh_ipc_config c = {.side = BH_IPC_DIAL, .path = path, .peer_uid = (uid_t)-1};
	int rc = bh_link_path(path, sizeof(path), p->cfg.run_dir, p->cfg.role, false);

	if (p->cfg.uids)
		c.peer_uid = p->cfg.uids[BH_ROLE_FORWARDER];
	if (rc)
		return bh_err_set(
		    err, rc, "bulkhead.run_dir %s is too long for a socket", p->cfg.run_dir);
	c.way = BH_IPC_PUSH;
	c.send_buf = DATA_SEND_BUF;
	rc = bh_ipc_open(&p->data, p->cfg.loop, p->cfg.log, &c, NULL, writable, p, err);
	if (rc)
		return rc;
	rc = bh_link_path(path, sizeof(path), p->cfg.run_dir, p->cfg.role, true);
	if (rc)
		return bh_err_set(
		    err, rc, "bulkhead.run_dir %s is too long for a socket", p->cfg.run_dir);
	c.way = BH_IPC_PULL;
	c.recv_buf = ANSWER_BUF;
	c.recv_max = BH_LINK_MSG_MAX;
	return bh_ipc_open(&p->answers, p->cfg.loop, p->cfg.log, &c, on_answer, NULL, p, err);
}

int bh_producer_new(
    struct bh_producer **out, const struct bh_producer_config *cfg, struct bh_err *err)
{
	struct bh_producer *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return bh_err_set(err, -ENOMEM, "link");
	p->cfg = *cfg;
	p->next = p->sent = 1;
	do
		p->epoch = bh_rng_u64(cfg->rng);
	while (p->epoch == 0); /* 0 means "none" at the forwarder */
	rc = open_sockets(p, err);
	if (rc) {
		bh_producer_free(p);
		return rc;
	}
	bh_link_fsm_init(&p->fsm, now(p));
	arm(p);
	*out = p;
	return 0;
}

void bh_producer_free(struct bh_producer *p)
{
	if (!p)
		return;
	bh_timer_cancel(&p->tick);
	bh_ipc_close(p->data);
	bh_ipc_close(p->answers);
	for (size_t i = 0; i < BH_LINK_WINDOW; i++)
		free(p->window[i].bytes);
	free(p);
}

bool bh_producer_can_send(const struct bh_producer *p, size_t body_len)
{
	uint64_t msgs = p->next - p->base - 1;

	if (p->fsm.state != BH_LINK_READY || p->credit_msgs == 0)
		return false;
	if (msgs == 0)
		return true;
	return msgs < p->credit_msgs && p->bytes + body_len <= (uint64_t)p->credit_kib * 1024;
}

int bh_producer_send(struct bh_producer *p, const struct bh_link_data *d, uint64_t *seq)
{
	struct bh_link_msg m = message(p, BH_LINK_DATA);
	struct slot *s;
	int rc;

	if (d->body.n > BH_LINK_BODY_MAX)
		return BH_E_LIMIT;
	if (!bh_producer_can_send(p, d->body.n))
		return -EAGAIN;
	s = slot_of(p, p->next);
	m.head.seq = p->next;
	m.u.data = *d;
	*s = (struct slot){.n = bh_link_encoded_size(&m), .body = d->body.n, .items = d->items};
	s->bytes = malloc(s->n);
	if (!s->bytes)
		return -ENOMEM;
	rc = bh_link_encode_into(&m, s->bytes, s->n);
	if (rc) {
		free(s->bytes);
		s->bytes = NULL;
		return rc;
	}
	if (!outstanding(p))
		bh_link_fsm_sent(&p->fsm, now(p));
	p->bytes += s->body;
	p->items += s->items;
	*seq = p->next++;
	pump(p);
	arm(p);
	return 0;
}

void bh_producer_fence(struct bh_producer *p)
{
	if (!outstanding(p))
		bh_link_fsm_sent(&p->fsm, now(p));
	p->fence_pending = p->fence_unsent = true;
	p->fence_seq = p->next - 1;
	pump(p);
	arm(p);
}

void bh_producer_peer_running(struct bh_producer *p, bool running)
{
	bh_link_fsm_peer(&p->fsm, running, now(p));
	if (running && p->fsm.state == BH_LINK_GREETING)
		send_hello(p);
	arm(p);
}

void bh_producer_stats(const struct bh_producer *p, struct bh_producer_stats *st)
{
	*st = (struct bh_producer_stats){
	    .last_seq = p->next - 1,
	    .base_seq = p->base,
	    .window_items = p->items,
	    .window_bytes = p->bytes,
	    .window_msgs = (uint32_t)(p->next - p->base - 1),
	    .resent = p->resent,
	    .renewals = bh_ipc_renewals(p->data),
	    .ready = p->fsm.state == BH_LINK_READY,
	    .epoch = p->epoch,
	};
}

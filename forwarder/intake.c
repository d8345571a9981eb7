#include "forwarder/intake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ipc_link.h"
#include "common/producer.h"

#define COMPONENT       "intake"
#define DATA_RECV_BUF   4
#define ANSWER_SEND_BUF 64
#define RECYCLE_NS      (2 * BH_NS_PER_S)
#define ALIVE_NS        (100 * BH_NS_PER_MS) /* well below the producer's BH_LINK_QUIET_NS */
#define RESUME_BYTES    ((size_t)4 << 20)    /* of rows per RESUME message */
#define PATH_CAP        108

struct end {
	struct bh_intake *in;
	enum bh_role producer;
	struct bh_ipc *data, *answers;
	struct bh_receiver rcv;
	struct bh_timer
	    alive; /* ACK while payloads wait: silence would make the producer send all again */
	struct bh_intake_stats stats;
	struct bh_log_limit limit;
	enum bh_store_state store;
	bool credit;
};

struct bh_intake {
	bool deaf;
	struct bh_intake_config cfg;
	struct end ends[BH_ROLE__N]; /* only producers are open */
};

struct bh_resume_writer {
	struct end *end;
	struct bh_buf rows; /* records of the message being filled */
	size_t count;       /* of them */
	uint64_t sent;      /* messages; their number is in head.seq, so that a lost one shows */
	int failed;
};

static const enum bh_role producers[] = {BH_ROLE_DOGSTATSD, BH_ROLE_LOGS};

static struct bh_link_msg message(const struct end *e, enum bh_link_type type)
{
	struct bh_link_msg m;

	memset(&m, 0, sizeof(m));
	m.head.type = type;
	m.head.epoch = e->rcv.epoch;
	m.head.base_seq = e->rcv.base;
	m.head.mask = e->rcv.mask;
	m.head.seq = e->rcv.rcvd;
	m.head.credit_msgs = e->credit ? BH_LINK_CREDIT_MSGS : 0;
	m.head.credit_kib = e->credit ? BH_LINK_CREDIT_KIB : 0;
	return m;
}

static bool told_refused(struct end *e)
{
	struct bh_link_msg m = message(e, BH_LINK_REFUSE);

	m.head.seq = e->rcv.refused;
	m.u.refuse.cause = e->rcv.cause;
	return !bh_receiver_refuses(&e->rcv) || bh_ipc_send_link(e->answers, &m) == 0;
}

static void send_answer(struct end *e, const struct bh_link_msg *m)
{
	/* A full queue loses the answer: all answers are repeatable, the producer asks again. */
	if (!told_refused(e) || bh_ipc_send_link(e->answers, m))
		e->stats.answers_lost++;
}

static void on_alive(struct bh_timer *t);

static void send_ack(struct end *e)
{
	struct bh_link_msg m = message(e, BH_LINK_ACK);

	m.u.ack.store = e->store;
	send_answer(e, &m);
	if (e->rcv.rcvd > e->rcv.base)
		bh_timer_in(e->in->cfg.loop, &e->alive, ALIVE_NS, on_alive);
	else
		bh_timer_cancel(&e->alive);
}

static void on_alive(struct bh_timer *t)
{
	send_ack(BH_CONTAINER(t, struct end, alive));
}

static void flush_rows(struct bh_resume_writer *w, bool last)
{
	struct bh_link_msg m = message(w->end, BH_LINK_RESUME);
	struct bh_buf set = BH_BUF_INIT;

	w->failed = bh_origins_join(&w->rows, w->count, &set);
	m.head.seq = ++w->sent;
	m.u.resume.rows = bh_buf_view(&set);
	m.u.resume.last = last;
	if (!w->failed)
		send_answer(w->end, &m);
	bh_buf_release(&set);
	bh_buf_clear(&w->rows);
	w->count = 0;
}

int bh_resume_add(struct bh_resume_writer *w, const struct bh_origin *row)
{
	if (w->count == BH_ORIGINS_MAX || w->rows.len >= RESUME_BYTES)
		flush_rows(w, false);
	if (!w->failed)
		w->failed = bh_origin_encode(row, &w->rows);
	w->count++;
	return w->failed;
}

static void welcome(struct end *e, bool resume)
{
	struct bh_link_msg m = message(e, BH_LINK_WELCOME);

	memcpy(m.u.welcome.store_id, e->in->cfg.store_id, sizeof(m.u.welcome.store_id));
	m.u.welcome.run_id = e->in->cfg.run_id;
	m.u.welcome.resume_follows = resume;
	send_answer(e, &m);
}

static void welcome_new(struct end *e, uint64_t epoch, uint32_t generation)
{
	const struct bh_intake_config *cfg = &e->in->cfg;
	struct bh_resume_writer w = {.end = e, .rows = BH_BUF_INIT};

	if (e->rcv.epoch != epoch) {
		if (cfg->ops->fence_epoch(cfg->ctx, e->producer, epoch))
			return; /* not durable yet: the producer says HELLO again */
		bh_receiver_adopt(&e->rcv, epoch, generation);
		bh_timer_cancel(&e->alive);
	}
	welcome(e, true);
	if (cfg->ops->resume(cfg->ctx, e->producer, &w) == 0 && !w.failed)
		flush_rows(&w, true);
	bh_buf_release(&w.rows);
}

static void on_hello(struct end *e, const struct bh_link_msg *m)
{
	struct bh_link_msg stale;

	e->stats.hellos++;
	if (m->u.hello.token != e->in->cfg.run_id || m->u.hello.role != (uint8_t)e->producer) {
		e->stats.wrong_token++;
		return;
	}
	switch (bh_receiver_hello(&e->rcv, m->head.epoch, m->u.hello.generation)) {
	case BH_HELLO_KNOWN:
		/* Nothing taken of this epoch yet: its rows may have been lost on the way, give
		 * them again. */
		if (e->rcv.rcvd == 0)
			welcome_new(e, m->head.epoch, m->u.hello.generation);
		else
			welcome(e, false);
		break;
	case BH_HELLO_NEW:
		welcome_new(e, m->head.epoch, m->u.hello.generation);
		break;
	case BH_HELLO_STALE:
		stale = message(e, BH_LINK_STALE);
		send_answer(e, &stale);
		break;
	}
}

static void expect_ack(struct end *e)
{
	if (!bh_timer_armed(&e->alive))
		bh_timer_in(e->in->cfg.loop, &e->alive, ALIVE_NS, on_alive);
}

/* Takes msg. */
static void on_data(struct end *e, const struct bh_link_msg *m, struct bh_ipc_msg *msg)
{
	const struct bh_intake_config *cfg = &e->in->cfg;

	switch (bh_receiver_data(&e->rcv, m->head.epoch, m->head.seq)) {
	case BH_DATA_ACCEPT:
		e->stats.accepted++;
		expect_ack(e);
		cfg->ops->data(cfg->ctx, e->producer, m->head.seq, &m->u.data, msg);
		return;
	case BH_DATA_ACCEPT_REPEAT:
		e->stats.repeats++;
		cfg->ops->repeat(cfg->ctx, e->producer, m->head.seq, &m->u.data);
		send_ack(e);
		break;
	case BH_DATA_REPEAT:
		e->stats.repeats++;
		send_ack(e);
		break;
	case BH_DATA_GAP:
		e->stats.gaps++;
		break;
	case BH_DATA_WRONG_EPOCH:
		e->stats.wrong_epoch++;
		break;
	}
	bh_ipc_msg_free(msg);
}

static enum bh_refuse_cause cause_of(int rc)
{
	return rc == BH_E_CORRUPT ? BH_REFUSE_BAD_CRC
	       : rc == BH_E_LIMIT ? BH_REFUSE_TOO_BIG
				  : BH_REFUSE_UNREADABLE;
}

/* Not accepted, so go-back-N brings it again; at some time that is enough. */
static void on_unreadable(struct end *e, const struct bh_link_msg *m, int rc)
{
	const struct bh_intake_config *cfg = &e->in->cfg;
	enum bh_refuse_cause cause = cause_of(rc);
	struct bh_link_data d = {.kind = BH_KIND_LOGS};
	bool known;

	e->stats.malformed++;
	bh_log_limited(cfg->log, &e->limit, BH_LOG_WARN, COMPONENT, "message from %s: %s",
	    bh_role_name(e->producer), bh_err_name(rc));
	if (m->head.type != BH_LINK_DATA)
		return;
	known = m->u.data.origins.n > 0 && bh_origins_fit(m->u.data.origins);
	if (known)
		d.origins = m->u.data.origins;
	switch (bh_receiver_unreadable(&e->rcv, m->head.epoch, m->head.seq, cause)) {
	case BH_DATA_ACCEPT:
		e->stats.refused++;
		bh_error(cfg->log, COMPONENT, "payload %llu of %s is refused: %s; %s",
		    (unsigned long long)m->head.seq, bh_role_name(e->producer),
		    bh_refuse_name(cause), known ? "its positions move" : "it moves no position");
		expect_ack(e);
		cfg->ops->refused(cfg->ctx, e->producer, m->head.seq, d.origins);
		break;
	case BH_DATA_ACCEPT_REPEAT:
		cfg->ops->repeat(cfg->ctx, e->producer, m->head.seq, &d);
		send_ack(e);
		break;
	case BH_DATA_REPEAT:
	case BH_DATA_GAP:
	case BH_DATA_WRONG_EPOCH:
		break;
	}
}

static void on_message(void *ctx, struct bh_ipc_msg *msg)
{
	struct end *e = ctx;
	const struct bh_intake_config *cfg = &e->in->cfg;
	struct bh_link_msg m;
	int rc;

	if (e->in->deaf) {
		bh_ipc_msg_free(msg);
		return;
	}
	rc = bh_link_decode(bh_ipc_msg_data(msg), bh_ipc_msg_size(msg), &m);
	/* What a row of the spool could not be loaded with is not accepted either. */
	if (!rc && m.head.type == BH_LINK_DATA && !bh_origins_fit(m.u.data.origins))
		rc = BH_E_FORMAT;
	if (rc) {
		on_unreadable(e, &m, rc);
	} else if (m.head.type == BH_LINK_DATA) {
		on_data(e, &m, msg);
		return;
	} else if (m.head.type == BH_LINK_HELLO) {
		on_hello(e, &m);
	} else if (m.head.type == BH_LINK_FENCE && m.head.epoch == e->rcv.epoch) {
		/* Behind a gap the fence must wait for the data before it: the producer repeats
		 * both. */
		if (m.head.seq <= e->rcv.rcvd)
			cfg->ops->fence(cfg->ctx, e->producer, m.head.seq);
		else
			e->stats.gaps++;
	} else {
		e->stats.malformed++;
	}
	bh_ipc_msg_free(msg);
}

void bh_intake_deafen(struct bh_intake *in)
{
	in->deaf = true;
}

static int open_end(struct bh_intake *in, struct end *e, struct bh_err *err)
{
	const struct bh_intake_config *cfg = &in->cfg;
	char path[PATH_CAP];
	struct bh_ipc_config c = {.side = BH_IPC_LISTEN,
	    .path = path,
	    .peer_uid = cfg->peer_uid[e->producer],
	    .recycle_ns = RECYCLE_NS};
	int rc = bh_link_path(path, sizeof(path), cfg->run_dir, e->producer, false);

	if (rc)
		return bh_err_set(
		    err, rc, "bulkhead.run_dir %s is too long for a socket", cfg->run_dir);
	c.way = BH_IPC_PULL;
	c.recv_max = BH_LINK_MSG_MAX;
	c.recv_buf = DATA_RECV_BUF;
	rc = bh_ipc_open(&e->data, cfg->loop, cfg->log, &c, on_message, NULL, e, err);
	if (rc)
		return rc;
	rc = bh_link_path(path, sizeof(path), cfg->run_dir, e->producer, true);
	if (rc)
		return bh_err_set(
		    err, rc, "bulkhead.run_dir %s is too long for a socket", cfg->run_dir);
	c.way = BH_IPC_PUSH;
	c.send_buf = ANSWER_SEND_BUF;
	return bh_ipc_open(&e->answers, cfg->loop, cfg->log, &c, NULL, NULL, e, err);
}

int bh_intake_new(struct bh_intake **out, const struct bh_intake_config *cfg, struct bh_err *err)
{
	struct bh_intake *in = calloc(1, sizeof(*in));

	if (!in)
		return bh_err_set(err, -ENOMEM, "link");
	in->cfg = *cfg;
	for (size_t i = 0; i < BH_ARRAY_LEN(producers); i++) {
		struct end *e = &in->ends[producers[i]];
		int rc;

		e->in = in;
		e->producer = producers[i];
		e->credit = true;
		rc = open_end(in, e, err);
		if (rc) {
			bh_intake_free(in);
			return rc;
		}
	}
	*out = in;
	return 0;
}

void bh_intake_free(struct bh_intake *in)
{
	if (!in)
		return;
	for (size_t i = 0; i < BH_ARRAY_LEN(producers); i++) {
		struct end *e = &in->ends[producers[i]];

		bh_timer_cancel(&e->alive);
		bh_ipc_close(e->data);
		bh_ipc_close(e->answers);
	}
	free(in);
}

struct bh_receiver *bh_intake_receiver(struct bh_intake *in, enum bh_role producer)
{
	return &in->ends[producer].rcv;
}

void bh_intake_ack(
    struct bh_intake *in, enum bh_role producer, enum bh_store_state store, bool credit)
{
	struct end *e = &in->ends[producer];

	e->store = store;
	e->credit = credit;
	if (e->rcv.epoch)
		send_ack(e);
}

void bh_intake_fence_ack(struct bh_intake *in, enum bh_role producer, uint64_t seq)
{
	struct end *e = &in->ends[producer];
	struct bh_link_msg m = message(e, BH_LINK_FENCE_ACK);

	m.head.seq = seq;
	send_answer(e, &m);
}

void bh_intake_peer_running(struct bh_intake *in, enum bh_role producer, bool running)
{
	struct end *e = &in->ends[producer];

	if (!e->in)
		return;
	bh_ipc_expect_peer(e->data, running);
	bh_ipc_expect_peer(e->answers, running);
}

bool bh_intake_connected(const struct bh_intake *in)
{
	return bh_ipc_connected(in->ends[BH_ROLE_DOGSTATSD].data) ||
	       bh_ipc_connected(in->ends[BH_ROLE_LOGS].data);
}

void bh_intake_stats(const struct bh_intake *in, enum bh_role producer, struct bh_intake_stats *st)
{
	const struct end *e = &in->ends[producer];

	*st = e->stats;
	st->recycles = bh_ipc_recycles(e->data) + bh_ipc_recycles(e->answers);
}

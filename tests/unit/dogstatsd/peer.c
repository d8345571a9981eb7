#include "tests/unit/dogstatsd/peer.h"

#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "common/producer.h"

static void answer(struct peer *p, const struct bh_link_head *to, enum bh_link_type type)
{
	struct bh_link_msg m;
	struct bh_ipc_msg *msg;

	memset(&m, 0, sizeof(m));
	m.head = *to;
	m.head.type = type;
	m.head.base_seq = p->base;
	m.head.credit_msgs = p->credit ? p->credit : BH_LINK_CREDIT_MSGS;
	m.head.credit_kib = BH_LINK_CREDIT_KIB;
	if (type == BH_LINK_WELCOME)
		m.u.welcome.resume_follows = p->base == 0;
	if (type == BH_LINK_RESUME) {
		m.head.seq = 1; /* the first and only part of the answer */
		m.u.resume.last = true;
	}
	if (type == BH_LINK_REFUSE)
		m.u.refuse.cause = BH_REFUSE_TOO_BIG;
	cr_assert_eq(bh_ipc_msg_new(&msg, bh_link_encoded_size(&m)), 0);
	cr_assert_eq(bh_link_encode_into(&m, bh_ipc_msg_data(msg), bh_ipc_msg_size(msg)), 0);
	if (bh_ipc_send(p->answers, &msg) < 0)
		bh_ipc_msg_free(msg); /* the producer asks again */
}

static void take(struct peer *p, const struct bh_link_msg *m)
{
	struct bh_payload **end = &p->payloads, *copy;

	if (m->head.seq != p->base + 1)
		return;
	if (p->refuse)
		answer(p, &m->head, BH_LINK_REFUSE);
	copy = calloc(1, sizeof(*copy) + m->u.data.body.n);
	cr_assert_not_null(copy);
	copy->kind = m->u.data.kind;
	copy->encoding = m->u.data.encoding;
	copy->items = m->u.data.items;
	copy->raw_len = m->u.data.raw_len;
	copy->len = m->u.data.body.n;
	memcpy(copy->body, m->u.data.body.p, copy->len);
	while (*end)
		end = &(*end)->next;
	*end = copy;
	p->base++;
	answer(p, &m->head, BH_LINK_ACK);
}

static void on_message(void *ctx, struct bh_ipc_msg *msg)
{
	struct peer *p = ctx;
	struct bh_link_msg m;

	cr_assert_eq(bh_link_decode(bh_ipc_msg_data(msg), bh_ipc_msg_size(msg), &m), 0);
	switch (m.head.type) {
	case BH_LINK_HELLO:
		answer(p, &m.head, BH_LINK_WELCOME);
		if (p->base == 0)
			answer(p, &m.head, BH_LINK_RESUME);
		break;
	case BH_LINK_DATA:
		if (!p->mute)
			take(p, &m);
		break;
	case BH_LINK_FENCE:
		if (!p->mute && m.head.seq <= p->base)
			answer(p, &m.head, BH_LINK_FENCE_ACK);
		break;
	default:
		break;
	}
	bh_ipc_msg_free(msg);
}

void peer_open(struct peer *p, struct bh_loop *loop, const char *run_dir)
{
	char path[128];
	struct bh_err err = BH_ERR_INIT;
	struct bh_ipc_config cfg = {
	    .way = BH_IPC_PULL,
	    .side = BH_IPC_LISTEN,
	    .path = path,
	    .recv_max = BH_LINK_MSG_MAX,
	    .send_buf = 64,
	    .recv_buf = 4,
	    .peer_uid = (uid_t)-1,
	};

	cr_assert_eq(bh_link_path(path, sizeof(path), run_dir, BH_ROLE_DOGSTATSD, false), 0);
	cr_assert_eq(
	    bh_ipc_open(&p->data, loop, NULL, &cfg, on_message, NULL, p, &err), 0, "%s", err.text);
	cfg.way = BH_IPC_PUSH;
	cr_assert_eq(bh_link_path(path, sizeof(path), run_dir, BH_ROLE_DOGSTATSD, true), 0);
	cr_assert_eq(
	    bh_ipc_open(&p->answers, loop, NULL, &cfg, NULL, NULL, p, &err), 0, "%s", err.text);
}

void peer_close(struct peer *p)
{
	bh_ipc_close(p->data);
	bh_ipc_close(p->answers);
	while (p->payloads) {
		struct bh_payload *next = p->payloads->next;

		free(p->payloads);
		p->payloads = next;
	}
}

/* DATA that cannot be read, over the sockets of a link: proto/LINK.md rule 7. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/ipc_link.h"
#include "common/producer.h"
#include "common/rng.h"
#include "forwarder/intake.h"

#define DEADLINE_NS (20 * BH_NS_PER_S)
#define EPOCH       5
#define RUN_ID      1
#define SEQS        4
#define ANSWERS     64
#define NO_KIND     ((enum bh_kind)200)

/* A forwarder's end whose custodian makes durable at once, and a producer's end spoken by hand. */
struct fixture {
	char dir[64], paths[2][108];
	struct bh_loop loop;
	struct bh_log log;
	struct bh_rng rng;
	struct bh_intake *intake;
	struct bh_receiver mark; /* as committed */
	unsigned taken[SEQS + 1], refused[SEQS + 1];
	struct bh_str origins; /* of the refused one; points at text */
	char text[256];
	struct bh_ipc *data, *answers;
	struct bh_link_head heads[ANSWERS]; /* what was answered, without what says nothing new */
	enum bh_refuse_cause causes[ANSWERS];
	size_t answers_n;
	unsigned durable[SEQS + 1]; /* of a real producer: how often, and with which word */
	enum bh_refuse_cause words[SEQS + 1];
	bool ready;
	bool holds; /* seq 1 becomes durable with seq 3 */
};

static void settle(struct fixture *f, uint64_t seq)
{
	struct bh_receiver *r = bh_intake_receiver(f->intake, BH_ROLE_LOGS);

	bh_receiver_settle(r, seq);
	f->mark = *r;
	bh_intake_ack(f->intake, BH_ROLE_LOGS, BH_STORE_OK, true);
}

static int fence_epoch(void *ctx, enum bh_role producer, uint64_t new_epoch)
{
	(void)producer;
	((struct fixture *)ctx)->mark = (struct bh_receiver){.epoch = new_epoch};
	return 0;
}

static int resume(void *ctx, enum bh_role producer, struct bh_resume_writer *w)
{
	(void)ctx, (void)producer, (void)w;
	return 0;
}

static void take(void *ctx, enum bh_role producer, uint64_t seq, const struct bh_link_data *d,
    struct bh_ipc_msg *msg)
{
	struct fixture *f = ctx;

	(void)producer, (void)d;
	bh_ipc_msg_free(msg);
	cr_assert_leq(seq, SEQS);
	f->taken[seq]++;
	if (!f->holds || seq != 1)
		settle(f, seq);
}

static void repeat(void *ctx, enum bh_role producer, uint64_t seq, const struct bh_link_data *d)
{
	(void)ctx, (void)producer, (void)seq, (void)d;
}

static void refused(void *ctx, enum bh_role producer, uint64_t seq, struct bh_str origins)
{
	struct fixture *f = ctx;

	(void)producer;
	cr_assert_leq(seq, SEQS);
	cr_assert_leq(origins.n, sizeof(f->text));
	f->refused[seq]++;
	if (origins.n)
		memcpy(f->text, origins.p, origins.n);
	f->origins = (struct bh_str){f->text, origins.n};
	settle(f, seq);
	if (f->holds && seq == 3)
		settle(f, 1);
}

static const struct bh_intake_ops intake_ops = {
    .fence_epoch = fence_epoch,
    .resume = resume,
    .data = take,
    .repeat = repeat,
    .refused = refused,
};

static void start_intake(struct fixture *f)
{
	struct bh_intake_config cfg = {.loop = &f->loop,
	    .log = &f->log,
	    .run_dir = f->dir,
	    .run_id = RUN_ID,
	    .ops = &intake_ops,
	    .ctx = f};
	struct bh_err err = BH_ERR_INIT;
	struct bh_receiver *r;

	for (size_t i = 0; i < BH_ROLE__N; i++)
		cfg.peer_uid[i] = (uid_t)-1;
	cr_assert_eq(bh_intake_new(&f->intake, &cfg, &err), 0, "%s", err.text);
	r = bh_intake_receiver(f->intake, BH_ROLE_LOGS);
	*r = f->mark;
	r->rcvd = r->base;
}

static void set_up(struct fixture *f)
{
	char link[80];

	*f = (struct fixture){.ready = false};
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/bh-refuse-XXXXXX");
	cr_assert_not_null(mkdtemp(f->dir));
	(void)snprintf(link, sizeof(link), "%s/link", f->dir);
	cr_assert_eq(mkdir(link, 0700), 0);
	bh_log_init(&f->log, &bh_clock_system, "test", open("/dev/null", O_WRONLY | O_CLOEXEC));
	bh_rng_seed(&f->rng, 1);
	cr_assert_eq(bh_loop_init(&f->loop, &bh_clock_system), 0);
	start_intake(f);
}

static void tear_down(struct fixture *f)
{
	static const char *const names[] = {
	    "logs.data", "logs.answer", "dogstatsd.data", "dogstatsd.answer"};
	char path[128];

	bh_ipc_close(f->data);
	bh_ipc_close(f->answers);
	bh_intake_free(f->intake);
	bh_loop_release(&f->loop);
	for (size_t i = 0; i < BH_ARRAY_LEN(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/link/%s", f->dir, names[i]);
		(void)unlink(path);
	}
	(void)snprintf(path, sizeof(path), "%s/link", f->dir);
	(void)rmdir(path);
	(void)rmdir(f->dir);
	(void)close(f->log.fd);
}

/* --- by hand --- */

static void on_answer(void *ctx, struct bh_ipc_msg *msg)
{
	struct fixture *f = ctx;
	struct bh_link_msg m;

	cr_assert_eq(bh_link_decode(bh_ipc_msg_data(msg), bh_ipc_msg_size(msg), &m), 0);
	cr_assert_lt(f->answers_n, ANSWERS);
	f->causes[f->answers_n] = m.head.type == BH_LINK_REFUSE ? m.u.refuse.cause : BH_REFUSE_NONE;
	f->heads[f->answers_n++] = m.head;
	bh_ipc_msg_free(msg);
}

static void nothing(void *ctx)
{
	(void)ctx;
}

static void dial(struct fixture *f)
{
	struct bh_ipc_config c = {.side = BH_IPC_DIAL, .peer_uid = (uid_t)-1, .send_buf = 8};
	struct bh_err err = BH_ERR_INIT;

	for (int answers = 0; answers < 2; answers++)
		cr_assert_eq(bh_link_path(f->paths[answers], sizeof(f->paths[0]), f->dir,
				 BH_ROLE_LOGS, answers == 1),
		    0);
	c.way = BH_IPC_PUSH;
	c.path = f->paths[0];
	cr_assert_eq(bh_ipc_open(&f->data, &f->loop, &f->log, &c, NULL, nothing, f, &err), 0, "%s",
	    err.text);
	c = (struct bh_ipc_config){.side = BH_IPC_DIAL,
	    .way = BH_IPC_PULL,
	    .path = f->paths[1],
	    .peer_uid = (uid_t)-1,
	    .recv_buf = ANSWERS,
	    .recv_max = BH_LINK_MSG_MAX};
	cr_assert_eq(bh_ipc_open(&f->answers, &f->loop, &f->log, &c, on_answer, NULL, f, &err), 0,
	    "%s", err.text);
}

static struct bh_link_msg message(enum bh_link_type type, uint64_t seq)
{
	struct bh_link_msg m;

	memset(&m, 0, sizeof(m));
	m.head = (struct bh_link_head){.type = type, .epoch = EPOCH, .seq = seq};
	if (type == BH_LINK_HELLO) {
		m.u.hello.role = BH_ROLE_LOGS;
		m.u.hello.token = RUN_ID;
		m.u.hello.generation = 1;
	} else {
		m.u.data.kind = BH_KIND_LOGS;
		m.u.data.items = 1;
		m.u.data.body = BH_STR_LIT("[1]");
	}
	return m;
}

static void say(struct fixture *f, const struct bh_link_msg *m, bool damaged)
{
	int64_t end = bh_mono_ns(&bh_clock_system) + DEADLINE_NS;
	size_t n = bh_link_encoded_size(m);
	struct bh_ipc_msg *msg = NULL;

	cr_assert_eq(bh_ipc_msg_new(&msg, n), 0);
	cr_assert_eq(bh_link_encode_into(m, bh_ipc_msg_data(msg), n), 0);
	if (damaged)
		((char *)bh_ipc_msg_data(msg))[n - 5] ^= 1; /* the body's last byte */
	while (msg && bh_mono_ns(&bh_clock_system) < end) {
		if (bh_ipc_send(f->data, &msg) != 0)
			cr_assert_eq(bh_loop_turn(&f->loop, 10 * BH_NS_PER_MS), 0);
	}
	cr_assert_null(msg);
}

static struct bh_intake_stats stats(const struct fixture *f)
{
	struct bh_intake_stats st;

	bh_intake_stats(f->intake, BH_ROLE_LOGS, &st);
	return st;
}

/* Until so many messages of DATA were looked at. */
static void wait_heard(struct fixture *f, uint64_t n)
{
	int64_t end = bh_mono_ns(&bh_clock_system) + DEADLINE_NS;

	while (stats(f).malformed + stats(f).accepted < n && bh_mono_ns(&bh_clock_system) < end)
		cr_assert_eq(bh_loop_turn(&f->loop, 10 * BH_NS_PER_MS), 0);
	cr_assert_eq(stats(f).malformed + stats(f).accepted, n);
}

/* The place of the first answer of a type that says `durable up to base` at least. */
static size_t wait_answer(struct fixture *f, enum bh_link_type type, uint64_t base)
{
	int64_t end = bh_mono_ns(&bh_clock_system) + DEADLINE_NS;

	while (bh_mono_ns(&bh_clock_system) < end) {
		for (size_t i = 0; i < f->answers_n; i++) {
			if (f->heads[i].type == type && f->heads[i].base_seq >= base)
				return i;
		}
		cr_assert_eq(bh_loop_turn(&f->loop, 10 * BH_NS_PER_MS), 0);
	}
	cr_assert_fail("no answer of type %d", (int)type);
	return 0;
}

/* What is sent before the two ends have met is lost: said again until it is heard. */
static void greet(struct fixture *f)
{
	const struct bh_link_msg hello = message(BH_LINK_HELLO, 0);
	int64_t end = bh_mono_ns(&bh_clock_system) + DEADLINE_NS;

	f->answers_n = 0;
	while (f->answers_n == 0 && bh_mono_ns(&bh_clock_system) < end) {
		say(f, &hello, false);
		for (int i = 0; i < 10 && f->answers_n == 0; i++)
			cr_assert_eq(bh_loop_turn(&f->loop, 10 * BH_NS_PER_MS), 0);
	}
	(void)wait_answer(f, BH_LINK_WELCOME, f->mark.base);
}

Test(refuse, a_damaged_payload_is_refused_the_third_time_and_before_its_ack)
{
	const struct bh_link_msg first = message(BH_LINK_DATA, 1), next = message(BH_LINK_DATA, 2);
	struct fixture f;
	size_t ack;

	set_up(&f);
	dial(&f);
	greet(&f);
	say(&f, &first, true);
	say(&f, &next, false); /* behind a gap */
	say(&f, &first, true);
	wait_heard(&f, 2);
	cr_expect_eq(f.refused[1], 0);
	say(&f, &first, true);
	wait_heard(&f, 3);
	cr_expect_eq(f.refused[1], 1);
	cr_expect_eq(f.origins.n, 0);
	ack = wait_answer(&f, BH_LINK_ACK, 1);
	cr_assert_gt(ack, 0);
	cr_expect_eq(f.heads[ack - 1].type, BH_LINK_REFUSE);
	cr_expect_eq(f.heads[ack - 1].seq, 1);
	cr_expect_eq(f.causes[ack - 1], BH_REFUSE_BAD_CRC);
	say(&f, &next, false);
	wait_heard(&f, 4);
	cr_expect_eq(f.taken[2], 1);
	cr_expect_eq(f.taken[1], 0);
	tear_down(&f);
}

/* Committed, but nobody was told: the next process tells before it says "durable". */
Test(refuse, a_forwarder_that_died_behind_the_commit_still_says_it)
{
	struct fixture f;
	size_t welcome;

	set_up(&f);
	f.mark = (struct bh_receiver){
	    .epoch = EPOCH, .base = 1, .refused = 1, .cause = BH_REFUSE_TOO_BIG};
	*bh_intake_receiver(f.intake, BH_ROLE_LOGS) = f.mark;
	bh_intake_receiver(f.intake, BH_ROLE_LOGS)->rcvd = 1;
	dial(&f);
	greet(&f);
	welcome = wait_answer(&f, BH_LINK_WELCOME, 1);
	cr_assert_gt(welcome, 0);
	cr_expect_eq(f.heads[welcome - 1].type, BH_LINK_REFUSE);
	cr_expect_eq(f.causes[welcome - 1], BH_REFUSE_TOO_BIG);
	tear_down(&f);
}

Test(refuse, origins_are_taken_where_they_can_be_read)
{
	const struct bh_origin o = {.identifier = BH_STR_LIT("file:/x"), .gen = 1};
	static const struct {
		enum bh_kind kind;
		bool cut; /* the origins cannot be read */
	} cases[] = {{NO_KIND, false}, {BH_KIND_LOGS, true}, {NO_KIND, true}};
	struct bh_buf b = BH_BUF_INIT;

	cr_assert_eq(bh_origins_encode(&o, 1, &b), 0);
	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_link_msg m = message(BH_LINK_DATA, 1);
		struct fixture f;

		set_up(&f);
		dial(&f);
		greet(&f);
		m.u.data.kind = cases[i].kind;
		m.u.data.origins = (struct bh_str){b.data, b.len - cases[i].cut};
		for (int n = 0; n < BH_RECEIVER_FAILURES; n++)
			say(&f, &m, false);
		wait_heard(&f, BH_RECEIVER_FAILURES);
		cr_expect_eq(f.refused[1], 1, "case %zu", i);
		cr_expect_eq(f.taken[1], 0, "case %zu", i);
		cr_expect_eq(f.mark.cause, BH_REFUSE_UNREADABLE);
		if (cases[i].cut)
			cr_expect_eq(f.origins.n, 0, "case %zu", i);
		else
			cr_expect(bh_str_eq(f.origins, m.u.data.origins), "case %zu", i);
		tear_down(&f);
	}
	bh_buf_release(&b);
}

/* --- with a real producer --- */

static void ready(void *ctx)
{
	((struct fixture *)ctx)->ready = true;
}

static void durable(void *ctx, uint64_t seq, uint32_t items, enum bh_refuse_cause word)
{
	struct fixture *f = ctx;

	cr_assert_leq(seq, SEQS);
	cr_expect_eq(items, 1);
	f->durable[seq]++;
	f->words[seq] = word;
}

static const struct bh_producer_ops producer_ops = {
    .ready = ready,
    .durable = durable,
    .credit = nothing,
    .fenced = nothing,
    .stale = nothing,
};

/* Refusals are repeated with each ACK while seq 1 is not durable: no signs of life, else nothing
 * would bring seq 3 again. */
Test(refuse, a_stream_goes_on_behind_a_payload_that_cannot_be_read)
{
	struct bh_producer_config cfg = {
	    .role = BH_ROLE_LOGS, .run_id = RUN_ID, .generation = 1, .ops = &producer_ops};
	struct bh_producer *p = NULL;
	struct bh_err err = BH_ERR_INIT;
	struct fixture f;
	int64_t end = bh_mono_ns(&bh_clock_system) + DEADLINE_NS;
	uint64_t seq;

	set_up(&f);
	cfg.loop = &f.loop;
	cfg.log = &f.log;
	cfg.rng = &f.rng;
	cfg.run_dir = f.dir;
	cfg.ctx = &f;
	f.holds = true;
	cr_assert_eq(bh_producer_new(&p, &cfg, &err), 0, "%s", err.text);
	while (!f.ready && bh_mono_ns(&bh_clock_system) < end)
		cr_assert_eq(bh_loop_turn(&f.loop, 10 * BH_NS_PER_MS), 0);
	for (unsigned i = 1; i <= SEQS; i++) {
		struct bh_link_data d = message(BH_LINK_DATA, i).u.data;

		if (i == 2 || i == 3)
			d.kind = NO_KIND;
		cr_assert_eq(bh_producer_send(p, &d, &seq), 0);
	}
	while (!f.durable[SEQS] && bh_mono_ns(&bh_clock_system) < end)
		cr_assert_eq(bh_loop_turn(&f.loop, 10 * BH_NS_PER_MS), 0);
	for (unsigned i = 1; i <= SEQS; i++) {
		bool bad = i == 2 || i == 3;

		cr_expect_eq(f.durable[i], 1, "seq %u", i);
		cr_expect_eq(f.words[i], bad ? BH_REFUSE_UNREADABLE : BH_REFUSE_NONE, "seq %u", i);
		cr_expect_eq(f.taken[i], !bad, "seq %u", i);
		cr_expect_eq(f.refused[i], bad, "seq %u", i);
	}
	bh_producer_free(p);
	tear_down(&f);
}

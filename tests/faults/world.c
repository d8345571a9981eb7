#include "tests/faults/world.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forwarder/custody_internal.h"
#include "forwarder/store_internal.h"
#include "tests/faults/books.h"
#include "tests/faults/check.h"
#include "tests/faults/doubles.h"
#include "tests/faults/fork.h"
#include "tests/faults/scripts.h"

#define SPOOL_BYTES ((int64_t)16 << 20)
#define CREDIT      16
#define ENDLESS     3000 /* turns after which something hangs */
/* Two destinations: what one has taken and the other one has no row of comes again, payloads of two
 * lines each (durability.md §13, forwarder/custody.h). */
#define TWO_CONCURRENCY 2
#define BEHIND          (2 * TWO_CONCURRENCY)
#define THIRD_QUEUE \
	5 /* payloads that the unreliable one has in memory: more are dropped, or rows */

/* One forwarder. */
struct world {
	struct truth *t;
	struct bh_fake_clock fake;
	struct bh_clock clock;
	struct bh_loop loop;
	struct bh_log log;
	struct bh_rng rng;
	struct bh_config config;
	struct bh_endpoint_list endpoints;
	struct bh_store *store;
	struct bh_custody *custody;
	struct books books;
	struct bh_intake intake;
	struct bh_transport transport;
	bool drained;
	uint64_t left;
};

static const enum bh_role producers[] = {BH_ROLE_DOGSTATSD, BH_ROLE_LOGS};

/* --- one forwarder -------------------------------------------------------------------------------
 */

static void fatal(void *ctx, int exit_code)
{
	struct world *w = ctx;

	w->t->fatal++;
	if (w->t->no_fatal)
		wrong(w->t, "the forwarder ended by itself, step %u", w->t->step);
	_exit(exit_code);
}

static void drained(void *ctx, uint64_t left)
{
	struct world *w = ctx;

	w->drained = true;
	w->left = left;
}

static void key_refused(void *ctx)
{
	(void)ctx;
}

static void add_second(struct bh_config *cfg)
{
	const struct bh_endpoint e = {.logs = true, .reliable = true};

	cfg->logs_batch_max_concurrent_send = TWO_CONCURRENCY;
	if (bh_endpoints_add(cfg, &e, BH_STR_LIT(WORLD_SECOND), BH_STR_LIT("second-key")))
		abort();
}

static void add_third(struct bh_config *cfg, bool spool)
{
	const struct bh_endpoint e = {.logs = true, .reliable = false};

	cfg->spool_unreliable = spool;
	cfg->logs_payload_channel_size = THIRD_QUEUE;
	if (bh_endpoints_add(cfg, &e, BH_STR_LIT(WORLD_THIRD), BH_STR_LIT("third-key")))
		abort();
}

static void set_up(struct world *w, struct truth *t)
{
	*w = (struct world){.t = t};
	/* Time goes on from one start to the next, in steps of the script. */
	w->fake.mono_ns = (1000 + t->step) * BH_NS_PER_S;
	w->fake.wall_ns = (1700000000LL + t->step) * BH_NS_PER_S;
	w->clock = bh_clock_fake(&w->fake);
	bh_rng_seed(&w->rng, 1 + t->step);
	bh_log_init(&w->log, &w->clock, "forwarder", open("/dev/null", O_WRONLY | O_CLOEXEC));
	if (getenv("FAULT_LOG"))
		w->log.fd = STDERR_FILENO;
	bh_config_defaults(&w->config);
	if (t->in_order)
		w->config.logs_batch_max_concurrent_send = 1;
	if (t->two)
		add_second(&w->config);
	if (t->unreliable)
		add_third(&w->config, t->unreliable == UNRELIABLE_SPOOL);
	w->intake.truth = w->transport.truth = t;
	if (bh_loop_init(&w->loop, &w->clock))
		abort();
}

static void end_without_a_start(struct world *w, const char *text)
{
	w->t->refused_start++;
	if (w->t->no_fatal)
		wrong(w->t, "no start: %s", text);
	_exit(70);
}

static void set_limits(const struct truth *t, struct bh_spool_limits *l)
{
	if (t->logs_bytes)
		l->max_bytes = t->logs_bytes;
	if (t->logs_ttl_ms)
		l->ttl_ms = t->logs_ttl_ms;
	if (t->logs_drop)
		l->when_full = BH_FULL_DROP_OLDEST;
}

static void start(struct world *w)
{
	const struct bh_custody_config cfg = {
	    .loop = &w->loop,
	    .log = &w->log,
	    .rng = &w->rng,
	    .config = &w->config,
	    .store = w->store,
	    .endpoints = &w->endpoints,
	    .spool_max_bytes = SPOOL_BYTES,
	    .fatal = fatal,
	    .drained = drained,
	    .key_refused = key_refused,
	    .ctx = w,
	};
	struct bh_err err = BH_ERR_INIT;

	if (bh_endpoints_resolve(&w->endpoints, &w->config, &err) ||
	    bh_custody_new(&w->custody, &cfg, &err))
		end_without_a_start(w, err.text);
	for (size_t i = 0; i < BH_ARRAY_LEN(producers); i++) {
		if (bh_store_load_producer(
			w->store, bh_role_name(producers[i]), &w->intake.receivers[producers[i]]))
			end_without_a_start(w, "marks");
	}
	for (size_t i = 0; i < w->custody->dests_n; i++) {
		struct bh_dest *d = &w->custody->dests[i];

		if (i == 0 || !d->reliable)
			set_limits(w->t, &d->limits);
	}
	books_open(&w->books, w->custody);
	bh_custody_connect(w->custody, &w->intake, &w->transport);
	w->loop.turn_end = bh_custody_turn_end;
	w->loop.turn_ctx = w->custody;
}

static void open_store(struct world *w)
{
	const struct bh_store_config cfg = {.dir = w->t->dir,
	    .clock = &w->clock,
	    .rng = &w->rng,
	    .log = &w->log,
	    .max_size_bytes = SPOOL_BYTES,
	    .vfs = FAULTVFS_NAME};
	struct bh_err err = BH_ERR_INIT;

	if (bh_store_open(&w->store, &cfg, &err))
		end_without_a_start(w, err.text);
	w->t->replaced += bh_store_replaced(w->store) != NULL;
}

/* What the intake has answered, and no commit has recorded. */
static void count_open(struct world *w)
{
	const struct bh_custody *c = w->custody;

	memset(w->t->open, 0, sizeof(w->t->open));
	for (size_t i = 0; i < c->dests_n; i++) {
		unsigned dest = dest_of(c->dests[i].url);

		for (const struct bh_payload *p = c->dests[i].head; p; p = p->next)
			w->t->open[dest] += p->settled ? p->items : 0;
	}
}

static void turn(struct world *w)
{
	if (bh_loop_turn(&w->loop, 0))
		abort();
	send_requests(&w->transport, w->custody);
	books_check(&w->books, w->custody, w->t);
	count_open(w);
}

static void wait_ms(struct world *w, unsigned ms)
{
	w->fake.mono_ns += ms * BH_NS_PER_MS;
	w->fake.wall_ns += ms * BH_NS_PER_MS;
	turn(w);
}

/* --- the producers -------------------------------------------------------------------------------
 */

static void drop_everywhere(struct truth *t, struct fate *f, unsigned dest)
{
	(void)t;
	(void)dest;
	f->dropped = (1U << WORLD_DESTS) - 1;
}

/* What it carries is dropped with the commit, and nowhere from now on. */
static void refuse(struct world *w, enum bh_role role, uint64_t seq)
{
	struct stream *s = stream_of(w->t, role);
	enum bh_data_verdict v = BH_DATA_GAP;
	struct bh_link_data d;
	struct bh_ipc_msg *msg = NULL;

	for (int i = 0; i < BH_RECEIVER_FAILURES; i++)
		v = bh_receiver_unreadable(
		    &w->intake.receivers[role], s->epoch, seq, BH_REFUSE_UNREADABLE);
	make_payload(role, &s->window[seq], &d, &msg);
	if (v == BH_DATA_ACCEPT) {
		each_line(w->t, d.body, 0, drop_everywhere);
		bh_custody_intake_ops.refused(w->custody, role, seq, d.origins);
	} else if (v == BH_DATA_ACCEPT_REPEAT) {
		bh_custody_intake_ops.repeat(w->custody, role, seq, &d);
	}
	bh_ipc_msg_free(msg);
}

static void hand_over(struct world *w, enum bh_role role, uint64_t seq)
{
	struct stream *s = stream_of(w->t, role);
	struct bh_receiver *r = &w->intake.receivers[role];
	struct bh_link_data d;
	struct bh_ipc_msg *msg = NULL;

	if (s->window[seq].unreadable) {
		refuse(w, role, seq);
		return;
	}
	switch (bh_receiver_data(r, s->epoch, seq)) {
	case BH_DATA_ACCEPT:
		make_payload(role, &s->window[seq], &d, &msg);
		bh_custody_intake_ops.data(w->custody, role, seq, &d, msg);
		break;
	case BH_DATA_ACCEPT_REPEAT:
		make_payload(role, &s->window[seq], &d, &msg);
		bh_custody_intake_ops.repeat(w->custody, role, seq, &d);
		bh_ipc_msg_free(msg);
		break;
	default:
		break;
	}
}

static void resume(struct world *w, enum bh_role role, bool nothing_died)
{
	struct stream *s = stream_of(w->t, role);
	struct bh_resume_writer rows = {.truth = w->t};

	if (bh_custody_intake_ops.resume(w->custody, role, &rows))
		wrong(w->t, "no RESUME");
	for (unsigned f = 0; f < WORLD_FILES && role == BH_ROLE_LOGS && !s->ready; f++) {
		if (nothing_died && rows.safe[f] + 1 != w->t->next_part[f])
			wrong(w->t, "I11: file %u resumes at %u of %u", f, rows.safe[f],
			    w->t->next_part[f] - 1);
		w->t->next_part[f] = rows.safe[f] + 1;
	}
	s->ready = true;
}

/* A process that is gone, and its successor. What was in the window of metrics is lost by nature.
 */
static void begin_again(struct truth *t, enum bh_role role)
{
	struct stream *s = stream_of(t, role);

	for (uint64_t seq = 1; seq < s->next_seq; seq++) {
		if (!s->window[seq].acked && s->window[seq].metric)
			t->metrics[s->window[seq].metric].dropped = 1;
	}
	*s = (struct stream){
	    .epoch = s->epoch + 1, .generation = s->generation + 1, .next_seq = 1, .credit = true};
}

/* false: no WELCOME yet. */
static bool hello(struct world *w, enum bh_role role, bool nothing_died)
{
	struct stream *s = stream_of(w->t, role);
	struct bh_receiver *r = &w->intake.receivers[role];
	enum bh_hello_verdict v = bh_receiver_hello(r, s->epoch, s->generation);

	if (v == BH_HELLO_STALE)
		wrong(w->t, "STALE");
	/* A producer that had something acknowledged of this epoch ends: the store is another one.
	 */
	if (v == BH_HELLO_NEW && s->ready && s->window[1].acked)
		begin_again(w->t, role);
	if (v == BH_HELLO_NEW) {
		if (bh_custody_intake_ops.fence_epoch(w->custody, role, s->epoch))
			return false;
		bh_receiver_adopt(r, s->epoch, s->generation);
	}
	point(w->t, POINT_BEFORE_WELCOME);
	if (v == BH_HELLO_NEW || r->rcvd == 0)
		resume(w, role, nothing_died);
	note_acked(w->t, role, r);
	for (uint64_t seq = r->rcvd + 1; seq < s->next_seq; seq++)
		hand_over(w, role, seq);
	return true;
}

static unsigned outstanding(const struct stream *s)
{
	unsigned n = 0;

	for (uint64_t seq = 1; seq < s->next_seq; seq++)
		n += !s->window[seq].acked;
	return n;
}

static void fill(struct truth *t, enum bh_role role, struct sent *s)
{
	if (role != BH_ROLE_LOGS) {
		s->metric = (uint16_t)t->next_metric++;
		t->metrics[s->metric].handed = 1;
		return;
	}
	for (unsigned f = 0; f < WORLD_FILES; f++) {
		if (f != t->turn_of_file % WORLD_FILES && t->turn_of_file % 5)
			continue;
		s->part[f] = (uint16_t)t->next_part[f]++;
		t->parts[f][s->part[f]].handed = 1;
	}
	t->turn_of_file++;
}

static void produce(struct world *w, enum bh_role role, unsigned n, bool unreadable)
{
	struct stream *s = stream_of(w->t, role);

	for (; n > 0; n--) {
		if (!s->ready || !s->credit || outstanding(s) >= CREDIT ||
		    s->next_seq == WORLD_SEQS || w->t->next_metric > WORLD_METRICS ||
		    w->t->next_part[0] > WORLD_PARTS || w->t->next_part[1] > WORLD_PARTS)
			return;
		s->window[s->next_seq] = (struct sent){.unreadable = unreadable};
		fill(w->t, role, &s->window[s->next_seq]);
		hand_over(w, role, s->next_seq++);
	}
}

/* The logs process died with its window, and its successor says HELLO. */
static void new_epoch(struct world *w)
{
	bool clean = stream_of(w->t, BH_ROLE_LOGS)->ready;

	if (w->t->point == POINT_IN_FENCE)
		fault_set(&(struct fault_plan){.ops = FAULT_WRITE,
		    .files = FAULT_WAL,
		    .at = w->t->passage,
		    .act = FAULT_KILL});
	begin_again(w->t, BH_ROLE_LOGS);
	(void)hello(w, BH_ROLE_LOGS, clean);
}

static void vacuum(struct world *w)
{
	if (w->t->point == POINT_IN_VACUUM)
		fault_set(&(struct fault_plan){.ops = FAULT_ANY,
		    .files = FAULT_FILES,
		    .at = w->t->passage,
		    .act = FAULT_KILL});
	bh_store_reclaim(w->store);
	(void)bh_store_vacuum(w->store); /* a disk that fails makes it fail without harm */
}

static void relieve(struct world *w)
{
	if (w->t->point == POINT_BALLAST_UNLINKED)
		fault_set(&(struct fault_plan){.ops = FAULT_WRITE | FAULT_SYNC | FAULT_TRUNCATE,
		    .files = FAULT_FILES,
		    .at = w->t->passage,
		    .act = FAULT_KILL});
	bh_store_relieve(w->store);
}

static void look(struct world *w, unsigned at)
{
	sqlite3_int64 pages = 0;

	if (bh_store_scalar(w->store, "PRAGMA page_count", &pages))
		wrong(w->t, "no page_count");
	w->t->pages[at] = pages;
}

static void greet(struct world *w)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(producers); i++)
		(void)hello(w, producers[i], false);
}

static void play(struct world *w, const struct step *step)
{
	switch (step->verb) {
	case HELLO:
		greet(w);
		break;
	case LOGS:
	case UNREADABLE:
		produce(w, BH_ROLE_LOGS, step->n, step->verb == UNREADABLE);
		break;
	case METRICS:
		produce(w, BH_ROLE_DOGSTATSD, step->n, false);
		break;
	case TURN:
		for (unsigned i = 0; i < step->n; i++)
			turn(w);
		break;
	case ANSWER:
		answer_requests(&w->transport, w->custody, 0, step->n, step->status);
		break;
	case WAIT:
		wait_ms(w, step->n);
		break;
	case EPOCH:
		new_epoch(w);
		break;
	case FENCE:
		bh_custody_intake_ops.fence(
		    w->custody, BH_ROLE_LOGS, w->intake.receivers[BH_ROLE_LOGS].rcvd);
		break;
	case VACUUM:
		vacuum(w);
		break;
	case RELIEVE:
		relieve(w);
		break;
	case LOOK:
		look(w, step->n);
		break;
	}
}

/* The other destinations of logs have their own time, now ahead and now behind, and their own
 * outages. */
static void answer_another(struct world *w, unsigned dest)
{
	static const struct {
		unsigned n;
		long status;
	} answers[] = {
	    {0, 0}, {1, 200}, {4, 200}, {0, 0}, {0, 0}, {1, 503}, {0, 0}, {9, 200}, {2, 200}};
	const unsigned at = (w->t->step * dest + w->t->shift) % BH_ARRAY_LEN(answers);

	answer_requests(&w->transport, w->custody, dest, answers[at].n, answers[at].status);
}

static void answer_others(struct world *w)
{
	for (unsigned i = 0; w->t->silent && i < CREDIT; i++) {
		answer_requests(&w->transport, w->custody, 0, TRANSPORT_MAX, 200);
		wait_ms(w, 25);
	}
	if (w->t->two && !w->t->silent)
		answer_another(w, 1);
	if (w->t->unreliable && !w->t->third_silent)
		answer_another(w, 2);
}

/* --- to the end ----------------------------------------------------------------------------------
 */

static bool done(const struct world *w)
{
	uint64_t items = 0, bytes = 0;

	bh_custody_pending(w->custody, &items, &bytes);
	return items == 0 && outstanding(&w->t->streams[0]) + outstanding(&w->t->streams[1]) == 0 &&
	       w->t->streams[0].ready && w->t->streams[1].ready;
}

static void answer_all(struct world *w)
{
	for (unsigned d = 0; d < WORLD_DESTS; d++)
		answer_requests(&w->transport, w->custody, d, TRANSPORT_MAX, 200);
}

static void note_third(struct world *w)
{
	for (size_t i = 0; i < w->custody->dests_n; i++) {
		const struct bh_dest *d = &w->custody->dests[i];

		if (!d->reliable)
			w->t->third = d->l;
	}
}

static void stop(struct world *w, enum bh_drain_mode mode)
{
	bh_custody_drain(w->custody, w->fake.mono_ns + 10 * BH_NS_PER_S, mode);
	for (unsigned i = 0; i < ENDLESS && !w->drained; i++) {
		answer_all(w);
		wait_ms(w, 10);
	}
	if (!w->drained || w->left)
		wrong(w->t, "drained %d, left %llu", w->drained, (unsigned long long)w->left);
	note_third(w);
	bh_custody_write_backup(w->custody);
	bh_store_close_clean(w->store);
}

static void finish(struct world *w)
{
	unsigned more = 3;

	for (unsigned i = 0; i < ENDLESS && (more || !done(w)); i++) {
		for (size_t k = 0; k < BH_ARRAY_LEN(producers); k++) {
			if (!stream_of(w->t, producers[k])->ready)
				(void)hello(w, producers[k], false);
		}
		if (more && w->t->streams[1].ready) {
			more--;
			produce(w, BH_ROLE_LOGS, 1, false);
			produce(w, BH_ROLE_DOGSTATSD, 1, false);
		}
		answer_all(w);
		turn(w);
		wait_ms(w, 1000);
	}
	if (!done(w))
		wrong(w->t, "what is owed is not delivered after %u turns", ENDLESS);
	stop(w, BH_DRAIN_FULL);
	open_store(w);
	check_end(w->t, w->store);
	bh_store_close_clean(w->store);
}

/* In the process of its own. */
static _Noreturn void live(
    struct truth *t, const struct fault_plan *plan, bool late, enum world_end end)
{
	const struct script *script = script_of(t->script);
	static struct world w;

	if (fault_init())
		abort();
	set_up(&w, t);
	if (!late)
		fault_set(plan);
	open_store(&w);
	check_store(t, w.store);
	if (late)
		fault_set(plan);
	start(&w);
	w.fake.wall_ns += t->jump_ms * BH_NS_PER_MS;
	if (t->jump_ms)
		wait_ms(&w, 61000);
	if (t->step > 0)
		greet(&w);
	while (t->step < script->n && (!t->pause || t->step < t->pause)) {
		/* A step that is cut off is not taken up again. */
		play(&w, &script->v[t->step]);
		answer_others(&w);
		t->step++;
		books_check(&w.books, w.custody, t);
	}
	if (t->rest_ms)
		wait_ms(&w, t->rest_ms);
	t->operations = fault_count();
	t->failed = fault_failed();
	memcpy(t->drops, w.custody->dests[0].l.dropped, sizeof(t->drops));
	if (end == WORLD_FINISH) {
		fault_set(NULL);
		finish(&w);
	} else if (end == WORLD_STOP) {
		stop(&w, BH_DRAIN_FAST);
	}
	_exit(0);
}

int world_run(struct truth *t, const struct fault_plan *plan, bool late, enum world_end end)
{
	pid_t pid;
	int status = -1;

	for (unsigned d = 0; d < WORLD_DESTS; d++) {
		t->allowed[d] += t->open[d] + (t->two ? BEHIND : 0);
		t->open[d] = 0;
	}
	(void)fflush(NULL);
	pid = quiet_fork();
	if (pid == 0)
		live(t, plan, late, end);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	return status;
}

unsigned world_operations(struct truth *t, unsigned ops, unsigned files)
{
	const struct fault_plan count = {.ops = ops, .files = files};
	unsigned n;

	world_reset(t);
	if (world_run(t, &count, false, WORLD_FINISH) || t->wrong[0])
		return 0;
	n = t->operations;
	world_reset(t);
	return n;
}

/* --- the truth -----------------------------------------------------------------------------------
 */

static void empty(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)) != NULL) {
		if (e->d_name[0] != '.')
			(void)unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		(void)closedir(d);
}

void world_reset(struct truth *t)
{
	char dir[sizeof(t->dir)];

	memcpy(dir, t->dir, sizeof(dir));
	empty(dir);
	*t = (struct truth){.next_part = {1, 1}, .next_metric = 1};
	memcpy(t->dir, dir, sizeof(dir));
	for (size_t i = 0; i < BH_ARRAY_LEN(t->streams); i++)
		t->streams[i] =
		    (struct stream){.epoch = 1, .generation = 1, .next_seq = 1, .credit = true};
}

struct truth *world_new(void)
{
	struct truth *t =
	    mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (t == MAP_FAILED)
		abort();
	(void)snprintf(t->dir, sizeof(t->dir), "/tmp/bh-faults-XXXXXX");
	if (!mkdtemp(t->dir))
		abort();
	world_reset(t);
	return t;
}

void world_free(struct truth *t)
{
	empty(t->dir);
	(void)rmdir(t->dir);
	(void)munmap(t, sizeof(*t));
}

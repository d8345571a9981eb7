#include "logs-agent/logs.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "logs-agent/figures.h"
#include "logs-agent/logs_internal.h"

#define COMPONENT    "logs"
#define POLL_NS      (1 * BH_NS_PER_S)
#define DEAF_NS      (50 * BH_NS_PER_MS) /* between two looks at what inotify says */
#define READS_A_TURN 64                  /* of its queue; the rest waits for the next look */
#define READY_LIMIT_NS \
	(5 * BH_NS_PER_S) /* READY without the link, so that a dead forwarder harms nobody */

/* Rules that cost more than they may (spec/logs.md §9.4). */
static void say_limits(struct bh_logs *l)
{
	int64_t now = bh_mono_ns(l->child->loop.clock);

	for (size_t i = 0; i < l->sources_n; i++) {
		const struct bh_source *s = l->sources[i];
		char name[PATH_MAX];

		bh_log_source_name(s->cfg, name, sizeof(name));
		for (size_t k = 0; s->rules && k < bh_ruleset_count(s->rules); k++) {
			uint64_t n = bh_ruleset_limit_news(s->rules, k, now);

			if (n)
				bh_log_write(&l->child->log, BH_LOG_WARN, COMPONENT,
				    "rule %s gave up on %" PRIu64
				    " messages of %s: its pattern costs too much there; an "
				    "anchor or fewer nested repeats help",
				    bh_ruleset_state(s->rules, k)->name, n, name);
		}
	}
}

static void on_poll(struct bh_timer *t)
{
	struct bh_logs *l = BH_CONTAINER(t, struct bh_logs, poll);

	bh_tailing_poll(l);
	say_limits(l);
	bh_timer_in(&l->child->loop, t, POLL_NS, on_poll);
}

/* What an event names is looked at; everything else waits for the poll. */
static void on_event(struct bh_logs *l, const struct inotify_event *e)
{
	const char *dir = bh_watches_path(&l->watches, e->wd);
	const struct bh_target *t;
	char path[PATH_MAX];
	int n;

	if (e->mask & IN_IGNORED)
		bh_watches_drop(&l->watches, e->wd);
	if (e->mask & (IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_Q_OVERFLOW))
		bh_scan_hurry(l);
	if (!dir || !e->len)
		return;
	n = snprintf(path, sizeof(path), "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, e->name);
	t = n > 0 && (size_t)n < sizeof(path) ? bh_targets_find(&l->targets, path) : NULL;
	if (t && t->live && (t->live->at_end || !(e->mask & IN_MODIFY)))
		bh_tailing_look(l, t->live);
}

static void on_listen_again(struct bh_timer *t)
{
	struct bh_logs *l = BH_CONTAINER(t, struct bh_logs, inotify_timer);

	if (l->inotify.fd >= 0)
		(void)bh_loop_mod_fd(&l->inotify, BH_LOOP_READ);
}

/* A writer causes an event a line: they are heard in bundles, so that it does not wake us each
 * time.
 */
static void on_inotify(struct bh_watch *w, unsigned events)
{
	struct bh_logs *l = BH_CONTAINER(w, struct bh_logs, inotify);
	char raw[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;

	(void)events;
	for (int reads = 0; reads < READS_A_TURN && (n = read(w->fd, raw, sizeof(raw))) > 0;
	     reads++) {
		for (char *p = raw; p < raw + n;) {
			const struct inotify_event *e =
			    (const struct inotify_event *)(const void *)p;

			if (l->link_ready && !l->draining)
				on_event(l, e);
			p += sizeof(*e) + e->len;
		}
	}
	(void)bh_loop_mod_fd(w, 0);
	bh_timer_in(&l->child->loop, &l->inotify_timer, DEAF_NS, on_listen_again);
}

static void tell_ready(struct bh_logs *l)
{
	if (l->told_ready)
		return;
	l->told_ready = true;
	bh_timer_cancel(&l->ready_timer);
	bh_child_ready(l->child);
}

static void on_ready_limit(struct bh_timer *t)
{
	tell_ready(BH_CONTAINER(t, struct bh_logs, ready_timer));
}

/* When the store that was lost was written last, in milliseconds. */
static void note_lost_store(struct bh_logs *l, struct bh_str ms)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%.*s", (int)BH_MIN(ms.n, sizeof(text) - 1), ms.p);
	l->store_lost_ns = (int64_t)BH_MIN(strtoull(text, NULL, 10),
			       (unsigned long long)INT64_MAX / BH_NS_PER_MS) *
			   BH_NS_PER_MS;
}

static void resume_row(void *ctx, const struct bh_origin *row)
{
	struct bh_logs *l = ctx;

	if (bh_str_eq(row->identifier, BH_STR_LIT(BH_ORIGIN_STORE_LOST))) {
		note_lost_store(l, row->offset_last); /* no generation */
		return;
	}
	if (!bh_rows_put(&l->rows, row, false))
		bh_child_fail(
		    l->child, BH_EXIT_INTERNAL); /* without a row a file would be read again */
}

static void link_ready(void *ctx)
{
	struct bh_logs *l = ctx;

	l->link_ready = true;
	bh_ages_recall(l);
	bh_scan_run(l);
	bh_journals_start(l);
	bh_handover_close(l); /* start positions are registered before the first line */
	on_poll(&l->poll);
	bh_inlets_start(l->inlets);
	tell_ready(l);
}

static void durable(void *ctx, uint64_t seq, uint32_t items, enum bh_refuse_cause refused)
{
	(void)items;
	bh_handover_durable(ctx, seq, refused);
}

static void finish_drain(struct bh_logs *l, bool complete)
{
	struct bh_ctl_drained d = {
	    .complete = complete,
	    .durable = l->handover.delivered,
	    .left = bh_handover_unproven(l),
	    .dropped = bh_ledger_dropped(&l->handover),
	    .streams_n = 1,
	};
	struct bh_producer_stats st;

	if (l->drained)
		return;
	l->drained = true;
	bh_producer_stats(l->producer, &st);
	d.streams[0] = (struct bh_ctl_stream){BH_ROLE_LOGS, st.epoch, st.base_seq};
	bh_child_drained(l->child, &d);
}

/* The fence follows the last batch: it is asked for when nothing waits for credit any more. */
static void drain_step(struct bh_logs *l)
{
	bh_handover_pump(l);
	if (!l->draining || l->fencing || !l->link_ready || !bh_inlets_drain(l->inlets))
		return;
	bh_handover_close(l);
	if (!l->queue) {
		l->fencing = true;
		bh_producer_fence(l->producer);
	}
}

static void credit(void *ctx)
{
	struct bh_logs *l = ctx;

	drain_step(l);
	bh_inlets_go_on_leaving(l->inlets);
	if (bh_inlets_go_first(l->inlets))
		bh_inlets_resume(l->inlets);
	bh_tailing_read(l);
	bh_journals_go_on(l);
	bh_inlets_resume(l->inlets);
}

static void fenced(void *ctx)
{
	finish_drain(ctx, true);
}

static void stale(void *ctx)
{
	struct bh_logs *l = ctx;

	bh_error(&l->child->log, COMPONENT,
	    "a newer logs process exists, or the store was replaced; leaving");
	bh_child_fail(l->child, BH_EXIT_INTERNAL);
}

static void again(void *ctx)
{
	bh_child_again(((struct bh_logs *)ctx)->child);
}

static const struct bh_producer_ops producer_ops = {
    .resume_row = resume_row,
    .ready = link_ready,
    .durable = durable,
    .credit = credit,
    .fenced = fenced,
    .stale = stale,
    .again = again,
};

static int make_sources(struct bh_logs *l)
{
	struct bh_config *cfg = &l->child->config;
	int rc = bh_assembler_work_init(&l->work);

	l->sources = calloc(cfg->log_sources_n + 1, sizeof(struct bh_source *));
	if (!l->sources)
		return -ENOMEM;
	for (size_t i = 0; i < cfg->log_sources_n && !rc; i++) {
		l->sources[i] = bh_source_new(&cfg->log_sources[i], cfg, &l->child->log);
		if (!l->sources[i])
			return -ENOMEM;
		l->sources[i]->place = i;
		l->sources_n++;
	}
	/* What is left of them is empty. */
	cfg->log_sources_n = 0;
	return rc ? rc : bh_buf_reserve(&l->chunk, BH_MARKER_MAX + BH_CHUNK);
}

static int make_host_tags(struct bh_logs *l)
{
	const struct bh_config *cfg = &l->child->config;

	if (cfg->logs_expected_tags_duration_ms == 0)
		return 0;
	l->host_tags_until_ns =
	    bh_mono_ns(&bh_clock_system) + cfg->logs_expected_tags_duration_ms * BH_NS_PER_MS;
	for (size_t i = 0; i < cfg->tags.n; i++)
		(void)bh_buf_printf(&l->host_tags, "%s%s", i ? "," : "", cfg->tags.v[i]);
	return bh_buf_failed(&l->host_tags);
}

static void watch(struct bh_logs *l)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	l->inotify.fd = -1;
	if (fd >= 0 && bh_loop_add_fd(&l->child->loop, &l->inotify, fd, BH_LOOP_READ, on_inotify)) {
		(void)close(fd);
		l->inotify.fd = -1;
	}
	if (l->inotify.fd < 0)
		bh_warn(&l->child->log, COMPONENT, "no inotify: files are looked at once a second");
}

/* Every tailed and draining file is a descriptor: take what the hard limit allows. */
static void raise_file_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

int bh_logs_new(
    struct bh_logs **out, struct bh_child *child, struct bh_grants *grants, struct bh_err *err)
{
	struct bh_logs *l = calloc(1, sizeof(*l));
	struct bh_producer_config cfg = {
	    .loop = &child->loop,
	    .log = &child->log,
	    .role = BH_ROLE_LOGS,
	    .run_dir = child->config.run_dir,
	    .uids = child->uids,
	    .run_id = child->run_id,
	    .generation = child->generation,
	    .ops = &producer_ops,
	};
	int rc;

	if (!l)
		return bh_err_set(err, -ENOMEM, "logs");
	l->child = child;
	l->queue_end = &l->queue;
	l->flying_end = &l->flying;
	l->ready_end = &l->ready;
	l->dirty_end = &l->dirty;
	l->run_started_ns = child->run_started_ns;
	l->born_ns = bh_mono_ns(&bh_clock_system);
	l->grants = *grants;
	*grants = (struct bh_grants){.n = 0};
	bh_rng_init(&l->rng);
	bh_body_init(&l->body, &child->config);
	bh_streams_init(&l->streams, &child->loop);
	raise_file_limit();
	watch(l);
	rc = make_sources(l);
	if (!rc)
		rc = make_host_tags(l);
	if (!rc)
		rc = bh_inlets_new(&l->inlets, l);
	if (rc) {
		bh_logs_free(l);
		return bh_err_set(err, rc, "sources");
	}
	cfg.rng = &l->rng;
	cfg.ctx = l;
	rc = bh_producer_new(&l->producer, &cfg, err);
	if (rc) {
		bh_logs_free(l);
		return rc;
	}
	bh_timer_in(&child->loop, &l->ready_timer, READY_LIMIT_NS, on_ready_limit);
	child->loop.turn_end = bh_figures_turn_end;
	child->loop.turn_ctx = l;
	*out = l;
	return 0;
}

static void free_packets(struct bh_packet *p)
{
	while (p) {
		struct bh_packet *next = p->next;

		bh_buf_release(&p->body);
		bh_buf_release(&p->origins);
		free(p);
		p = next;
	}
}

void bh_logs_free(struct bh_logs *l)
{
	struct bh_timer *timers[] = {&l->work_timer, &l->scan, &l->poll, &l->batch_timer,
	    &l->dirty_timer, &l->ready_timer, &l->drain_timer, &l->held_timer, &l->inotify_timer};

	l->child->loop.turn_end = NULL;
	for (size_t i = 0; i < BH_ARRAY_LEN(timers); i++)
		bh_timer_cancel(timers[i]);
	while (l->head) {
		struct bh_generation *g = l->head;

		l->head = g->next;
		bh_generation_free(g);
	}
	bh_inlets_free(l->inlets);
	free_packets(l->queue);
	free_packets(l->flying);
	bh_loop_close_fd(&l->inotify);
	bh_journals_stop(l);
	bh_buf_release(&l->put_back);
	bh_producer_free(l->producer);
	bh_rows_release(&l->rows);
	bh_targets_release(&l->targets);
	bh_dirlists_clear(&l->dirs);
	bh_watches_release(&l->watches);
	for (size_t i = 0; i < l->sources_n; i++)
		bh_source_free(l->sources[i]);
	while (l->leaving) {
		struct bh_source *next = l->leaving->next;

		bh_source_free(l->leaving);
		l->leaving = next;
	}
	bh_assembler_work_release(&l->work);
	bh_rules_work_release(&l->rules_work);
	bh_buf_release(&l->host_tags);
	bh_streams_release(&l->streams);
	bh_body_release(&l->body);
	bh_buf_release(&l->chunk);
	bh_buf_release(&l->batch.json);
	bh_grants_release(&l->grants);
	free((void *)l->sources);
	free(l);
}

static void on_drain_limit(struct bh_timer *t)
{
	struct bh_logs *l = BH_CONTAINER(t, struct bh_logs, drain_timer);

	/* What is not acknowledged is forgotten: no loss for files, it is read again. */
	finish_drain(l, false);
}

static void drain(void *ctx, int64_t deadline_ns, enum bh_drain_mode mode)
{
	struct bh_logs *l = ctx;

	(void)mode; /* handing over is the same; what the forwarder does with it is its own mode */
	bh_timer_at(&l->child->loop, &l->drain_timer, deadline_ns, on_drain_limit);
	if (l->draining)
		return;
	l->draining = true;
	bh_timer_cancel(&l->work_timer);
	bh_timer_cancel(&l->scan);
	bh_timer_cancel(&l->poll);
	bh_timer_cancel(&l->held_timer);
	if (!l->link_ready) {
		finish_drain(l, true); /* nothing was read */
		return;
	}
	bh_tailing_flush(l);
	bh_journals_stop(l);
	bh_ages_note_scan(l, true);
	drain_step(l);
}

static void peer_state(void *ctx, enum bh_role role, bool running)
{
	struct bh_logs *l = ctx;

	if (role == BH_ROLE_FORWARDER)
		bh_producer_peer_running(l->producer, running);
}

static void stats(void *ctx, struct bh_child *c)
{
	bh_figures_report(ctx, c);
}

static void heartbeat(void *ctx, struct bh_ctl_heartbeat *hb)
{
	struct bh_logs *l = ctx;
	struct bh_producer_stats st;

	bh_producer_stats(l->producer, &st);
	hb->pending_items = bh_handover_unproven(l);
	hb->pending_bytes = st.window_bytes + l->batch.json.len;
	hb->link_up = st.ready;
}

static void reload(void *ctx, struct bh_config *next, struct bh_ctl_reloaded *r)
{
	bh_reload_sources(ctx, next, r);
}

static void stream(void *ctx, int fd, const struct bh_stream_filter *filter)
{
	struct bh_logs *l = ctx;

	bh_stream_add(&l->streams, fd, filter);
}

const struct bh_child_ops bh_logs_child_ops = {
    .drain = drain,
    .peer_state = peer_state,
    .stats = stats,
    .heartbeat = heartbeat,
    .stream = stream,
    .reload = reload,
};

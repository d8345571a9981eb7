#include "supervisor/rounds.h"

#include <string.h>

#include "supervisor/openmetrics.h"
#include "supervisor/supervisor.h"

#define COMPONENT "figures"
#define ROUND_NS  (5 * BH_NS_PER_S)

static struct bh_kid *forwarder(struct bh_supervisor *s)
{
	return &s->kids[BH_ROLE_FORWARDER];
}

/* --- asking ----------------------------------------------------------------------------------- */

/* Not less often than dogstatsd flushes, within bounds: its flush is to have something new. */
static int64_t interval_ns(const struct bh_supervisor *s)
{
	int64_t flush = s->cfg.dogstatsd_flush_interval_ms * BH_NS_PER_MS;

	return BH_MAX(BH_MIN(flush, ROUND_NS), BH_NS_PER_S);
}

static void on_timer(struct bh_timer *t)
{
	struct bh_supervisor *s = BH_CONTAINER(t, struct bh_supervisor, rounds.timer);

	bh_collect_start(&s->collect);
	bh_timer_in(&s->loop, t, interval_ns(s), on_timer);
}

static void on_page(void *ctx, struct bh_page_conn *conn)
{
	struct bh_supervisor *s = ctx;

	conn->round = bh_collect_next(&s->collect);
	bh_collect_start(&s->collect);
}

/* With those of the listeners, from which the status's are made anew at times. */
static void note(struct bh_supervisor *s, const char *text)
{
	size_t n = strlen(text);

	bh_error(&s->log, COMPONENT, "%s", text);
	if (bh_strlist_add(&s->sockets.notes, text, n) || bh_strlist_add(&s->notes, text, n))
		bh_error(&s->log, COMPONENT, "out of memory for a note");
}

static void open_page(struct bh_supervisor *s)
{
	uint16_t port = (uint16_t)s->cfg.metrics_port;
	struct bh_err err = BH_ERR_INIT;
	int rc = bh_page_open(&s->rounds.page, &s->loop, &s->log, s->cfg.run_dir, port, &err);

	if (rc)
		note(s, err.text);
	/* A port that is taken does not take the socket along. */
	if (rc && port)
		rc = bh_page_open(&s->rounds.page, &s->loop, &s->log, s->cfg.run_dir, 0, &err);
	s->rounds.page.handle = on_page;
	s->rounds.page.ctx = s;
	if (!rc)
		bh_info(&s->log, COMPONENT, "page of OpenMetrics on %s", s->rounds.page.path);
}

void bh_rounds_start(struct bh_supervisor *s)
{
	if (s->cfg.telemetry_enabled || s->cfg.metrics_port)
		open_page(s);
	bh_timer_in(&s->loop, &s->rounds.timer, interval_ns(s), on_timer);
}

void bh_rounds_release(struct bh_rounds *r)
{
	bh_timer_cancel(&r->timer);
	bh_page_close(&r->page);
	bh_books_release(&r->books);
	bh_samples_release(&r->samples);
	bh_figures_sent_release(&r->sent);
	bh_buf_release(&r->part);
}

/* --- telling ---------------------------------------------------------------------------------- */

void bh_rounds_keep(struct bh_supervisor *s)
{
	struct bh_rounds *r = &s->rounds;
	size_t at = 0;

	bh_books_sum(&r->books, s->kids);
	/* Until then the forwarder knows more than we do. */
	if (!r->books.loaded)
		return;
	while (bh_books_part(&r->books, &at, &r->part)) {
		if (!bh_kid_tell(forwarder(s), BH_CTL_LEDGER, bh_buf_view(&r->part)))
			return; /* whole rows: the next round has them all again */
	}
}

static bool tell_dogstatsd(struct bh_supervisor *s)
{
	bool told = !s->rounds.part.len || bh_kid_tell(&s->kids[BH_ROLE_DOGSTATSD], BH_CTL_FIGURES,
					       bh_buf_view(&s->rounds.part));

	bh_buf_clear(&s->rounds.part);
	return told;
}

static void send_figures(struct bh_supervisor *s)
{
	struct bh_rounds *r = &s->rounds;
	bool told = true;

	bh_buf_clear(&r->part);
	for (size_t i = 0; i < r->samples.n && told; i++) {
		size_t before = r->part.len;
		struct bh_figure f;

		if (!bh_figure_of(&r->sent, &r->samples.v[i], &f))
			continue;
		if (bh_figure_encode(&f, &r->part) == 0 && r->part.len <= BH_CTL_PART_MAX)
			continue;
		r->part.len = before;
		told = tell_dogstatsd(s);
		(void)bh_figure_encode(&f, &r->part);
	}
	if (told)
		(void)tell_dogstatsd(s);
}

/* true: one of them waits for the next round. */
static bool answer_page(struct bh_supervisor *s)
{
	struct bh_page *p = &s->rounds.page;
	struct bh_buf page = BH_BUF_INIT;
	bool more = false;

	for (size_t i = 0; i < BH_PAGE_CONNS; i++) {
		struct bh_page_conn *c = &p->conn[i];

		if (!bh_conn_waits(&c->io))
			continue;
		more |= c->round > s->collect.round;
		if (c->round > s->collect.round)
			continue;
		if (!page.len)
			bh_openmetrics_page(&s->rounds.samples, &page);
		bh_page_answer(c, bh_buf_view(&page));
	}
	bh_buf_release(&page);
	return more;
}

/* Rounds that clients ask for come as often as they ask. */
static bool figures_are_due(struct bh_supervisor *s)
{
	int64_t now = bh_mono_ns(s->loop.clock);

	if (s->kids[BH_ROLE_DOGSTATSD].life.state != BH_LIFE_RUNNING ||
	    (s->rounds.figures_ns && now - s->rounds.figures_ns < interval_ns(s) / 2))
		return false;
	s->rounds.figures_ns = now;
	return true;
}

bool bh_rounds_collected(struct bh_supervisor *s)
{
	struct bh_rounds *r = &s->rounds;

	if (forwarder(s)->answered)
		bh_books_load(&r->books, &forwarder(s)->stats);
	bh_rounds_keep(s);
	bh_samples_collect(&r->samples, s->kids, &r->books);
	if (figures_are_due(s))
		send_figures(s);
	return answer_page(s);
}

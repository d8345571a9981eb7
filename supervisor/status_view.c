#include "supervisor/status_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "common/jsonw.h"
#include "common/procmem.h"
#include "common/version.h"
#include "supervisor/report.h"

static int64_t seconds_since(int64_t then_ns, int64_t now_ns)
{
	return BH_MAX(now_ns - then_ns, 0) / BH_NS_PER_S;
}

static void put_last_exit(struct bh_jsonw *w, const struct bh_life *l)
{
	if (l->last_cause == BH_CAUSE_NONE) {
		bh_jsonw_null(w, "last_exit");
		return;
	}
	bh_jsonw_object(w, "last_exit");
	bh_jsonw_str(w, "cause", bh_life_cause_name(l->last_cause));
	bh_jsonw_i64(w, "code", l->last_exit.code);
	bh_jsonw_i64(w, "signal", l->last_exit.signal);
	bh_jsonw_object_end(w);
}

static void put_notes(struct bh_jsonw *w, const struct bh_kid *k)
{
	char text[BH_LEDGER_NAME_MAX + BH_CTL_TEXT_MAX + 4];

	bh_jsonw_array(w, "notes");
	if (k->failure[0])
		bh_jsonw_str(w, NULL, k->failure);
	if (k->asked_id && !k->answered && k->life.state == BH_LIFE_RUNNING)
		bh_jsonw_str(w, NULL, "did not answer in time; its figures are old or missing");
	if (k->stats.lost) {
		(void)snprintf(
		    text, sizeof(text), "%" PRIu64 " more entries than are shown", k->stats.lost);
		bh_jsonw_str(w, NULL, text);
	}
	for (size_t i = 0; i < k->stats.notes_n; i++) {
		const struct bh_stat_note *n = &k->stats.notes[i];

		(void)snprintf(text, sizeof(text), "%s%s%s", n->name,
		    n->name[0] && n->text[0] ? ": " : "", n->text);
		bh_jsonw_str(w, NULL, text);
	}
	bh_jsonw_array_end(w);
}

static void put_role(struct bh_jsonw *w, const struct bh_status_view *v, const struct bh_kid *k)
{
	bool running = k->life.state == BH_LIFE_RUNNING;
	uint64_t rss = k->pid ? bh_proc_rss_kib(k->pid) : 0;
	char since[32];

	bh_jsonw_object(w, NULL);
	bh_jsonw_str(w, "name", bh_role_name(k->role));
	bh_jsonw_str(w, "state", bh_life_state_name(k->life.state));
	bh_jsonw_i64(w, "code", bh_life_state_code(k->life.state));
	bh_jsonw_i64(w, "pid", k->pid);
	bh_jsonw_u64(w, "generation", k->life.generation);
	bh_jsonw_i64(w, "uptime_s", running ? seconds_since(k->life.since_ns, v->mono_ns) : 0);
	bh_rfc3339(v->wall_ns - (v->mono_ns - k->life.since_ns), since);
	bh_jsonw_str(w, "since", since);
	bh_jsonw_u64(w, "rss_kib", rss || !k->pid ? rss : k->beat.rss_kib);
	bh_jsonw_u64(w, "pss_kib", k->pid ? bh_proc_pss_kib(k->pid) : 0);
	bh_jsonw_u64(w, "restarts", k->life.restarts);
	put_last_exit(w, &k->life);
	if (v->deaths)
		bh_deaths_json(&v->deaths[k->role], w);
	bh_jsonw_object(w, "pending");
	bh_jsonw_u64(w, "items", k->beat.pending_items);
	bh_jsonw_u64(w, "bytes", k->beat.pending_bytes);
	bh_jsonw_object_end(w);
	bh_jsonw_bool(w, "link_up", k->beat.link_up);
	if (k->beat_ns)
		bh_jsonw_i64(
		    w, "heartbeat_age_ms", BH_MAX(v->mono_ns - k->beat_ns, 0) / BH_NS_PER_MS);
	put_notes(w, k);
	bh_jsonw_object_end(w);
}

static void put_numbers(struct bh_jsonw *w, const struct bh_kid *k)
{
	bh_jsonw_object(w, bh_role_name(k->role));
	for (size_t i = 0; i < k->stats.numbers_n; i++)
		bh_jsonw_u64(w, k->stats.numbers[i].name, k->stats.numbers[i].value);
	bh_jsonw_object_end(w);
}

static void put_strings(struct bh_jsonw *w, const char *key, const struct bh_strlist *l)
{
	bh_jsonw_array(w, key);
	for (size_t i = 0; i < l->n; i++)
		bh_jsonw_str(w, NULL, l->v[i]);
	bh_jsonw_array_end(w);
}

static void put_row(struct bh_jsonw *w, enum bh_role role, const struct bh_ledger_row *row)
{
	bh_jsonw_object(w, NULL);
	bh_jsonw_str(w, "role", bh_role_name(role));
	bh_jsonw_str(w, "kind", bh_ledger_kind_name(row->kind));
	bh_jsonw_str(w, "name", row->name);
	bh_jsonw_u64(w, "received", row->l.received);
	bh_jsonw_u64(w, "delivered", row->l.delivered);
	bh_jsonw_u64(w, "spooled", row->l.spooled);
	bh_jsonw_u64(w, "in_flight", row->l.in_flight);
	bh_jsonw_object(w, "dropped");
	for (int i = 0; i < BH_DROP__N; i++) {
		if (row->l.dropped[i])
			bh_jsonw_u64(w, bh_drop_name((enum bh_drop)i), row->l.dropped[i]);
	}
	bh_jsonw_object_end(w);
	bh_jsonw_i64(w, "gap", bh_ledger_gap(&row->l));
	bh_jsonw_object_end(w);
}

bool bh_kid_figures_known(const struct bh_kid *k)
{
	if (!k->enabled)
		return true;
	if (k->has_drained)
		return true;
	if (k->life.state == BH_LIFE_STOPPED && k->life.generation == 0)
		return true;
	return k->answered &&
	       (k->life.state == BH_LIFE_RUNNING || k->life.state == BH_LIFE_DRAINING);
}

/* Since the installation; null until the forwarder has said what it keeps. */
static bool put_totals(struct bh_jsonw *w, const struct bh_books *books)
{
	bool balanced = true;
	char since[32];

	if (!books->loaded) {
		bh_jsonw_null(w, "totals");
		return true;
	}
	bh_jsonw_object(w, "totals");
	bh_rfc3339(books->since_ms * BH_NS_PER_MS, since);
	bh_jsonw_str(w, "since", since);
	bh_jsonw_array(w, "rows");
	for (size_t i = 0; i < books->totals.n; i++) {
		const struct bh_ledger_row *row = &books->totals.v[i];

		balanced &= bh_ledger_gap(&row->l) == 0;
		put_row(w, bh_book_role(row), row);
	}
	bh_jsonw_array_end(w);
	bh_jsonw_bool(w, "balanced", balanced);
	bh_jsonw_object_end(w);
	return balanced;
}

static void put_ledger(struct bh_jsonw *w, const struct bh_status_view *v, bool with_totals)
{
	bool balanced = true, complete = true;

	bh_jsonw_array(w, "rows");
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		const struct bh_kid *k = &v->kids[i];

		complete &= bh_kid_figures_known(k);
		for (size_t j = 0; k->enabled && j < k->stats.rows_n; j++) {
			balanced &= bh_ledger_gap(&k->stats.rows[j].l) == 0;
			put_row(w, k->role, &k->stats.rows[j]);
		}
	}
	bh_jsonw_array_end(w);
	if (with_totals)
		balanced &= put_totals(w, v->books);
	bh_jsonw_bool(w, "complete", complete);
	bh_jsonw_bool(w, "balanced", balanced && complete);
}

void bh_ledger_json(const struct bh_status_view *v, struct bh_buf *out)
{
	struct bh_jsonw w;

	bh_jsonw_document(&w, out);
	put_ledger(&w, v, true);
	bh_jsonw_array(&w, "missing");
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (!bh_kid_figures_known(&v->kids[i]))
			bh_jsonw_str(&w, NULL, bh_role_name((enum bh_role)i));
	}
	bh_jsonw_array_end(&w);
	bh_jsonw_object_end(&w);
}

void bh_status_json(const struct bh_status_view *v, struct bh_buf *out)
{
	struct bh_jsonw w;

	bh_jsonw_document(&w, out);
	bh_jsonw_str(&w, "state", v->state);
	bh_jsonw_bool(&w, "ready", v->ready);
	bh_jsonw_i64(&w, "pid", getpid());
	bh_jsonw_i64(&w, "uptime_s", seconds_since(v->started_mono_ns, v->mono_ns));
	bh_jsonw_u64(&w, "rss_kib", bh_proc_rss_kib(getpid()));
	bh_jsonw_u64(&w, "pss_kib", bh_proc_pss_kib(getpid()));
	bh_jsonw_str(&w, "version", BH_VERSION);
	bh_jsonw_array(&w, "roles");
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (v->kids[i].enabled)
			put_role(&w, v, &v->kids[i]);
	}
	bh_jsonw_array_end(&w);
	put_strings(&w, "notes", v->notes);
	put_strings(&w, "missing_protections", v->limits);
	bh_jsonw_object(&w, "numbers");
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (v->kids[i].enabled)
			put_numbers(&w, &v->kids[i]);
	}
	bh_jsonw_object_end(&w);
	put_ledger(&w, v, false);
	bh_jsonw_object_end(&w);
}

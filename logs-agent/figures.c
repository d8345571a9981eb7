#include "logs-agent/figures.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "logs-agent/logs_internal.h"

/* The files of one source, added up. */
struct files {
	unsigned tailed, draining;
	uint64_t behind, unread;          /* bytes of live files, of those that rotated */
	const struct bh_generation *last; /* the live one that is furthest behind */
	uint64_t last_behind;
};

static uint64_t behind(const struct bh_generation *g)
{
	struct stat st;
	uint64_t size = fstat(g->fd, &st) == 0 ? (uint64_t)st.st_size : g->read_off;

	return size > g->done_off ? size - g->done_off : 0;
}

static void add_up(const struct bh_logs *l, struct files *files)
{
	for (const struct bh_generation *g = l->head; g; g = g->next) {
		struct files *f = &files[g->source->place];
		uint64_t n = behind(g);

		if (g->state == BH_ORIGIN_DRAINING) {
			f->draining++;
			f->unread += n;
		} else if (g->state == BH_ORIGIN_LIVE) {
			f->tailed++;
			f->behind += n;
			if (!f->last || n > f->last_behind) {
				f->last = g;
				f->last_behind = n;
			}
		}
	}
}

/* §3.2's words for patterns; where a single file stands. */
static void describe_files(const struct bh_source *s, const struct files *f, char *out, size_t cap)
{
	char rotated[80] = "";

	if (f->draining)
		(void)snprintf(rotated, sizeof(rotated), "; %u rotated, %llu bytes of them unread",
		    f->draining, (unsigned long long)f->unread);
	if (s->matched == 1 && f->tailed == 1)
		(void)snprintf(out, cap, "OK: at %llu, %llu bytes behind%s",
		    (unsigned long long)f->last->done_off, (unsigned long long)f->behind, rotated);
	else
		(void)snprintf(out, cap,
		    "OK: %u files tailed out of %u files matching, %llu bytes behind%s", f->tailed,
		    s->matched, (unsigned long long)f->behind, rotated);
}

static void describe(const struct bh_source *s, const struct files *f, char *out, size_t cap)
{
	if (s->note[0])
		(void)snprintf(out, cap, "%s%s",
		    strncmp(s->note, "Error: ", 7) == 0 ? "" : "Error: ", s->note);
	else if (s->type == BH_SOURCE_FILE && s->scanned)
		describe_files(s, f, out, cap);
	else
		(void)snprintf(out, cap, s->type == BH_SOURCE_FILE ? "Pending" : "OK");
}

/* "syslog.d/conf.yaml:3" of a whole path and line. */
static const char *file_of(const char *where)
{
	const char *slash = strrchr(where, '/');

	while (slash && slash > where && slash[-1] != '/')
		slash--;
	return slash ? slash : where;
}

static void stat_rules(const struct bh_source *s, const char *shown, struct bh_child *c)
{
	for (size_t i = 0; s->rules && i < bh_ruleset_count(s->rules); i++) {
		const struct bh_rule_state *r = bh_ruleset_state(s->rules, i);
		char name[BH_LEDGER_NAME_MAX];

		if (r->dropped) {
			(void)snprintf(
			    name, sizeof(name), "rule_dropped.%.60s.%.100s", r->name, shown);
			bh_child_stat_number(c, name, r->dropped);
		}
		if (r->limit_hits) {
			(void)snprintf(
			    name, sizeof(name), "rule_limit_hits.%.60s.%.100s", r->name, shown);
			bh_child_stat_number(c, name, r->limit_hits);
		}
	}
}

static void stat_counts(const struct bh_logs *l, struct bh_child *c)
{
	const struct {
		const char *name;
		uint64_t n;
	} all[] = {
	    {"files.bytes_read", l->counts.bytes_read},
	    {"files.waiting", l->counts.files_waiting},
	    {"files.rotations", l->counts.rotations},
	    {"files.truncations", l->counts.truncations},
	    {"files.generations_lost", l->counts.generations_lost},
	    {"files.bytes_lost", l->counts.bytes_lost},
	    {"files.nul_bytes_skipped", l->counts.nul_bytes_skipped},
	    {"files.resumed_renamed", l->counts.resumed_renamed},
	    {"files.copies_recognised", l->counts.copies_recognised},
	    {"files.read_errors", l->counts.read_errors},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(all); i++)
		bh_child_stat_number(c, all[i].name, all[i].n);
}

/* Two that want one input have one name: the place tells them apart. */
static void note_name(const struct bh_source *s, const char *shown, char *out, size_t cap)
{
	if (s->runs)
		(void)snprintf(out, cap, "source.%.150s", shown);
	else
		(void)snprintf(out, cap, "source.%.90s (%.60s)", shown, file_of(s->cfg->where));
}

static void report_sources(struct bh_logs *l, struct bh_child *c, const struct files *files)
{
	for (size_t i = 0; i < l->sources_n; i++) {
		const struct bh_source *s = l->sources[i];
		char name[BH_LEDGER_NAME_MAX], shown[PATH_MAX], text[BH_CTL_TEXT_MAX];

		bh_log_source_name(s->cfg, shown, sizeof(shown));
		if (s->runs)
			bh_child_stat_ledger(c, BH_LEDGER_SOURCE, shown, strlen(shown), &s->l);
		stat_rules(s, shown, c);
		note_name(s, shown, name, sizeof(name));
		describe(s, &files[i], text, sizeof(text));
		bh_child_stat_note(c, name, "%s", text);
		if (s->lost[0])
			bh_child_stat_note(c, name, "%s", s->lost);
	}
}

/* One row for all of them: the sum of the rows still closes. */
static void report_left(const struct bh_logs *l, struct bh_child *c)
{
	static const char name[] = "(sources no longer configured)";
	struct bh_ledger sum = bh_reload_left(l);

	if (sum.received)
		bh_child_stat_ledger(c, BH_LEDGER_SOURCE, name, sizeof(name) - 1, &sum);
}

void bh_figures_turn_end(void *ctx)
{
	struct bh_logs *l = ctx;
	uint64_t batch = (uint64_t)BH_MAX(l->child->config.logs_batch_max_size, 1);
	int64_t now = bh_mono_ns(l->child->loop.clock);

	bh_fill_see(&l->batch_fill, l->batch.items, batch, now);
	bh_fill_see(&l->payloads_fill,
	    l->handover.received - l->handover.delivered - bh_ledger_dropped(&l->handover),
	    (BH_LINK_CREDIT_MSGS + BH_QUEUE_MAX) * batch, now);
}

void bh_figures_report(struct bh_logs *l, struct bh_child *c)
{
	struct files *files = calloc(l->sources_n + 1, sizeof(*files));
	struct bh_producer_stats st;

	bh_fill_report(&l->input_fill, "logs_tail_input", "source", c);
	bh_fill_report(&l->batch_fill, "logs_processor", "transform", c);
	bh_fill_report(&l->payloads_fill, "logs_payloads", "transform", c);
	bh_inlets_stats(l->inlets);
	if (files) {
		add_up(l, files);
		report_sources(l, c, files);
		report_left(l, c);
		free(files);
	}
	l->handover.in_flight =
	    l->handover.received - l->handover.delivered - bh_ledger_dropped(&l->handover);
	bh_child_stat_ledger(c, BH_LEDGER_HANDOVER, "logs", 4, &l->handover);
	bh_producer_stats(l->producer, &st);
	bh_child_stat_number(c, "files.tailed", l->live);
	bh_child_stat_number(c, "files.draining", l->draining_n);
	stat_counts(l, c);
	bh_child_stat_number(c, "link.resent", st.resent);
	bh_child_stat_number(c, "link.renewals", st.renewals);
}

/*
 * Sources that come and go while the others run (spec/logs.md §2.1): those that are in the old and
 * in the new configuration keep tailers, groups of lines and figures. One that goes is flushed and
 * handed over, and leaves: it stays in memory until its last message is acknowledged, then its
 * figures become part of a sum. One that changed goes, and comes as another one that resumes by the
 * rows of the registry.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "logs-agent/logs_internal.h"

#define COMPONENT "reload"

/* What is to be done, made before anything is. */
struct plan {
	size_t n;
	size_t *same;               /* of each new source: index of the old one, or BH_SOURCE_NEW */
	struct bh_source **sources; /* the new list */
	struct bh_source **old;     /* the list there was */
	size_t old_n;
	bool *stays; /* of each old source */
};

static void release(struct plan *p)
{
	free(p->same);
	free((void *)p->sources);
	free((void *)p->old);
	free(p->stays);
}

static bool has_port(const struct bh_log_source *s)
{
	return strcmp(s->type, "tcp") == 0 || strcmp(s->type, "udp") == 0;
}

static int compare(
    struct bh_logs *l, const struct bh_config *next, struct plan *p, struct bh_ctl_reloaded *r)
{
	const struct bh_log_source **old =
	    calloc(l->sources_n + 1, sizeof(const struct bh_log_source *));
	int rc = -ENOMEM;

	p->n = next->log_sources_n;
	p->same = calloc(p->n + 1, sizeof(*p->same));
	p->sources = calloc(p->n + 1, sizeof(struct bh_source *));
	p->stays = calloc(l->sources_n + 1, sizeof(*p->stays));
	if (old && p->same && p->sources && p->stays) {
		for (size_t i = 0; i < l->sources_n; i++)
			old[i] = l->sources[i]->cfg;
		rc = bh_log_sources_compare(
		    old, l->sources_n, next->log_sources, p->n, p->same, &r->sources);
	}
	free((void *)old);
	for (size_t i = 0; i < p->n && !rc; i++) {
		if (p->same[i] != BH_SOURCE_NEW)
			p->stays[p->same[i]] = true;
	}
	return rc;
}

static bool same_port(const struct bh_log_source *a, const struct bh_log_source *b)
{
	return has_port(a) && strcmp(a->type, b->type) == 0 && a->port == b->port &&
	       strcmp(a->bind_host, b->bind_host) == 0;
}

/* Whether a new source takes its socket over from one that goes. */
static bool has_ancestor(
    const struct bh_logs *l, const struct plan *p, const struct bh_log_source *now)
{
	for (size_t i = 0; i < l->sources_n; i++) {
		if (!p->stays[i] && same_port(l->sources[i]->cfg, now) &&
		    bh_inlets_has(l->inlets, l->sources[i]))
			return true;
	}
	return false;
}

/* Sockets that are not there yet come from the supervisor, with a start. */
static bool needs_sockets(
    const struct bh_logs *l, const struct bh_config *next, const struct plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct bh_log_source *now = &next->log_sources[i];

		if (p->same[i] == BH_SOURCE_NEW && has_port(now) && !now->fault[0] &&
		    !has_ancestor(l, p, now))
			return true;
	}
	return false;
}

/* -ENOMEM: what was made is given back, and next is for release only. */
static int make_new(struct bh_logs *l, struct bh_config *next, struct plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->same[i] != BH_SOURCE_NEW) {
			p->sources[i] = l->sources[p->same[i]];
			continue;
		}
		p->sources[i] =
		    bh_source_new(&next->log_sources[i], &l->child->config, &l->child->log);
		if (p->sources[i]) {
			p->sources[i]->late = true;
			continue;
		}
		while (i-- > 0) {
			if (p->same[i] == BH_SOURCE_NEW)
				bh_source_free(p->sources[i]);
		}
		return -ENOMEM;
	}
	return 0;
}

/* --- leaving ------------------------------------------------------------------------------------
 */

/* Everything they have read is in batches, and the registry will know of it. */
static void hand_over_all(struct bh_logs *l)
{
	do {
		bh_handover_close(l);
	} while ((l->dirty || l->dirty_rows) && l->child->exit_code == 0);
}

static void leave(struct bh_logs *l, const struct plan *p)
{
	for (size_t i = 0; i < l->sources_n; i++) {
		if (p->stays[i])
			continue;
		bh_tailing_flush_source(l, l->sources[i]);
		bh_ages_note_end(l, l->sources[i]);
	}
	hand_over_all(l);
	for (size_t i = 0; i < l->sources_n && l->child->exit_code == 0; i++) {
		struct bh_source *s = l->sources[i];

		if (p->stays[i])
			continue;
		bh_tailing_leave(l, s);
		bh_journals_leave(l, s);
		s->next = l->leaving;
		l->leaving = s;
	}
}

static void add_up(struct bh_ledger *sum, const struct bh_ledger *l)
{
	sum->received += l->received;
	sum->delivered += l->delivered;
	sum->spooled += l->spooled;
	sum->in_flight += l->in_flight;
	for (int i = 0; i < BH_DROP__N; i++)
		sum->dropped[i] += l->dropped[i];
}

void bh_reload_settle(struct bh_logs *l)
{
	struct bh_source **at = &l->leaving;

	while (*at) {
		struct bh_source *s = *at;

		if (s->l.in_flight || s->busy) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		add_up(&l->left, &s->l);
		bh_source_free(s);
	}
}

struct bh_ledger bh_reload_left(const struct bh_logs *l)
{
	struct bh_ledger sum = l->left;

	for (const struct bh_source *s = l->leaving; s; s = s->next)
		add_up(&sum, &s->l);
	return sum;
}

/* --- coming -------------------------------------------------------------------------------------
 */

static void install(struct bh_logs *l, struct bh_config *next, struct plan *p)
{
	p->old = l->sources;
	p->old_n = l->sources_n;
	l->sources = p->sources;
	l->sources_n = p->n;
	p->sources = NULL;
	for (size_t i = 0; i < l->sources_n; i++) {
		struct bh_source *s = l->sources[i];

		s->place = i;
		if (p->same[i] == BH_SOURCE_NEW)
			bh_ages_recall_one(l, s);
		else
			bh_source_moved(s, &next->log_sources[i]);
	}
}

/* Sockets change hands; connections that belong to a source that is gone end. */
static void pass_ports_on(struct bh_logs *l, const struct plan *p)
{
	for (size_t i = 0; i < p->old_n; i++) {
		struct bh_source *heir = NULL;

		if (p->stays[i] || !has_port(p->old[i]->cfg))
			continue;
		for (size_t k = 0; k < p->n && !heir; k++) {
			if (p->same[k] == BH_SOURCE_NEW &&
			    same_port(p->old[i]->cfg, l->sources[k]->cfg))
				heir = l->sources[k];
		}
		bh_inlets_leave(l->inlets, p->old[i], heir);
	}
}

static void begin(struct bh_logs *l, const struct plan *p)
{
	pass_ports_on(l, p);
	l->look_for_gone = true;
	bh_scan_run(l);
	for (size_t i = 0; i < l->sources_n; i++) {
		if (p->same[i] == BH_SOURCE_NEW)
			bh_journals_add(l, l->sources[i]);
	}
	bh_handover_close(l); /* start positions are registered before the first line */
}

/* What was created until now the sources of now have seen, wherever they go. */
static void exchange(struct bh_logs *l, struct bh_config *next, struct plan *p)
{
	bh_scan_run(l);
	leave(l, p);
	if (l->child->exit_code)
		return; /* everything is read again from what is acknowledged */
	install(l, next, p);
	begin(l, p);
	bh_reload_settle(l);
}

void bh_reload_sources(struct bh_logs *l, struct bh_config *next, struct bh_ctl_reloaded *r)
{
	struct plan p = {0};

	r->restart = !l->link_ready || l->draining || compare(l, next, &p, r) ||
		     needs_sockets(l, next, &p) || bh_outgrown_by(l, next) || make_new(l, next, &p);
	if (!r->restart) {
		exchange(l, next, &p);
		bh_info(&l->child->log, COMPONENT,
		    "sources added=%u removed=%u changed=%u unchanged=%u", r->sources.added,
		    r->sources.removed, r->sources.changed, r->sources.unchanged);
	}
	release(&p);
}

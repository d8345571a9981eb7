#include "supervisor/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/jsonw.h"
#include "common/version.h"

/* Valid data that is gone; the other reasons are about input that had no value to begin with. */
static bool is_loss(enum bh_drop reason)
{
	switch (reason) {
	case BH_DROP_PARSE_ERROR:
	case BH_DROP_UNTERMINATED:
	case BH_DROP_TRUNCATED:
	case BH_DROP_UNSUPPORTED:
	case BH_DROP_NONFINITE:
	case BH_DROP_FILTERED:
	case BH_DROP_EMPTY:
	case BH_DROP_INTERRUPTED:
		return false;
	default:
		return true;
	}
}

static uint64_t dropped(const struct bh_report_role *role, enum bh_drop reason)
{
	uint64_t sum = 0;

	for (size_t i = 0; role->stats && i < role->stats->rows_n; i++)
		sum += role->stats->rows[i].l.dropped[reason];
	return sum;
}

static uint64_t lost(const struct bh_report_role *role)
{
	uint64_t sum = 0;

	for (int reason = 0; reason < BH_DROP__N; reason++) {
		if (is_loss((enum bh_drop)reason))
			sum += dropped(role, (enum bh_drop)reason);
	}
	return sum;
}

static size_t open_rows(const struct bh_report_role *role)
{
	size_t n = 0;

	for (size_t i = 0; role->stats && i < role->stats->rows_n; i++)
		n += bh_ledger_gap(&role->stats->rows[i].l) != 0;
	return n;
}

static bool covered(const struct bh_ctl_stream *s, const struct bh_report_role *forwarder)
{
	if (s->seq == 0)
		return true;
	if (!forwarder->has_drained)
		return false;
	for (uint32_t i = 0; i < forwarder->drained.streams_n; i++) {
		const struct bh_ctl_stream *f = &forwarder->drained.streams[i];

		if (f->producer == s->producer && f->epoch == s->epoch && f->seq >= s->seq)
			return true;
	}
	return false;
}

bool bh_report_fence_match(const struct bh_report *r, enum bh_role producer)
{
	const struct bh_report_role *p = &r->role[producer];

	if (!p->has_drained)
		return p->result == BH_DRAIN_NOT_RUNNING;
	for (uint32_t i = 0; i < p->drained.streams_n; i++) {
		if (!covered(&p->drained.streams[i], &r->role[BH_ROLE_FORWARDER]))
			return false;
	}
	return true;
}

/* Why this child's share is not proven; NULL when it is. Logs are files: what is left is read
 * again. */
static const char *doubt(const struct bh_report *r, enum bh_role role)
{
	const struct bh_report_role *p = &r->role[role];

	if (!p->enabled)
		return NULL;
	if (p->result == BH_DRAIN_TIMEOUT)
		return role == BH_ROLE_LOGS ? "missed its deadline; its files are read again"
					    : "missed its deadline; what it held is unknown";
	if (p->result == BH_DRAIN_CRASHED)
		return role == BH_ROLE_LOGS ? "ended while draining; its files are read again"
					    : "ended while draining; what it held is unknown";
	if (role == BH_ROLE_DOGSTATSD && r->unread)
		return "left datagrams of clients unread";
	if (p->has_drained && role != BH_ROLE_LOGS && (p->drained.left || !p->drained.complete))
		return "could not put everything in a safe place";
	if (open_rows(p))
		return "has a ledger row that does not close";
	if (role != BH_ROLE_FORWARDER && !bh_report_fence_match(r, role))
		return "was acknowledged further than the forwarder can show";
	return NULL;
}

bool bh_report_accounted(const struct bh_report *r)
{
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (doubt(r, (enum bh_role)i) || (r->role[i].enabled && lost(&r->role[i])))
			return false;
	}
	return true;
}

void bh_rfc3339(int64_t wall_ns, char *out)
{
	time_t seconds = (time_t)(wall_ns / BH_NS_PER_S);
	char day[24] = "";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		(void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out, 32, "%s.%03dZ", day, (int)(wall_ns / BH_NS_PER_MS % 1000));
}

static void put_dropped(struct bh_jsonw *w, const struct bh_report_role *role)
{
	bh_jsonw_object(w, "dropped");
	for (int i = 0; i < BH_DROP__N; i++) {
		uint64_t n = dropped(role, (enum bh_drop)i);

		if (n)
			bh_jsonw_u64(w, bh_drop_name((enum bh_drop)i), n);
	}
	bh_jsonw_object_end(w);
}

static void put_role(struct bh_jsonw *w, const struct bh_report *r, enum bh_role role)
{
	const struct bh_report_role *p = &r->role[role];

	bh_jsonw_object(w, NULL);
	bh_jsonw_str(w, "name", bh_role_name(role));
	bh_jsonw_str(w, "result", bh_drain_result_name(p->result));
	bh_jsonw_i64(w, "ms", p->ms);
	bh_jsonw_bool(w, "complete", p->has_drained && p->drained.complete);
	bh_jsonw_u64(w, "durable", p->drained.durable);
	bh_jsonw_u64(w, "delivered", p->drained.delivered);
	bh_jsonw_u64(w, "spooled", p->drained.spooled);
	bh_jsonw_u64(w, "left", p->drained.left);
	put_dropped(w, p);
	if (role != BH_ROLE_FORWARDER)
		bh_jsonw_bool(w, "fence_match", bh_report_fence_match(r, role));
	else
		bh_jsonw_u64(w, "restarts", r->forwarder_restarts);
	bh_jsonw_str(w, "doubt", doubt(r, role));
	bh_jsonw_object_end(w);
}

void bh_report_json(const struct bh_report *r, struct bh_buf *out)
{
	char time_text[32];
	struct bh_jsonw w;

	bh_jsonw_document(&w, out);
	bh_jsonw_str(&w, "version", BH_VERSION);
	bh_jsonw_str(&w, "cause", r->cause);
	bh_jsonw_str(&w, "mode", r->fast ? "fast" : "full");
	bh_rfc3339(r->began_wall_ns, time_text);
	bh_jsonw_str(&w, "start", time_text);
	bh_rfc3339(r->ended_wall_ns, time_text);
	bh_jsonw_str(&w, "end", time_text);
	bh_jsonw_i64(&w, "ms", r->ms);
	bh_jsonw_bool(&w, "accounted", bh_report_accounted(r));
	bh_jsonw_bool(&w, "unread_datagrams", r->unread);
	bh_jsonw_array(&w, "roles");
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (r->role[i].enabled)
			put_role(&w, r, (enum bh_role)i);
	}
	bh_jsonw_array_end(&w);
	bh_jsonw_object_end(&w);
}

static void text_role(const struct bh_report *r, enum bh_role role, struct bh_buf *out)
{
	const struct bh_report_role *p = &r->role[role];
	const struct bh_ctl_drained *d = &p->drained;

	bh_buf_printf(out, "  %-10s %-12s", bh_role_name(role), bh_drain_result_name(p->result));
	if (p->result != BH_DRAIN_NOT_RUNNING)
		bh_buf_printf(out, "%3" PRId64 ".%02d s", p->ms / 1000, (int)(p->ms % 1000 / 10));
	if (p->has_drained && role == BH_ROLE_FORWARDER)
		bh_buf_printf(
		    out, "  delivered %" PRIu64 ", spooled %" PRIu64, d->delivered, d->spooled);
	else if (p->has_drained)
		bh_buf_printf(out, "  acknowledged %" PRIu64, d->durable);
	if (d->left)
		bh_buf_printf(out, ", left %" PRIu64, d->left);
	bh_buf_u8(out, '\n');
}

static void text_dropped(const struct bh_report *r, enum bh_role role, struct bh_buf *out)
{
	for (int i = 0; i < BH_DROP__N; i++) {
		uint64_t n = dropped(&r->role[role], (enum bh_drop)i);

		if (n)
			bh_buf_printf(out, "  %-10s dropped %" PRIu64 ": %s%s\n",
			    bh_role_name(role), n, bh_drop_name((enum bh_drop)i),
			    is_loss((enum bh_drop)i) ? "" : " (input without value)");
	}
}

void bh_report_text(const struct bh_report *r, struct bh_buf *out)
{
	bh_buf_printf(out, "drain (%s%s): %" PRId64 ".%02d s, %s\n", r->cause,
	    r->fast ? ", fast" : "", r->ms / 1000, (int)(r->ms % 1000 / 10),
	    bh_report_accounted(r) ? "everything is accounted for"
				   : "not everything is accounted for");
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (r->role[i].enabled)
			text_role(r, (enum bh_role)i, out);
	}
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		const char *why = doubt(r, (enum bh_role)i);

		text_dropped(r, (enum bh_role)i, out);
		if (why)
			bh_buf_printf(out, "  %-10s %s\n", bh_role_name((enum bh_role)i), why);
	}
	if (r->forwarder_restarts)
		bh_buf_str(out, "  forwarder  was started again while the producers drained\n");
}

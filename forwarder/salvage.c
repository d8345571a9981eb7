#include "forwarder/salvage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "forwarder/salvage_positions.h"
#include "forwarder/store_ledger.h"

#define GROUP_ROWS   64
#define GROUP_BYTES  ((uint64_t)16 << 20)
#define DISK_RESERVE ((uint64_t)4 << 20)
#define WALKS        (BH_SALVAGE_DESTS + 1)

struct salvage {
	const struct bh_salvage_config *cfg;
	struct bh_salvage_report *out;
	struct bh_salvage_reader reader;
	struct bh_store *to;
	struct bh_proof *proof;
	int64_t ids[BH_SALVAGE_DESTS]; /* in the new store, by place in out->dests */
	int kinds[BH_SALVAGE_DESTS];
	struct bh_salvage_cursor walks[WALKS];
	size_t place[WALKS]; /* in out->dests, of each walk */
	size_t walks_n;
	uint64_t top;
	size_t group_rows;
	uint64_t group_bytes, bytes;
	bool rows_whole;
};

static int report_place(struct salvage *s, const char *key, int kind, size_t *place)
{
	struct bh_salvage_report *out = s->out;

	for (*place = 0; *place < out->dests_n; (*place)++) {
		if (strcmp(out->dests[*place].key, key) == 0)
			return 0;
	}
	if (out->dests_n == BH_SALVAGE_DESTS)
		return BH_E_LIMIT;
	(void)snprintf(out->dests[out->dests_n].key, BH_SALVAGE_KEY, "%s", key);
	out->dests_n++;
	s->kinds[*place] = kind;
	return bh_store_destination(s->to, key, kind, true, &s->ids[*place]);
}

/* Without its row in delivery a payload is owed to the first destination its class has. */
static size_t class_of(const struct bh_spool_row *row)
{
	return row->kind == BH_KIND_LOGS ? 0 : 1;
}

static int begin_walks(struct salvage *s)
{
	const struct bh_salvage_reader *r = &s->reader;
	size_t place;
	int rc = report_place(s, "logs/primary", 1, &place);

	if (!rc)
		rc = report_place(s, "metrics/primary", 0, &place);
	for (size_t i = 0; i < r->dests_n && !rc; i++) {
		rc = report_place(s, r->dests[i].key, r->dests[i].kind, &place);
		if (rc == BH_E_LIMIT)
			return 0;
		s->place[s->walks_n + 1] = place;
		s->walks_n++;
	}
	s->walks_n++; /* the first is the spool's own */
	for (size_t i = 0; i < s->walks_n && !rc; i++)
		bh_salvage_first(&s->reader, &s->walks[i], i == 0 ? 0 : r->dests[i - 1].id);
	return rc;
}

static uint64_t lowest(const struct salvage *s)
{
	uint64_t low = 0;

	for (size_t i = 0; i < s->walks_n; i++) {
		if (s->walks[i].at && (!low || s->walks[i].at < low))
			low = s->walks[i].at;
	}
	return low;
}

static int end_group(struct salvage *s)
{
	int rc = s->group_rows ? bh_store_commit(s->to) : 0;

	s->group_rows = 0;
	s->group_bytes = 0;
	if (!rc)
		bh_store_tend(s->to, false);
	return rc;
}

static bool has_room(struct salvage *s, uint64_t bytes)
{
	uint64_t need = 2 * (s->group_bytes + bytes) + DISK_RESERVE;

	return s->bytes + bytes <= s->cfg->max_bytes && bh_store_disk_free(s->to) > need;
}

/* Which destinations of the walks stand at this ord, else the one of its class. */
static int owe(struct salvage *s, const struct bh_spool_row *row)
{
	bool put = false;
	int rc = 0;

	for (size_t i = 1; i < s->walks_n && !rc; i++) {
		if (s->walks[i].at != row->ord)
			continue;
		rc = put ? bh_store_put_delivery(s->to, row->ord, row->body.n, s->ids[s->place[i]])
			 : bh_store_put(s->to, row, s->ids[s->place[i]]);
		put = true;
		s->out->dests[s->place[i]].rows++;
	}
	if (put || rc)
		return rc;
	s->out->dests[class_of(row)].rows++;
	return bh_store_put(s->to, row, s->ids[class_of(row)]);
}

static void lose(struct salvage *s, uint64_t ord, const struct bh_spool_row *row)
{
	bool counted = false;

	for (size_t i = 1; i < s->walks_n; i++) {
		if (s->walks[i].at == ord) {
			s->out->dests[s->place[i]].lost++;
			counted = true;
		}
	}
	if (!counted && row)
		s->out->dests[class_of(row)].lost++;
	s->out->lost++;
}

static int put(struct salvage *s, struct bh_spool_row *row)
{
	int64_t now = bh_wall_ms(s->cfg->clock);
	int rc = s->group_rows == 0 ? bh_store_begin(s->to) : 0;

	if (rc)
		return rc;
	/* Unchecked values, kept within what can be. */
	row->created_ms = BH_MIN(BH_MAX(row->created_ms, 0), now);
	row->expires_ms = BH_MIN(row->expires_ms, now + BH_STORE_TTL_MS);
	if (!bh_origins_fit(row->origins))
		row->origins = (struct bh_str){"", 0}; /* delivered all the same */
	s->group_rows++;
	rc = owe(s, row);
	if (!rc)
		rc = bh_proof_row(s->proof, row->ord, row->origins);
	s->out->rows++;
	s->group_bytes += row->body.n;
	s->bytes += row->body.n + row->origins.n;
	s->top = BH_MAX(s->top, row->ord);
	if (!rc && (s->group_rows == GROUP_ROWS || s->group_bytes >= GROUP_BYTES))
		rc = end_group(s);
	return rc;
}

static int copy_one(struct salvage *s, uint64_t ord)
{
	struct bh_spool_row row = {0};
	void *block = NULL;
	int got = bh_salvage_row(&s->reader, ord, &row, &block), rc = 0;

	if (got == -ENOMEM)
		rc = got;
	else if (got)
		lose(s, ord, block ? &row : NULL);
	else if (!has_room(s, row.body.n + row.origins.n))
		s->out->no_room = true;
	else
		rc = put(s, &row);
	if (s->out->no_room && !got)
		lose(s, ord, &row);
	free(block);
	return rc;
}

/* What the destination counted itself is what it was owed, unless the count is damaged: then it is
 * said that more may be missing. */
static void settle_counts(struct salvage *s)
{
	for (size_t i = 1; i < s->walks_n; i++) {
		uint64_t pending = s->reader.dests[i - 1].pending_rows;
		struct bh_salvage_class *d = &s->out->dests[s->place[i]];

		if (pending > d->rows + d->lost && pending < s->reader.top_ord) {
			s->out->lost += pending - d->rows - d->lost;
			d->lost = pending - d->rows;
		}
		if (pending != d->rows + d->lost)
			s->rows_whole = false;
	}
	for (size_t i = 0; i < s->walks_n; i++)
		s->rows_whole &= !s->walks[i].broken;
	s->rows_whole &= !s->reader.dests_broken && s->reader.rows_readable;
	s->out->rows_uncertain = !s->rows_whole || s->out->late || s->out->no_room;
}

static int copy_rows(struct salvage *s)
{
	uint64_t ord;
	int rc = begin_walks(s);

	while (!rc && s->cfg->rows && !s->out->no_room && (ord = lowest(s)) != 0) {
		if (bh_salvage_late(&s->reader)) {
			s->out->late = true;
			break;
		}
		rc = copy_one(s, ord);
		for (size_t i = 0; i < s->walks_n && !rc; i++) {
			if (s->walks[i].at == ord)
				bh_salvage_next(&s->reader, &s->walks[i]);
		}
	}
	if (!rc)
		rc = end_group(s);
	s->out->late |= bh_salvage_late(&s->reader);
	settle_counts(s);
	return rc;
}

static int read_position(void *ctx, const struct bh_origin *row, uint64_t safe_ord,
    uint64_t delivered_ord, struct bh_str complete)
{
	struct salvage *s = ctx;

	s->top = BH_MAX(s->top, safe_ord);
	return bh_proof_position(s->proof, row, safe_ord, delivered_ord, complete);
}

static int write_position(void *ctx, const struct bh_proven *v)
{
	struct salvage *s = ctx;
	struct bh_position p = bh_position_of(&v->row, v->safe_ord, v->delivered_ord);

	s->out->positions++;
	s->out->moved_back += v->moved_back;
	s->out->bytes_back += v->bytes_back;
	return bh_store_position(s->to, &p);
}

static int write_source(void *ctx, const struct bh_origin *o)
{
	struct salvage *s = ctx;
	struct bh_origin row = *o;
	struct bh_position p;
	char at[24];

	if (strtoll(o->offset_last.p, NULL, 10) > s->cfg->lost_ms) {
		(void)snprintf(at, sizeof(at), "%lld", (long long)s->cfg->lost_ms);
		row.offset_last = bh_str_from(at);
	}
	p = bh_position_of(&row, 0, 0);
	return bh_store_position(s->to, &p);
}

static int write_registry(struct salvage *s, bool registry_whole)
{
	bool sources_whole = false;
	bool all = s->rows_whole && s->out->lost == 0 && s->cfg->rows && !s->out->late;
	int rc = bh_store_begin(s->to);

	if (!rc)
		rc = bh_proof_each(s->proof, all, s->cfg->rng, write_position, s);
	if (!rc)
		rc = bh_salvage_sources(&s->reader, write_source, s, &sources_whole);
	if (!rc)
		rc = bh_store_commit(s->to);
	s->out->refused = bh_proof_refused(s->proof);
	s->out->registry_whole = registry_whole && sources_whole && s->out->refused == 0;
	return rc;
}

static int copy(struct salvage *s)
{
	bool registry_whole = false;
	int rc = bh_salvage_positions(&s->reader, read_position, s, &registry_whole);

	if (!rc)
		rc = copy_rows(s);
	if (!rc)
		rc = write_registry(s, registry_whole);
	if (!rc)
		rc = bh_store_ledger_salvage(&s->reader.old, s->to);
	if (!rc)
		rc = bh_store_raise_ord(s->to, BH_MAX(s->top, s->reader.top_ord));
	if (rc)
		bh_store_rollback(s->to);
	return rc;
}

int bh_salvage(const char *path, struct bh_store *to, const struct bh_salvage_config *cfg,
    struct bh_salvage_report *out)
{
	struct salvage *s = calloc(1, sizeof(*s));
	int rc;

	*out = (struct bh_salvage_report){.rows_uncertain = true};
	if (!s)
		return -ENOMEM;
	s->cfg = cfg;
	s->out = out;
	s->to = to;
	s->rows_whole = true;
	s->proof = bh_proof_new();
	rc = s->proof ? 0 : -ENOMEM;
	if (!rc)
		out->readable =
		    bh_salvage_open(&s->reader, path, cfg->clock, cfg->deadline_ns) == 0;
	if (!rc && out->readable)
		rc = copy(s);
	bh_salvage_release(&s->reader);
	bh_proof_free(s->proof);
	free(s);
	return rc;
}

#include "forwarder/salvage_positions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/buf.h"
#include "common/err.h"

#define SLOTS 4096

/* Strings of an origin are kept as its own encoding. */
struct generation {
	struct generation *next;
	struct bh_buf safe_mem, tip_mem;
	struct bh_origin safe; /* as registered: offset_first = delivered */
	struct bh_origin tip;  /* the last part of the unbroken run; valid when parts > 0 */
	uint64_t safe_ord, delivered_ord, tip_ord;
	size_t parts;
	bool doubtful; /* the columns contradict each other */
	bool reached;  /* the run has come by safe */
	bool stray;    /* a part that the run does not lead to */
	bool beyond;   /* a part that is newer than safe */
	bool end_seen; /* the part that ended at safe */
};

struct bh_proof {
	struct generation *slots[SLOTS];
	size_t n, refused;
};

struct bh_proof *bh_proof_new(void)
{
	return calloc(1, sizeof(struct bh_proof));
}

void bh_proof_free(struct bh_proof *p)
{
	for (size_t i = 0; p && i < SLOTS; i++) {
		while (p->slots[i]) {
			struct generation *g = p->slots[i];

			p->slots[i] = g->next;
			bh_buf_release(&g->safe_mem);
			bh_buf_release(&g->tip_mem);
			free(g);
		}
	}
	free(p);
}

size_t bh_proof_refused(const struct bh_proof *p)
{
	return p->refused;
}

static struct generation **slot(struct bh_proof *p, const struct bh_origin *o)
{
	return &p->slots[XXH3_64bits_withSeed(o->identifier.p, o->identifier.n, o->gen) % SLOTS];
}

static struct generation *find(struct bh_proof *p, const struct bh_origin *o)
{
	struct generation *g = *slot(p, o);

	while (g && (g->safe.gen != o->gen || !bh_str_eq(g->safe.identifier, o->identifier)))
		g = g->next;
	return g;
}

static int keep(struct bh_origin *to, struct bh_buf *mem, const struct bh_origin *o)
{
	int rc;

	bh_buf_clear(mem);
	rc = bh_origin_encode(o, mem);
	/* behind the record's length */
	return rc ? rc : bh_origin_decode((struct bh_str){mem->data + 4, mem->len - 4}, to);
}

static bool number(struct bh_str s, uint64_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || v > (UINT64_MAX - 9) / 10)
			return false;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*out = v;
	return s.n > 0 && v <= INT64_MAX;
}

/* The lowest of the columns, when they are numbers: the others are no less. */
static bool lowest(struct bh_origin *o, struct bh_str complete)
{
	struct bh_str all[3] = {complete, o->offset_first, o->offset_last};
	uint64_t low = UINT64_MAX;

	for (size_t i = 0; i < 3; i++) {
		uint64_t v = 0;

		if (!number(all[i], &v))
			return false;
		if (v < low) {
			low = v;
			o->offset_first = all[i];
		}
	}
	return true;
}

static bool in_order(const struct bh_origin *o)
{
	uint64_t first, last;

	return !number(o->offset_first, &first) || !number(o->offset_last, &last) || first <= last;
}

int bh_proof_position(struct bh_proof *p, const struct bh_origin *row, uint64_t safe_ord,
    uint64_t delivered_ord, struct bh_str complete)
{
	static const struct bh_str nothing = BH_STR_LIT("0");
	struct bh_origin o = *row;
	struct generation *g, **at = slot(p, row);
	bool file = bh_str_starts(o.identifier, BH_STR_LIT("file:"));
	bool doubtful;
	int rc;

	if (p->n >= BH_PROOF_ROWS_MAX || find(p, row))
		return 0;
	doubtful = !bh_str_eq(o.offset_first, complete) || !in_order(&o);
	if (file && o.offset_first.n == 0 && complete.n == 0)
		o.offset_first = complete = nothing; /* nothing of it was delivered yet */
	if ((file || doubtful) && !lowest(&o, complete)) {
		p->refused++;
		return 0;
	}
	g = calloc(1, sizeof(*g));
	if (!g)
		return -ENOMEM;
	rc = keep(&g->safe, &g->safe_mem, &o);
	if (rc) {
		bh_buf_release(&g->safe_mem);
		free(g);
		p->refused += rc != -ENOMEM;
		return rc == -ENOMEM ? rc : 0;
	}
	g->safe_ord = safe_ord;
	g->delivered_ord = delivered_ord;
	g->doubtful = doubtful;
	g->reached = bh_str_eq(g->safe.offset_first, g->safe.offset_last);
	g->next = *at;
	*at = g;
	p->n++;
	return 0;
}

static int take_part(struct bh_proof *p, const struct bh_origin *o, uint64_t ord)
{
	struct generation *g = find(p, o);

	if (!g)
		return 0;
	g->beyond |= ord > g->safe_ord;
	g->end_seen |= ord == g->safe_ord && bh_str_eq(o->offset_last, g->safe.offset_last);
	if (!bh_str_eq(g->parts ? g->tip.offset_last : g->safe.offset_first, o->offset_first)) {
		g->stray = true;
		return 0;
	}
	g->parts++;
	g->tip_ord = ord;
	g->reached |= bh_str_eq(o->offset_last, g->safe.offset_last);
	return keep(&g->tip, &g->tip_mem, o);
}

int bh_proof_row(struct bh_proof *p, uint64_t ord, struct bh_str origins)
{
	struct bh_origins_reader r;
	struct bh_origin o;
	int rc = bh_origins_begin(&r, origins.p, origins.n);

	while (!rc && (rc = bh_origins_next(&r, &o)) == 1)
		rc = take_part(p, &o, ord);
	return rc == -ENOMEM ? rc : 0;
}

static struct bh_proven verdict(const struct generation *g, bool all_rows, struct bh_rng *rng)
{
	struct bh_proven v = {
	    .row = g->safe, .safe_ord = g->safe_ord, .delivered_ord = g->delivered_ord};
	uint64_t safe = 0, delivered = 0;

	if (!g->doubtful && g->reached && !g->stray) {
		if (g->parts && g->tip_ord >= g->safe_ord) {
			v.row =
			    g->tip; /* rows may have come back that are newer than the registry */
			v.row.offset_first = g->safe.offset_first;
			v.safe_ord = g->tip_ord;
		}
		return v;
	}
	if (!g->doubtful && all_rows && g->end_seen && !g->beyond)
		return v;
	v.moved_back = true;
	if (number(v.row.offset_last, &safe) && number(v.row.offset_first, &delivered) &&
	    safe > delivered)
		v.bytes_back = safe - delivered;
	v.row.offset_last = v.row.offset_first;
	v.row.gen = bh_rng_u64(rng);
	v.row.marker_len = 0; /* the one there is belongs to safe */
	v.row.marker_hash = 0;
	v.safe_ord = v.delivered_ord;
	if (v.row.state == BH_ORIGIN_FINISHED)
		v.row.state = BH_ORIGIN_DRAINING; /* to be looked for, and read to its end again */
	return v;
}

int bh_proof_each(struct bh_proof *p, bool all_rows, struct bh_rng *rng,
    int (*fn)(void *ctx, const struct bh_proven *v), void *ctx)
{
	for (size_t i = 0; i < SLOTS; i++) {
		for (const struct generation *g = p->slots[i]; g; g = g->next) {
			struct bh_proven v = verdict(g, all_rows, rng);
			/* Nothing is left of a forgotten one that could be read again. */
			bool gone = v.moved_back && v.row.state == BH_ORIGIN_FORGOTTEN;
			int rc = gone ? 0 : fn(ctx, &v);

			if (rc)
				return rc;
		}
	}
	return 0;
}

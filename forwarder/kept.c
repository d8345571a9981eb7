#include "forwarder/kept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "forwarder/store_ledger.h"

#define SINCE "since_ms"

/* Entries of a row besides the reasons, by name in the table. */
enum entry { RECEIVED, DELIVERED, SPOOLED, IN_FLIGHT, ENTRY__N };

static const char *const entry_names[ENTRY__N] = {
    [RECEIVED] = "received",
    [DELIVERED] = "delivered",
    [SPOOLED] = "spooled",
    [IN_FLIGHT] = "in_flight",
};

static uint64_t *entry(struct bh_ledger *l, size_t i)
{
	uint64_t *const fields[ENTRY__N] = {
	    &l->received, &l->delivered, &l->spooled, &l->in_flight};

	return i < ENTRY__N ? fields[i] : &l->dropped[i - ENTRY__N];
}

/* Reasons are stored by their words: their numbers may change from version to version. */
static const char *entry_name(size_t i)
{
	return i < ENTRY__N ? entry_names[i] : bh_drop_name((enum bh_drop)(i - ENTRY__N));
}

static struct bh_kept_row *find(const struct bh_kept *k, enum bh_ledger_kind kind, const char *name)
{
	for (struct bh_kept_row *r = k->head; r; r = r->next) {
		if (r->row.kind == kind && strcmp(r->row.name, name) == 0)
			return r;
	}
	return NULL;
}

static struct bh_kept_row *find_or_add(
    struct bh_kept *k, enum bh_ledger_kind kind, const char *name)
{
	static const struct bh_ledger none;
	struct bh_kept_row *r = find(k, kind, name);

	if (r)
		return r;
	r = k->n < BH_KEPT_ROWS ? calloc(1, sizeof(*r)) : NULL;
	if (!r) {
		k->refused++;
		return NULL;
	}
	bh_ledger_row_set(&r->row, kind, name, strlen(name), &none);
	r->next = k->head;
	k->head = r;
	k->n++;
	return r;
}

/* A kind or a reason of another version is left in the table and not shown. */
static int load(void *ctx, const struct bh_ledger_entry *e)
{
	struct bh_kept *k = ctx;
	int kind = 0;

	if (e->kind[0] == '\0' && strcmp(e->entry, SINCE) == 0)
		k->since_ms = e->n;
	while (kind < BH_LEDGER__N &&
	       strcmp(bh_ledger_kind_name((enum bh_ledger_kind)kind), e->kind) != 0)
		kind++;
	if (kind == BH_LEDGER__N)
		return 0;
	for (size_t i = 0; i < ENTRY__N + BH_DROP__N; i++) {
		struct bh_kept_row *r;

		if (strcmp(entry_name(i), e->entry) != 0)
			continue;
		r = find_or_add(k, (enum bh_ledger_kind)kind, e->name);
		if (!r)
			return -ENOMEM;
		*entry(&r->row.l, i) = (uint64_t)e->n;
		r->stored = true;
	}
	return 0;
}

int bh_kept_open(struct bh_kept *k, struct bh_store *store, int64_t now_ms)
{
	int rc;

	*k = (struct bh_kept){.store = store};
	rc = bh_store_ledger_each(store, load, k);
	if (!rc && k->since_ms == 0) {
		k->since_ms = now_ms;
		rc = bh_store_ledger_put(store, "", "", SINCE, now_ms);
		if (rc == -ENOSPC) { /* there is room kept for this */
			bh_store_relieve(store);
			rc = bh_store_ledger_put(store, "", "", SINCE, now_ms);
		}
	}
	return rc;
}

void bh_kept_release(struct bh_kept *k)
{
	while (k->head) {
		struct bh_kept_row *r = k->head;

		k->head = r->next;
		free(r);
	}
	k->n = 0;
}

struct bh_kept_row *bh_kept_dest(
    struct bh_kept *k, const char *name, uint64_t spooled_items, bool replaced)
{
	struct bh_kept_row *r = find_or_add(k, BH_LEDGER_DESTINATION, name);
	uint64_t should;

	if (!r)
		return NULL;
	should = r->row.l.received - r->row.l.delivered - bh_ledger_dropped(&r->row.l);
	if (!r->stored)
		r->owed.received = spooled_items;
	else if (replaced && should > spooled_items)
		r->owed.dropped[BH_DROP_CORRUPT] = should - spooled_items;
	else if (replaced)
		r->owed.received = spooled_items - should; /* what the old file had not counted */
	return r;
}

static void add(struct bh_ledger *to, const struct bh_ledger *more)
{
	struct bh_ledger counts = *more;

	counts.spooled = counts.in_flight = 0; /* not history: the present says what they are */
	bh_ledger_add(to, &counts);
}

void bh_kept_add(struct bh_kept_row *row, const struct bh_ledger *more)
{
	if (row)
		add(&row->staged, more);
}

void bh_kept_owe(struct bh_kept_row *row, const struct bh_ledger *more)
{
	if (row)
		add(&row->owed, more);
}

void bh_kept_put(struct bh_kept *k, const struct bh_ledger_row *row)
{
	struct bh_kept_row *r;

	if (row->kind == BH_LEDGER_DESTINATION)
		return; /* counted here */
	r = find_or_add(k, row->kind, row->name);
	if (!r || (r->stored && !r->is_put && memcmp(&r->row.l, &row->l, sizeof(row->l)) == 0))
		return;
	r->put = row->l;
	r->is_put = true;
}

void bh_kept_put_all(struct bh_kept *k, struct bh_str rows)
{
	struct bh_cur in = bh_cur_init(rows.p, rows.n);
	struct bh_ledger_row row;

	while (in.left && bh_ledger_row_decode(&in, &row) == 0)
		bh_kept_put(k, &row);
}

/* What the row is once the transaction under way is committed. */
static struct bh_ledger next_of(const struct bh_kept_row *r)
{
	struct bh_ledger l = r->is_put ? r->put : r->row.l;

	bh_ledger_add(&l, &r->owed);
	bh_ledger_add(&l, &r->staged);
	return l;
}

static int write_row(struct bh_kept *k, struct bh_kept_row *r)
{
	struct bh_ledger l = next_of(r);
	int rc = 0;

	for (size_t i = 0; i < ENTRY__N + BH_DROP__N && !rc; i++) {
		uint64_t n = *entry(&l, i);

		if (n != *entry(&r->row.l, i) || (!r->stored && i == RECEIVED))
			rc = bh_store_ledger_put(k->store, bh_ledger_kind_name(r->row.kind),
			    r->row.name, entry_name(i), (int64_t)n);
	}
	return rc;
}

static bool changes(const struct bh_kept_row *r)
{
	struct bh_ledger l = next_of(r);

	return !r->stored || memcmp(&l, &r->row.l, sizeof(l)) != 0;
}

bool bh_kept_waits(const struct bh_kept *k)
{
	for (const struct bh_kept_row *r = k->head; r; r = r->next) {
		if (changes(r))
			return true;
	}
	return false;
}

int bh_kept_write(struct bh_kept *k)
{
	int rc = 0;

	for (struct bh_kept_row *r = k->head; r && !rc; r = r->next) {
		if (changes(r))
			rc = write_row(k, r);
	}
	return rc;
}

void bh_kept_apply(struct bh_kept *k)
{
	for (struct bh_kept_row *r = k->head; r; r = r->next) {
		r->row.l = next_of(r);
		r->owed = r->staged = (struct bh_ledger){0};
		r->is_put = false;
		r->stored = true;
	}
}

void bh_kept_undo(struct bh_kept *k)
{
	for (struct bh_kept_row *r = k->head; r; r = r->next)
		r->staged = (struct bh_ledger){0};
}

int bh_kept_flush(struct bh_kept *k)
{
	int rc;

	if (!bh_kept_waits(k))
		return 0;
	rc = bh_store_begin(k->store);
	if (!rc)
		rc = bh_kept_write(k);
	if (!rc)
		rc = bh_store_commit(k->store);
	if (rc) {
		bh_store_rollback(k->store);
		bh_kept_undo(k);
		return rc;
	}
	bh_kept_apply(k);
	return 0;
}

struct bh_ledger bh_kept_now(
    const struct bh_kept_row *row, uint64_t spooled_items, uint64_t in_memory_items)
{
	struct bh_ledger l = next_of(row);

	l.received += in_memory_items;
	l.spooled = spooled_items;
	l.in_flight = in_memory_items;
	return l;
}

void bh_kept_stats(const struct bh_kept *k, struct bh_child *child)
{
	for (const struct bh_kept_row *r = k->head; r; r = r->next) {
		struct bh_ledger_row row = r->row;

		if (row.kind == BH_LEDGER_DESTINATION)
			continue;
		row.l = next_of(r);
		bh_child_stat_kept(child, &row);
	}
	bh_child_stat_number(child, "ledger.since_ms", (uint64_t)k->since_ms);
	bh_child_stat_number(child, "ledger.rows_refused", k->refused);
}

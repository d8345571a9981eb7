#include "tests/faults/check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "forwarder/quarantine.h"
#include "forwarder/store_internal.h"
#include "tests/faults/doubles.h"

/* Holds in every committed state (forwarder/kept.h); a row that was never written yet is none. */
#define LEDGER_OPEN \
	"SELECT 1 FROM destination d JOIN ledger r ON d.key=r.name||'/primary' " \
	"OR d.key LIKE 'logs/https://'||substr(r.name,6,length(r.name)-6)||'_' " \
	"WHERE r.kind='destination' AND r.entry='received' AND r.n<>" \
	"(SELECT coalesce(sum(n),0) FROM ledger WHERE kind=r.kind AND name=r.name " \
	"AND entry<>'received')+(SELECT coalesce(sum(items),0) FROM delivery JOIN spool " \
	"USING (ord) WHERE dest=d.id)"

/* Queries that find nothing in a whole store. */
static const struct {
	const char *invariant, *sql;
} nothing[] = {
    {"I4 pending_rows", "SELECT 1 FROM destination d WHERE pending_rows<>(SELECT count(*) FROM "
			"delivery WHERE dest=d.id)"},
    {"I4 pending_bytes", "SELECT 1 FROM destination d WHERE pending_bytes<>(SELECT "
			 "coalesce(sum(bytes),0) FROM delivery WHERE dest=d.id)"},
    {"I5 spool without delivery",
	"SELECT 1 FROM spool WHERE ord NOT IN (SELECT ord FROM delivery)"},
    {"I5 delivery without spool",
	"SELECT 1 FROM delivery WHERE ord NOT IN (SELECT ord FROM spool)"},
    {"I5 spool without body", "SELECT 1 FROM spool WHERE ord NOT IN (SELECT ord FROM spool_body)"},
    {"I5 body without spool", "SELECT 1 FROM spool_body WHERE ord NOT IN (SELECT ord FROM spool)"},
    {"I6 order of positions",
	"SELECT 1 FROM registry WHERE complete_ord>delivered_ord OR delivered_ord>safe_ord"},
    {"I9 a payload stored twice", "SELECT 1 FROM spool WHERE producer<>'" BH_QUARANTINE_NAME
				  "' GROUP BY producer,epoch,seq HAVING count(*)>1"},
    {"§7 ages in the order of ord",
	"SELECT 1 FROM spool a JOIN spool b ON a.ord<b.ord AND a.created_ms>b.created_ms "
	"WHERE b.producer<>'" BH_QUARANTINE_NAME "'"},
    {"an ord above what is reserved",
	"SELECT 1 FROM spool WHERE ord>(SELECT value FROM meta WHERE key='ord_floor')"},
    {"a destination's kept row and its spool", LEDGER_OPEN},
    {"integrity", "SELECT 1 FROM pragma_integrity_check WHERE integrity_check<>'ok'"},
};

static void check_tables(struct truth *t, struct bh_store *s)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(nothing); i++) {
		sqlite3_stmt *st = NULL;

		/* What a replacement lost is counted with the first group after it. */
		if (t->replaced && strcmp(nothing[i].sql, LEDGER_OPEN) == 0)
			continue;
		if (sqlite3_prepare_v2(s->db, nothing[i].sql, -1, &st, NULL) != SQLITE_OK)
			wrong(t, "%s: %s", nothing[i].invariant, sqlite3_errmsg(s->db));
		else if (sqlite3_step(st) != SQLITE_DONE)
			wrong(t, "%s does not hold", nothing[i].invariant);
		(void)sqlite3_finalize(st);
	}
}

static void in_row(struct truth *t, struct fate *f, unsigned dest)
{
	(void)t;
	f->row |= (uint8_t)(1U << dest);
}

static void forget_rows(struct truth *t)
{
	for (unsigned f = 0; f < WORLD_FILES; f++) {
		for (unsigned p = 0; p <= WORLD_PARTS; p++)
			t->parts[f][p].row = 0;
	}
	for (unsigned m = 0; m <= WORLD_METRICS; m++)
		t->metrics[m].row = 0;
}

#define ROWS \
	"SELECT ord,producer,(key LIKE '%//second.%')+2*(key LIKE '%//third.%') " \
	"FROM spool JOIN delivery USING (ord) " \
	"JOIN destination ON id=dest"

static void read_rows(struct truth *t, struct bh_store *s)
{
	sqlite3_stmt *st = NULL;

	forget_rows(t);
	(void)sqlite3_prepare_v2(s->db, ROWS, -1, &st, NULL);
	while (st && sqlite3_step(st) == SQLITE_ROW) {
		uint64_t ord = (uint64_t)sqlite3_column_int64(st, 0);
		struct bh_spool_row row;
		void *block = NULL;
		int rc = bh_store_load(s, ord, &row, &block);

		if (rc == BH_E_CORRUPT && t->bad_rows)
			;
		else if (rc)
			wrong(t, "row %" PRIu64 ": %s", ord, bh_err_name(rc));
		else if (strcmp(row.producer, BH_QUARANTINE_NAME) != 0)
			each_line(t, row.body, (unsigned)sqlite3_column_int(st, 2), in_row);
		free(block);
	}
	(void)sqlite3_finalize(st);
}

/* Those that must have it: an unreliable one keeps nothing. */
static unsigned everyone(const struct truth *t)
{
	return t->two ? 3 : 1;
}

static bool ended(const struct fate *f, unsigned dests)
{
	return ((f->taken | f->dropped) & dests) == dests;
}

/* Each of them has it, or is owed it by a row. */
static bool kept(const struct fate *f, unsigned dests)
{
	return ((f->taken | f->dropped | f->row) & dests) == dests;
}

static void check_acked(struct truth *t)
{
	for (unsigned f = 0; f < WORLD_FILES; f++) {
		for (unsigned p = 1; p <= WORLD_PARTS; p++) {
			const struct fate *l = &t->parts[f][p];

			if (l->acked && !kept(l, everyone(t)))
				wrong(t, "I1: file %u part %u was acknowledged and is lost", f, p);
		}
	}
	for (unsigned m = 1; m <= WORLD_METRICS; m++) {
		const struct fate *l = &t->metrics[m];

		if (l->acked && !kept(l, 1))
			wrong(t, "I1: metric %u was acknowledged and is lost", m);
	}
}

struct place {
	unsigned safe, delivered, complete;
};

struct positions {
	struct place files[WORLD_FILES];
};

static int read_position(void *ctx, const struct bh_position *at)
{
	struct positions *p = ctx;
	unsigned f = file_of(at->row.identifier);

	if (f < WORLD_FILES)
		p->files[f] = (struct place){part_at(at->row.offset_last),
		    part_at(at->row.offset_first), part_at(at->complete)};
	return 0;
}

static void check_truth(struct truth *t, unsigned f, const struct place *at)
{
	const struct fate *parts = t->parts[f];

	for (unsigned p = 1; p <= at->safe; p++) {
		if (!kept(&parts[p], everyone(t)))
			wrong(
			    t, "I1: file %u is safe up to %u, part %u is nowhere", f, at->safe, p);
	}
	for (unsigned p = 1; p <= at->delivered; p++) {
		if (!ended(&parts[p], 1) && !(t->two && ended(&parts[p], 2)))
			wrong(t, "I7: file %u is delivered up to %u, part %u is not", f,
			    at->delivered, p);
	}
	for (unsigned p = 1; p <= at->complete; p++) {
		if (!ended(&parts[p], everyone(t)))
			wrong(t, "I7: file %u is complete up to %u, part %u is not", f,
			    at->complete, p);
	}
}

static void check_file(struct truth *t, unsigned f, const struct place *at)
{
	const struct fate *parts = t->parts[f];
	unsigned run = 0, first_row = 1;

	if (at->safe > WORLD_PARTS || at->delivered > at->safe || at->complete > at->delivered) {
		wrong(t, "I6: file %u: complete %u, delivered %u, safe %u", f, at->complete,
		    at->delivered, at->safe);
		return;
	}
	check_truth(t, f, at);
	while (run < WORLD_PARTS && parts[run + 1].acked)
		run++;
	if (at->safe < run)
		wrong(t, "I2: file %u: acknowledged up to %u, safe up to %u", f, run, at->safe);
	while (first_row <= at->safe && !(parts[first_row].row & everyone(t)))
		first_row++;
	if (!t->bad_rows &&
	    (at->complete != first_row - 1 || (!t->two && at->delivered != first_row - 1)))
		wrong(t, "I3: file %u: complete %u, delivered %u, first row %u, safe %u", f,
		    at->complete, at->delivered, first_row, at->safe);
	if (at->safe < t->seen_safe[f] || at->delivered < t->seen_delivered[f] ||
	    at->complete < t->seen_complete[f])
		wrong(t, "I6: file %u went back: safe %u to %u, delivered %u to %u", f,
		    t->seen_safe[f], at->safe, t->seen_delivered[f], at->delivered);
	t->seen_safe[f] = at->safe;
	t->seen_delivered[f] = at->delivered;
	t->seen_complete[f] = at->complete;
}

void check_store(struct truth *t, struct bh_store *s)
{
	struct positions p = {.files = {{0}}};

	check_tables(t, s);
	read_rows(t, s);
	check_acked(t);
	if (bh_store_each_position(s, read_position, &p))
		wrong(t, "positions cannot be read");
	for (unsigned f = 0; f < WORLD_FILES; f++)
		check_file(t, f, &p.files[f]);
}

void check_end(struct truth *t, struct bh_store *s)
{
	check_store(t, s);
	for (unsigned f = 0; f < WORLD_FILES; f++) {
		if (t->seen_safe[f] != t->next_part[f] - 1 ||
		    t->seen_complete[f] != t->seen_safe[f])
			wrong(t, "file %u ends at %u, position %u", f, t->next_part[f] - 1,
			    t->seen_safe[f]);
		for (unsigned p = 1; p < t->next_part[f]; p++) {
			if (!ended(&t->parts[f][p], everyone(t)) || t->parts[f][p].row)
				wrong(t, "file %u part %u was not delivered", f, p);
		}
	}
	for (unsigned m = 1; m < t->next_metric; m++) {
		if (!ended(&t->metrics[m], 1) || t->metrics[m].row)
			wrong(t, "metric %u was not delivered", m);
	}
	/* How far the unreliable one is ahead is not bounded: nobody waits for it, nor it for
	 * others. */
	for (unsigned d = 0; d < 2; d++) {
		if (t->repeats[d] > t->allowed[d])
			wrong(t, "§13: %u lines came again to destination %u, %u may",
			    t->repeats[d], d, t->allowed[d]);
	}
}

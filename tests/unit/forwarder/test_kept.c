#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "forwarder/buffers.h"
#include "forwarder/kept.h"
#include "forwarder/store_ledger.h"
#include "tests/unit/forwarder/by_hand.h"
#include "tests/unit/remove_tree.h"

/* The ledger since the installation (DESIGN §6, spec/durability.md §4, §7). */

static char dir[] = "/tmp/bh-kept-XXXXXX";
static struct bh_rng rng;
static struct bh_store *store;
static struct bh_kept kept;

static void open_all(void)
{
	const struct bh_store_config cfg = {
	    .dir = dir, .clock = &bh_clock_system, .rng = &rng, .max_size_bytes = 1 << 24};
	struct bh_err err = BH_ERR_INIT;

	cr_assert_eq(bh_store_open(&store, &cfg, &err), 0, "%s", err.text);
	cr_assert_eq(bh_kept_open(&kept, store, 1000), 0);
}

/* As a kill would leave it. */
static void reopen(void)
{
	bh_kept_release(&kept);
	bh_store_free(store);
	open_all();
}

static void set_up(void)
{
	cr_assert(mkdtemp(dir) != NULL);
	bh_rng_seed(&rng, 1);
	open_all();
}

static void tear_down(void)
{
	bh_kept_release(&kept);
	bh_store_free(store);
	(void)remove_tree(dir);
}

TestSuite(kept, .init = set_up, .fini = tear_down);

static void commit(void)
{
	cr_assert_eq(bh_store_begin(store), 0);
	cr_assert_eq(bh_kept_write(&kept), 0);
	cr_assert_eq(bh_store_commit(store), 0);
	bh_kept_apply(&kept);
}

static struct bh_ledger ledger(uint64_t received, uint64_t delivered, enum bh_drop why, uint64_t n)
{
	struct bh_ledger l = {.received = received, .delivered = delivered};

	l.dropped[why] = n;
	return l;
}

static void expect(
    const struct bh_kept_row *row, uint64_t received, uint64_t delivered, uint64_t dropped)
{
	cr_assert_eq(row->row.l.received, received, "received %llu",
	    (unsigned long long)row->row.l.received);
	cr_assert_eq(row->row.l.delivered, delivered);
	cr_assert_eq(bh_ledger_dropped(&row->row.l), dropped);
}

Test(kept, what_is_committed_is_there_after_a_kill_and_what_is_not_is_not)
{
	struct bh_ledger some = ledger(10, 7, BH_DROP_REFUSED_400, 3);
	struct bh_kept_row *row = bh_kept_dest(&kept, "logs", 0, false);

	bh_kept_add(row, &some);
	commit();
	bh_kept_add(row, &some);
	cr_assert_eq(bh_store_begin(store), 0);
	cr_assert_eq(bh_kept_write(&kept), 0);
	reopen();
	row = bh_kept_dest(&kept, "logs", 0, false);
	expect(row, 10, 7, 3);
	cr_assert_eq(row->row.l.dropped[BH_DROP_REFUSED_400], 3);
}

Test(kept, a_transaction_that_failed_counts_nothing_but_what_is_owed_waits_for_the_next)
{
	struct bh_ledger some = ledger(10, 10, BH_DROP_EXPIRED, 0);
	struct bh_kept_row *row = bh_kept_dest(&kept, "logs", 0, false);

	bh_kept_owe(row, &some);
	bh_kept_add(row, &some);
	cr_assert_eq(bh_store_begin(store), 0);
	cr_assert_eq(bh_kept_write(&kept), 0);
	bh_store_rollback(store);
	bh_kept_undo(&kept);
	cr_assert(bh_kept_waits(&kept));
	commit();
	cr_assert_not(bh_kept_waits(&kept));
	reopen();
	expect(bh_kept_dest(&kept, "logs", 0, false), 10, 10, 0);
}

Test(kept, rows_of_the_spool_from_before_the_ledger_are_its_opening_balance)
{
	struct bh_kept_row *row = bh_kept_dest(&kept, "metrics", 5, false);
	struct bh_ledger now = bh_kept_now(row, 5, 2);

	cr_assert_eq(now.received, 7);
	cr_assert_eq(now.in_flight, 2);
	cr_assert_eq(bh_ledger_gap(&now), 0);
}

struct difference {
	bool replaced;
	uint64_t stored, found;
	int64_t gap;
	uint64_t corrupt;
};

Test(kept, items_that_a_replaced_store_lost_have_a_reason_and_others_show_as_a_gap)
{
	static const struct difference cases[] = {
	    {false, 9, 9, 0, 0},
	    {false, 9, 4, 5, 0}, /* nothing explains it: a bug, and visible */
	    {true, 9, 4, 0, 5},
	    {true, 9, 12, 0, 0},
	};
	char name[16];

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		const struct difference *c = &cases[i];
		struct bh_ledger stored = {.received = c->stored}, now;
		struct bh_kept_row *row;

		(void)snprintf(name, sizeof(name), "dest%zu", i);
		bh_kept_add(bh_kept_dest(&kept, name, 0, false), &stored);
		commit();
		reopen();
		row = bh_kept_dest(&kept, name, c->found, c->replaced);
		now = bh_kept_now(row, c->found, 0);
		cr_assert_eq(bh_ledger_gap(&now), c->gap, "case %zu", i);
		cr_assert_eq(now.dropped[BH_DROP_CORRUPT], c->corrupt, "case %zu", i);
	}
}

static struct bh_ledger_row producer_row(enum bh_ledger_kind kind, const char *name, uint64_t n)
{
	struct bh_ledger l = {.received = n, .delivered = n - 1, .in_flight = 1};
	struct bh_ledger_row row;

	bh_ledger_row_set(&row, kind, name, strlen(name), &l);
	return row;
}

Test(kept, producers_rows_are_written_with_the_next_group_and_only_when_they_changed)
{
	struct bh_ledger_row row = producer_row(BH_LEDGER_SOURCE, "/var/log/x", 5);
	struct bh_buf bytes = BH_BUF_INIT;

	cr_assert_eq(bh_ledger_row_encode(&row, &bytes), 0);
	bh_kept_put_all(&kept, bh_buf_view(&bytes));
	cr_assert(bh_kept_waits(&kept));
	cr_assert_eq(bh_kept_flush(&kept), 0);
	bh_kept_put_all(&kept, bh_buf_view(&bytes));
	cr_assert_not(bh_kept_waits(&kept));
	reopen();
	cr_assert_eq(kept.n, 1);
	cr_assert_str_eq(kept.head->row.name, "/var/log/x");
	cr_assert_eq(kept.head->row.l.in_flight, 1);
	cr_assert_eq(kept.since_ms, 1000);
	bh_buf_release(&bytes);
}

Test(kept, nobody_else_writes_a_destinations_row_and_bytes_that_do_not_fit_are_left)
{
	struct bh_ledger_row row = producer_row(BH_LEDGER_DESTINATION, "logs", 5);
	struct bh_buf bytes = BH_BUF_INIT;

	cr_assert_eq(bh_ledger_row_encode(&row, &bytes), 0);
	bh_kept_put_all(&kept, bh_buf_view(&bytes));
	bh_kept_put_all(&kept, (struct bh_str){"\x00\x05gar", 5});
	cr_assert_eq(kept.n, 0);
	bh_buf_release(&bytes);
}

Test(kept, the_number_of_rows_is_bounded_and_what_is_refused_is_counted)
{
	char name[16];

	for (int i = 0; i < BH_KEPT_ROWS + 3; i++) {
		struct bh_ledger_row row;

		(void)snprintf(name, sizeof(name), "f%d", i);
		row = producer_row(BH_LEDGER_SOURCE, name, 1);
		bh_kept_put(&kept, &row);
	}
	cr_assert_eq(kept.n, BH_KEPT_ROWS);
	cr_assert_eq(kept.refused, 3);
}

static int count(void *ctx, const struct bh_ledger_entry *e)
{
	*(int *)ctx += e->kind[0] == 'z';
	return 0;
}

Test(kept, kinds_and_reasons_of_another_version_stay_in_the_table)
{
	int n = 0;

	cr_assert_eq(bh_store_ledger_put(store, "zeppelin", "x", "received", 4), 0);
	cr_assert_eq(bh_store_ledger_put(store, "source", "x", "unheard_of", 4), 0);
	reopen();
	cr_assert_eq(kept.n, 0);
	cr_assert_eq(bh_store_ledger_each(store, count, &n), 0);
	cr_assert_eq(n, 1);
}

/* §3: each version of the file is brought to the next one, and keeps what it holds. */
Test(kept, a_file_of_version_1_gets_its_table_and_keeps_the_rest)
{
	int64_t v = 0;

	cr_assert_eq(bh_store_meta_set(store, "probe", 42), 0);
	bh_kept_release(&kept);
	bh_store_close_clean(store);
	change_by_hand(dir, "DROP TABLE ledger; PRAGMA user_version = 1");
	open_all();
	cr_assert_null(bh_store_replaced(store));
	cr_assert_eq(bh_store_meta_get(store, "probe", &v), 1);
	cr_assert_eq(v, 42);
	cr_assert_eq(bh_kept_dest(&kept, "logs", 3, false)->owed.received, 3);
}

/* §10: what a damaged store still says of the ledger goes to its successor. */
Test(kept, a_replaced_store_takes_the_ledger_along_or_begins_anew)
{
	struct bh_ledger some = ledger(10, 10, BH_DROP_EXPIRED, 0);

	for (int readable = 1; readable >= 0; readable--) {
		const struct bh_kept_row *row;

		bh_kept_add(bh_kept_dest(&kept, "logs", 0, false), &some);
		commit();
		bh_kept_release(&kept);
		bh_store_close_clean(store);
		change_by_hand(dir, readable ? "DROP TABLE producer" : "DROP TABLE ledger");
		open_all();
		cr_assert_not_null(bh_store_replaced(store));
		row = bh_kept_dest(&kept, "logs", 0, true);
		cr_assert_eq(row->row.l.received, readable ? 10 : 0, "readable %d", readable);
	}
}

/* --- buffers (spec/intake.md §16.2): received − sent − discarded = size --- */

static uint64_t left(const struct bh_buffer *b, bool bytes)
{
	uint64_t n =
	    bytes ? b->received.bytes - b->sent.bytes : b->received.events - b->sent.events;

	for (int r = 0; r < BH_DROP__N; r++)
		n -= bytes ? b->discarded[r].bytes : b->discarded[r].events;
	return n;
}

Test(buffers, every_end_of_a_payload_leaves_the_size_that_is_left)
{
	struct bh_ledger ends[] = {
	    ledger(0, 10, BH_DROP_EXPIRED, 0),
	    ledger(0, 0, BH_DROP_EXPIRED, 10),
	    ledger(0, 4, BH_DROP_REFUSED_413, 6),
	};

	for (int logs = 0; logs < 2; logs++) {
		for (size_t i = 0; i < BH_ARRAY_LEN(ends); i++) {
			struct bh_buffer b = {0};

			bh_buffer_in(&b, bh_buffer_events(logs, 10, 1), 500);
			bh_buffer_in(&b, bh_buffer_events(logs, 3, 1), 70);
			bh_buffer_end(&b, logs, &ends[i], 500);
			cr_assert_eq(left(&b, false), bh_buffer_events(logs, 3, 1),
			    "logs %d, case %zu", logs, i);
			cr_assert_eq(left(&b, true), 70, "logs %d, case %zu", logs, i);
		}
	}
}

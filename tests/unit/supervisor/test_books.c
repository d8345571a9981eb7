#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/books.h"

/* What the present processes say, and what those before them left (DESIGN §6). */

static struct bh_kid kids[BH_ROLE__N];
static struct bh_books books;

static void set_up(void)
{
	memset(kids, 0, sizeof(kids));
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		kids[i].role = (enum bh_role)i;
		kids[i].enabled = true;
	}
	books = (struct bh_books){0};
}

static void tear_down(void)
{
	for (int i = 0; i < BH_ROLE__N; i++)
		bh_stat_set_release(&kids[i].stats);
	bh_books_release(&books);
}

TestSuite(books, .init = set_up, .fini = tear_down);

static void say(enum bh_role role, enum bh_stat_type type, enum bh_ledger_kind kind,
    const char *name, uint64_t received, uint64_t in_flight)
{
	struct bh_ledger l = {
	    .received = received, .delivered = received - in_flight, .in_flight = in_flight};
	struct bh_stat stat = {.type = type};

	bh_ledger_row_set(&stat.row, kind, name, strlen(name), &l);
	bh_stat_set_add(&kids[role].stats, &stat);
}

static void say_since(void)
{
	struct bh_stat stat = {.type = BH_STAT_NUMBER, .name = "ledger.since_ms", .number = 1234};

	bh_stat_set_add(&kids[BH_ROLE_FORWARDER].stats, &stat);
}

/* The next process of that role. */
static void respawn(enum bh_role role)
{
	bh_stat_set_clear(&kids[role].stats);
	kids[role].booked = kids[role].has_drained = false;
}

static const struct bh_ledger *total(enum bh_ledger_kind kind, const char *name)
{
	bh_books_sum(&books, kids);
	for (size_t i = 0; i < books.totals.n; i++) {
		if (books.totals.v[i].kind == kind && strcmp(books.totals.v[i].name, name) == 0)
			return &books.totals.v[i].l;
	}
	return NULL;
}

struct end {
	enum bh_role role;
	enum bh_ledger_kind kind;
	const char *name;
	bool drained;
	enum bh_drop reason; /* BH_DROP__N: delivered */
};

Test(books, what_a_process_held_at_its_end_gets_the_reason_of_its_kind)
{
	static const struct end ends[] = {
	    {BH_ROLE_DOGSTATSD, BH_LEDGER_LISTENER, "udp:127.0.0.1:8125", false, BH_DROP_UNPROVEN},
	    {BH_ROLE_DOGSTATSD, BH_LEDGER_LISTENER, "udp:127.0.0.1:8126", true, BH_DROP__N},
	    {BH_ROLE_DOGSTATSD, BH_LEDGER_HANDOVER, "metrics", false, BH_DROP_UNPROVEN},
	    {BH_ROLE_LOGS, BH_LEDGER_SOURCE, "/var/log/x", false, BH_DROP_INTERRUPTED},
	    {BH_ROLE_LOGS, BH_LEDGER_SOURCE, "tcp:514", false, BH_DROP_UNPROVEN},
	    {BH_ROLE_LOGS, BH_LEDGER_HANDOVER, "logs", false, BH_DROP_INTERRUPTED},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(ends); i++) {
		const struct end *e = &ends[i];
		const struct bh_ledger *l;

		respawn(e->role);
		say(e->role, BH_STAT_LEDGER, e->kind, e->name, 10, 4);
		kids[e->role].has_drained = e->drained;
		bh_books_close(&books, &kids[e->role]);
		bh_books_close(&books, &kids[e->role]); /* again is harmless */
		l = total(e->kind, e->name);
		cr_assert_not_null(l, "%s", e->name);
		cr_assert_eq(l->received, 10, "%s", e->name);
		cr_assert_eq(l->in_flight, 0, "%s", e->name);
		cr_assert_eq(bh_ledger_gap(l), 0, "%s", e->name);
		if (e->reason == BH_DROP__N)
			cr_assert_eq(l->delivered, 10, "%s", e->name);
		else
			cr_assert_eq(l->dropped[e->reason], 4, "%s", e->name);
	}
}

Test(books, totals_are_those_before_and_the_present_one)
{
	say(BH_ROLE_LOGS, BH_STAT_LEDGER, BH_LEDGER_SOURCE, "/x", 10, 0);
	bh_books_close(&books, &kids[BH_ROLE_LOGS]);
	cr_assert_eq(total(BH_LEDGER_SOURCE, "/x")->received, 10);
	respawn(BH_ROLE_LOGS);
	say(BH_ROLE_LOGS, BH_STAT_LEDGER, BH_LEDGER_SOURCE, "/x", 7, 2);
	cr_assert_eq(total(BH_LEDGER_SOURCE, "/x")->received, 17);
	cr_assert_eq(total(BH_LEDGER_SOURCE, "/x")->in_flight, 2);
}

Test(books, what_earlier_runs_left_is_taken_over_once)
{
	say(BH_ROLE_FORWARDER, BH_STAT_KEPT, BH_LEDGER_SOURCE, "/x", 100, 3);
	bh_books_load(&books, &kids[BH_ROLE_FORWARDER].stats);
	cr_assert_not(books.loaded, "an answer that is not a whole one");
	say_since();
	bh_books_load(&books, &kids[BH_ROLE_FORWARDER].stats);
	bh_books_load(&books, &kids[BH_ROLE_FORWARDER].stats);
	cr_assert(books.loaded);
	cr_assert_eq(books.since_ms, 1234);
	say(BH_ROLE_LOGS, BH_STAT_LEDGER, BH_LEDGER_SOURCE, "/x", 5, 0);
	cr_assert_eq(total(BH_LEDGER_SOURCE, "/x")->received, 105);
	cr_assert_eq(total(BH_LEDGER_SOURCE, "/x")->dropped[BH_DROP_INTERRUPTED], 3);
}

Test(books, destinations_pass_through_and_are_not_sent_back)
{
	struct bh_buf part = BH_BUF_INIT;
	size_t at = 0;

	say(BH_ROLE_FORWARDER, BH_STAT_KEPT, BH_LEDGER_DESTINATION, "logs", 8, 1);
	cr_assert_eq(total(BH_LEDGER_DESTINATION, "logs")->in_flight, 1);
	cr_assert_not(bh_books_part(&books, &at, &part));
	bh_buf_release(&part);
}

Test(books, parts_hold_whole_rows_and_together_all_of_them)
{
	struct bh_buf part = BH_BUF_INIT;
	size_t at = 0, parts = 0, rows = 0;
	char name[180];

	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "/%0150d", i);
		say(BH_ROLE_LOGS, BH_STAT_LEDGER, BH_LEDGER_SOURCE, name, 10, 0);
	}
	bh_books_sum(&books, kids);
	while (bh_books_part(&books, &at, &part)) {
		struct bh_cur in = bh_cur_init(part.data, part.len);
		struct bh_ledger_row row;

		cr_assert_leq(part.len, BH_CTL_PART_MAX);
		parts++;
		for (; in.left; rows++)
			cr_assert_eq(bh_ledger_row_decode(&in, &row), 0);
	}
	cr_assert_gt(parts, 1);
	cr_assert_eq(rows, 100);
	bh_buf_release(&part);
}

/* A child that names rows of others cannot put words into their mouths. */
Test(books, a_child_counts_only_for_itself)
{
	say(BH_ROLE_DOGSTATSD, BH_STAT_LEDGER, BH_LEDGER_SOURCE, "/x", 10, 0);
	cr_assert_null(total(BH_LEDGER_SOURCE, "/x"));
	bh_books_close(&books, &kids[BH_ROLE_DOGSTATSD]);
	cr_assert_null(total(BH_LEDGER_SOURCE, "/x"));
}

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/attrs.h"
#include "supervisor/report.h"

static struct bh_report report;
static struct bh_stat_set stats[BH_ROLE__N];

static void add_row(enum bh_role role, enum bh_ledger_kind kind, struct bh_ledger l)
{
	struct bh_stat stat = {.type = BH_STAT_LEDGER};

	bh_ledger_row_set(&stat.row, kind, "x", 1, &l);
	bh_stat_set_add(&stats[role], &stat);
}

/* A stop in which everything went well. */
static void set_up(void)
{
	report = (struct bh_report){.cause = "SIGTERM",
	    .began_wall_ns = 1700000000123000000,
	    .ended_wall_ns = 1700000001373000000,
	    .ms = 1250};
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++)
		report.role[i] = (struct bh_report_role){.enabled = true,
		    .result = BH_DRAIN_OK,
		    .ms = 310,
		    .has_drained = true,
		    .drained = {.complete = true},
		    .stats = &stats[i]};
	report.role[BH_ROLE_DOGSTATSD].drained =
	    (struct bh_ctl_drained){true, 12, 0, 0, 0, 0, 1, {{BH_ROLE_DOGSTATSD, 7, 3}}};
	report.role[BH_ROLE_LOGS].drained =
	    (struct bh_ctl_drained){true, 40, 0, 0, 0, 0, 1, {{BH_ROLE_LOGS, 8, 5}}};
	report.role[BH_ROLE_FORWARDER].drained = (struct bh_ctl_drained){
	    true, 0, 50, 2, 0, 0, 2, {{BH_ROLE_DOGSTATSD, 7, 3}, {BH_ROLE_LOGS, 8, 6}}};
	add_row(BH_ROLE_DOGSTATSD, BH_LEDGER_LISTENER,
	    (struct bh_ledger){.received = 9, .delivered = 9});
}

static void tear_down(void)
{
	for (int i = 0; i < BH_ROLE__N; i++)
		bh_stat_set_release(&stats[i]);
}

TestSuite(report, .init = set_up, .fini = tear_down);

Test(report, a_stop_without_loss_is_accounted_for)
{
	cr_assert(bh_report_accounted(&report));
}

Test(report, input_without_value_does_not_change_the_verdict)
{
	struct bh_ledger l = {.received = 2};

	bh_ledger_drop(&l, BH_DROP_PARSE_ERROR, 1);
	bh_ledger_drop(&l, BH_DROP_EMPTY, 1);
	add_row(BH_ROLE_DOGSTATSD, BH_LEDGER_LISTENER, l);
	cr_assert(bh_report_accounted(&report));
}

Test(report, every_loss_of_valid_data_is_a_loss)
{
	static const enum bh_drop losses[] = {BH_DROP_KERNEL, BH_DROP_CONTEXT_LIMIT,
	    BH_DROP_TOO_LARGE, BH_DROP_QUEUE_FULL, BH_DROP_SPOOL_FULL, BH_DROP_DISK_FULL,
	    BH_DROP_EXPIRED, BH_DROP_CORRUPT, BH_DROP_REFUSED_400, BH_DROP_REFUSED_401,
	    BH_DROP_REFUSED_403, BH_DROP_REFUSED_413, BH_DROP_REFUSED_LINK, BH_DROP_SHUTDOWN,
	    BH_DROP_GENERATION_LOST, BH_DROP_NO_MEMORY};

	for (size_t i = 0; i < BH_ARRAY_LEN(losses); i++) {
		struct bh_ledger l = {.received = 1};

		bh_stat_set_clear(&stats[BH_ROLE_FORWARDER]);
		bh_ledger_drop(&l, losses[i], 1);
		add_row(BH_ROLE_FORWARDER, BH_LEDGER_DESTINATION, l);
		cr_assert(!bh_report_accounted(&report), "%s", bh_drop_name(losses[i]));
	}
}

Test(report, a_ledger_row_that_does_not_close_is_not_accounted_for)
{
	add_row(BH_ROLE_LOGS, BH_LEDGER_SOURCE, (struct bh_ledger){.received = 3, .delivered = 2});
	cr_assert(!bh_report_accounted(&report));
}

Test(report, a_producer_ahead_of_the_forwarder_is_not_accounted_for)
{
	report.role[BH_ROLE_FORWARDER].drained.streams[0].seq = 2;
	cr_assert(!bh_report_fence_match(&report, BH_ROLE_DOGSTATSD));
	cr_assert(bh_report_fence_match(&report, BH_ROLE_LOGS));
	cr_assert(!bh_report_accounted(&report));
}

Test(report, a_stream_of_another_epoch_proves_nothing)
{
	report.role[BH_ROLE_FORWARDER].drained.streams[1].epoch = 9;
	cr_assert(!bh_report_fence_match(&report, BH_ROLE_LOGS));
}

Test(report, a_producer_that_sent_nothing_needs_no_proof)
{
	report.role[BH_ROLE_LOGS].drained.streams[0] = (struct bh_ctl_stream){BH_ROLE_LOGS, 99, 0};
	cr_assert(bh_report_accounted(&report));
}

Test(report, lines_left_in_files_are_resumable_and_samples_left_are_not)
{
	report.role[BH_ROLE_LOGS].drained.left = 5;
	report.role[BH_ROLE_LOGS].drained.complete = false;
	cr_assert(bh_report_accounted(&report));
	report.role[BH_ROLE_DOGSTATSD].drained.left = 5;
	cr_assert(!bh_report_accounted(&report));
}

Test(report, a_child_that_was_killed_or_crashed_is_named)
{
	struct bh_buf text = BH_BUF_INIT;

	report.role[BH_ROLE_LOGS].result = BH_DRAIN_TIMEOUT;
	report.role[BH_ROLE_DOGSTATSD].result = BH_DRAIN_CRASHED;
	report.role[BH_ROLE_DOGSTATSD].has_drained = false;
	cr_assert(!bh_report_accounted(&report));
	bh_report_text(&report, &text);
	cr_assert(strstr(text.data, "logs       missed its deadline"), "%s", text.data);
	cr_assert(strstr(text.data, "dogstatsd  ended while draining"), "%s", text.data);
	bh_buf_release(&text);
}

Test(report, unread_datagrams_are_not_accounted_for)
{
	report.unread = true;
	cr_assert(!bh_report_accounted(&report));
	report.role[BH_ROLE_DOGSTATSD] = (struct bh_report_role){
	    .enabled = true, .result = BH_DRAIN_NOT_RUNNING, .stats = &stats[0]};
	cr_assert(!bh_report_accounted(&report));
	report.unread = false;
	cr_assert(bh_report_accounted(&report));
}

Test(report, a_role_that_is_off_is_not_judged)
{
	report.role[BH_ROLE_LOGS] = (struct bh_report_role){.result = BH_DRAIN_CRASHED};
	cr_assert(bh_report_accounted(&report));
}

Test(report, the_text_is_short_and_whole)
{
	struct bh_buf text = BH_BUF_INIT;

	bh_report_text(&report, &text);
	cr_assert_str_eq(text.data, "drain (SIGTERM): 1.25 s, everything is accounted for\n"
				    "  dogstatsd  ok            0.31 s  acknowledged 12\n"
				    "  logs       ok            0.31 s  acknowledged 40\n"
				    "  forwarder  ok            0.31 s  delivered 50, spooled 2\n");
	bh_buf_release(&text);
}

Test(report, the_json_is_whole)
{
	struct bh_buf json = BH_BUF_INIT;
	struct bh_ledger l = {.received = 1};

	report.role[BH_ROLE_LOGS].enabled = false;
	report.role[BH_ROLE_FORWARDER].enabled = false;
	bh_ledger_drop(&l, BH_DROP_PARSE_ERROR, 1);
	add_row(BH_ROLE_DOGSTATSD, BH_LEDGER_LISTENER, l);
	bh_report_json(&report, &json);
	cr_assert_str_eq(json.data,
	    "{\"schema\":1,\"version\":\"0.1.0\",\"cause\":\"SIGTERM\",\"mode\":\"full\","
	    "\"start\":\"2023-11-14T22:13:20.123Z\",\"end\":\"2023-11-14T22:13:21.373Z\",\"ms\":"
	    "1250,"
	    "\"accounted\":true,\"unread_datagrams\":false,\"roles\":[{\"name\":\"dogstatsd\","
	    "\"result\":\"ok\",\"ms\":310,\"complete\":true,\"durable\":12,\"delivered\":0,"
	    "\"spooled\":0,"
	    "\"left\":0,\"dropped\":{\"parse_error\":1},\"fence_match\":true,\"doubt\":null}]}");
	bh_buf_release(&json);
}

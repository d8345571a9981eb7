#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/rng.h"
#include "tests/unit/dogstatsd/fixture.h"

static struct fixture f;

static void setup(void)
{
	fixture_defaults(&f);
	fixture_open(&f);
}

static void teardown(void)
{
	cr_expect_eq(bh_ledger_gap(&f.ledger), 0, "the ledger does not close");
	fixture_close(&f);
}

TestSuite(ingest, .init = setup, .fini = teardown);

Test(ingest, a_bad_line_is_counted_by_kind_and_leaves_its_neighbours_alone)
{
	fixture_send(&f, 1000, "a:1|c\nbad\nb:x|c\n:1|c\nc:1|q\nd:1|c|@z\ne:1|c|Tz\nf:1|c");
	cr_expect_eq(f.ledger.received, 8);
	cr_expect_eq(f.ledger.delivered, 2);
	cr_expect_eq(f.ledger.dropped[BH_DROP_PARSE_ERROR], 6);
	for (int i = BH_PARSE_OK + 1; i < BH_PARSE_NO_MEMORY; i++)
		cr_expect_eq(f.ingest.parse_errors[i], 1, "%s",
		    bh_parse_result_name((enum bh_parse_result)i));
}

Test(ingest, events_and_checks_are_taken_or_counted_as_bad)
{
	fixture_send(&f, 1000, "_e{1,1}:a|b\n_e{9,1}:a|b\n_sc|x|0\n_scary.x:1|c\na:1|c");
	cr_expect_eq(f.ingest.events, 1);
	cr_expect_eq(f.ingest.checks, 1);
	cr_expect_eq(f.ingest.parse_errors[BH_PARSE_BAD_EVENT], 1);
	cr_expect_eq(f.ingest.parse_errors[BH_PARSE_BAD_CHECK], 1, "§3: by the prefix alone");
	cr_expect_eq(f.ledger.dropped[BH_DROP_PARSE_ERROR], 2);
	cr_expect_eq(f.ledger.delivered, 3);
}

Test(ingest, notices_that_would_pass_the_bound_are_dropped_and_counted)
{
	char line[4200];
	int n = snprintf(line, sizeof(line), "_e{4000,1}:");

	memset(line + n, 't', 4000);
	(void)snprintf(line + n + 4000, sizeof(line) - (size_t)n - 4000, "|x");
	for (int i = 0; i < 3000; i++)
		fixture_send(&f, 1000, line);
	cr_expect_gt(f.ledger.dropped[BH_DROP_QUEUE_FULL], 900);
	cr_expect_leq(f.notices.events.bytes.len, BH_NOTICES_BYTES + 8192);
	(void)fixture_flush_notices(&f);
	fixture_send(&f, 1000, line);
	cr_expect_eq(bh_notices_waiting(&f.notices), 1);
}

Test(ingest, empty_datagrams_and_lines_move_no_counter)
{
	fixture_send(&f, 1000, "");
	fixture_send(&f, 1000, "\n\r\n\n");
	cr_expect_eq(f.ledger.received, 0);
	cr_expect_eq(f.ingest.lines, 0);
}

Test(ingest, an_unterminated_last_line_is_dropped_where_that_is_asked_for)
{
	fixture_send_bytes(&f, 1000, BH_STR_LIT("a:1|c\nb:1|c"), BH_DATAGRAM_EOL_REQUIRED);
	fixture_send_bytes(&f, 1000, BH_STR_LIT("c:1|c\n"), BH_DATAGRAM_EOL_REQUIRED);
	cr_expect_eq(f.ledger.dropped[BH_DROP_UNTERMINATED], 1);
	cr_expect_eq(f.ledger.delivered, 2);
}

Test(ingest, a_cut_datagram_loses_its_last_line_only)
{
	fixture_send_bytes(&f, 1000, BH_STR_LIT("a:1|c\nb:123"), BH_DATAGRAM_CUT);
	fixture_send_bytes(&f, 1000, BH_STR_LIT("a:1|c"), BH_DATAGRAM_CUT);
	cr_expect_eq(f.ledger.dropped[BH_DROP_TRUNCATED], 2);
	cr_expect_eq(f.ledger.delivered, 1);
	cr_expect_eq(f.ingest.truncated, 2);
}

Test(ingest, a_packed_line_counts_each_value)
{
	fixture_send(&f, 1000, "a:1:2:NaN:4|g");
	cr_expect_eq(f.ledger.received, 4);
	cr_expect_eq(f.ledger.delivered, 3);
	cr_expect_eq(f.ledger.dropped[BH_DROP_NONFINITE], 1);
}

Test(ingest, timestamped_samples_become_series_of_their_own)
{
	fixture_send(&f, 1000, "a:1:2|g|T1699999999|#x\nb:30|c|@0.5|T1700000003|#host:q");
	cr_expect_str_eq(fixture_flush_late(&f), "a gauge host=h tags=x interval=10 1699999999:1\n"
						 "a gauge host=h tags=x interval=10 1699999999:2\n"
						 "b rate host=q tags= interval=10 1700000003:3\n");
	cr_expect_eq(bh_contexts_count(&f.sampler.contexts), 0);
	cr_expect_str_eq(fixture_flush(&f, 1010, true), "");
	cr_expect_str_eq(fixture_flush_late(&f), "");
	cr_expect_eq(f.late.received, 3);
}

Test(ingest, timestamped_samples_of_other_types_are_unsupported)
{
	fixture_send(&f, 1000, "a:1|h|T1\nb:1|ms|T1\nc:1:2|d|T1\ne:x|s|T1\ng:nan|g|T1");
	cr_expect_eq(f.ledger.dropped[BH_DROP_UNSUPPORTED], 5);
	cr_expect_eq(f.ledger.dropped[BH_DROP_NONFINITE], 1);
	cr_expect_str_eq(fixture_flush_late(&f), "");
}

Test(ingest, timestamped_samples_are_full_after_a_batch)
{
	for (int i = 0; i <= 2048; i++) {
		cr_assert_not(bh_late_full(&f.late));
		fixture_send(&f, 1000, "a:1|g|T17");
	}
	cr_expect(bh_late_full(&f.late));
	(void)fixture_flush_late(&f);
	cr_expect_not(bh_late_full(&f.late));
}

Test(ingest, without_the_no_aggregation_path_timestamps_are_ignored)
{
	fixture_close(&f);
	fixture_defaults(&f);
	f.cfg.dogstatsd_no_aggregation_pipeline = false;
	fixture_open(&f);
	fixture_send(&f, 1000, "a:1|g|T17");
	cr_expect_str_eq(
	    fixture_flush(&f, 1010, false), "a gauge host=h tags= interval=10 1000:1\n");
}

/* Invalid text in one line must not spoil the payload of the others. */
Test(ingest, invalid_utf8_is_repaired_before_it_reaches_a_payload)
{
	fixture_send(&f, 1000, "a\xFF:1|g|#t:\xC3\x28,host:\xE2\x82\nb:1|g");
	cr_expect_str_eq(fixture_flush(&f, 1010, false),
	    "a\xEF\xBF\xBD gauge host=\xEF\xBF\xBD tags=t:\xEF\xBF\xBD( interval=10 1000:1\n"
	    "b gauge host=h tags= interval=10 1000:1\n");
}

/* 64 KiB of noise, and lines made of the protocol's own characters: never out of bounds, every line
 * accounted for, and what comes out decodes. */
Test(ingest, noise_is_survived_and_accounted_for)
{
	static const char alphabet[] = "abc:::|||#@T,,gcmshd019.-e\n\n_x\xff\xc3\xa9";
	static char noise[65536];
	struct bh_rng rng;

	bh_rng_seed(&rng, 99);
	for (int round = 0; round < 30; round++) {
		for (size_t i = 0; i < sizeof(noise); i++) {
			uint64_t r = bh_rng_u64(&rng);

			noise[i] = round % 3 == 0 ? (char)r : alphabet[r % (sizeof(alphabet) - 1)];
		}
		fixture_send_bytes(&f, 1000 + round, (struct bh_str){noise, sizeof(noise)},
		    round % 2 ? BH_DATAGRAM_CUT : BH_DATAGRAM_EOL_REQUIRED);
	}
	cr_expect_eq(bh_ledger_gap(&f.ledger), 0);
	cr_expect_gt(f.ledger.delivered, 0);
	(void)fixture_flush_late(&f);
	(void)fixture_flush(&f, 2000, true);
}

#include "dogstatsd/ingest.h"

#include <string.h>

int bh_ingest_init(struct bh_ingest *in, struct bh_sampler *sampler, struct bh_late *late,
    struct bh_notices *notices, bool timestamps)
{
	*in = (struct bh_ingest){.sampler = sampler, .late = late, .notices = notices};
	return bh_parser_init(&in->parser, timestamps);
}

void bh_ingest_release(struct bh_ingest *in)
{
	bh_parser_release(&in->parser);
}

static void drop_line(struct bh_ledger *ledger, enum bh_drop reason)
{
	ledger->received++;
	bh_ledger_drop(ledger, reason, 1);
}

static void add_late(struct bh_ingest *in, const struct bh_metric *m, struct bh_ledger *ledger)
{
	struct bh_late_result r = bh_late_add(in->late, m);

	ledger->delivered += r.added;
	bh_ledger_drop(ledger, BH_DROP_NONFINITE, r.nonfinite);
	bh_ledger_drop(ledger, BH_DROP_UNSUPPORTED, r.unsupported);
	bh_ledger_drop(ledger, BH_DROP_CONTEXT_LIMIT, r.rejected);
	bh_ledger_drop(ledger, BH_DROP_FILTERED, r.filtered);
	in->filtered_lines += r.filtered > 0;
	in->nonfinite += r.nonfinite;
	in->late_unsupported += r.unsupported;
	in->contexts_rejected += r.rejected;
}

static void bad_line(struct bh_ingest *in, struct bh_str line, enum bh_parse_result why,
    struct bh_ledger *ledger, struct bh_bad_line *bad)
{
	in->parse_errors[why]++;
	drop_line(ledger, BH_DROP_PARSE_ERROR);
	*bad = (struct bh_bad_line){line, why};
}

/* rc: what the notices said to an event or a check. True when it was taken. */
static bool noted(struct bh_ledger *ledger, int rc)
{
	if (rc) {
		drop_line(ledger, BH_DROP_QUEUE_FULL);
		return false;
	}
	ledger->received++;
	ledger->delivered++;
	return true;
}

static void take_event(struct bh_ingest *in, struct bh_str line, int64_t now,
    struct bh_ledger *ledger, struct bh_bad_line *bad)
{
	struct bh_event e;

	if (!bh_parse_event(line, &e)) {
		bad_line(in, line, BH_PARSE_BAD_EVENT, ledger, bad);
		return;
	}
	in->ignored_fields += e.ignored;
	in->events += noted(ledger, bh_notices_event(in->notices, &e, now));
}

static void take_check(struct bh_ingest *in, struct bh_str line, int64_t now,
    struct bh_ledger *ledger, struct bh_bad_line *bad)
{
	struct bh_check c;

	if (!bh_parse_check(line, &c)) {
		bad_line(in, line, BH_PARSE_BAD_CHECK, ledger, bad);
		return;
	}
	in->ignored_fields += c.ignored;
	in->checks += noted(ledger, bh_notices_check(in->notices, &c, now));
}

static void take_metric(struct bh_ingest *in, struct bh_str line, int64_t now,
    struct bh_ledger *ledger, struct bh_bad_line *bad)
{
	struct bh_metric m;
	enum bh_parse_result why = bh_parse_metric(&in->parser, line, &m);
	struct bh_add_result r;

	if (why != BH_PARSE_OK) {
		bad_line(in, line, why, ledger, bad);
		return;
	}
	ledger->received += m.values_n;
	if (m.timestamp) {
		add_late(in, &m, ledger);
		in->copies_lost += bh_sampler_add_late_copy(in->sampler, &m, now);
		return;
	}
	r = bh_sampler_add(in->sampler, &m, now);
	ledger->delivered += r.added;
	if (r.nonfinite | r.rejected | r.filtered | r.copies_lost) {
		bh_ledger_drop(ledger, BH_DROP_FILTERED, r.filtered);
		in->filtered_lines += r.filtered > 0;
		in->copies_lost += r.copies_lost;
		bh_ledger_drop(ledger, BH_DROP_NONFINITE, r.nonfinite);
		bh_ledger_drop(ledger, BH_DROP_CONTEXT_LIMIT, r.rejected);
		in->nonfinite += r.nonfinite;
		in->contexts_rejected += r.rejected;
	}
}

/* A datagram that was cut may end in a piece of a number: only its whole lines count. */
static struct bh_str whole_lines(struct bh_str datagram)
{
	const char *nl = datagram.n ? memrchr(datagram.p, '\n', datagram.n) : NULL;

	return (struct bh_str){datagram.p, nl ? (size_t)(nl + 1 - datagram.p) : 0};
}

void bh_ingest_datagram(struct bh_ingest *in, struct bh_str datagram, unsigned flags, int64_t now,
    struct bh_ledger *ledger, struct bh_bad_line *bad)
{
	struct bh_lines lines;
	struct bh_str line;
	bool terminated;

	if (flags & BH_DATAGRAM_CUT) {
		in->truncated++;
		drop_line(ledger, BH_DROP_TRUNCATED);
		datagram = whole_lines(datagram);
	}
	lines = bh_lines_init(datagram.p, datagram.n);
	while (bh_lines_next(&lines, &line, &terminated)) {
		in->lines++;
		if (!terminated && (flags & BH_DATAGRAM_EOL_REQUIRED)) {
			in->unterminated++;
			drop_line(ledger, BH_DROP_UNTERMINATED);
			return;
		}
		switch (bh_line_classify(line)) {
		case BH_LINE_METRIC:
			take_metric(in, line, now, ledger, bad);
			break;
		case BH_LINE_EVENT:
			take_event(in, line, now, ledger, bad);
			break;
		case BH_LINE_CHECK:
			take_check(in, line, now, ledger, bad);
			break;
		}
	}
}

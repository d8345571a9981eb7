#include "dogstatsd/stats.h"

#include <stdio.h>

struct figure {
	const char *name;
	uint64_t v;
};

static void report_listeners(const struct bh_stats_source *s, struct bh_child *child)
{
	uint64_t datagrams = 0, bytes = 0, errors = 0;

	for (size_t i = 0; i < s->listeners_n; i++) {
		struct bh_listener *l = &s->listeners[i];
		struct bh_ledger row;

		bh_listener_update_drops(l);
		row = bh_open_samples_row(&l->open, &l->ledger);
		bh_child_stat_ledger(child, BH_LEDGER_LISTENER, l->name, strlen(l->name), &row);
		datagrams += l->datagrams;
		bytes += l->bytes;
		errors += l->read_errors;
	}
	if (s->streams) {
		const struct bh_streams *t = s->streams;
		struct bh_ledger row = bh_open_samples_row(&t->open, &t->ledger);

		bh_child_stat_ledger(
		    child, BH_LEDGER_LISTENER, t->cfg.name, strlen(t->cfg.name), &row);
		bh_child_stat_number(child, "dogstatsd.uds_connections", t->n);
		bh_child_stat_number(child, "dogstatsd.stream_frames", t->frames);
		bh_child_stat_number(child, "dogstatsd.streams_evicted", t->evicted);
		bytes += t->bytes;
	}
	if (s->tap->relay.fd >= 0) {
		bh_child_stat_number(child, "dogstatsd.forwarded_packets", s->tap->relay.sent);
		bh_child_stat_number(child, "dogstatsd.forward_errors", s->tap->relay.failed);
	}
	if (s->tap->senders.rows)
		bh_child_stat_number(
		    child, "dogstatsd.uds_origin_detection_error", s->tap->senders.foreign);
	bh_child_stat_number(child, "dogstatsd.datagrams", datagrams);
	bh_child_stat_number(child, "dogstatsd.bytes", bytes);
	bh_child_stat_number(child, "dogstatsd.read_errors", errors);
}

static void report_parse_errors(const struct bh_ingest *in, struct bh_child *child)
{
	for (int i = BH_PARSE_OK + 1; i < BH_PARSE__N; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "dogstatsd.parse_error.%s",
		    bh_parse_result_name((enum bh_parse_result)i));
		bh_child_stat_number(child, name, in->parse_errors[i]);
	}
}

void bh_stats_report(const struct bh_stats_source *s, struct bh_child *child)
{
	const struct bh_ingest *in = s->ingest;
	struct bh_producer_stats link = {0};
	struct bh_ledger l;

	bh_fill_report(&s->fills->packets, "dogstatsd_packets", "source", child);
	bh_fill_report(&s->fills->ipc, "metrics_ipc", "source", child);
	report_listeners(s, child);
	bh_outlet_ledger(s->outlet, s->late, s->notices, &l);
	bh_child_stat_ledger(child, BH_LEDGER_HANDOVER, "metrics", 7, &l);
	report_parse_errors(in, child);
	if (s->outlet->producer)
		bh_producer_stats(s->outlet->producer, &link);

	const struct figure figures[] = {
	    {"dogstatsd.lines", in->lines},
	    {"dogstatsd.events", in->events},
	    {"dogstatsd.service_checks", in->checks},
	    {"dogstatsd.ignored_fields", in->ignored_fields},
	    {"dogstatsd.unterminated", in->unterminated},
	    {"dogstatsd.truncated_datagrams", in->truncated},
	    {"dogstatsd.nonfinite_values", in->nonfinite},
	    {"dogstatsd.contexts_rejected", in->contexts_rejected},
	    {"dogstatsd.listener_filtered_points", in->filtered_lines},
	    {"dogstatsd.histogram_copies_lost", in->copies_lost},
	    {"dogstatsd.timestamped_unsupported", in->late_unsupported},
	    {"dogstatsd.sanitized_utf8", s->sampler->contexts.resolver.sanitized},
	    {"dogstatsd.contexts", bh_contexts_count(&s->sampler->contexts)},
	    {"dogstatsd.queue_bytes", s->outlet->queue.bytes},
	    {"dogstatsd.queue_points", s->outlet->queue.items},
	    {"link.window_items", link.window_items},
	    {"link.window_bytes", link.window_bytes},
	    {"link.resent", link.resent},
	    {"link.renewals", link.renewals},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(figures); i++)
		bh_child_stat_number(child, figures[i].name, figures[i].v);
	if (s->rate) {
		bh_child_stat_number(child, "dogstatsd.packets_last_second", bh_rate_last(s->rate));
		bh_child_stat_number(
		    child, "dogstatsd.packets_busiest_second", bh_rate_busiest(s->rate));
	}
}

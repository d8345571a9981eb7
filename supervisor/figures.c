#include "supervisor/figures.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/crc.h"

#define SAMPLES_MAX 65536
#define SENT_MAX    16384

#define RETRY_METRIC "datadog.agent.retry_queue_duration." /* as in the Agent */

enum family {
	UP,
	RESTARTS,
	LEDGER_RECEIVED,
	LEDGER_DELIVERED,
	LEDGER_DROPPED,
	LEDGER_SPOOLED,
	LEDGER_IN_FLIGHT,
	LEDGER_GAP,
	BUFFER_SIZE_EVENTS,
	BUFFER_SIZE_BYTES,
	BUFFER_RECEIVED_EVENTS,
	BUFFER_RECEIVED_BYTES,
	BUFFER_SENT_EVENTS,
	BUFFER_SENT_BYTES,
	BUFFER_DISCARDED_EVENTS,
	BUFFER_DISCARDED_BYTES,
	BUFFER_EVENTS,
	BUFFER_BYTE_SIZE,
	SOURCE_UTILIZATION,
	SOURCE_LEVEL,
	SOURCE_MEAN,
	SOURCE_MAX,
	TRANSFORM_UTILIZATION,
	TRANSFORM_LEVEL,
	TRANSFORM_MEAN,
	TRANSFORM_MAX,
	RETRY_CAPACITY_SECS,
	RETRY_BYTES_PER_SEC,
	RETRY_CAPACITY_BYTES,
	FIGURE,
	FAMILY__N,
};

const struct bh_family bh_families[FAMILY__N] = {
    [UP] = {"up", BH_FAMILY_GAUGE, false, "1 while the process runs."},
    [RESTARTS] = {"restarts", BH_FAMILY_COUNTER, false, "Starts of the process after its first."},
    [LEDGER_RECEIVED] = {"ledger_received", BH_FAMILY_COUNTER, false,
	"Came in, since the installation."},
    [LEDGER_DELIVERED] = {"ledger_delivered", BH_FAMILY_COUNTER, false,
	"Went on, since the installation."},
    [LEDGER_DROPPED] = {"ledger_dropped", BH_FAMILY_COUNTER, false, "Given up, by reason."},
    [LEDGER_SPOOLED] = {"ledger_spooled", BH_FAMILY_GAUGE, false, "In the spool now."},
    [LEDGER_IN_FLIGHT] = {"ledger_in_flight", BH_FAMILY_GAUGE, false, "In memory now."},
    [LEDGER_GAP] = {"ledger_gap", BH_FAMILY_GAUGE, false,
	"Without a reason; anything but 0 is a bug."},
    [BUFFER_SIZE_EVENTS] = {"buffer_size_events", BH_FAMILY_GAUGE, false, "Events in the buffer."},
    [BUFFER_SIZE_BYTES] = {"buffer_size_bytes", BH_FAMILY_GAUGE, false, "Bytes in the buffer."},
    [BUFFER_RECEIVED_EVENTS] = {"buffer_received_events", BH_FAMILY_COUNTER, false,
	"Events that arrived."},
    [BUFFER_RECEIVED_BYTES] = {"buffer_received_bytes", BH_FAMILY_COUNTER, false,
	"Bytes that arrived."},
    [BUFFER_SENT_EVENTS] = {"buffer_sent_events", BH_FAMILY_COUNTER, false, "Events handed on."},
    [BUFFER_SENT_BYTES] = {"buffer_sent_bytes", BH_FAMILY_COUNTER, false, "Bytes handed on."},
    [BUFFER_DISCARDED_EVENTS] = {"buffer_discarded_events", BH_FAMILY_COUNTER, false,
	"Events thrown away."},
    [BUFFER_DISCARDED_BYTES] = {"buffer_discarded_bytes", BH_FAMILY_COUNTER, false,
	"Bytes thrown away."},
    [BUFFER_EVENTS] = {"buffer_events", BH_FAMILY_GAUGE, true, "Old name of buffer_size_events."},
    [BUFFER_BYTE_SIZE] = {"buffer_byte_size", BH_FAMILY_GAUGE, true,
	"Old name of buffer_size_bytes."},
    [SOURCE_UTILIZATION] = {"source_buffer_utilization", BH_FAMILY_HISTOGRAM, false,
	"Fill levels seen, in events."},
    [SOURCE_LEVEL] = {"source_buffer_utilization_level", BH_FAMILY_GAUGE, false,
	"Fill level in events."},
    [SOURCE_MEAN] = {"source_buffer_utilization_mean", BH_FAMILY_MILLI, false,
	"Exponentially weighted mean of the fill level."},
    [SOURCE_MAX] = {"source_buffer_max_size_events", BH_FAMILY_GAUGE, false, "Capacity in events."},
    [TRANSFORM_UTILIZATION] = {"transform_buffer_utilization", BH_FAMILY_HISTOGRAM, false,
	"Fill levels seen, in events."},
    [TRANSFORM_LEVEL] = {"transform_buffer_utilization_level", BH_FAMILY_GAUGE, false,
	"Fill level in events."},
    [TRANSFORM_MEAN] = {"transform_buffer_utilization_mean", BH_FAMILY_MILLI, false,
	"Exponentially weighted mean of the fill level."},
    [TRANSFORM_MAX] = {"transform_buffer_max_size_events", BH_FAMILY_GAUGE, false,
	"Capacity in events."},
    [RETRY_CAPACITY_SECS] = {"retry_queue_duration_capacity_secs", BH_FAMILY_GAUGE, false,
	"Seconds an outage of the intake may last.", RETRY_METRIC "capacity_secs"},
    [RETRY_BYTES_PER_SEC] = {"retry_queue_duration_bytes_per_sec", BH_FAMILY_MILLI, false,
	"Bytes that come for the intake each second.", RETRY_METRIC "bytes_per_sec"},
    [RETRY_CAPACITY_BYTES] = {"retry_queue_duration_capacity_bytes", BH_FAMILY_GAUGE, false,
	"Bytes that may wait for the intake.", RETRY_METRIC "capacity_bytes"},
    [FIGURE] = {"figure", BH_FAMILY_GAUGE, true, "A figure of status, by its name there."},
};
const size_t bh_families_n = FAMILY__N;

/* --- the list --------------------------------------------------------------------------------- */

static struct bh_sample *add(struct bh_samples *out, enum family family, int64_t value)
{
	struct bh_sample *s;

	if (out->n == out->cap) {
		size_t cap = out->cap ? 2 * out->cap : 64;
		void *p = out->n < SAMPLES_MAX ? realloc(out->v, cap * sizeof(*out->v)) : NULL;

		if (!p) {
			out->failed = true;
			return NULL;
		}
		out->v = p;
		out->cap = cap;
	}
	s = &out->v[out->n++];
	*s = (struct bh_sample){.family = &bh_families[family], .part = "", .value = value};
	return s;
}

static void label(struct bh_sample *s, const char *key, struct bh_str value)
{
	if (s && s->labels_n < BH_SAMPLE_LABELS)
		s->labels[s->labels_n++] = (struct bh_label){key, value};
}

static void add_process(struct bh_samples *out, const struct bh_kid *k)
{
	struct bh_str role = bh_str_from(bh_role_name(k->role));

	label(add(out, UP, k->life.state == BH_LIFE_RUNNING), "role", role);
	label(add(out, RESTARTS, (int64_t)k->life.restarts), "role", role);
}

/* Labels are in alphabetical order, as the tags of a metric have to be. */
static struct bh_sample *add_entry(
    struct bh_samples *out, enum family family, const struct bh_ledger_row *row, int64_t value)
{
	struct bh_sample *s = add(out, family, value);

	label(s, "kind", bh_str_from(bh_ledger_kind_name(row->kind)));
	label(s, "name", bh_str_from(row->name));
	return s;
}

static void add_row(struct bh_samples *out, const struct bh_ledger_row *row)
{
	const struct {
		enum family family;
		int64_t value;
	} entries[] = {
	    {LEDGER_RECEIVED, (int64_t)row->l.received},
	    {LEDGER_DELIVERED, (int64_t)row->l.delivered},
	    {LEDGER_SPOOLED, (int64_t)row->l.spooled},
	    {LEDGER_IN_FLIGHT, (int64_t)row->l.in_flight},
	    {LEDGER_GAP, bh_ledger_gap(&row->l)},
	};
	struct bh_str role = bh_str_from(bh_role_name(bh_book_role(row)));

	for (size_t i = 0; i < BH_ARRAY_LEN(entries); i++)
		label(add_entry(out, entries[i].family, row, entries[i].value), "role", role);
	for (int r = 0; r < BH_DROP__N; r++) {
		struct bh_sample *s;

		if (!row->l.dropped[r])
			continue;
		s = add_entry(out, LEDGER_DROPPED, row, (int64_t)row->l.dropped[r]);
		label(s, "reason", bh_str_from(bh_drop_name((enum bh_drop)r)));
		label(s, "role", role);
	}
}

/* --- buffers ---------------------------------------------------------------------------------- */

struct component {
	const char *prefix, *type;
};

static const struct component components[] = {
    {"metrics_retry_", "datadog_metrics"},
    {"logs_dest:", "datadog_logs"},
    {"logs_spool:", "datadog_logs"},
    {"metrics_ipc", "forwarder"},
    {"dogstatsd_packets", "dogstatsd"},
    {"logs_", "logs"},
};

static const struct {
	const char *field;
	enum family family, old_name; /* FAMILY__N = it has none */
	const char *part;             /* of a histogram */
} fields[] = {
    {"size_events", BUFFER_SIZE_EVENTS, BUFFER_EVENTS, ""},
    {"size_bytes", BUFFER_SIZE_BYTES, BUFFER_BYTE_SIZE, ""},
    {"received_events", BUFFER_RECEIVED_EVENTS, FAMILY__N, ""},
    {"received_bytes", BUFFER_RECEIVED_BYTES, FAMILY__N, ""},
    {"sent_events", BUFFER_SENT_EVENTS, FAMILY__N, ""},
    {"sent_bytes", BUFFER_SENT_BYTES, FAMILY__N, ""},
    {"discarded_events", BUFFER_DISCARDED_EVENTS, FAMILY__N, ""},
    {"discarded_bytes", BUFFER_DISCARDED_BYTES, FAMILY__N, ""},
    {"source_level", SOURCE_LEVEL, FAMILY__N, ""},
    {"source_mean", SOURCE_MEAN, FAMILY__N, ""},
    {"source_max", SOURCE_MAX, FAMILY__N, ""},
    {"source_bucket", SOURCE_UTILIZATION, FAMILY__N, "bucket"},
    {"source_count", SOURCE_UTILIZATION, FAMILY__N, "count"},
    {"source_sum", SOURCE_UTILIZATION, FAMILY__N, "sum"},
    {"transform_level", TRANSFORM_LEVEL, FAMILY__N, ""},
    {"transform_mean", TRANSFORM_MEAN, FAMILY__N, ""},
    {"transform_max", TRANSFORM_MAX, FAMILY__N, ""},
    {"transform_bucket", TRANSFORM_UTILIZATION, FAMILY__N, "bucket"},
    {"transform_count", TRANSFORM_UTILIZATION, FAMILY__N, "count"},
    {"transform_sum", TRANSFORM_UTILIZATION, FAMILY__N, "sum"},
};

/* A limit that was set decided, not a fault. */
static bool is_policy(struct bh_str reason)
{
	static const char *const words[] = {
	    "spool_full", "queue_full", "expired", "too_large", "purged"};

	for (size_t i = 0; i < BH_ARRAY_LEN(words); i++) {
		if (bh_str_eq(reason, bh_str_from(words[i])))
			return true;
	}
	return false;
}

/* The words of spec/intake.md §16.3. */
static struct bh_str reason_tag(struct bh_str reason)
{
	return bh_str_eq(reason, BH_STR_LIT("spool_full")) ? BH_STR_LIT("queue_full") : reason;
}

static struct bh_str type_of(struct bh_str component)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(components); i++) {
		size_t n = strlen(components[i].prefix);

		if (component.n >= n && memcmp(component.p, components[i].prefix, n) == 0)
			return bh_str_from(components[i].type);
	}
	return BH_STR_LIT("other");
}

static struct bh_str cut_at(struct bh_str *s, char c)
{
	const char *p = s->n ? memchr(s->p, c, s->n) : NULL;
	struct bh_str head = {s->p, p ? (size_t)(p - s->p) : s->n};
	size_t used = head.n + (p != NULL);

	*s = (struct bh_str){s->p + used, s->n - used};
	return head;
}

/* before: what stood before the field, a bound or a reason; empty = nothing. */
static struct bh_sample *add_buffer_sample(struct bh_samples *out, enum family family,
    struct bh_str component, struct bh_str before, uint64_t value)
{
	struct bh_sample *s = add(out, family, (int64_t)value);

	label(s, "component_id", component);
	label(s, "component_type", type_of(component));
	if (!before.n)
		return s;
	if (bh_families[family].type == BH_FAMILY_HISTOGRAM) {
		label(s, "le", before);
		return s;
	}
	label(s, "intentional", is_policy(before) ? BH_STR_LIT("true") : BH_STR_LIT("false"));
	label(s, "reason", reason_tag(before));
	return s;
}

static void add_buffer(struct bh_samples *out, const char *rest, uint64_t value)
{
	struct bh_str field = bh_str_from(rest), before = {NULL, 0};
	struct bh_str component = cut_at(&field, '/');

	if (field.n && memchr(field.p, '/', field.n))
		before = cut_at(&field, '/');
	for (size_t i = 0; i < BH_ARRAY_LEN(fields); i++) {
		struct bh_sample *s;

		if (!bh_str_eq(field, bh_str_from(fields[i].field)))
			continue;
		s = add_buffer_sample(out, fields[i].family, component, before, value);
		if (s)
			s->part = fields[i].part;
		if (fields[i].old_name != FAMILY__N)
			(void)add_buffer_sample(out, fields[i].old_name, component, before, value);
	}
}

/* --- the retry queue (spec/intake.md §13.5) --------------------------------------------------- */

static const struct {
	const char *field;
	enum family family;
} retry_fields[] = {
    {"/capacity_secs", RETRY_CAPACITY_SECS},
    {"/bytes_per_sec", RETRY_BYTES_PER_SEC},
    {"/capacity_bytes", RETRY_CAPACITY_BYTES},
};

static void add_retry(struct bh_samples *out, const char *rest, uint64_t value)
{
	const char *field = strrchr(rest, '/');

	for (size_t i = 0; i < BH_ARRAY_LEN(retry_fields) && field; i++) {
		struct bh_sample *s;

		if (strcmp(field, retry_fields[i].field) != 0)
			continue;
		s = add(out, retry_fields[i].family, (int64_t)value);
		label(s, "agent", BH_STR_LIT("core"));
		label(s, "domain", (struct bh_str){rest, (size_t)(field - rest)});
	}
}

/* Two rules of one name have one number each: the page may say a name once. */
static bool said_before(const struct bh_stat_set *set, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (strcmp(set->numbers[j].name, set->numbers[i].name) == 0)
			return true;
	}
	return false;
}

static void add_numbers(struct bh_samples *out, const struct bh_kid *k)
{
	static const char buffer[] = "buffer/", retry[] = "retry_queue/";
	/* Looking for a second one costs the square of it. */
	size_t n = BH_MIN(k->stats.numbers_n, (size_t)1024);

	for (size_t i = 0; i < n; i++) {
		const struct bh_stat_number *number = &k->stats.numbers[i];
		struct bh_sample *s;

		if (said_before(&k->stats, i))
			continue;
		if (strncmp(number->name, buffer, sizeof(buffer) - 1) == 0) {
			add_buffer(out, number->name + sizeof(buffer) - 1, number->value);
			continue;
		}
		if (strncmp(number->name, retry, sizeof(retry) - 1) == 0) {
			add_retry(out, number->name + sizeof(retry) - 1, number->value);
			continue;
		}
		s = add(out, FIGURE, (int64_t)number->value);
		label(s, "role", bh_str_from(bh_role_name(k->role)));
		label(s, "name", bh_str_from(number->name));
	}
}

void bh_samples_collect(
    struct bh_samples *out, const struct bh_kid *kids, const struct bh_books *books)
{
	out->n = 0;
	out->failed = false;
	for (size_t i = 0; i < books->totals.n && books->loaded; i++)
		add_row(out, &books->totals.v[i]);
	for (int role = BH_ROLE_DOGSTATSD; role < BH_ROLE__N; role++) {
		if (!kids[role].enabled)
			continue;
		add_process(out, &kids[role]);
		add_numbers(out, &kids[role]);
	}
}

void bh_samples_release(struct bh_samples *s)
{
	free(s->v);
	*s = (struct bh_samples){0};
}

/* --- as metrics ------------------------------------------------------------------------------- */

struct bh_sent {
	uint64_t key; /* of name and tags */
	int64_t value;
};

void bh_figures_sent_release(struct bh_figures_sent *s)
{
	free(s->v);
	*s = (struct bh_figures_sent){0};
}

static struct bh_sent *sent_of(struct bh_figures_sent *sent, uint64_t key)
{
	for (size_t i = 0; i < sent->n; i++) {
		if (sent->v[i].key == key)
			return &sent->v[i];
	}
	return NULL;
}

static void remember(struct bh_figures_sent *sent, uint64_t key, int64_t value)
{
	if (sent->n == sent->cap) {
		size_t cap = sent->cap ? 2 * sent->cap : 64;
		void *p = sent->n < SENT_MAX ? realloc(sent->v, cap * sizeof(*sent->v)) : NULL;

		if (!p)
			return;
		sent->v = p;
		sent->cap = cap;
	}
	sent->v[sent->n++] = (struct bh_sent){key, value};
}

/* Tags stand between commas, so a value has none. */
static bool put_tags(const struct bh_sample *s, char *out, size_t cap)
{
	size_t at = 0;

	for (size_t i = 0; i < s->labels_n; i++) {
		const struct bh_label *l = &s->labels[i];
		int n = snprintf(out + at, cap - at, "%s%s:", i ? "," : "", l->key);

		if (n < 0 || (size_t)n + l->value.n >= cap - at)
			return false;
		at += (size_t)n;
		for (size_t j = 0; j < l->value.n; j++, at++)
			out[at] = (char)(l->value.p[j] == ',' ? '_' : l->value.p[j]);
		out[at] = '\0';
	}
	return true;
}

/* What was added to a counter since it was looked at before. */
static int64_t added(
    struct bh_figures_sent *sent, const struct bh_sample *s, const struct bh_figure *f)
{
	uint64_t key = bh_crc64(bh_crc64(0, f->name, strlen(f->name)), f->tags, strlen(f->tags));
	struct bh_sent *before = sent_of(sent, key);
	int64_t n;

	if (!before) {
		remember(sent, key, s->value);
		/* Since the installation, not since this run began. */
		return strncmp(s->family->name, "ledger_", 7) == 0 ? 0 : s->value;
	}
	n = s->value < before->value ? s->value : s->value - before->value;
	before->value = s->value;
	return n;
}

bool bh_figure_of(struct bh_figures_sent *sent, const struct bh_sample *s, struct bh_figure *out)
{
	enum bh_family_type type = s->family->type;
	const char *dot = type == BH_FAMILY_HISTOGRAM ? "." : "";

	*out = (struct bh_figure){
	    .is_count = type == BH_FAMILY_COUNTER || type == BH_FAMILY_HISTOGRAM};
	/* One source is one more file: gauges of each would be many metrics. */
	if (!out->is_count && s->labels_n && bh_str_eq(s->labels[0].value, BH_STR_LIT("source")))
		return false;
	if (s->family->page_only || s->value < 0 || !put_tags(s, out->tags, sizeof(out->tags)))
		return false;
	if (s->family->metric)
		(void)snprintf(out->name, sizeof(out->name), "%s", s->family->metric);
	else
		(void)snprintf(out->name, sizeof(out->name), "bulkhead.%s%s%s%s", s->family->name,
		    type == BH_FAMILY_COUNTER ? "_total" : "", dot, s->part);
	out->value = (double)s->value / (type == BH_FAMILY_MILLI ? 1000 : 1);
	if (!out->is_count)
		return true;
	out->value = (double)added(sent, s, out);
	return out->value > 0;
}

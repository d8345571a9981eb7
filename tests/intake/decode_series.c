#include "tests/intake/decode_series.h"

#include <math.h>

#include "proto/agent_payload.pb-c.h"

typedef Datadog__Agentpayload__MetricPayload bh_pb_payload;
typedef Datadog__Agentpayload__MetricPayload__MetricSeries bh_pb_series;
typedef Datadog__Agentpayload__SketchPayload bh_pb_sketches;
typedef Datadog__Agentpayload__SketchPayload__Sketch bh_pb_sketch;
typedef Datadog__Agentpayload__SketchPayload__Sketch__Dogsketch bh_pb_dogsketch;

/* NULL when a tag is not UTF-8. */
static json_t *tags_json(char *const *tags, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		if (json_array_append_new(list, json_string(tags[i])) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *origin_json(const Datadog__Agentpayload__Metadata *metadata)
{
	const Datadog__Agentpayload__Origin *o = metadata ? metadata->origin : NULL;

	if (!o)
		return json_null();
	return json_pack("{s:I, s:I, s:I}", "product", (json_int_t)o->origin_product, "category",
	    (json_int_t)o->origin_category, "service", (json_int_t)o->origin_service);
}

static const char *type_name(int type)
{
	switch (type) {
	case DATADOG__AGENTPAYLOAD__METRIC_PAYLOAD__METRIC_TYPE__COUNT:
		return "count";
	case DATADOG__AGENTPAYLOAD__METRIC_PAYLOAD__METRIC_TYPE__RATE:
		return "rate";
	case DATADOG__AGENTPAYLOAD__METRIC_PAYLOAD__METRIC_TYPE__GAUGE:
		return "gauge";
	default:
		return "unspecified";
	}
}

static json_t *series_points(const bh_pb_series *s, struct bh_decoded *d)
{
	json_t *points = json_array();

	for (size_t i = 0; i < s->n_points; i++) {
		double value = s->points[i]->value;

		if (!isfinite(value)) {
			d->nonfinite_points++;
			continue;
		}
		json_array_append_new(
		    points, json_pack("[I, f]", (json_int_t)s->points[i]->timestamp, value));
		d->points++;
	}
	return points;
}

/* The host is the resource of that type; the others are kept as they are. */
static json_t *series_resources(const bh_pb_series *s, const char **host)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_resources; i++) {
		const char *type = s->resources[i]->type;
		json_t *resource =
		    json_pack("{s:s, s:s}", "type", type, "name", s->resources[i]->name);

		if (json_array_append_new(list, resource) < 0) {
			json_decref(list);
			return NULL;
		}
		if (strcmp(type, "host") == 0)
			*host = s->resources[i]->name;
	}
	return list;
}

static int add_series(const bh_pb_series *s, size_t index, struct bh_decoded *d, struct bh_err *err)
{
	const char *host = "";
	json_t *tags = tags_json(s->tags, s->n_tags);
	json_t *resources = series_resources(s, &host);
	json_t *record = NULL;

	if (s->metric[0] == '\0') {
		json_decref(tags);
		json_decref(resources);
		return bh_err_set(err, BH_E_FORMAT, "series %zu: metric name is empty", index);
	}
	if (tags && resources)
		record = json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:s, s:o, s:s, s:o}", "kind",
		    "series", "metric", s->metric, "type", type_name((int)s->type), "interval",
		    (json_int_t)s->interval, "points", series_points(s, d), "tags", tags, "host",
		    host, "resources", resources, "source_type_name", s->source_type_name, "origin",
		    origin_json(s->metadata));
	else {
		json_decref(tags);
		json_decref(resources);
	}
	if (json_array_append_new(d->records, record) < 0)
		return bh_err_set(err, BH_E_FORMAT, "series %zu: a string is not UTF-8", index);
	d->series++;
	return 0;
}

int bh_decode_series_v2(struct bh_str body, struct bh_decoded *d, struct bh_err *err)
{
	bh_pb_payload *m;
	int rc = 0;

	m = datadog__agentpayload__metric_payload__unpack(NULL, body.n, (const uint8_t *)body.p);
	if (!m)
		return bh_err_set(err, BH_E_FORMAT, "body is not a MetricPayload");
	for (size_t i = 0; i < m->n_series && !rc; i++)
		rc = add_series(m->series[i], i, d, err);
	datadog__agentpayload__metric_payload__free_unpacked(m, NULL);
	return rc;
}

/* NULL when all is well, else what is wrong. */
static const char *dogsketch_fault(const bh_pb_dogsketch *g)
{
	uint64_t sum = 0;

	if (g->n_k != g->n_n)
		return "k and n differ in length";
	for (size_t i = 0; i < g->n_k; i++) {
		sum += g->n[i];
		if (i > 0 && g->k[i] < g->k[i - 1])
			return "keys do not ascend";
	}
	if (g->cnt < 1 || sum != (uint64_t)g->cnt)
		return "cnt is not the sum of n";
	if (!isfinite(g->min) || !isfinite(g->max) || !isfinite(g->avg) || !isfinite(g->sum))
		return "a figure is not finite";
	return NULL;
}

static json_t *dogsketch_json(const bh_pb_dogsketch *g)
{
	json_t *k = json_array();
	json_t *n = json_array();

	for (size_t i = 0; i < g->n_k; i++) {
		json_array_append_new(k, json_integer(g->k[i]));
		json_array_append_new(n, json_integer(g->n[i]));
	}
	return json_pack("{s:I, s:I, s:f, s:f, s:f, s:f, s:o, s:o}", "ts", (json_int_t)g->ts, "cnt",
	    (json_int_t)g->cnt, "min", g->min, "max", g->max, "avg", g->avg, "sum", g->sum, "k", k,
	    "n", n);
}

static int add_sketch(const bh_pb_sketch *s, size_t index, struct bh_decoded *d, struct bh_err *err)
{
	json_t *tags;
	json_t *points;
	json_t *record = NULL;

	if (s->metric[0] == '\0')
		return bh_err_set(err, BH_E_FORMAT, "sketch %zu: metric name is empty", index);
	for (size_t i = 0; i < s->n_dogsketches; i++) {
		const char *fault = dogsketch_fault(s->dogsketches[i]);

		if (fault)
			return bh_err_set(
			    err, BH_E_FORMAT, "sketch %zu, bucket %zu: %s", index, i, fault);
	}
	points = json_array();
	for (size_t i = 0; i < s->n_dogsketches; i++)
		json_array_append_new(points, dogsketch_json(s->dogsketches[i]));
	tags = tags_json(s->tags, s->n_tags);
	if (tags)
		record = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "kind", "sketch", "metric",
		    s->metric, "host", s->host, "tags", tags, "points", points, "origin",
		    origin_json(s->metadata));
	else
		json_decref(points);
	if (json_array_append_new(d->records, record) < 0)
		return bh_err_set(err, BH_E_FORMAT, "sketch %zu: a string is not UTF-8", index);
	d->sketches++;
	d->points += s->n_dogsketches;
	return 0;
}

int bh_decode_sketches(struct bh_str body, struct bh_decoded *d, struct bh_err *err)
{
	bh_pb_sketches *m;
	int rc = 0;

	m = datadog__agentpayload__sketch_payload__unpack(NULL, body.n, (const uint8_t *)body.p);
	if (!m)
		return bh_err_set(err, BH_E_FORMAT, "body is not a SketchPayload");
	for (size_t i = 0; i < m->n_sketches && !rc; i++)
		rc = add_sketch(m->sketches[i], i, d, err);
	datadog__agentpayload__sketch_payload__free_unpacked(m, NULL);
	return rc;
}

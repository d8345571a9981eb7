#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "proto/agent_payload.pb-c.h"
#include "tests/intake/decode_series.h"
#include "tests/unit/metric_vectors.h"

typedef int decoder(struct bh_str body, struct bh_decoded *d, struct bh_err *err);

static void expect_json(const struct bh_decoded *d, const char *want)
{
	char *got = json_dumps(d->records, JSON_COMPACT | JSON_SORT_KEYS);

	cr_expect_str_eq(got, want);
	free(got);
}

static int refuse(decoder *decode, struct bh_buf *body, const char *cause)
{
	struct bh_decoded d;
	struct bh_err err = BH_ERR_INIT;
	int rc;

	bh_decoded_init(&d);
	rc = decode(bh_buf_view(body), &d, &err);
	cr_expect(strstr(err.text, cause), "\"%s\" names \"%s\"", err.text, cause);
	bh_decoded_release(&d);
	bh_buf_release(body);
	return rc;
}

static struct bh_buf pack(const void *message)
{
	struct bh_buf b = BH_BUF_INIT;
	size_t n = protobuf_c_message_get_packed_size(message);

	cr_assert_eq(bh_buf_reserve(&b, n + 1), 0);
	b.len = protobuf_c_message_pack(message, (uint8_t *)b.data);
	return b;
}

Test(decode_series, the_vector_of_a_series_decodes_to_its_members)
{
	struct bh_buf body = from_hex(series_hex);
	struct bh_err err = BH_ERR_INIT;
	struct bh_decoded d;

	bh_decoded_init(&d);
	cr_assert_eq(bh_decode_series_v2(bh_buf_view(&body), &d, &err), 0, "%s", err.text);
	expect_json(&d,
	    "[{\"host\":\"h1\",\"interval\":10,\"kind\":\"series\",\"metric\":\"page.views\","
	    "\"origin\":{\"category\":10,\"product\":10,\"service\":0},"
	    "\"points\":[[1700000000,3.5]],"
	    "\"resources\":[{\"name\":\"h1\",\"type\":\"host\"}],\"source_type_name\":\"\","
	    "\"tags\":[\"env:prod\"],\"type\":\"rate\"}]");
	cr_expect_eq(d.series, 1);
	cr_expect_eq(d.points, 1);
	bh_decoded_release(&d);
	bh_buf_release(&body);
}

Test(decode_series, the_vector_of_a_sketch_decodes_to_its_members)
{
	struct bh_buf body = from_hex(sketch_hex);
	struct bh_err err = BH_ERR_INIT;
	struct bh_decoded d;

	bh_decoded_init(&d);
	cr_assert_eq(bh_decode_sketches(bh_buf_view(&body), &d, &err), 0, "%s", err.text);
	expect_json(&d,
	    "[{\"host\":\"h1\",\"kind\":\"sketch\",\"metric\":\"lat\","
	    "\"origin\":{\"category\":10,\"product\":10,\"service\":0},"
	    "\"points\":[{\"avg\":1.3333333333333333,\"cnt\":3,\"k\":[1338,1383],\"max\":2.0,"
	    "\"min\":1.0,\"n\":[2,1],\"sum\":4.0,\"ts\":1700000000}],\"tags\":[\"env:prod\"]}]");
	cr_expect_eq(d.sketches, 1);
	bh_decoded_release(&d);
	bh_buf_release(&body);
}

Test(decode_series, payloads_laid_end_to_end_are_one_payload)
{
	struct bh_buf body = from_hex(series_hex);
	struct bh_buf twice = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_decoded d;

	bh_buf_append(&twice, body.data, body.len);
	bh_buf_append(&twice, body.data, body.len);
	bh_decoded_init(&d);
	cr_expect_eq(bh_decode_series_v2(bh_buf_view(&twice), &d, &err), 0, "%s", err.text);
	cr_expect_eq(d.series, 2);
	bh_decoded_release(&d);
	bh_buf_release(&body);
	bh_buf_release(&twice);
}

Test(decode_series, a_shortened_vector_is_refused)
{
	struct bh_buf series = from_hex(series_hex);
	struct bh_buf sketch = from_hex(sketch_hex);

	series.len--;
	sketch.len -= 3;
	cr_expect_eq(refuse(bh_decode_series_v2, &series, "MetricPayload"), BH_E_FORMAT);
	cr_expect_eq(refuse(bh_decode_sketches, &sketch, "SketchPayload"), BH_E_FORMAT);
}

Test(decode_series, a_string_that_is_not_utf8_refuses_the_payload)
{
	static const char *const where[] = {"page", "host", "h1", "env"};

	for (size_t i = 0; i < BH_ARRAY_LEN(where); i++) {
		struct bh_buf body = from_hex(series_hex);
		char *at = memmem(body.data, body.len, where[i], strlen(where[i]));

		cr_assert_not_null(at);
		*at = (char)0xFF;
		cr_expect_eq(
		    refuse(bh_decode_series_v2, &body, "UTF-8"), BH_E_FORMAT, "%s", where[i]);
	}
}

Test(decode_series, a_series_without_a_name_is_refused)
{
	Datadog__Agentpayload__MetricPayload__MetricSeries s;
	Datadog__Agentpayload__MetricPayload__MetricSeries *list[] = {&s};
	Datadog__Agentpayload__MetricPayload m;
	struct bh_buf body;

	datadog__agentpayload__metric_payload__metric_series__init(&s);
	datadog__agentpayload__metric_payload__init(&m);
	m.n_series = 1;
	m.series = list;
	body = pack(&m);
	cr_expect_eq(refuse(bh_decode_series_v2, &body, "name is empty"), BH_E_FORMAT);
}

Test(decode_series, points_that_are_not_finite_are_left_out_and_counted)
{
	Datadog__Agentpayload__MetricPayload__MetricPoint p[3];
	Datadog__Agentpayload__MetricPayload__MetricPoint *points[] = {&p[0], &p[1], &p[2]};
	char name[] = "m";
	Datadog__Agentpayload__MetricPayload__MetricSeries s;
	Datadog__Agentpayload__MetricPayload__MetricSeries *list[] = {&s};
	Datadog__Agentpayload__MetricPayload m;
	struct bh_err err = BH_ERR_INIT;
	struct bh_decoded d;
	struct bh_buf body;

	for (size_t i = 0; i < 3; i++)
		datadog__agentpayload__metric_payload__metric_point__init(&p[i]);
	datadog__agentpayload__metric_payload__metric_series__init(&s);
	p[0].value = (double)NAN;
	p[1].value = (double)-INFINITY;
	p[2].value = 7;
	s.metric = name;
	s.n_points = 3;
	s.points = points;
	datadog__agentpayload__metric_payload__init(&m);
	m.n_series = 1;
	m.series = list;
	body = pack(&m);
	bh_decoded_init(&d);
	cr_assert_eq(bh_decode_series_v2(bh_buf_view(&body), &d, &err), 0, "%s", err.text);
	cr_expect_eq(d.points, 1);
	cr_expect_eq(d.nonfinite_points, 2);
	bh_decoded_release(&d);
	bh_buf_release(&body);
}

Test(decode_series, a_sketch_that_contradicts_itself_is_refused)
{
	static const struct {
		int32_t k[2];
		uint32_t n[2];
		size_t n_k, n_n;
		int64_t cnt;
		double sum;
		const char *cause;
	} cases[] = {
	    {{1, 2}, {1, 1}, 2, 1, 2, 0, "differ in length"},
	    {{2, 1}, {1, 1}, 2, 2, 2, 0, "ascend"},
	    {{1, 2}, {1, 1}, 2, 2, 3, 0, "sum of n"},
	    {{1, 2}, {1, 1}, 0, 0, 0, 0, "sum of n"},
	    {{1, 2}, {1, 1}, 2, 2, 2, (double)INFINITY, "not finite"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		int32_t k[2] = {cases[i].k[0], cases[i].k[1]};
		uint32_t n[2] = {cases[i].n[0], cases[i].n[1]};
		char name[] = "m";
		Datadog__Agentpayload__SketchPayload__Sketch__Dogsketch g;
		Datadog__Agentpayload__SketchPayload__Sketch__Dogsketch *gs[] = {&g};
		Datadog__Agentpayload__SketchPayload__Sketch s;
		Datadog__Agentpayload__SketchPayload__Sketch *list[] = {&s};
		Datadog__Agentpayload__SketchPayload m;
		struct bh_buf body;

		datadog__agentpayload__sketch_payload__sketch__dogsketch__init(&g);
		datadog__agentpayload__sketch_payload__sketch__init(&s);
		datadog__agentpayload__sketch_payload__init(&m);
		g.k = k;
		g.n = n;
		g.n_k = cases[i].n_k;
		g.n_n = cases[i].n_n;
		g.cnt = cases[i].cnt;
		g.sum = cases[i].sum;
		s.metric = name;
		s.n_dogsketches = 1;
		s.dogsketches = gs;
		m.n_sketches = 1;
		m.sketches = list;
		body = pack(&m);
		cr_expect_eq(
		    refuse(bh_decode_sketches, &body, cases[i].cause), BH_E_FORMAT, "case %zu", i);
	}
}

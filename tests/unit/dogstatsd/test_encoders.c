#include <criterion/criterion.h>

#include <string.h>

#include "dogstatsd/hosttags.h"
#include "dogstatsd/series_encoder.h"
#include "dogstatsd/sketch_encoder.h"
#include "proto/agent_payload.pb-c.h"
#include "tests/unit/metric_vectors.h"

typedef Datadog__Agentpayload__MetricPayload metric_payload;
typedef Datadog__Agentpayload__MetricPayload__MetricSeries metric_series;
typedef Datadog__Agentpayload__SketchPayload sketch_payload;

/* Both messages, decoded and packed again by protobuf-c, are the same bytes. */
static void expect_same_series(struct bh_str entry, const char *hex)
{
	struct bh_buf want = from_hex(hex);
	metric_payload *a =
	    datadog__agentpayload__metric_payload__unpack(NULL, entry.n, (const uint8_t *)entry.p);
	metric_payload *b = datadog__agentpayload__metric_payload__unpack(
	    NULL, want.len, (const uint8_t *)want.data);
	uint8_t packed_a[256], packed_b[256];
	size_t na, nb;

	cr_assert(a && b);
	na = datadog__agentpayload__metric_payload__pack(a, packed_a);
	nb = datadog__agentpayload__metric_payload__pack(b, packed_b);
	cr_expect(na == nb && memcmp(packed_a, packed_b, na) == 0);
	datadog__agentpayload__metric_payload__free_unpacked(a, NULL);
	datadog__agentpayload__metric_payload__free_unpacked(b, NULL);
	bh_buf_release(&want);
}

static const struct bh_identity h1 = {
    .name = {"page.views", 10},
    .host = {"h1", 2},
    .tags = {.at.packed = "\x08"
			  "env:prod",
	.n = 1,
	.bytes = 9},
};

static const struct bh_tags no_tags = {.n = 0};

Test(series_encoder, writes_the_vector_of_the_specification)
{
	struct bh_point point = {1700000000, 3.5};
	struct bh_series s = {.id = &h1,
	    .type = BH_SERIES_RATE,
	    .interval = 10,
	    .category = BH_ORIGIN_CATEGORY_DOGSTATSD,
	    .points = &point,
	    .n = 1};
	struct bh_buf scratch = BH_BUF_INIT;
	struct bh_str entry;

	cr_assert_eq(bh_series_v2.encode(&s, &scratch, &entry), 0);
	cr_expect_eq(entry.n, 65);
	expect_same_series(entry, series_hex);
	bh_buf_release(&scratch);
}

static metric_payload *encode(const struct bh_series *s)
{
	struct bh_buf scratch = BH_BUF_INIT;
	struct bh_str entry;
	metric_payload *m;

	cr_assert_eq(bh_series_v2.encode(s, &scratch, &entry), 0);
	m = datadog__agentpayload__metric_payload__unpack(NULL, entry.n, (const uint8_t *)entry.p);
	cr_assert_not_null(m);
	cr_assert_eq(m->n_series, 1);
	bh_buf_release(&scratch);
	return m;
}

Test(series_encoder, turns_device_and_resource_tags_into_resources)
{
	struct bh_identity id = {
	    .name = BH_STR_LIT("m"),
	    .host = BH_STR_LIT(""),
	    .tags = bh_tags_from_packed(BH_STR_LIT("\x01"
						   "a"
						   "\x1d"
						   "dd.internal.resource:pod:p:q1"
						   "\x16"
						   "dd.internal.resource:x"
						   "\x0a"
						   "device:sda"
						   "\x06"
						   "device")),
	};
	struct bh_point point = {1, 1};
	struct bh_series s = {.id = &id, .type = BH_SERIES_GAUGE, .points = &point, .n = 1};
	metric_payload *m = encode(&s);
	const metric_series *got = m->series[0];

	cr_assert_eq(got->n_resources, 3);
	cr_expect_str_eq(got->resources[0]->type, "host");
	cr_expect_str_eq(got->resources[0]->name, "");
	cr_expect_str_eq(got->resources[1]->type, "pod");
	cr_expect_str_eq(got->resources[1]->name, "p:q1");
	cr_expect_str_eq(got->resources[2]->type, "device");
	cr_expect_str_eq(got->resources[2]->name, "sda");
	cr_assert_eq(got->n_tags, 3);
	cr_expect_str_eq(got->tags[0], "a");
	cr_expect_str_eq(got->tags[1], "dd.internal.resource:x");
	cr_expect_str_eq(got->tags[2], "device");
	datadog__agentpayload__metric_payload__free_unpacked(m, NULL);
}

Test(series_encoder, writes_suffix_source_type_and_many_points)
{
	struct bh_point points[300];
	struct bh_series s = {.id = &h1,
	    .suffix = BH_STR_LIT(".95percentile"),
	    .type = BH_SERIES_GAUGE,
	    .source_type = BH_STR_LIT("System"),
	    .points = points,
	    .n = 300};
	metric_payload *m;

	for (int i = 0; i < 300; i++)
		points[i] = (struct bh_point){1700000000 + i, -i / 3.0};
	m = encode(&s);
	cr_expect_str_eq(m->series[0]->metric, "page.views.95percentile");
	cr_expect_str_eq(m->series[0]->source_type_name, "System");
	cr_expect_eq(m->series[0]->interval, 0);
	cr_expect_eq(m->series[0]->metadata->origin->origin_product, 10);
	cr_expect_eq(m->series[0]->metadata->origin->origin_category, 0);
	cr_assert_eq(m->series[0]->n_points, 300);
	for (int i = 0; i < 300; i++) {
		cr_assert_eq(m->series[0]->points[i]->timestamp, 1700000000 + i);
		cr_assert_eq(m->series[0]->points[i]->value, -i / 3.0);
	}
	datadog__agentpayload__metric_payload__free_unpacked(m, NULL);
}

Test(sketch_encoder, writes_the_vector_of_the_specification)
{
	struct bh_identity id = {{"lat", 3}, {"h1", 2},
	    bh_tags_from_packed(BH_STR_LIT("\x08"
					   "env:prod"))};
	struct bh_sketch sketch = BH_SKETCH_INIT;
	struct bh_sketch_point point = {1700000000, &sketch};
	struct bh_buf scratch = BH_BUF_INIT, body = BH_BUF_INIT, want = from_hex(sketch_hex);
	struct bh_str entry;

	cr_assert_eq(bh_sketch_add(&sketch, 1, 1), 0);
	cr_assert_eq(bh_sketch_add(&sketch, 1, 1), 0);
	cr_assert_eq(bh_sketch_add(&sketch, 2, 1), 0);
	cr_assert_eq(bh_sketch_encode(&id, no_tags, &point, 1, &scratch, &entry), 0);
	(void)bh_buf_append(&body, entry.p, entry.n);
	(void)bh_buf_append(&body, "\x12\x00", 2);
	cr_assert_eq(body.len, want.len);
	cr_expect(memcmp(body.data, want.data, want.len) == 0);
	bh_sketch_release(&sketch);
	bh_buf_release(&scratch);
	bh_buf_release(&body);
	bh_buf_release(&want);
}

Test(sketch_encoder, splits_counts_beyond_32_bits)
{
	struct bh_identity id = {{"lat", 3}, {"h1", 2}, {.n = 0}};
	struct bh_sketch sketch = BH_SKETCH_INIT;
	struct bh_sketch_point point = {1, &sketch};
	struct bh_buf scratch = BH_BUF_INIT;
	struct bh_str entry;
	sketch_payload *s;
	uint64_t total = 0;

	for (int i = 0; i < 3; i++)
		cr_assert_eq(bh_sketch_add(&sketch, -1, 1e-12), 0);
	cr_assert_eq(bh_sketch_add(&sketch, -1, 1), 0);
	cr_assert_eq(bh_sketch_encode(&id, no_tags, &point, 1, &scratch, &entry), 0);
	s = datadog__agentpayload__sketch_payload__unpack(NULL, entry.n, (const uint8_t *)entry.p);
	cr_assert_not_null(s);
	cr_assert_eq(s->sketches[0]->dogsketches[0]->n_k, 4);
	for (size_t i = 0; i < 4; i++) {
		cr_expect_eq(s->sketches[0]->dogsketches[0]->k[i], -1338);
		total += s->sketches[0]->dogsketches[0]->n[i];
	}
	cr_expect_eq(total, 3ull * UINT32_MAX + 1);
	cr_expect_eq(s->sketches[0]->dogsketches[0]->cnt, (int64_t)total);
	datadog__agentpayload__sketch_payload__free_unpacked(s, NULL);
	bh_sketch_release(&sketch);
	bh_buf_release(&scratch);
}

/* --- host tags (expected_tags_duration, spec/dogstatsd.md §15) ----------------------------------
 */

static struct bh_host_tags host_tags(int64_t until_ns)
{
	char *words[] = {(char[]){"team:x"}, (char[]){"device:sdb"}, (char[]){"env:prod"}};
	struct bh_strlist list = {words, 3};
	struct bh_host_tags h;

	cr_assert_eq(bh_host_tags_init(&h, &list, until_ns), 0);
	return h;
}

Test(host_tags, end_with_their_time)
{
	struct bh_host_tags h = host_tags(5000);

	cr_expect_eq(bh_host_tags_at(&h, 4999).n, 3);
	cr_expect_eq(bh_host_tags_at(&h, 5000).n, 0);
	bh_host_tags_release(&h);
	h = (struct bh_host_tags){.until_ns = 1};
	cr_expect_eq(bh_host_tags_at(&h, 0).n, 0);
}

Test(host_tags, stand_behind_those_of_a_series)
{
	struct bh_host_tags h = host_tags(1);
	struct bh_point point = {1, 1};
	struct bh_series s = {
	    .id = &h1, .extra = h.list, .type = BH_SERIES_GAUGE, .points = &point, .n = 1};
	metric_payload *m = encode(&s);
	const metric_series *got = m->series[0];
	struct bh_buf scratch = BH_BUF_INIT;
	struct bh_str entry;

	cr_assert_eq(got->n_tags, 3);
	cr_expect_str_eq(got->tags[0], "env:prod");
	cr_expect_str_eq(got->tags[1], "team:x");
	cr_expect_str_eq(got->tags[2], "env:prod");
	cr_assert_eq(got->n_resources, 2);
	cr_expect_str_eq(got->resources[1]->name, "sdb");
	datadog__agentpayload__metric_payload__free_unpacked(m, NULL);
	cr_assert_eq(bh_series_v1.encode(&s, &scratch, &entry), 0);
	cr_expect_not_null(strstr(
	    scratch.data, "\"tags\":[\"env:prod\",\"team:x\",\"env:prod\"],\"device\":\"sdb\""));
	bh_buf_release(&scratch);
	bh_host_tags_release(&h);
}

Test(host_tags, stand_behind_those_of_a_sketch)
{
	struct bh_host_tags h = host_tags(1);
	struct bh_sketch sketch = BH_SKETCH_INIT;
	struct bh_sketch_point point = {1, &sketch};
	struct bh_buf scratch = BH_BUF_INIT;
	struct bh_str entry;
	sketch_payload *s;

	cr_assert_eq(bh_sketch_add(&sketch, 1, 1), 0);
	cr_assert_eq(bh_sketch_encode(&h1, h.list, &point, 1, &scratch, &entry), 0);
	s = datadog__agentpayload__sketch_payload__unpack(NULL, entry.n, (const uint8_t *)entry.p);
	cr_assert_not_null(s);
	cr_assert_eq(s->sketches[0]->n_tags, 4);
	cr_expect_str_eq(s->sketches[0]->tags[0], "env:prod");
	cr_expect_str_eq(s->sketches[0]->tags[1], "team:x");
	cr_expect_str_eq(s->sketches[0]->tags[2], "device:sdb");
	datadog__agentpayload__sketch_payload__free_unpacked(s, NULL);
	bh_sketch_release(&sketch);
	bh_buf_release(&scratch);
	bh_host_tags_release(&h);
}

/* A list longer than the room an entry needs without it: the bound counts it. */
Test(host_tags, may_be_many)
{
	static char text[60000];
	char *words[] = {text, text, text};
	struct bh_strlist list = {words, 3};
	struct bh_point point = {1, 1};
	struct bh_series s = {.id = &h1, .type = BH_SERIES_GAUGE, .points = &point, .n = 1};
	struct bh_host_tags h;
	metric_payload *m;

	memset(text, 'x', sizeof(text) - 1);
	cr_assert_eq(bh_host_tags_init(&h, &list, 1), 0);
	s.extra = h.list;
	m = encode(&s);
	cr_expect_eq(m->series[0]->n_tags, 4);
	datadog__agentpayload__metric_payload__free_unpacked(m, NULL);
	bh_host_tags_release(&h);
}

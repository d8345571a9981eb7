#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "common/rng.h"
#include "dogstatsd/entry.h"
#include "dogstatsd/payload_queue.h"
#include "dogstatsd/sketch_encoder.h"
#include "tests/unit/dogstatsd/fixture.h"

/* What the writer emitted, put together again, and the largest of each kind of size. */
struct sink {
	struct bh_buf raw;
	size_t payloads, body_max, raw_max, items_max;
	uint64_t items;
	bool footer;
};

static size_t inflate_all(const struct bh_payload *p, char *out, size_t cap)
{
	uLongf n = cap;

	if (p->encoding == BH_ENC_ZSTD) {
		size_t got = ZSTD_decompress(out, cap, p->body, p->len);

		cr_assert_not(ZSTD_isError(got));
		return got;
	}
	if (p->encoding == BH_ENC_DEFLATE) {
		cr_assert_eq(uncompress((Bytef *)out, &n, (const Bytef *)p->body, p->len), Z_OK);
		return n;
	}
	memcpy(out, p->body, p->len);
	return p->len;
}

static void take(void *ctx, struct bh_payload *p)
{
	struct sink *s = ctx;
	char *out = malloc(p->raw_len);
	size_t n;

	cr_assert_not_null(out);
	n = inflate_all(p, out, p->raw_len);
	cr_assert_eq(n, p->raw_len);
	s->footer = n >= 2 && out[n - 2] == 0x12 && out[n - 1] == 0;
	(void)bh_buf_append(&s->raw, out, n - (p->kind == BH_KIND_SKETCHES ? 2 : 0));
	s->payloads++;
	s->items += p->items;
	s->body_max = BH_MAX(s->body_max, p->len);
	s->raw_max = BH_MAX(s->raw_max, n);
	s->items_max = BH_MAX(s->items_max, (size_t)p->items);
	free(out);
	free(p);
}

static struct bh_config config(const char *kind, int64_t compressed, int64_t raw, int64_t points)
{
	static char word[16];
	struct fixture f;

	fixture_defaults(&f);
	(void)snprintf(word, sizeof(word), "%s", kind);
	f.cfg.serializer_compressor_kind = word;
	f.cfg.serializer_max_series_payload_size = compressed;
	f.cfg.serializer_max_series_uncompressed_payload_size = raw;
	f.cfg.serializer_max_series_points_per_payload = points;
	f.cfg.serializer_max_payload_size = compressed;
	f.cfg.serializer_max_uncompressed_payload_size = raw;
	return f.cfg;
}

/* n entries of random length, half of their bytes random; what was written is appended to want. */
static void write_entries(struct bh_payload_writer *w, int n, struct bh_buf *want)
{
	struct bh_rng rng;
	char entry[600];

	bh_rng_seed(&rng, 17);
	for (int i = 0; i < n; i++) {
		size_t len = 50 + bh_rng_u64(&rng) % 500;

		for (size_t k = 0; k < len; k++)
			entry[k] = k % 2 ? 'x' : (char)bh_rng_u64(&rng);
		bh_payload_writer_add(w, BH_JOINT_NONE, (struct bh_str){entry, len}, 2);
		(void)bh_buf_append(want, entry, len);
	}
	bh_payload_writer_finish(w);
}

static void check_limits(const char *kind, enum bh_kind what)
{
	struct bh_config cfg = config(kind, 20000, 25000, 120);
	struct bh_buf want = BH_BUF_INIT;
	struct bh_payload_writer w;
	struct sink s = {0};

	bh_payload_writer_init(&w, &cfg, take, &s);
	bh_payload_writer_begin(&w, what, what == BH_KIND_SKETCHES ? BH_SKETCH_TAIL : BH_TAIL_NONE);
	write_entries(&w, 2000, &want);
	cr_expect_eq(s.raw.len, want.len, "%s: %zu of %zu bytes", kind, s.raw.len, want.len);
	cr_expect(s.raw.len == want.len && memcmp(s.raw.data, want.data, want.len) == 0);
	cr_expect_eq(s.items, 4000);
	cr_expect_gt(s.payloads, 10);
	cr_expect_leq(s.body_max, 20000, "%s: %zu", kind, s.body_max);
	cr_expect_leq(s.raw_max, 25000);
	if (what == BH_KIND_SERIES_V2)
		cr_expect_leq(s.items_max, 120);
	else
		cr_expect(s.footer);
	cr_expect_eq(w.too_big + w.lost, 0);
	bh_payload_writer_release(&w);
	bh_buf_release(&want);
	bh_buf_release(&s.raw);
}

Test(payload_writer, splits_below_every_limit_and_loses_nothing)
{
	check_limits("zstd", BH_KIND_SERIES_V2);
	check_limits("zlib", BH_KIND_SERIES_V2);
	check_limits("none", BH_KIND_SERIES_V2);
	check_limits("zstd", BH_KIND_SKETCHES);
	check_limits("zlib", BH_KIND_SKETCHES);
	check_limits("none", BH_KIND_SKETCHES);
}

Test(payload_writer, fills_payloads_of_text_that_compresses_well)
{
	struct bh_config cfg = config("zstd", 20000, 1000000, 0);
	static char entry[1000];
	struct bh_payload_writer w;
	struct sink s = {0};

	memset(entry, 'a', sizeof(entry));
	bh_payload_writer_init(&w, &cfg, take, &s);
	bh_payload_writer_begin(&w, BH_KIND_SERIES_V2, BH_TAIL_NONE);
	for (int i = 0; i < 500; i++)
		bh_payload_writer_add(&w, BH_JOINT_NONE, (struct bh_str){entry, sizeof(entry)}, 1);
	bh_payload_writer_finish(&w);
	cr_expect_leq(s.payloads, 2, "%zu payloads", s.payloads);
	cr_expect_eq(s.raw.len, 500000);
	bh_payload_writer_release(&w);
	bh_buf_release(&s.raw);
}

Test(payload_writer, drops_and_counts_an_entry_that_fits_no_payload)
{
	struct bh_config cfg = config("none", 1000, 5000, 0);
	static char entry[1001];
	struct bh_payload_writer w;
	struct sink s = {0};

	bh_payload_writer_init(&w, &cfg, take, &s);
	bh_payload_writer_begin(&w, BH_KIND_SERIES_V2, BH_TAIL_NONE);
	bh_payload_writer_add(&w, BH_JOINT_NONE, (struct bh_str){entry, 1000}, 1);
	bh_payload_writer_add(&w, BH_JOINT_NONE, (struct bh_str){entry, 1001}, 7);
	bh_payload_writer_add(&w, BH_JOINT_NONE, (struct bh_str){entry, 10}, 1);
	bh_payload_writer_finish(&w);
	cr_expect_eq(w.too_big, 7);
	cr_expect_eq(s.items, 2);
	cr_expect_eq(s.payloads, 2);
	bh_payload_writer_release(&w);
	bh_buf_release(&s.raw);
}

Test(payload_writer, emits_nothing_when_nothing_was_added)
{
	struct bh_config cfg = config("zstd", 1000, 5000, 0);
	struct bh_payload_writer w;
	struct sink s = {0};

	bh_payload_writer_init(&w, &cfg, take, &s);
	bh_payload_writer_begin(&w, BH_KIND_SKETCHES, BH_SKETCH_TAIL);
	bh_payload_writer_finish(&w);
	cr_expect_eq(s.payloads, 0);
	bh_payload_writer_release(&w);
}

Test(output, splits_a_series_of_more_points_than_a_payload_may_hold)
{
	struct bh_point points[25];
	struct bh_identity id = {{"m", 1}, {"h", 1}, {.n = 0}};
	struct bh_series s = {.id = &id, .type = BH_SERIES_GAUGE, .points = points, .n = 25};
	struct fixture f;

	fixture_defaults(&f);
	f.cfg.serializer_max_series_points_per_payload = 10;
	fixture_open(&f);
	for (int i = 0; i < 25; i++)
		points[i] = (struct bh_point){i, i};
	bh_payload_writer_begin(&f.writer, BH_KIND_SERIES_V2, BH_TAIL_NONE);
	bh_output_series(&f.output, &s);
	bh_payload_writer_finish(&f.writer);
	cr_assert(f.payloads && f.payloads->next && f.payloads->next->next);
	cr_expect_eq(f.payloads->items, 10);
	cr_expect_eq(f.payloads->next->items, 10);
	cr_expect_eq(f.payloads->next->next->items, 5);
	cr_expect_eq(f.output.received, 25);
	fixture_close(&f);
}

static struct bh_payload *payload(size_t len, uint32_t items)
{
	struct bh_payload *p = calloc(1, sizeof(*p) + len);

	cr_assert_not_null(p);
	p->len = len;
	p->items = items;
	return p;
}

Test(payload_queue, is_first_in_first_out)
{
	struct bh_payload_queue q;

	bh_payload_queue_init(&q, 100);
	cr_expect_null(bh_payload_queue_pop(&q));
	for (uint32_t i = 1; i <= 3; i++)
		cr_expect_eq(bh_payload_queue_push(&q, payload(10, i)), 0);
	cr_expect(q.bytes == 30 && q.items == 6);
	for (uint32_t i = 1; i <= 3; i++) {
		struct bh_payload *p = bh_payload_queue_pop(&q);

		cr_assert_not_null(p);
		cr_expect_eq(p->items, i);
		free(p);
	}
	cr_expect(q.bytes == 0 && q.items == 0 && !q.head && !q.tail);
}

Test(payload_queue, drops_the_oldest_beyond_its_bound)
{
	struct bh_payload_queue q;

	bh_payload_queue_init(&q, 100);
	cr_expect_eq(bh_payload_queue_push(&q, payload(40, 1)), 0);
	cr_expect_eq(bh_payload_queue_push(&q, payload(40, 2)), 0);
	cr_expect_eq(bh_payload_queue_push(&q, payload(70, 4)), 3);
	cr_expect(q.bytes == 70 && q.items == 4);
	cr_expect_eq(bh_payload_queue_push(&q, payload(500, 8)), 4);
	cr_expect(q.bytes == 500 && q.items == 8);
	bh_payload_queue_release(&q);
}

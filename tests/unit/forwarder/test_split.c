#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "forwarder/cut.h"
#include "forwarder/pack.h"

static struct bh_str packed(enum bh_encoding e, struct bh_str raw, struct bh_buf *into)
{
	cr_assert_eq(bh_pack(e, raw, into), 0);
	return bh_buf_view(into);
}

static void unpacked(enum bh_encoding e, struct bh_str body, struct bh_buf *into)
{
	bh_buf_clear(into);
	cr_assert_eq(bh_unpack(e, body, BH_SPLIT_RAW_MAX, into), 0);
}

Test(pack, every_encoding_gives_the_bytes_back)
{
	char raw[300000];

	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = (char)(i * i >> 3);
	for (int e = 0; e < BH_ENC__N; e++) {
		static const size_t sizes[] = {0, 1, 131071, 131072, 131073, sizeof(raw)};

		for (size_t i = 0; i < BH_ARRAY_LEN(sizes); i++) {
			struct bh_buf body = BH_BUF_INIT, back = BH_BUF_INIT;

			cr_assert_eq(
			    bh_pack((enum bh_encoding)e, (struct bh_str){raw, sizes[i]}, &body), 0);
			cr_assert_eq(
			    bh_unpack((enum bh_encoding)e, bh_buf_view(&body), sizes[i], &back), 0,
			    "encoding %d, %zu bytes", e, sizes[i]);
			cr_assert_eq(back.len, sizes[i]);
			cr_assert(sizes[i] == 0 || memcmp(back.data, raw, sizes[i]) == 0);
			if (sizes[i]) {
				bh_buf_clear(&back);
				cr_expect_eq(bh_unpack((enum bh_encoding)e, bh_buf_view(&body),
						 sizes[i] - 1, &back),
				    BH_E_LIMIT, "encoding %d, %zu bytes", e, sizes[i]);
			}
			bh_buf_release(&body);
			bh_buf_release(&back);
		}
	}
}

Test(pack, damage_is_a_format_error)
{
	for (int e = BH_ENC_ZSTD; e < BH_ENC__N; e++) {
		struct bh_buf body = BH_BUF_INIT, back = BH_BUF_INIT;
		struct bh_str whole =
		    packed((enum bh_encoding)e, BH_STR_LIT("hello hello hello"), &body);

		cr_expect_eq(bh_unpack((enum bh_encoding)e, (struct bh_str){whole.p, whole.n - 1},
				 1000, &back),
		    BH_E_FORMAT, "encoding %d cut short", e);
		bh_buf_clear(&back);
		(void)bh_buf_str(&body, "x");
		cr_expect_eq(bh_unpack((enum bh_encoding)e, bh_buf_view(&body), 1000, &back),
		    BH_E_FORMAT, "encoding %d with a byte behind", e);
		bh_buf_clear(&back);
		cr_expect_eq(bh_unpack((enum bh_encoding)e, BH_STR_LIT("nonsense"), 1000, &back),
		    BH_E_FORMAT);
		bh_buf_release(&body);
		bh_buf_release(&back);
	}
}

/* Two series with 1 and 2 points between a field that is none of them (spec/intake.md §6.1). */
#define SERIES_A "\x0a\x07\x12\x01\x61\x22\x02\x10\x01"
#define SERIES_B "\x0a\x0b\x12\x01\x62\x22\x02\x10\x01\x22\x02\x10\x02"
#define SKETCH_A "\x0a\x05\x0a\x01\x61\x3a\x00"
#define SKETCH_B "\x0a\x07\x0a\x01\x62\x3a\x00\x3a\x00"
#define OTHER    "\x12\x02\x0a\x00"

/* spec/intake.md §11.3: cut at item boundaries; here into single items. */
static const struct {
	enum bh_kind kind;
	const char *body;
	size_t n;
	const char *parts[4];
	unsigned weights[4];
	size_t part_n[4]; /* 0 = text */
} bodies[] = {
    {BH_KIND_LOGS, "[{\"message\":\"a\"},{\"message\":\"b ]},{[ \\\" \\\\\"} , {\"m\":[1,{}]}]", 0,
	{"[{\"message\":\"a\"}]", "[{\"message\":\"b ]},{[ \\\" \\\\\"}]", "[{\"m\":[1,{}]}]"},
	{1, 1, 1}, {0}},
    {BH_KIND_LOGS, " [ 1 , \"two\" , null ] ", 0, {" [1] ", " [\"two\"] ", " [null] "}, {1, 1, 1},
	{0}},
    {BH_KIND_CHECKS, "[{\"check\":\"x\"},{\"check\":\"y\"}]", 0,
	{"[{\"check\":\"x\"}]", "[{\"check\":\"y\"}]"}, {1, 1}, {0}},
    {BH_KIND_SERIES_V1,
	"{\"series\":[{\"metric\":\"a\",\"points\":[[1,2],[3,4]]},{\"metric\":\"b\",\"points\":[[5,"
	"6]"
	"]}]}",
	0,
	{"{\"series\":[{\"metric\":\"a\",\"points\":[[1,2],[3,4]]}]}",
	    "{\"series\":[{\"metric\":\"b\",\"points\":[[5,6]]}]}"},
	{2, 1}, {0}},
    {BH_KIND_EVENTS,
	"{\"apiKey\":\"\",\"events\":{\"api\":[{\"t\":1},{\"t\":2}],\"nagios\":[{\"t\":3}]},"
	"\"internalHostname\":\"h\"}",
	0,
	{"{\"apiKey\":\"\",\"events\":{\"api\":[{\"t\":1}]},\"internalHostname\":\"h\"}",
	    "{\"apiKey\":\"\",\"events\":{\"api\":[{\"t\":2}]},\"internalHostname\":\"h\"}",
	    "{\"apiKey\":\"\",\"events\":{\"nagios\":[{\"t\":3}]},\"internalHostname\":\"h\"}"},
	{1, 1, 1}, {0}},
    {BH_KIND_SERIES_V2, SERIES_A OTHER SERIES_B, sizeof(SERIES_A OTHER SERIES_B) - 1,
	{SERIES_A OTHER, SERIES_B OTHER}, {1, 2},
	{sizeof(SERIES_A OTHER) - 1, sizeof(SERIES_B OTHER) - 1}},
    {BH_KIND_SKETCHES, SKETCH_A SKETCH_B OTHER, sizeof(SKETCH_A SKETCH_B OTHER) - 1,
	{SKETCH_A OTHER, SKETCH_B OTHER}, {1, 2},
	{sizeof(SKETCH_A OTHER) - 1, sizeof(SKETCH_B OTHER) - 1}},
};

static struct bh_str body_of(size_t i)
{
	return (struct bh_str){bodies[i].body, bodies[i].n ? bodies[i].n : strlen(bodies[i].body)};
}

Test(split, gives_each_item_a_body_of_its_own)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(bodies); i++) {
		for (int e = 0; e < BH_ENC__N; e++) {
			enum bh_encoding encoding = (enum bh_encoding)e;
			struct bh_buf body = BH_BUF_INIT, part = BH_BUF_INIT, raw = BH_BUF_INIT;
			struct bh_split s;

			cr_assert_eq(bh_split_open(&s, bodies[i].kind, encoding,
					 packed(encoding, body_of(i), &body)),
			    0, "body %zu", i);
			for (size_t k = 0; k < s.n; k++) {
				size_t n = bodies[i].part_n[k] ? bodies[i].part_n[k]
							       : strlen(bodies[i].parts[k]);

				cr_assert_not_null(
				    bodies[i].parts[k], "body %zu has %zu items", i, s.n);
				cr_assert_eq(bh_split_part(&s, k, 1, &part), 0);
				unpacked(encoding, bh_buf_view(&part), &raw);
				cr_expect(bh_str_eq(bh_buf_view(&raw),
					      (struct bh_str){bodies[i].parts[k], n}),
				    "body %zu part %zu: %s", i, k, raw.data);
				cr_expect_eq(bh_split_weight(&s, k, 1), bodies[i].weights[k]);
			}
			cr_expect_null(bodies[i].parts[s.n]);
			bh_split_release(&s);
			bh_buf_release(&body);
			bh_buf_release(&part);
			bh_buf_release(&raw);
		}
	}
}

Test(split, picks_items_of_several_sources)
{
	static const uint8_t marks[] = {0, 1, 1};
	struct bh_buf part = BH_BUF_INIT;
	struct bh_split s;

	cr_assert_eq(bh_split_open(&s, BH_KIND_EVENTS, BH_ENC_IDENTITY, body_of(4)), 0);
	cr_assert_eq(bh_split_pick(&s, marks, &part), 0);
	cr_expect_str_eq(part.data,
	    "{\"apiKey\":\"\",\"events\":{\"api\":[{\"t\":2}],\"nagios\":[{\"t\":3}]},"
	    "\"internalHostname\":\"h\"}");
	bh_split_release(&s);
	bh_buf_release(&part);
}

Test(split, refuses_what_its_kind_is_not)
{
	static const struct {
		enum bh_kind kind;
		struct bh_str body;
	} rows[] = {
	    {BH_KIND_LOGS, {"", 0}},
	    {BH_KIND_LOGS, {"{}", 2}},
	    {BH_KIND_LOGS, {"[]", 2}},
	    {BH_KIND_LOGS, {"[1", 2}},
	    {BH_KIND_LOGS, {"[1,]", 4}},
	    {BH_KIND_LOGS, {"[1]x", 4}},
	    {BH_KIND_LOGS, {"[{]}]", 5}},
	    {BH_KIND_LOGS, {"[\"\\", 3}},
	    {BH_KIND_LOGS, {"[\"a]", 4}},
	    {BH_KIND_SERIES_V1, {"{\"other\":[1]}", 13}},
	    {BH_KIND_SERIES_V1, {"{\"series\":1}", 12}},
	    {BH_KIND_EVENTS, {"{\"events\":[1]}", 14}},
	    {BH_KIND_EVENTS, {"{\"events\":{\"a\":1}}", 18}},
	    {BH_KIND_SERIES_V2, {"", 0}},
	    {BH_KIND_SERIES_V2, {"\x0a", 1}},
	    {BH_KIND_SERIES_V2, {"\x0a\x05\x00", 3}},
	    {BH_KIND_SERIES_V2, {"\x0b\x00", 2}},
	    {BH_KIND_SERIES_V2, {"\x02\x00", 2}},
	    {BH_KIND_SERIES_V2, {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		struct bh_split s;

		cr_expect_eq(bh_split_open(&s, rows[i].kind, BH_ENC_IDENTITY, rows[i].body),
		    BH_E_FORMAT, "row %zu", i);
	}
}

/* --- the order of parts ----------------------------------------------------------------------- */

static struct bh_cut *cut_of(unsigned items)
{
	struct bh_buf raw = BH_BUF_INIT;
	struct bh_cut *c = NULL;
	int rc;

	for (unsigned i = 0; i < items; i++)
		(void)bh_buf_printf(&raw, "%c%u", i ? ',' : '[', i);
	(void)bh_buf_str(&raw, "]");
	rc = bh_cut_new(&c, BH_KIND_LOGS, BH_ENC_IDENTITY, bh_buf_view(&raw));
	bh_buf_release(&raw);
	cr_assert_eq(rc, items > 1 ? 0 : BH_E_LIMIT);
	return c;
}

/* A relay that takes at most `limit` items a body; `poison` is refused even alone. */
static unsigned send_all(struct bh_cut *c, uint64_t limit, unsigned poison, struct bh_buf *seen)
{
	unsigned requests = 0;

	while (!bh_cut_done(c)) {
		struct bh_str body;
		char alone[16];

		cr_assert_eq(bh_cut_body(c, &body), 0);
		(void)snprintf(alone, sizeof(alone), "[%u]", poison);
		requests++;
		if (bh_str_eq(body, bh_str_from(alone)) || bh_cut_weight(c) > limit) {
			if (!bh_cut_again(c))
				bh_cut_lost(c, BH_DROP_REFUSED_413);
			continue;
		}
		(void)bh_buf_append(seen, body.p + 1, body.n - 2);
		(void)bh_buf_str(seen, ",");
		bh_cut_taken(c);
	}
	return requests;
}

Test(cut, every_item_goes_once_and_in_order)
{
	static const unsigned sizes[] = {2, 3, 7, 64, 1000, 1024};

	for (size_t i = 0; i < BH_ARRAY_LEN(sizes); i++) {
		for (uint64_t limit = 1; limit < sizes[i]; limit = limit * 3 + 1) {
			struct bh_cut *c = cut_of(sizes[i]);
			struct bh_buf seen = BH_BUF_INIT, want = BH_BUF_INIT;

			for (unsigned k = 0; k < sizes[i]; k++)
				(void)bh_buf_printf(&want, "%u,", k);
			cr_expect_leq(send_all(c, limit, UINT32_MAX, &seen), 2 * sizes[i]);
			cr_expect_str_eq(seen.data, want.data);
			cr_expect_eq(c->taken, sizes[i]);
			cr_expect_eq(bh_cut_lost_weight(c), 0);
			bh_cut_free(c);
			bh_buf_release(&seen);
			bh_buf_release(&want);
		}
	}
}

Test(cut, one_item_that_is_too_large_is_lost_alone_and_can_be_named)
{
	struct bh_cut *c = cut_of(5);
	struct bh_buf seen = BH_BUF_INIT, lost = BH_BUF_INIT;

	(void)send_all(c, 1, 3, &seen);
	cr_expect_eq(c->taken, 4);
	cr_expect_eq(c->lost[BH_DROP_REFUSED_413], 1);
	cr_assert_eq(bh_cut_lost_body(c, &lost), 0);
	cr_expect_str_eq(lost.data, "[3]");
	bh_cut_free(c);
	bh_buf_release(&seen);
	bh_buf_release(&lost);
}

Test(cut, ten_levels_and_no_more)
{
	struct bh_cut *c = cut_of(3000);
	struct bh_buf seen = BH_BUF_INIT;

	(void)send_all(c, 0, UINT32_MAX, &seen);
	cr_expect_eq(c->lost[BH_DROP_REFUSED_413], 3000);
	cr_expect_eq(c->requests, 1U << BH_CUT_LEVELS);
	bh_cut_free(c);
	bh_buf_release(&seen);
}

Test(cut, the_rest_is_what_was_not_sent)
{
	struct bh_cut *c = cut_of(8);
	struct bh_buf rest = BH_BUF_INIT;

	cr_assert(bh_cut_again(c));
	bh_cut_taken(c);
	cr_expect_eq(bh_cut_rest_weight(c), 6);
	cr_assert_eq(bh_cut_rest(c, &rest), 0);
	cr_expect_str_eq(rest.data, "[2,3,4,5,6,7]");
	bh_cut_give_up(c, BH_DROP_EXPIRED);
	cr_expect(bh_cut_done(c));
	cr_expect_eq(c->lost[BH_DROP_EXPIRED], 6);
	cr_expect_eq(bh_cut_rest_weight(c), 0);
	bh_cut_free(c);
	bh_buf_release(&rest);
}

Test(cut, what_cannot_be_cut_says_so)
{
	struct bh_cut *c = NULL;

	cr_expect_null(cut_of(1));
	cr_expect_eq(bh_cut_new(&c, BH_KIND_METADATA, BH_ENC_IDENTITY, BH_STR_LIT("{\"a\":[1,2]}")),
	    BH_E_LIMIT);
	cr_expect_eq(bh_cut_new(&c, BH_KIND_LOGS, BH_ENC_ZSTD, BH_STR_LIT("[1,2]")), BH_E_FORMAT);
}

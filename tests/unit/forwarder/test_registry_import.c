#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/err.h"
#include "forwarder/registry_import.h"

/* "identifier|path|offset|mode|ns|fingerprint config" and a newline, of every row. */
static int note(void *ctx, const struct bh_origin *o)
{
	cr_expect(bh_str_eq(o->offset_first, o->offset_last));
	cr_expect(o->gen == 0 && o->dev == 0 && o->ino == 0 && o->marker_len == 0);
	return bh_buf_printf(ctx, "%.*s|%.*s|%.*s|%.*s|%lld|%llu %.*s\n", (int)o->identifier.n,
	    o->identifier.p, (int)o->path.n, o->path.p, (int)o->offset_last.n, o->offset_last.p,
	    (int)o->tailing_mode.n, o->tailing_mode.p, (long long)o->ingestion_ns,
	    (unsigned long long)o->fp_value, (int)o->fp_config.n, o->fp_config.p);
}

#define V2(entries) "{\"Version\":2,\"Registry\":{" entries "}}"
#define V1(entries) "{\"Version\":1,\"Registry\":{" entries "}}\n"
#define V0(entries) "{\"Registry\":{" entries "},\"Version\":0}"
#define FP(value, config) \
	"\"f\":{\"Offset\":\"1\",\"Fingerprint\":{\"Value\":" value ",\"Config\":" config "}}"
#define LINES \
	"{\"fingerprint_strategy\":\"line_checksum\",\"count\":1,\"count_to_skip\":0," \
	"\"max_bytes\":10000}"

Test(registry_import, entries_of_every_version) /* logs.md §16.2 */
{
	static const struct {
		const char *file, *rows;
		size_t ignored;
	} cases[] = {
	    {V2("\"file:/var/log/a.log\":{\"LastUpdated\":\"2024-01-02T03:04:05.123456789Z\","
		"\"Offset\":\"4096\",\"TailingMode\":\"end\","
		"\"IngestionTimestamp\":1704164645123456789,"
		"\"Fingerprint\":{\"Value\":1234567890123456789,\"Config\":" LINES "}}"),
		"file:/var/log/a.log|/var/log/a.log|4096|end|1704164645123456789|"
		"1234567890123456789 line_checksum:1:0:10000\n",
		0},
	    /* beyond 2^53, beyond 2^63, and the largest one */
	    {V2(FP("9007199254740993", LINES)),
		"f||1||0|9007199254740993 line_checksum:1:0:10000\n", 0},
	    {V2(FP("9223372036854775807", LINES)),
		"f||1||0|9223372036854775807 line_checksum:1:0:10000\n", 0},
	    {V2(FP("9223372036854775808", LINES)),
		"f||1||0|9223372036854775808 line_checksum:1:0:10000\n", 0},
	    {V2(FP("18446744073709551615", LINES)),
		"f||1||0|18446744073709551615 line_checksum:1:0:10000\n", 0},
	    {V2(FP("7", "{\"fingerprint_strategy\":\"byte_checksum\",\"count\":1024,"
			"\"count_to_skip\":5,\"max_bytes\":9}")),
		"f||1||0|7 byte_checksum:1024:5:0\n", 0},
	    /* what cannot be compared is no fingerprint */
	    {V2(FP("7", "null")), "f||1||0|0 \n", 0},
	    {V2(FP("0", LINES)), "f||1||0|0 \n", 0},
	    {V2(FP("-7", LINES)), "f||1||0|0 \n", 0},
	    {V2(FP("7", "{\"fingerprint_strategy\":\"disabled\"}")), "f||1||0|0 \n", 0},
	    {V2(FP("7", "{\"fingerprint_strategy\":\"sum\"}")), "f||1||0|0 \n", 0},
	    {V2("\"journald:default\":{\"Offset\":\"s=1;i=2\"}"),
		"journald:default||s=1;i=2||0|0 \n", 0},
	    {V2("\"file:/a\":{\"Offset\":\"0012\"}"), "file:/a|/a|12||0|0 \n", 0},
	    {V2("\"docker:abc\":{\"Offset\":\"2024-01-02T03:04:05Z\"}"),
		"docker:abc||2024-01-02T03:04:05Z||0|0 \n", 0},
	    {V2("\"file:/a \\\"\\u00e4\":{\"Offset\":\"9223372036854775807\"}"),
		"file:/a \"\xc3\xa4|/a \"\xc3\xa4|9223372036854775807||0|0 \n", 0},
	    {V2("\"file:/a\":{\"Offset\":\"\"},\"file:/b\":{\"Offset\":\"x\"},\"file:/c\":{},"
		"\"file:/d\":{\"Offset\":4},\"file:/e\":7,\"file:\":{\"Offset\":\"1\"},"
		"\"file:/f\":{\"Offset\":\"9223372036854775808\"},\"\":{\"Offset\":\"1\"},"
		"\"source:12\":{\"Offset\":\"1\"},\"file:/g\":{\"Offset\":\"-1\"}"),
		"", 10},
	    {V2(""), "", 0},
	    {"{\"Version\":2,\"Registry\":null}", "", 0},
	    {" {\"Version\":2} \n", "", 0},
	    {V1("\"file:/a\":{\"LastUpdated\":\"x\",\"Timestamp\":\"t\",\"Offset\":12}"),
		"file:/a|/a|12||0|0 \n", 0},
	    {V1("\"docker:x\":{\"Timestamp\":\"2020\",\"Offset\":0}"), "docker:x||2020||0|0 \n", 0},
	    {V1("\"docker:x\":{\"Timestamp\":\"\",\"Offset\":-1}"), "", 1},
	    {V1("\"file:/a\":{\"Timestamp\":\"2020-01-02\",\"Offset\":0}"), "", 1},
	    {V0("\"/var/log/a\":{\"Path\":\"/other\",\"Timestamp\":\"2020\",\"Offset\":0}"),
		"file:/var/log/a|/var/log/a|0||0|0 \n", 0},
	    {V0("\"/a\":{\"Offset\":-1},\"/b\":{\"Offset\":\"1\"},\"/c\":{},\"\":{\"Offset\":1}"),
		"", 4},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_registry_file out;
		struct bh_buf got = BH_BUF_INIT;
		int rc = bh_registry_parse(cases[i].file, strlen(cases[i].file), note, &got, &out);

		cr_expect_eq(rc, 0, "%s: %s", cases[i].file, out.text);
		cr_expect_str_eq(got.data ? got.data : "", cases[i].rows);
		cr_expect_eq(out.ignored, cases[i].ignored, "%s", cases[i].file);
		bh_buf_release(&got);
	}
}

Test(registry_import, a_fault_is_told_with_its_place) /* logs.md §16.3 */
{
	static const struct {
		const char *file, *until; /* the fault stands where this ends */
		const char *text;
	} cases[] = {
	    {"", "", "'[' or '{' expected near end of file"},
	    {"{", "{", "string or '}' expected near end of file"},
	    {"[]", "", "not an object"},
	    {"{}", "", "there is no Version"},
	    {"{\"Registry\":{}}", "", "there is no Version"},
	    {"{\"Registry\":{\"Version\":2}, \"Version\" : 3}",
		"{\"Registry\":{\"Version\":2}, \"Version\" : ", "a Version other than 0, 1 or 2"},
	    {"{\"Version\":-1}", "{\"Version\":", "a Version other than 0, 1 or 2"},
	    {"{\"Version\":\"2\"}", "{\"Version\":", "a Version other than 0, 1 or 2"},
	    {"{\"Version\":18446744073709551615}",
		"{\"Version\":", "a Version other than 0, 1 or 2"},
	    {"{\"Version\":2,\"Registry\":[]}",
		"{\"Version\":2,\"Registry\":", "Registry is not an object"},
	    {"{\"Version\":2,\"Registry\":{\"a\":{\"Offset\":\"1\"},}}",
		"{\"Version\":2,\"Registry\":{\"a\":{\"Offset\":\"1\"},}",
		"string or '}' expected near '}'"},
	    /* behind numbers that were quoted for the parser */
	    {"{\"a\":18446744073709551615,\"b\":[9223372036854775808,18446744073709551614],!}",
		"{\"a\":18446744073709551615,\"b\":[9223372036854775808,18446744073709551614],!",
		"string or '}' expected near '!'"},
	    {"{\"a\":18446744073709551616}", "{\"a\":18446744073709551616",
		"too big integer near '18446744073709551616'"},
	    {"{\"Version\":2}x", "{\"Version\":2}x", "end of file expected near 'x'"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_registry_file out;
		struct bh_buf got = BH_BUF_INIT;

		cr_expect_eq(
		    bh_registry_parse(cases[i].file, strlen(cases[i].file), note, &got, &out),
		    BH_E_FORMAT, "%s", cases[i].file);
		cr_expect_eq(out.position, strlen(cases[i].until), "%s: %zu instead of %zu",
		    cases[i].file, out.position, strlen(cases[i].until));
		cr_expect_str_eq(out.text, cases[i].text);
		cr_expect_eq(got.len, 0);
		bh_buf_release(&got);
	}
}

Test(registry_import, bytes_that_are_no_text_are_a_fault)
{
	static const char file[] =
	    "{\"Version\":2,\"Registry\":{\"file:/\xff\":{\"Offset\":\"1\"}}}";
	struct bh_registry_file out;
	struct bh_buf got = BH_BUF_INIT;

	cr_expect_eq(bh_registry_parse(file, sizeof(file) - 1, note, &got, &out), BH_E_FORMAT);
	cr_expect_eq(out.position, strlen("{\"Version\":2,\"Registry\":{\"file:/"), "%zu %s",
	    out.position, out.text);
}

static int refuse(void *ctx, const struct bh_origin *o)
{
	(void)o;
	++*(int *)ctx;
	return -ENOSPC;
}

Test(registry_import, the_first_error_of_the_taker_ends_it)
{
	static const char file[] = V2("\"a\":{\"Offset\":\"1\"},\"b\":{\"Offset\":\"1\"}");
	struct bh_registry_file out;
	int calls = 0;

	cr_expect_eq(bh_registry_parse(file, sizeof(file) - 1, refuse, &calls, &out), -ENOSPC);
	cr_expect_eq(calls, 1);
}

/*
 * spec/dogstatsd.md §3 to §11 as tables: each row is one rule with its section, what comes in, and
 * what a flush gives. Rules about events and checks (§6, §7) are in test_notices.c, about names
 * (§8.2 to §8.4, §9.8) in test_naming.c, numbers (§5) also in test_number.c.
 */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "dogstatsd/sketch.h"
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

TestSuite(spec, .init = setup, .fini = teardown);

/* A new sampler for each row. */
static void fresh(void)
{
	fixture_close(&f);
	fixture_open(&f);
}

#define G(name, tags, v) name " gauge host=h tags=" tags " interval=10 1000:" v "\n"
#define R(name, tags, v) name " rate host=h tags=" tags " interval=10 1000:" v "\n"

struct row {
	const char *rule, *in, *out;
};

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fresh();
		fixture_send(&f, 1000, rows[i].in);
		cr_expect_str_eq(fixture_flush(&f, 1010, false), rows[i].out, "%s: %s\ngives %s",
		    rows[i].rule, rows[i].in, f.text.data ? f.text.data : "");
	}
}

Test(spec, lines)
{
	static const struct row rows[] = {
	    {"§3.1 lines end at newline, the last need not", "a:1|g\nb:2|g",
		G("a", "", "1") G("b", "", "2")},
	    {"§3.2 one CR is removed", "a:1|g\r\nb:2|g\r", G("a", "", "1") G("b", "", "2")},
	    {"§3.2 a second CR stays", "a:1|g\r\r\nb:1|g|#x\r\r", G("b", "x\r", "1")},
	    {"§3.3 empty lines are skipped", "\n\r\n\na:1|g\n\n", G("a", "", "1")},
	    {"§3.5 no whitespace is trimmed", " a:1|g\nb:1|g \nc: 1|g\nd:1|g|# x",
		G(" a", "", "1") G("d", " x", "1")},
	    {"§3 _e without a brace is a metric", "_e:1|g\n_ex{1:1|g",
		G("_e", "", "1") G("_ex{1", "", "1")},
	    {"§3 _sc is a check, whatever follows", "_scary:1|g\n_s:1|g", G("_s", "", "1")},
	    {"§3 a bad line harms nobody", "a:1|g\nbad\nb:1|g", G("a", "", "1") G("b", "", "1")},
	};

	check_rows(rows, BH_ARRAY_LEN(rows));
}

Test(spec, metric_lines)
{
	static const struct row rows[] = {
	    {"§4.1 a bar at least", "a:1", ""},
	    {"§4.2 name and value", ":1|g\na:|g\na|g\n|g", ""},
	    {"§4.2 any other byte in a name", "a b#@\xc3\xa4:1|g", G("a b#@\xc3\xa4", "", "1")},
	    {"§4.2 a colon in a name breaks the line", "A::B.c:1|g", ""},
	    {"§4.3 types, case-sensitive", "a:1|G\na:1|g \na:1|cc\na:1||#x\na:1|", ""},
	    {"§4.4 the set's value is one string", "s:a:b|s\ns:a:b|s\ns:a|s", G("s", "", "2")},
	    {"§4.4 packed values", "a:1:2:3|c", R("a", "", "0.6")},
	    {"§4.4 empty pieces are skipped", "a::1::2:|c\nb:1|g",
		R("a", "", "0.3") G("b", "", "1")},
	    {"§4.4 no piece left", "a::|g\nb:::|c", ""},
	    {"§4.4 one bad piece fails the line", "a:1:x:3|c", ""},
	    {"§4.5 the last field of a kind wins", "a:1|c|@0.5|#x|@0.1|#y", R("a", "y", "1")},
	    {"§4.5 a bare # clears tags", "a:1|g|#x|#", G("a", "", "1")},
	    {"§4.5 empty tags are kept", "a:1|g|#a,,b", G("a", ",a,b", "1")},
	    {"§4.5 only commas separate tags", "a:1|g|#a:b:c#d e", G("a", "a:b:c#d e", "1")},
	    {"§4.5 any float is a rate", "a:1|c|@2\nb:1|c|@-1\nc:1|c|@nan",
		R("a", "", "0.05") R("b", "", "0.1") R("c", "", "0.1")},
	    {"§4.5 a bad rate fails the line", "a:1|c|@\nb:1|c|@x", ""},
	    {"§4.5 a bad timestamp fails the line",
		"a:1|g|T\na:1|g|T0\na:1|g|T-5\na:1|g|T1.5\na:1|g|Tx\na:1|g|T9223372036854775808",
		""},
	    {"§4.5 origin fields are ignored", "a:1|g|c:ci-x|e:it-true|card:low|#t",
		G("a", "t", "1")},
	    {"§4.5 unknown and empty fields are ignored", "a:1|g||zz|#t||x:y", G("a", "t", "1")},
	    {"§4 no relative gauges", "a:5|g\na:+3|g\nb:5|g\nb:-3|g",
		G("a", "", "3") G("b", "", "-3")},
	    {"§4 ms is a histogram", "a:4|ms",
		G("a.95percentile", "", "4") G("a.avg", "", "4") R("a.count", "", "0.1")
		    G("a.max", "", "4") G("a.median", "", "4")},
	    {"§4 invalid UTF-8 is repaired run by run",
		"a\xff\xfe"
		"b:1|g|#t\xc3,u",
		G("a\xef\xbf\xbd"
		  "b",
		    "t\xef\xbf\xbd,u", "1")},
	};

	check_rows(rows, BH_ARRAY_LEN(rows));
}

Test(spec, numbers)
{
	static const struct row rows[] = {
	    {"§5 decimals", "a:+5|g\nb:.5|g\nc:5.|g\nd:00012|g\ne:1e3|g\nf:1E-3|g",
		G("a", "", "5") G("b", "", "0.5") G("c", "", "5") G("d", "", "12")
		    G("e", "", "1000") G("f", "", "0.001")},
	    {"§5 hexadecimal", "a:0x1p4|g\nb:0X1P-2|g\nc:0x1.8p1|g",
		G("a", "", "16") G("b", "", "0.25") G("c", "", "3")},
	    {"§5 underscores", "a:1_000|g", G("a", "", "1000")},
	    {"§5 underflow", "a:1e-400|g", G("a", "", "0")},
	    {"§5 what is no number",
		"a:0x10|g\na:0b1|g\na:1f|g\na:666a|g\na:1,5|g\na:_1|g\na:1_|g\na:1__0|g\na:1e|g\na:"
		"e5|g\na:1e5.5|g\na:1.2.3|g\na:--1|g\na:.|g\na:+|g\na:+nan|g\na:nan(1)|g\na:"
		"infinit|g\na:1e400|g",
		""},
	    {"§5, §9.3 words for what is not finite; the counter's context is there",
		"a:NaN|g\nb:inf|c\nc:+Inf|h\nd:-Infinity|d", R("b", "", "0")},
	};

	check_rows(rows, BH_ARRAY_LEN(rows));
}

Test(spec, special_tags)
{
	static const struct row rows[] = {
	    {"§8.1 host", "a:1|g|#host:web,t", "a gauge host=web tags=t interval=10 1000:1\n"},
	    {"§8.1 the last host wins, all go", "a:1|g|#host:x,t,host:y",
		"a gauge host=y tags=t interval=10 1000:1\n"},
	    {"§8.1 an empty host is no host",
		"a:1|g|#host:", "a gauge host= tags= interval=10 1000:1\n"},
	    {"§8.1 near misses are tags", "a:1|g|#Host:x,hostname:y,host",
		G("a", "Host:x,host,hostname:y", "1")},
	    {"§8.1 entity and source go",
		"a:1|g|#dd.internal.entity_id:e,t,dd.internal.jmx_check_name:j", G("a", "t", "1")},
	    {"§8.1 the first cardinality goes, others stay",
		"a:1|g|#dd.internal.card:low,dd.internal.card:high",
		G("a", "dd.internal.card:high", "1")},
	};

	check_rows(rows, BH_ARRAY_LEN(rows));
}

Test(spec, aggregates)
{
	static const struct row rows[] = {
	    {"§9.2 order and repetition of tags do not matter", "a:1|c|#x,y\na:1|c|#y,x,y",
		R("a", "x,y", "0.2")},
	    {"§9.2 the type is not part of a context", "a:1|c\na:5|g", R("a", "", "0.6")},
	    {"§9.3 the first sample decides", "a:5|g\na:1|c\nb:1|h\nb:7|c",
		G("a", "", "1") G("b.95percentile", "", "7") G("b.avg", "", "4")
		    R("b.count", "", "0.2") G("b.max", "", "7") G("b.median", "", "1")},
	    {"§9.3 counters, not truncated", "a:1|c|@0.3", R("a", "", "0.3333333333")},
	    {"§9.3 a gauge ignores its rate", "a:5|g|@0.1", G("a", "", "5")},
	    {"§9.3 a set counts distinct strings", "s:1|s\ns:01|s\ns:1|s|@0.5", G("s", "", "2")},
	    {"§9.5 example", "h:1:10:4:5:2:2|h",
		G("h.95percentile", "", "10") G("h.avg", "", "4") R("h.count", "", "0.6")
		    G("h.max", "", "10") G("h.median", "", "2")},
	    {"§9.5 example of truncation", "h:10|h|@0.3",
		G("h.95percentile", "", "10") G("h.avg", "", "11.11111111") R("h.count", "", "0.3")
		    G("h.max", "", "10") G("h.median", "", "10")},
	    {"§9.6 a distribution lives beside", "a:1|c\na:2|d",
		R("a", "", "0.1") "a sketch host=h tags= "
				  "1000:cnt=1,min=2,max=2,avg=2,sum=2,bins=1383*1\n"},
	    {"§11.2 10@0.3", "d:10|d|@0.3",
		"d sketch host=h tags= "
		"1000:cnt=3,min=10,max=10,avg=10,sum=33.33333333,bins=1487*3\n"},
	    {"§11.2 10@0.1, 20@0.5, 30", "d:10|d|@0.1\nd:20|d|@0.5\nd:30|d",
		"d sketch host=h tags= "
		"1000:cnt=13,min=10,max=30,avg=13.07692308,sum=170,bins=1487*10/1531*2/"
		"1557*1\n"},
	    {"§11.2 0 to 9", "d:0:1:2:3:4:5:6:7:8:9|d",
		"d sketch host=h tags= "
		"1000:cnt=10,min=0,max=9,avg=4.5,sum=45,bins=0*1/1338*1/1383*1/1409*1/1427*1/"
		"1442*1/1454*1/1464*1/1472*1/1480*1\n"},
	    {"§11.2 rates that are none", "d:1|d|@0\nd:1|d|@2\nd:1|d|@nan\nd:1|d|@-1",
		"d sketch host=h tags= 1000:cnt=4,min=1,max=1,avg=1,sum=4,bins=1338*4\n"},
	};

	check_rows(rows, BH_ARRAY_LEN(rows));
}

Test(spec, keys_of_sketches)
{
	static const struct {
		double v;
		int key;
	} keys[] = {{0, 0}, {1e-10, 0}, {9.9e-10, 0}, {1e-9, 1}, {0.001, 892}, {0.1, 1189},
	    {0.5, 1293}, {-1, -1338}, {1, 1338}, {2, 1383}, {3, 1409}, {5, 1442}, {10, 1487},
	    {42, 1579}, {100, 1635}, {99.9, 1635}, {100.5, 1635}, {1000, 1784}, {10000, 1932},
	    {1e6, 2229}, {1e9, 2675}, {1e300, 32767}};

	for (size_t i = 0; i < BH_ARRAY_LEN(keys); i++)
		cr_expect_eq(bh_sketch_key(keys[i].v), keys[i].key, "§11.1: %g", keys[i].v);
}

/* "@1003 line" adds at that second; "F1022" flushes and is answered by one expected text. */
struct story {
	const char *rule;
	const char *steps[8];
	const char *out[8];
};

static void tell(const struct story *s)
{
	size_t answers = 0;

	fresh();
	for (size_t i = 0; i < BH_ARRAY_LEN(s->steps) && s->steps[i]; i++) {
		const char *step = s->steps[i];
		char *rest;
		long long t = strtoll(step + 1, &rest, 10);

		if (*step == '@') {
			fixture_send(&f, t, rest + 1);
			continue;
		}
		cr_expect_str_eq(fixture_flush(&f, t, false), s->out[answers],
		    "%s: flush at %lld gives %s", s->rule, t, f.text.data ? f.text.data : "");
		answers++;
	}
}

Test(spec, time)
{
	static const struct story stories[] = {
	    {"§9.1 buckets of ten seconds", {"@1009 a:1|c", "@1010 a:1|c", "F1020"},
		{"a rate host=h tags= interval=10 1000:0.1 1010:0.1\n"}},
	    {"§9.7 buckets leave with the first tick after their end",
		{"@1000 a:1|g", "F1007", "@1012 a:2|g", "F1022", "@1025 a:3|g", "F1037"},
		{"", "a gauge host=h tags= interval=10 1000:1 1010:2\n",
		    "a gauge host=h tags= interval=10 1020:3\n"}},
	    {"§9.7 a change of type makes two series", {"@1000 a:1|c", "@1010 a:5|g", "F1020"},
		{"a gauge host=h tags= interval=10 1010:5\na rate host=h tags= interval=10 "
		 "1000:0.1\n"}},
	    {"§9.4 zeros in buckets that exist",
		{"@1000 a:1|c\nb:1|g", "F1010", "@1010 b:1|g", "F1020"},
		{"a rate host=h tags= interval=10 1000:0.1\nb gauge host=h tags= interval=10 "
		 "1000:1\n",
		    "a rate host=h tags= interval=10 1010:0\nb gauge host=h tags= interval=10 "
		    "1010:1\n"}},
	    {"§9.4 zeros in the one artificial bucket", {"@1000 a:1|c", "F1010", "F1025", "F1040"},
		{"a rate host=h tags= interval=10 1000:0.1\n",
		    "a rate host=h tags= interval=10 1010:0\n",
		    "a rate host=h tags= interval=10 1030:0\n"}},
	    {"§9.4 an open bucket alone gives none",
		{"@1000 a:1|c", "F1010", "@1021 b:1|g", "F1025"},
		{"a rate host=h tags= interval=10 1000:0.1\n", ""}},
	    {"§9.4 zeros end with dogstatsd_expiry_seconds",
		{"@1000 a:1|c", "F1010", "F1309", "F1324"},
		{"a rate host=h tags= interval=10 1000:0.1\n",
		    "a rate host=h tags= interval=10 1290:0\n", ""}},
	    {"§9.4 only counters", {"@1000 g:1|g\nh:1|h\ns:x|s", "F1010", "F1025"},
		{"g gauge host=h tags= interval=10 1000:1\nh.95percentile gauge host=h tags= "
		 "interval=10 1000:1\n"
		 "h.avg gauge host=h tags= interval=10 1000:1\nh.count rate host=h tags= "
		 "interval=10 1000:0.1\n"
		 "h.max gauge host=h tags= interval=10 1000:1\nh.median gauge host=h tags= "
		 "interval=10 1000:1\n"
		 "s gauge host=h tags= interval=10 1000:1\n",
		    ""}},
	    {"§9.2 a counter that expired is forgotten",
		{"@1000 a:1|c", "F1010", "F1400", "@1401 a:1|c", "F1415"},
		{"a rate host=h tags= interval=10 1000:0.1\n", "",
		    "a rate host=h tags= interval=10 1400:0.1\n"}},
	    {"a clock that goes back finds its bucket",
		{"@1012 a:1|c", "@1003 a:1|c", "@1013 a:1|c", "F1020"},
		{"a rate host=h tags= interval=10 1000:0.1 1010:0.2\n"}},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(stories); i++)
		tell(&stories[i]);
}

Test(spec, samples_with_a_timestamp)
{
	static const struct row rows[] = {
	    {"§10 a gauge", "a:5|g|T77|#x", "a gauge host=h tags=x interval=10 77:5\n"},
	    {"§10 a counter ignores its rate", "a:5|c|T77|@0.1",
		"a rate host=h tags= interval=10 77:0.5\n"},
	    {"§10 packed values make a series each", "a:1:2|g|T77",
		"a gauge host=h tags= interval=10 77:1\na gauge host=h tags= interval=10 77:2\n"},
	    {"§10 other types are discarded", "a:1|h|T77\na:1|ms|T77\na:1|d|T77\na:1|s|T77", ""},
	    {"§4.5 the future is accepted", "a:1|g|T99999999999",
		"a gauge host=h tags= interval=10 99999999999:1\n"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		fresh();
		fixture_send(&f, 1000, rows[i].in);
		cr_expect_str_eq(
		    fixture_flush(&f, 1010, true), "", "%s: not in the sampler", rows[i].rule);
		cr_expect_str_eq(
		    fixture_flush_late(&f), rows[i].out, "%s gives %s", rows[i].rule, f.text.data);
	}
	cr_expect_eq(f.ledger.dropped[BH_DROP_UNSUPPORTED], 4);
}

Test(spec, extra_tags)
{
	static char team[] = "team:x", host[] = "host:q";
	static char *tags[] = {team, host};

	f.cfg.dogstatsd_tags = fixture_list(tags, 2);
	fresh();
	fixture_send(&f, 1000, "a:1|g|#b");
	cr_expect_str_eq(fixture_flush(&f, 1010, false),
	    "a gauge host=h tags=b,host:q,team:x interval=10 1000:1\n",
	    "§8.5: host: is a tag there");
}

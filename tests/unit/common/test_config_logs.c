/* Log sources, rules, samples and the options of logs_config (spec/logs.md §2, §19). */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config_load.h"
#include "common/config_yaml.h"
#include "config_fixture.h"

TestSuite(config_logs, .init = config_start, .fini = config_stop);

static void load_with(const char *yaml, char *const *env)
{
	put("datadog.yaml", yaml);
	cr_assert_eq(load_env(env), 0, "%s", finding(0));
}

static void load_good(const char *yaml)
{
	load_with(yaml, NULL);
}

/* One source in flow style without its braces; from line 1 of conf.yaml, column 8. */
static void load_source(const char *keys)
{
	char yaml[1024];

	(void)snprintf(yaml, sizeof(yaml), "logs: [{%s}]\n", keys);
	put("conf.d/a.d/conf.yaml", yaml);
	load_good("hostname: h\n");
}

static void assert_says(size_t i, const char *what)
{
	char want[128];

	(void)snprintf(want, sizeof(want), "%s/", dir);
	cr_assert(strncmp(finding(i), want, strlen(want)) == 0, "%s: no place", finding(i));
	cr_assert_not_null(strstr(finding(i), what), "%s: does not say %s", finding(i), what);
}

/* --- sources that do not run ------------------------------------------------------------------ */

#define RULE(r) "type: file, path: /a, log_processing_rules: [{" r "}]"

static const struct {
	const char *keys, *fault;
} mistakes[] = {
    /* §2.3, in its words */
    {"path: /a", "a config must have a type"},
    {"type: '', path: /a", "a config must have a type"},
    {"type: file", "file source must have a path"},
    {"type: file, path: ~", "file source must have a path"},
    {"type: tcp", "tcp source must have a port"},
    {"type: tcp, port: 0", "tcp source must have a port"},
    {"type: udp", "udp source must have a port"},
    {"type: file, path: /a, start_position: End", "invalid tailing mode 'End' for /a"},
    {"type: journald, start_position: x", "invalid tailing mode 'x' for journald"},
    {RULE("type: exclude_at_match, pattern: x"), "all processing rules must have a name"},
    {RULE("name: n, type: exclude_at_match"), "no pattern provided for processing rule: n"},
    {RULE("name: n, type: mask_sequences, pattern: ''"),
	"no pattern provided for processing rule: n"},
    {RULE("name: n, type: multi_line"), "no pattern provided for processing rule: n"},
    {RULE("name: n, type: include_at_match, pattern: '('"),
	"invalid pattern ( for processing rule: n"},
    {RULE("name: n, pattern: x"), "type must be set for processing rule `n`"},
    {RULE("name: n, type: drop, pattern: x"), "type drop is not supported for processing rule `n`"},
    {RULE("name: n, type: remap_source, pattern: x"),
	"type remap_source is not supported for processing rule `n`"},
    {"type: journald, include_matches: [_A=1, b]",
	"incorrectly formatted IncludeMatch (must be `[field]=[value]`: b"},
    {"type: journald, exclude_matches: 'a'",
	"incorrectly formatted ExcludeMatch (must be `[field]=[value]`: a"},
    /* §2.2 */
    {"type: docker, image: x", "type docker is not supported by bulkhead"},
    {"type: containerd", "type containerd is not supported by bulkhead"},
    {"type: integration", "type integration is not supported by bulkhead"},
    {"type: windows_event", "type windows_event is not supported by bulkhead"},
    {"type: string_channel", "type string_channel is not supported by bulkhead"},
    {"type: fiel, path: /a", "type fiel is not known; it is one of: file tcp udp journald"},
    {"type: file, path: a.log", "path must be absolute"},
    {"type: journald, path: journal", "path must be absolute"},
    {"type: tcp, port: http", "port: \"http\" is not a whole number"},
    {"type: tcp, port: 65536", "port: 65536 is out of range; from 0 to 65535"},
    {"type: tcp, port: 99999999999999999999", "is out of range"},
    {"type: udp, port: [1]", "port: \"a structure\" is not a whole number"},
    {"type: tcp, port: 1, max_connections: -1", "max_connections: -1 is out of range"},
    {"type: tcp, port: 1, allowed_ips: [10.0.0.0/33]",
	"allowed_ips: \"10.0.0.0/33\" is not an address or a prefix"},
    {"type: tcp, port: 1, denied_ips: [host]", "denied_ips: \"host\" is not an address"},
    {"type: udp, port: 1, denied_ips: ['::1/']", "denied_ips: \"::1/\" is not an address"},
    {"type: tcp, port: 1, tls: {cert_file: /c}",
	"tls is not built in; the source is refused rather than listen in clear text"},
    {"type: journald, process_raw_message: maybe",
	"process_raw_message: \"maybe\" is not a boolean; write true or false"},
    {"type: file, path: /a, auto_multi_line_detection: 2", "auto_multi_line_detection: \"2\""},
    {"type: file, path: /a, auto_multi_line: on", "auto_multi_line: a map of keys is wanted"},
    {"type: file, path: /a, auto_multi_line: {timestamp_detector_match_threshold: 2}",
	"timestamp_detector_match_threshold: \"2\" is not a number from 0 to 1"},
    {"type: file, path: /a, auto_multi_line: {tokenizer_max_input_bytes: 0}",
	"tokenizer_max_input_bytes: 0 is out of range"},
    {"type: file, path: /a, fingerprint_config: {fingerprint_strategy: md5}",
	"fingerprint_strategy: \"md5\" is not one of"},
    {"type: file, path: /a, fingerprint_config: {count: 0}", "count: 0 is out of range"},
    {"type: file, path: /a, fingerprint_config: 5", "fingerprint_config: a map of keys is wanted"},
    {"type: file, path: /a, log_processing_rules: {name: n}",
	"a list of processing rules is wanted"},
    {"type: file, path: /a, log_processing_rules: [n]", "a processing rule must be a map"},
    {RULE("name: n, type: multi_line, pattern: [x]"), "pattern: a plain value is wanted"},
};

Test(config_logs, each_mistake_is_named_and_shown_and_its_source_does_not_run)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(mistakes); i++) {
		load_source(mistakes[i].keys);
		cr_assert_eq(findings.n, 1, "%s: %zu findings, %s", mistakes[i].keys, findings.n,
		    finding(1));
		assert_says(0, mistakes[i].fault);
		cr_assert_not_null(strstr(finding(0), "conf.d/a.d/conf.yaml:1:"), "%s", finding(0));
		cr_assert_not_null(strstr(finding(0), "; source skipped"), "%s", finding(0));
		cr_assert_eq(cfg.log_sources_n, 1, "%s", mistakes[i].keys);
		cr_assert_not_null(strstr(cfg.log_sources[0].fault, mistakes[i].fault), "%s",
		    cfg.log_sources[0].fault);
	}
}

Test(config_logs, what_cannot_be_read_is_a_finding_only)
{
	static const struct {
		const char *keys, *says;
	} cases[] = {{"type: file, path: /a, service: {a: b}", "service: a plain value is wanted"},
	    {"type: file, path: [/a]", "path: a plain value is wanted"},
	    {"type: tcp, port: 1, allowed_ips: {a: b}", "allowed_ips: a list or one text"},
	    {"type: journald, include_units: [1]", "cannot unmarshal 1 into a string"}};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		load_source(cases[i].keys);
		cr_assert_eq(findings.n, 1);
		assert_says(0, cases[i].says);
		cr_assert_eq(cfg.log_sources_n, 0, "%s", cases[i].keys);
	}
	put("conf.d/a.d/conf.yaml", "logs: [5, {type: file, path: /a}]");
	load_good("");
	assert_says(0, "a source must be a map; source skipped");
	cr_assert_eq(cfg.log_sources_n, 1);
}

Test(config_logs, a_rule_is_refused_at_its_own_line)
{
	put("conf.d/a.d/conf.yaml", "logs:\n"
				    "  - type: file\n"
				    "    path: /a\n"
				    "    log_processing_rules:\n"
				    "      - {name: fine, type: exclude_at_match, pattern: x}\n"
				    "      - {name: bad, type: exclude_at_match}\n");
	load_good("");
	cr_assert_eq(findings.n, 1);
	assert_says(0, "conf.d/a.d/conf.yaml:6:9: no pattern provided for processing rule: bad");
}

/* The first in file order wins; one that does not run takes nobody's place (§2.3). */
Test(config_logs, an_input_is_read_by_one_source)
{
	static const struct {
		const char *first, *second;
		bool same;
	} cases[] = {{"type: file, path: /a", "type: file, path: /a", true},
	    {"type: file, path: /a", "type: file, path: /b", false},
	    {"type: file, path: /a, start_position: x", "type: file, path: /a", false},
	    {"type: tcp, port: 1", "type: tcp, port: 1, bind_host: '::1'", true},
	    {"type: tcp, port: 1", "type: udp, port: 1", false},
	    {"type: udp, port: 1", "type: udp, port: 2", false},
	    {"type: journald", "type: journald, include_units: a", true},
	    {"type: journald", "type: journald, path: /j", false},
	    {"type: journald, path: /j, config_id: x", "type: journald, config_id: x", true},
	    {"type: journald, path: /j, config_id: x", "type: journald, path: /j", false}};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		char yaml[256];

		(void)snprintf(
		    yaml, sizeof(yaml), "logs:\n- {%s}\n- {%s}\n", cases[i].first, cases[i].second);
		put("conf.d/a.d/conf.yaml", yaml);
		load_good("");
		cr_assert_eq(cfg.log_sources_n, 2);
		cr_assert_eq(cfg.log_sources[1].fault[0] != '\0', cases[i].same, "%s / %s: %s",
		    cases[i].first, cases[i].second, cfg.log_sources[1].fault);
		if (cases[i].same)
			cr_assert_not_null(
			    strstr(cfg.log_sources[1].fault, "is read already by the source at "));
	}
}

Test(config_logs, a_source_has_a_name_for_the_status)
{
	static const struct {
		const char *keys, *name;
	} cases[] = {{"type: file, path: /a/*.log", "/a/*.log"},
	    {"type: tcp, port: 514", "tcp:514"}, {"type: udp, port: 514", "udp:514"},
	    {"type: journald", "journald:default"}, {"type: journald, path: /j", "journald:/j"},
	    {"type: journald, path: /j, config_id: c", "journald:c"}, {"type: docker", "docker"},
	    {"path: /x", "/x"}};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		char name[64];

		load_source(cases[i].keys);
		bh_log_source_name(&cfg.log_sources[0], name, sizeof(name));
		cr_assert_str_eq(name, cases[i].name);
	}
}

/* --- sources that run, with a remark ---------------------------------------------------------- */

Test(config_logs, what_does_not_stop_a_source_is_a_warning)
{
	static const struct {
		const char *keys, *says;
	} cases[] = {
	    {"type: file, path: /a, encoding: latin1", "encoding: \"latin1\" is not one of"},
	    {"type: file, path: /a/*, start_position: beginning", "with the pattern /a/*"},
	    {"type: file, path: /a, format: syslog",
		"format: \"syslog\" means nothing for type file"},
	    {"type: tcp, port: 1, format: cri", "format: \"cri\" means nothing for type tcp"},
	    {"type: tcp, port: 1, idle_timeout: 60", "idle_timeout: \"60\" is not a duration"},
	    {"type: tcp, port: 1, idle_timeout: -5s", "idle_timeout: \"-5s\" is not a duration"},
	    {"type: file, path: /a, auto_multi_line_sample_size: 5", "known but has no effect"},
	    {"type: file, path: /a, exclude_path: x", "did you mean exclude_paths"},
	    {"type: file, path: /a, auto_multi_line: {enable_json_detecton: true}",
		"did you mean enable_json_detection"},
	    {"type: file, path: /a, fingerprint_config: {max_byte: 1}", "did you mean max_bytes"},
	    {RULE("name: n, type: exclude_at_match, pattern: x, replace_placehodler: y"),
		"did you mean replace_placeholder"},
	    {"type: file, path: /a, auto_multi_line_detection_custom_samples: x",
		"a list of samples is wanted"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		load_source(cases[i].keys);
		cr_assert_eq(findings.n, 1, "%s: %zu findings", cases[i].keys, findings.n);
		assert_says(0, cases[i].says);
		cr_assert_str_eq(cfg.log_sources[0].fault, "");
		cr_assert_str_eq(cfg.log_sources[0].encoding, "");
		cr_assert_str_eq(cfg.log_sources[0].format, "");
		cr_assert_eq(cfg.log_sources[0].idle_timeout_ns, 0);
	}
}

Test(config_logs, a_bad_sample_costs_only_itself)
{
	static const char *const says[] = {"label \"x\" is not one of",
	    "regex (: ", "a map with regex or sample", "match_threshold: \"7\" is not a number",
	    "a map with regex or sample"};
	const struct bh_log_source *s;

	put("conf.d/a.d/conf.yaml",
	    "logs:\n- type: file\n  path: /a\n  auto_multi_line_detection_custom_samples:\n"
	    "  - {sample: a, label: x}\n"
	    "  - {regex: '('}\n"
	    "  - {label: aggregate}\n"
	    "  - {sample: a, match_threshold: 7}\n"
	    "  - text\n"
	    "  - {sample: 'line 1', label: no_aggregate, match_threshold: 0.25}\n"
	    "  - {regex: 'a+', sample: b}\n");
	load_good("");
	cr_assert_eq(findings.n, BH_ARRAY_LEN(says));
	for (size_t i = 0; i < BH_ARRAY_LEN(says); i++) {
		char place[64];

		(void)snprintf(place, sizeof(place), "conf.yaml:%zu:", i + 5);
		assert_says(i, says[i]);
		assert_says(i, place);
		assert_says(i, "; the sample is ignored");
	}
	s = &cfg.log_sources[0];
	cr_assert_str_eq(s->fault, "");
	cr_assert_eq(s->samples_n, 2);
	cr_assert_str_eq(s->samples[0].sample, "line 1");
	cr_assert_eq(s->samples[0].label, BH_LABEL_NO_AGGREGATE);
	cr_assert_float_eq(s->samples[0].match_threshold, 0.25, 1e-9);
	cr_assert_str_eq(s->samples[1].regex, "a+");
	cr_assert_str_eq(s->samples[1].sample, "", "regex wins (§8.3)");
	cr_assert_eq(s->samples[1].label, BH_LABEL_START_GROUP);
	cr_assert_float_eq(s->samples[1].match_threshold, 0.75, 1e-9);
}

/* --- every key arrives, and arrives in the child ---------------------------------------------- */

static void to_child(struct bh_config *child)
{
	struct bh_buf copy = BH_BUF_INIT, again = BH_BUF_INIT;

	cr_assert_eq(bh_config_encode(&cfg, BH_ROLE_LOGS, &copy), 0);
	bh_config_defaults(child);
	cr_assert_eq(bh_config_decode(child, copy.data, copy.len), 0);
	cr_assert_eq(bh_config_encode(child, BH_ROLE_LOGS, &again), 0);
	cr_assert(bh_str_eq(bh_buf_view(&copy), bh_buf_view(&again)));
	for (size_t n = 0; n < copy.len; n++) {
		struct bh_config cut = {0};

		cr_assert_neq(bh_config_decode(&cut, copy.data, n), 0, "cut at %zu", n);
		bh_config_release(&cut);
	}
	bh_buf_release(&copy);
	bh_buf_release(&again);
}

Test(config_logs, the_keys_of_a_file)
{
	struct bh_config child;
	const struct bh_log_source *s;

	put("conf.d/a.d/conf.yaml",
	    "logs:\n"
	    "- type: file\n  path: /a/*.log\n  service: s\n  source: src\n  sourcecategory: c\n"
	    "  tags: [a:1, 'b:2']\n  exclude_paths: /a/x.log\n  encoding: utf-16-le\n"
	    "  start_position: forceEnd\n  format: cri\n  auto_multi_line_detection: false\n"
	    "  auto_multi_line: {enable_json_detection: false, enable_datetime_detection: false,\n"
	    "    timestamp_detector_match_threshold: 0.25, tokenizer_max_input_bytes: 99,\n"
	    "    enable_json_aggregation: false, tag_aggregated_json: true}\n"
	    "  fingerprint_config: {fingerprint_strategy: byte_checksum, count_to_skip: 7}\n"
	    "  log_processing_rules:\n"
	    "  - {type: multi_line, name: m, pattern: '\\d+'}\n"
	    "  - {type: exclude_truncated, name: t}\n"
	    "  - {type: mask_sequences, name: x, pattern: 'a\"b', replace_placeholder: \"[é]\"}\n");
	load_good("logs_config: {fingerprint_config: {count: 5, max_bytes: 9}}");
	cr_assert_eq(findings.n, 0, "%s", finding(0));
	to_child(&child);
	cr_assert_eq(child.log_sources_n, 1);
	s = &child.log_sources[0];
	cr_assert_str_eq(s->path, "/a/*.log");
	cr_assert_str_eq(s->source, "src");
	cr_assert_str_eq(s->tags.v[1], "b:2");
	cr_assert_str_eq(s->exclude_paths.v[0], "/a/x.log");
	cr_assert_str_eq(s->encoding, "utf-16-le");
	cr_assert_str_eq(s->start_position, "forceEnd");
	cr_assert_str_eq(s->format, "cri");
	cr_assert_eq(s->auto_multi_line, BH_FALSE);
	cr_assert_not(s->auto_multi_line_keys.enable_json_detection);
	cr_assert_not(s->auto_multi_line_keys.enable_datetime_detection);
	cr_assert_not(s->auto_multi_line_keys.enable_json_aggregation);
	cr_assert(s->auto_multi_line_keys.tag_aggregated_json);
	cr_assert_float_eq(s->auto_multi_line_keys.timestamp_detector_match_threshold, 0.25, 1e-9);
	cr_assert_eq(s->auto_multi_line_keys.tokenizer_max_input_bytes, 99);
	cr_assert_eq(s->fingerprint.strategy, BH_FP_BYTE_CHECKSUM);
	cr_assert_eq(s->fingerprint.count, 1024, "a strategy begins with its own defaults");
	cr_assert_eq(s->fingerprint.count_to_skip, 7);
	cr_assert_eq(s->fingerprint.max_bytes, 10000);
	cr_assert_eq(s->rules_n, 3);
	cr_assert_eq(s->rules[0].type, BH_RULE_MULTI_LINE);
	cr_assert_str_eq(s->rules[0].pattern, "\\d+");
	cr_assert_eq(s->rules[1].type, BH_RULE_EXCLUDE_TRUNCATED);
	cr_assert_str_eq(s->rules[1].pattern, "");
	cr_assert_str_eq(s->rules[2].replace_placeholder, "[é]");
	bh_config_release(&child);
}

Test(config_logs, the_keys_of_sockets_and_journal)
{
	struct bh_config child;
	const struct bh_log_source *s;

	put("conf.d/a.d/conf.yaml",
	    "logs:\n"
	    "- {type: tcp, port: 10514, bind_host: '::1', idle_timeout: 1m30s, format: syslog,\n"
	    "   max_connections: 7, allowed_ips: [10.0.0.0/8, '::1'], denied_ips: '10.1.2.3'}\n"
	    "- {type: udp, port: \"514\", auto_multi_line_detection: true}\n"
	    "- {type: journald, path: /j, include_units: 'a,b', exclude_units: ['*'],\n"
	    "   include_user_units: u, exclude_user_units: v, include_matches: [A=1],\n"
	    "   exclude_matches: 'B=', process_raw_message: false, container_mode: true,\n"
	    "   default_application_name: app, config_id: id}\n"
	    "- {type: tcp, port: 1, idle_timeout: 500ms}\n");
	load_good("");
	cr_assert_eq(findings.n, 0, "%s", finding(0));
	to_child(&child);
	cr_assert_eq(child.log_sources_n, 4);
	s = &child.log_sources[0];
	cr_assert_eq(s->port, 10514);
	cr_assert_str_eq(s->bind_host, "::1");
	cr_assert_str_eq(s->format, "syslog");
	cr_assert_eq(s->idle_timeout_ns, 90000000000);
	cr_assert_eq(s->max_connections, 7);
	cr_assert_eq(s->allowed_ips.n, 2);
	cr_assert_str_eq(s->denied_ips.v[0], "10.1.2.3");
	cr_assert_eq(s->auto_multi_line, BH_UNSET);
	cr_assert_eq(s[1].port, 514);
	cr_assert_eq(s[1].auto_multi_line, BH_TRUE);
	cr_assert(s[1].process_raw_message);
	cr_assert_str_eq(s[1].default_application_name, "docker");
	cr_assert_eq(s[2].include_units.n, 2);
	cr_assert_str_eq(s[2].exclude_units.v[0], "*");
	cr_assert_str_eq(s[2].include_user_units.v[0], "u");
	cr_assert_str_eq(s[2].exclude_user_units.v[0], "v");
	cr_assert_str_eq(s[2].include_matches.v[0], "A=1");
	cr_assert_str_eq(s[2].exclude_matches.v[0], "B=");
	cr_assert_not(s[2].process_raw_message);
	cr_assert(s[2].container_mode);
	cr_assert_str_eq(s[2].default_application_name, "app");
	cr_assert_str_eq(s[2].config_id, "id");
	cr_assert_eq(s[3].idle_timeout_ns, 500000000);
	bh_config_release(&child);
}

Test(config_logs, a_fault_arrives_in_the_child)
{
	struct bh_config child;

	load_source("type: docker");
	to_child(&child);
	cr_assert_str_eq(child.log_sources[0].fault, "type docker is not supported by bulkhead");
	cr_assert_not_null(strstr(child.log_sources[0].where, "conf.yaml:1"));
	bh_config_release(&child);
}

Test(config_logs, what_a_source_leaves_open_is_as_for_all)
{
	const struct bh_log_source *s;

	put("conf.d/a.d/conf.yaml", "logs:\n- {type: file, path: /a}\n"
				    "- {type: file, path: /b, fingerprint_config: {count: 2},"
				    " auto_multi_line: {tag_aggregated_json: false}}\n");
	load_good("logs_config:\n  fingerprint_config: {fingerprint_strategy: byte_checksum}\n"
		  "  auto_multi_line: {enable_json_detection: false, tag_aggregated_json: true,\n"
		  "    timestamp_detector_match_threshold: 0.75}\n");
	cr_assert_eq(findings.n, 0, "%s", finding(0));
	s = cfg.log_sources;
	cr_assert_eq(s[0].fingerprint.strategy, BH_FP_BYTE_CHECKSUM);
	cr_assert_eq(s[0].fingerprint.count, 1024);
	cr_assert_not(s[0].auto_multi_line_keys.enable_json_detection);
	cr_assert(s[0].auto_multi_line_keys.tag_aggregated_json);
	cr_assert_float_eq(
	    s[0].auto_multi_line_keys.timestamp_detector_match_threshold, 0.75, 1e-9);
	cr_assert_eq(s[1].fingerprint.strategy, BH_FP_BYTE_CHECKSUM);
	cr_assert_eq(s[1].fingerprint.count, 2);
	cr_assert_not(s[1].auto_multi_line_keys.enable_json_detection);
	cr_assert_not(s[1].auto_multi_line_keys.tag_aggregated_json);
}

/* --- files of conf.d (§2.1) ------------------------------------------------------------------- */

Test(config_logs, a_default_file_counts_until_there_is_one_of_the_user)
{
	put("conf.d/a.d/conf.yaml.default", "logs: [{type: file, path: /a}]");
	put("conf.d/b.d/conf.yaml.default", "logs: [{type: file, path: /no1}]");
	put("conf.d/b.d/other.yml", "logs: [{type: file, path: /b}]");
	put("conf.d/c.yaml.default", "logs: [{type: file, path: /c}]");
	put("conf.d/d.yaml.default", "logs: [{type: file, path: /no2}]");
	put("conf.d/d.d/conf.yaml", "logs: [{type: file, path: /d}]");
	put("conf.d/e.d/conf.yaml.default", "logs: [{type: file, path: /no3}]");
	put("conf.d/e.yaml", "logs: [{type: file, path: /e}]");
	put("conf.d/f.d/conf.yaml.default.disabled", "logs: [{type: file, path: /no4}]");
	put("conf.d/f.d/.conf.yaml.default", "logs: [{type: file, path: /no5}]");
	load_good("");
	cr_assert_eq(findings.n, 0, "%s", finding(0));
	cr_assert_eq(cfg.log_sources_n, 5);
	for (size_t i = 0; i < 5; i++)
		cr_assert_eq(cfg.log_sources[i].path[1], (char)('a' + (int)i));
}

/* --- logs_config (§19) ------------------------------------------------------------------------ */

Test(config_logs, defaults_of_logs_config)
{
	cr_assert(cfg.logs_use_sourcehost_tag);
	cr_assert_not(cfg.logs_tag_multi_line_logs);
	cr_assert_not(cfg.logs_add_logsource_tag);
	cr_assert_eq(cfg.logs_expected_tags_duration_ms, 0);
	cr_assert_str_eq(cfg.logs_file_wildcard_selection_mode, "by_name");
	cr_assert_not(cfg.logs_enable_recursive_glob);
	cr_assert_eq(cfg.logs_frame_size, 9000);
	cr_assert_eq(cfg.logs_aggregation_timeout_ms, 1000);
	cr_assert_str_eq(cfg.logs_fingerprint_strategy, "line_checksum");
	cr_assert_eq(cfg.logs_auditor_ttl_hours, 23);
	cr_assert_str_eq(cfg.logs_run_path, "");
	cr_assert_not(cfg.logs_auto_multi_line_detection);
	cr_assert(cfg.logs_auto_multi_line_detection_tagging);
	cr_assert(cfg.logs_aml_enable_json_detection);
	cr_assert_eq(cfg.logs_aml_timestamp_threshold_milli, 500);
	cr_assert_eq(cfg.logs_aml_tokenizer_max_input_bytes, 60);
	cr_assert_str_eq(cfg.log_rules_fault, "");
}

Test(config_logs, a_word_of_no_mode_costs_the_value_and_not_the_start)
{
	load_good("logs_config: {file_wildcard_selection_mode: by_size}");
	cr_assert_eq(findings.n, 1);
	assert_says(0, "is not one of: by_name by_modification_time; by_name is used");
	cr_assert_str_eq(cfg.logs_file_wildcard_selection_mode, "by_name");
}

Test(config_logs, the_old_name_of_auto_multi_line_turns_it_on)
{
	load_good("logs_config: {experimental_auto_multi_line_detection: true}");
	cr_assert_eq(findings.n, 0, "%s", finding(0));
	cr_assert(cfg.logs_auto_multi_line_detection);
}

Test(config_logs, a_misspelt_key_below_a_section_is_named)
{
	load_good("logs_config: {auto_multi_line: {tag_agregated_json: true}}");
	assert_says(0, "did you mean logs_config.auto_multi_line.tag_aggregated_json?");
}

Test(config_logs, keys_without_effect_are_warned_of)
{
	static const char *const keys[] = {"atomic_registry_write: true", "input_chan_size: 1",
	    "force_use_tcp: true", "container_collect_all: true", "use_port_443: true",
	    "streaming: {a: b}", "experimental_adaptive_sampling: {enabled: true}",
	    "auto_multi_line: {pattern_table_max_size: 1}",
	    "auto_multi_line_default_sample_size: 1", "http_connectivity_retry_interval_max: 1h",
	    "validate_pod_container_id: true"};

	for (size_t i = 0; i < BH_ARRAY_LEN(keys); i++) {
		char yaml[128];

		(void)snprintf(yaml, sizeof(yaml), "logs_config: {%s}", keys[i]);
		load_good(yaml);
		cr_assert_eq(findings.n, 1, "%s", keys[i]);
		assert_says(0, "known but has no effect");
	}
}

/* --- rules and samples for all sources ---------------------------------------------------------
 */

Test(config_logs, rules_for_all_are_read_from_the_file)
{
	struct bh_config child;

	load_good("logs_config:\n"
		  "  processing_rules:\n"
		  "    - {type: mask_sequences, name: m, pattern: 'a b', replace_placeholder: x}\n"
		  "    - {type: multi_line, name: ml, pattern: '^x'}\n"
		  "    - {type: exclude_at_match, name: e, pattern: y}\n");
	cr_assert_eq(findings.n, 1, "%s", finding(1));
	assert_says(0, "the multi_line rule ml has no effect for all sources");
	to_child(&child);
	cr_assert_eq(child.log_rules_n, 2);
	cr_assert_eq(child.log_rules[0].type, BH_RULE_MASK_SEQUENCES);
	cr_assert_str_eq(child.log_rules[0].pattern, "a b");
	cr_assert_eq(child.log_rules[1].type, BH_RULE_EXCLUDE_AT_MATCH);
	cr_assert_str_eq(child.log_rules[1].name, "e");
	cr_assert_str_eq(child.log_rules_fault, "");
	bh_config_release(&child);
}

/* JSON: from the environment, or as a text in the file. */
Test(config_logs, rules_for_all_are_read_from_json)
{
	char *const env[] = {
	    "DD_LOGS_CONFIG_PROCESSING_RULES=[{\"type\":\"exclude_at_match\",\"name\":\"e\","
	    "\"pattern\":\"\\\\d\\/\\ud83d\\ude00\\u00e9\"}]",
	    NULL};

	load_with("logs_config: {processing_rules: 5}", env);
	cr_assert_eq(findings.n, 0, "%s", finding(0));
	cr_assert_eq(cfg.log_rules_n, 1);
	cr_assert_str_eq(cfg.log_rules[0].pattern, "\\d/\xf0\x9f\x98\x80\xc3\xa9");
	load_good("logs_config:\n  processing_rules: "
		  "'[{\"type\": \"exclude_truncated\", \"name\": \"t\"}]'\n");
	cr_assert_eq(findings.n, 0, "%s", finding(0));
	cr_assert_eq(cfg.log_rules[0].type, BH_RULE_EXCLUDE_TRUNCATED);
	load_good("logs_config: {processing_rules: }");
	cr_assert_eq(findings.n, 0, "%s", finding(0));
	load_good("logs_config: {processing_rules: []}");
	cr_assert_eq(findings.n, 0, "%s", finding(0));
	cr_assert_eq(cfg.log_rules_n, 0);
}

/* A fault stops the collection of logs, not the start (§2.3). */
Test(config_logs, a_fault_in_the_rules_for_all_is_kept_for_the_logs_process)
{
	static const struct {
		const char *yaml, *env, *at, *fault;
	} cases[] = {
	    {"logs_config:\n  processing_rules:\n    - {name: n, type: x, pattern: a}", NULL,
		"datadog.yaml:3:7: ", "type x is not supported for processing rule `n`"},
	    {"logs_config: {processing_rules: {a: b}}", NULL,
		"datadog.yaml:1:33: ", "a list of processing rules is wanted"},
	    {"logs_config: {processing_rules: rules}", NULL,
		"datadog.yaml:1:33: ", "a list of processing rules is wanted"},
	    {"", "DD_LOGS_CONFIG_PROCESSING_RULES=[{\"name\":\"n\"}]",
		"environment DD_LOGS_CONFIG_PROCESSING_RULES:1:2: ",
		"type must be set for processing rule `n`"},
	    {"", "DD_LOGS_CONFIG_PROCESSING_RULES=[{",
		"environment DD_LOGS_CONFIG_PROCESSING_RULES:",
		"environment DD_LOGS_CONFIG_PROCESSING_RULES:"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		char env_text[128], *const env[] = {env_text, NULL};
		struct bh_config child;

		(void)snprintf(
		    env_text, sizeof(env_text), "%s", cases[i].env ? cases[i].env : "X=y");
		load_with(cases[i].yaml, env);
		cr_assert_eq(findings.n, 1);
		cr_assert_not_null(strstr(finding(0), cases[i].at), "%s", finding(0));
		cr_assert_not_null(strstr(finding(0), cases[i].fault), "%s", finding(0));
		cr_assert_not_null(strstr(finding(0), "no logs are collected"), "%s", finding(0));
		to_child(&child);
		cr_assert_not_null(
		    strstr(child.log_rules_fault, cases[i].fault), "%s", child.log_rules_fault);
		cr_assert_eq(child.log_rules_n, 0);
		bh_config_release(&child);
	}
}

Test(config_logs, samples_for_all_come_from_both_options)
{
	char *const env[] = {
	    "DD_LOGS_CONFIG_AUTO_MULTI_LINE_DETECTION_CUSTOM_SAMPLES="
	    "[{\"sample\":\"a\",\"label\":\"aggregate\"},{\"label\":\"x\",\"sample\":\"b\"}]",
	    "DD_LOGS_CONFIG_AUTO_MULTI_LINE_EXTRA_PATTERNS=x+ ( y", NULL};
	struct bh_config child;

	load_with("", env);
	cr_assert_eq(findings.n, 2);
	cr_assert_not_null(strstr(finding(0), "label \"x\" is not one of"), "%s", finding(0));
	cr_assert_not_null(
	    strstr(finding(1), "auto_multi_line_extra_patterns: regex (: "), "%s", finding(1));
	to_child(&child);
	cr_assert_eq(child.log_samples_n, 3);
	cr_assert_eq(child.log_samples[0].label, BH_LABEL_AGGREGATE);
	cr_assert_str_eq(child.log_samples[1].regex, "x+");
	cr_assert_eq(child.log_samples[2].label, BH_LABEL_START_GROUP);
	cr_assert_str_eq(child.log_samples[2].regex, "y");
	bh_config_release(&child);
}

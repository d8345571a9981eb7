/* conf.d: which files are read, and what of a source is refused. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_load.h"
#include "config_fixture.h"

TestSuite(config_confd, .init = config_start, .fini = config_stop);

Test(config_confd, only_yaml_files_of_conf_d_are_read)
{
	put("conf.d/a.d/conf.yaml", "logs: [{type: file, path: /1}]");
	put("conf.d/b.d/x.yml", "logs: [{type: file, path: /2}]");
	put("conf.d/plain.yaml", "logs: [{type: file, path: /3}]");
	put("conf.d/a.d/conf.yaml.example", "logs: [{type: file, path: /no1}]");
	put("conf.d/a.d/conf.yaml.disabled", "logs: [{type: file, path: /no2}]");
	put("conf.d/a.d/conf.yaml.default", "logs: [{type: file, path: /no3}]");
	put("conf.d/a.d/.hidden.yaml", "logs: [{type: file, path: /no4}]");
	put("conf.d/other/conf.yaml", "logs: [{type: file, path: /no5}]");
	cr_assert_eq(load(""), 0);
	cr_assert_eq(findings.n, 0, "%s", finding(0));
	cr_assert_eq(cfg.log_sources_n, 3);
	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(cfg.log_sources[i].path[1], (char)('1' + (int)i));
}

Test(config_confd, a_bad_source_is_left_out_and_its_neighbours_stay)
{
	static const char *const says[] = {"a config must have a type",
	    "file source must have a path",
	    "type docker is not supported by bulkhead; source skipped",
	    "invalid tailing mode 'middle' for /m", "/good is read already by the source at "};

	put("conf.d/a.d/conf.yaml",
	    "logs:\n"
	    "  - path: /a\n"
	    "  - type: file\n"
	    "  - type: docker\n"
	    "  - {type: file, path: /m, start_position: middle}\n"
	    "  - {type: file, path: /good, tags: 'a:1,b:2', start_position: forceBeginning}\n"
	    "  - {type: file, path: /good}\n"
	    "  - {type: file, path: /last, sourcecategory: c}\n");
	put("conf.d/broken.d/conf.yaml", "logs: [{\n");
	cr_assert_eq(load(""), 0);
	cr_assert_eq(findings.n, 6);
	for (size_t i = 0; i < 5; i++) {
		char where[64];

		(void)snprintf(
		    where, sizeof(where), "conf.d/a.d/conf.yaml:%zu:5: ", i < 4 ? i + 2 : 7);
		assert_finding(i, BH_FINDING_MISTAKE, where, says[i]);
	}
	assert_finding(5, BH_FINDING_MISTAKE, "conf.d/broken.d/conf.yaml:", "");
	cr_assert_eq(cfg.log_sources_n, 7, "the status shows those that do not run, too");
	for (size_t i = 0; i < 7; i++)
		cr_assert_eq(cfg.log_sources[i].fault[0] == '\0', i == 4 || i == 6, "%zu", i);
	cr_assert_str_eq(cfg.log_sources[2].fault, "type docker is not supported by bulkhead");
	cr_assert_eq(cfg.log_sources[4].tags.n, 2);
	cr_assert_str_eq(cfg.log_sources[4].tags.v[1], "b:2");
	cr_assert_str_eq(cfg.log_sources[6].sourcecategory, "c");
}

Test(config_confd, sources_name_their_unknown_and_unused_keys_and_stay)
{
	put("conf.d/a.d/conf.yaml", "logs:\n"
				    "  - type: file\n"
				    "    path: /a\n"
				    "    servcie: web\n"
				    "    identifier: x\n"
				    "    zzzzzz: 1\n");
	cr_assert_eq(load("hostname: h\n"), 0);
	cr_assert_eq(findings.n, 3);
	assert_finding(0, BH_FINDING_MISTAKE, "conf.d/a.d/conf.yaml:4:5: ", "did you mean service");
	assert_finding(
	    1, BH_FINDING_WARNING, "conf.d/a.d/conf.yaml:5:5: ", "known but has no effect");
	assert_finding(2, BH_FINDING_MISTAKE, "conf.d/a.d/conf.yaml:6:5: ", "it is ignored");
	cr_assert_eq(cfg.log_sources_n, 1);
}

Test(config_confd, tags_of_a_source_are_texts)
{
	static const struct {
		const char *tags;
		size_t n; /* 0: source skipped */
	} cases[] = {{"[a, \"5\"]", 2}, {"[5]", 0}, {"[true]", 0}, {"[1.5]", 0}, {"[null]", 0},
	    {"[[a]]", 0}, {"{a: b}", 0}, {"[nan]", 1}, {"[5a]", 1}, {"'a, b,c'", 3},
	    {"\"a\\nb,c\"", 2}};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		char yaml[128];

		(void)snprintf(
		    yaml, sizeof(yaml), "logs: [{type: file, path: /a, tags: %s}]", cases[i].tags);
		put("conf.d/a.d/conf.yaml", yaml);
		cr_assert_eq(load("hostname: h\n"), 0);
		cr_assert_eq(cfg.log_sources_n, cases[i].n > 0, "%s", cases[i].tags);
		cr_assert_eq(findings.n, cases[i].n == 0, "%s: %s", cases[i].tags, finding(0));
		cr_assert(
		    !cases[i].n || cfg.log_sources[0].tags.n == cases[i].n, "%s", cases[i].tags);
	}
	cr_assert_str_eq(cfg.log_sources[0].tags.v[0], "ab", "line ends are removed");
}

Test(config_confd, a_source_of_wrong_shape_is_skipped_with_its_reason)
{
	put("conf.d/a.d/conf.yaml", "logs: [{type: file, path: /a, service: [x]}]");
	put("conf.d/b.d/conf.yaml", "logs: {type: file, path: /b}");
	put("conf.d/c.d/conf.yaml", "logs:\n");
	put("conf.d/d.d/conf.yaml", "logs: [{type: file, path: /d, service: ~}]");
	cr_assert_eq(load("hostname: h\n"), 0);
	cr_assert_eq(findings.n, 2);
	assert_finding(0, BH_FINDING_MISTAKE, "conf.d/a.d/conf.yaml:1:8: ", "service: a plain");
	assert_finding(1, BH_FINDING_MISTAKE, "conf.d/b.d/conf.yaml:1:7: ", "a list of sources");
	cr_assert_eq(cfg.log_sources_n, 1);
	cr_assert_str_eq(cfg.log_sources[0].service, "");
}

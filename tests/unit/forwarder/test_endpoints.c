/* Which destinations a configuration names (spec/intake.md §2, §13.6, §13.8, §14.5). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "forwarder/dest.h"
#include "forwarder/endpoints.h"

static struct bh_config cfg;
static struct bh_endpoint_list list;

static void set(char **at, const char *text)
{
	free(*at);
	*at = strdup(text);
	cr_assert_not_null(*at);
}

static void set_up(void)
{
	bh_config_defaults(&cfg);
	set(&cfg.api_key, "main-key-0");
}

static void tear_down(void)
{
	bh_endpoints_free(&list);
	bh_config_release(&cfg);
}

TestSuite(endpoints, .init = set_up, .fini = tear_down);

static void add(bool logs, const char *url, const char *key)
{
	const struct bh_endpoint e = {.logs = logs, .reliable = true, .reset_ms = -1};

	cr_assert_eq(bh_endpoints_add(&cfg, &e, bh_str_from(url), bh_str_from(key)), 0);
}

struct want {
	const char *id, *name, *url, *key;
};

static void expect(const struct want *want, size_t n)
{
	struct bh_err err = BH_ERR_INIT;

	cr_assert_eq(bh_endpoints_resolve(&list, &cfg, &err), 0, "%s", err.text);
	cr_assert_eq(list.n, n, "%zu", list.n);
	for (size_t i = 0; i < n; i++) {
		cr_expect_str_eq(list.v[i].names.id, want[i].id);
		cr_expect_str_eq(list.v[i].names.name, want[i].name);
		cr_expect_str_eq(list.v[i].url, want[i].url);
		cr_expect_str_eq(list.keys[list.v[i].key], want[i].key);
	}
}

#define LOGS_US    "https://agent-http-intake.logs.datadoghq.com/api/v2/logs"
#define METRICS_US "https://7-70-1-app.agent.datadoghq.com"
#define PRIMARIES \
	{"logs/primary", "logs", LOGS_US, "main-key-0"}, \
	{ \
		"metrics/primary", "metrics", METRICS_US, "main-key-0" \
	}

Test(endpoints, the_primary_ones_are_always_there)
{
	static const struct want want[] = {PRIMARIES};

	expect(want, BH_ARRAY_LEN(want));
	cr_expect_eq(list.keys_n, 1);
}

Test(endpoints, logs_may_have_a_key_of_their_own)
{
	static const struct want want[] = {{"logs/primary", "logs", LOGS_US, "log-key-00"},
	    {"metrics/primary", "metrics", METRICS_US, "main-key-0"}};

	set(&cfg.logs_api_key, "log-key-00");
	expect(want, BH_ARRAY_LEN(want));
}

Test(endpoints, each_url_with_each_key_is_one)
{
	static const struct want want[] = {PRIMARIES,
	    {"metrics/https://app.datadoghq.eu#0", "metrics:app.datadoghq.eu#1",
		"https://7-70-1-app.agent.datadoghq.eu", "eu-key-000"},
	    {"metrics/https://app.datadoghq.eu#1", "metrics:app.datadoghq.eu#2",
		"https://7-70-1-app.agent.datadoghq.eu", "eu-key-001"},
	    {"metrics/http://127.0.0.1:80/x#0", "metrics:127.0.0.1:80#1", "http://127.0.0.1:80/x",
		"eu-key-000"},
	    {"logs/http://127.0.0.1:80#0", "logs:127.0.0.1:80#1", "http://127.0.0.1:80/api/v2/logs",
		"eu-key-000"},
	    {"logs/http://127.0.0.1:80/y/v1/input#0", "logs:127.0.0.1:80#2",
		"http://127.0.0.1:80/y/v1/input", "eu-key-000"}};

	add(false, "https://app.datadoghq.eu", "eu-key-000");
	add(false, "https://app.datadoghq.eu", "eu-key-001");
	add(false, "http://127.0.0.1:80/x", "eu-key-000");
	add(true, "http://127.0.0.1:80", "eu-key-000");
	add(true, "http://127.0.0.1:80/y/v1/input", "eu-key-000");
	expect(want, BH_ARRAY_LEN(want));
	cr_expect_eq(list.keys_n, 3, "a key is held once");
}

/* As requests use them: §2.1.3 comes before the comparison, and a slash at the end says nothing. */
Test(endpoints, the_same_url_and_key_count_once)
{
	static const struct want want[] = {PRIMARIES,
	    {"metrics/https://app.datadoghq.com#0", "metrics:app.datadoghq.com#1", METRICS_US,
		"other-key0"},
	    {"logs/http://h#0", "logs:h#1", "http://h/api/v2/logs", "main-key-0"}};

	add(false, "https://app.datadoghq.com", "main-key-0");
	add(false, "https://app.datadoghq.com/", "other-key0");
	add(false, "https://app.datadoghq.com", "other-key0");
	add(false, METRICS_US, "other-key0");
	add(true, "http://h", "main-key-0");
	add(true, "http://h/api/v2/logs", "main-key-0");
	expect(want, BH_ARRAY_LEN(want));
}

/* Rows find their destination again under another key, and under another version (durability §2).
 */
Test(endpoints, the_name_in_the_database_holds_no_key)
{
	add(false, "https://app.datadoghq.eu", "eu-key-000");
	add(true, "https://logs.example", "lg-key-000");
	cr_assert_eq(bh_endpoints_resolve(&list, &cfg, NULL), 0);
	for (size_t i = 0; i < list.n; i++) {
		for (size_t k = 0; k < list.keys_n; k++) {
			cr_expect_null(strstr(list.v[i].names.id, list.keys[k]));
			cr_expect_null(strstr(list.v[i].names.name, list.keys[k]));
		}
		cr_expect_null(strstr(list.v[i].names.id, "7-70"));
	}
}

Test(endpoints, as_many_as_the_configuration_may_hold)
{
	for (unsigned i = 0; i < BH_ENDPOINTS_MAX; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "key-%u", i);
		add(i % 2, "http://h", key);
	}
	cr_assert_eq(bh_endpoints_resolve(&list, &cfg, NULL), 0);
	cr_expect_eq(list.n, BH_DESTS_CONFIGURED);
	cr_expect_eq(list.keys_n, BH_ENDPOINTS_MAX + 1);
}

/* §2.3: the first of four that is there; §2.5 */
Test(endpoints, the_first_address_of_logs_that_is_set_counts)
{
	static const struct {
		const char *worker, *vector, *dd_url, *host;
		bool no_ssl, old_api;
		const char *url;
	} rows[] = {
	    {"", "", "", "", false, false, LOGS_US},
	    {"", "", "", "", true, true, "https://agent-http-intake.logs.datadoghq.com/v1/input"},
	    {"", "", "", "relay.example", true, false, "https://relay.example/api/v2/logs"},
	    {"", "", "in:81", "relay.example", true, false, "http://in:81/api/v2/logs"},
	    {"", "", "https://in/x/", "", true, true, "https://in/x/v1/input"},
	    {"", "", "https://in/v1/input", "", false, false, "https://in/v1/input"},
	    {"", "http://v:8282/", "in:81", "", false, false, "http://v:8282/api/v2/logs"},
	    {"http://w:8282", "http://v", "in", "", false, false, "http://w:8282/api/v2/logs"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		set(&cfg.worker_logs.url, rows[i].worker);
		set(&cfg.vector_logs.url, rows[i].vector);
		set(&cfg.logs_dd_url, rows[i].dd_url);
		set(&cfg.logs_host, rows[i].host);
		cfg.worker_logs.enabled = cfg.vector_logs.enabled = true;
		cfg.logs_no_ssl = rows[i].no_ssl;
		cfg.logs_use_v2_api = !rows[i].old_api;
		cr_assert_eq(bh_endpoints_resolve(&list, &cfg, NULL), 0);
		cr_expect_str_eq(list.v[0].url, rows[i].url);
		bh_endpoints_free(&list);
	}
	cfg.worker_logs.enabled = cfg.vector_logs.enabled = false;
	cr_assert_eq(bh_endpoints_resolve(&list, &cfg, NULL), 0);
	cr_expect_str_eq(list.v[0].url, "https://in/api/v2/logs", "a URL alone is not enough");
}

/* §2.5: series and sketches of the main domain, and nothing else */
Test(endpoints, a_worker_takes_series_and_sketches)
{
	struct bh_dest d = {.url = NULL};
	char out[200];

	set(&cfg.vector_metrics.url, "http://worker:8282/");
	add(false, "http://other", "k2");
	cr_assert_eq(bh_endpoints_resolve(&list, &cfg, NULL), 0);
	cr_expect_null(list.v[1].worker_url, "it is not enabled");
	bh_endpoints_free(&list);
	cfg.vector_metrics.enabled = true;
	cr_assert_eq(bh_endpoints_resolve(&list, &cfg, NULL), 0);
	cr_expect_null(list.v[0].worker_url);
	cr_expect_null(list.v[2].worker_url);
	d.url = list.v[1].url;
	d.worker_url = list.v[1].worker_url;
	for (enum bh_kind kind = BH_KIND_SERIES_V2; kind < BH_KIND__END; kind++) {
		bool worker = kind == BH_KIND_SERIES_V2 || kind == BH_KIND_SERIES_V1 ||
			      kind == BH_KIND_SKETCHES;

		if (kind == BH_KIND_LOGS)
			continue;
		cr_assert_eq(bh_dest_url(&d, kind, out, sizeof(out)), 0);
		cr_expect_eq(strncmp(out, "http://worker:8282/api/", 23) == 0, worker, "%s", out);
		cr_expect_eq(
		    strncmp(out, METRICS_US "/", strlen(METRICS_US) + 1) == 0, !worker, "%s", out);
	}
}

Test(endpoints, connections_are_as_old_as_the_class_or_the_endpoint_says)
{
	add(true, "http://a", "k");
	add(true, "http://b", "k");
	add(false, "http://c", "k");
	cfg.endpoints[1].reset_ms = 0;
	cfg.logs_connection_reset_interval_ms = 5000;
	cfg.forwarder_connection_reset_interval_ms = 7000;
	cr_assert_eq(bh_endpoints_resolve(&list, &cfg, NULL), 0);
	cr_expect_eq(list.v[0].reset_ms, 5000);
	cr_expect_eq(list.v[1].reset_ms, 7000);
	cr_expect_eq(list.v[2].reset_ms, 5000);
	cr_expect_eq(list.v[3].reset_ms, 0);
	cr_expect_eq(list.v[4].reset_ms, 7000);
}

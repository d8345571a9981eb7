#include <criterion/criterion.h>
#include <string.h>

#include "common/clock.h"
#include "forwarder/backoff.h"
#include "forwarder/response.h"
#include "forwarder/urls.h"

/* spec/intake.md §11.1 and §11.2, every row that is a status; 0 stands for all failures without
 * one. */
Test(response, follows_the_tables)
{
	static const enum bh_verdict taken = BH_VERDICT_TAKEN, retry = BH_VERDICT_RETRY,
				     key = BH_VERDICT_KEY, split = BH_VERDICT_SPLIT,
				     drop = BH_VERDICT_DROP;
	const struct {
		long from, to;
		enum bh_verdict metrics, logs;
	} rows[] = {
	    {0, 0, retry, retry},
	    {100, 199, retry, retry},
	    {200, 299, taken, taken},
	    {300, 399, retry, retry},
	    {400, 400, drop, drop},
	    {401, 401, retry, key},
	    {402, 402, retry, retry},
	    {403, 403, key, key},
	    {404, 412, retry, retry},
	    {413, 413, split, split},
	    {414, 499, retry, retry},
	    {500, 599, retry, retry},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		for (long status = rows[i].from; status <= rows[i].to; status++) {
			cr_expect_eq(bh_response(status, false).verdict, rows[i].metrics,
			    "metrics, status %ld", status);
			cr_expect_eq(bh_response(status, true).verdict, rows[i].logs,
			    "logs, status %ld", status);
		}
	}
}

Test(response, names_the_reason_of_a_drop)
{
	static const struct {
		long status;
		enum bh_drop reason;
	} rows[] = {
	    {400, BH_DROP_REFUSED_400},
	    {401, BH_DROP_REFUSED_401},
	    {403, BH_DROP_REFUSED_403},
	    {413, BH_DROP_REFUSED_413},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++)
		cr_expect_eq(bh_response(rows[i].status, true).reason, rows[i].reason);
}

Test(response, hears_retry_after_where_it_is_asked_to_slow_down)
{
	for (long status = 0; status < 600; status++) {
		cr_expect_eq(bh_response(status, false).slower, status == 429 || status == 503);
		cr_expect_eq(bh_response(status, true).slower,
		    status == 408 || status == 429 || status == 503);
	}
}

static struct bh_backoff metrics(void)
{
	const struct bh_backoff_config cfg = {2, 2, 64, 2, false};
	struct bh_backoff b;

	bh_backoff_init(&b, &cfg, 2, 64);
	return b;
}

Test(backoff, pauses_lie_in_the_intervals_of_the_table)
{
	struct bh_backoff b = metrics();
	struct bh_rng rng;

	bh_rng_seed(&rng, 3);
	for (int k = 1; k <= 6; k++) {
		for (int i = 0; i < 100; i++) {
			double pause = bh_backoff_pause(&b, k, &rng);
			double top = k < 6 ? (double)(2 << k) : 64;

			cr_assert(pause <= top && pause >= (k < 6 ? top / 2 : 64), "k=%d pause=%f",
			    k, pause);
		}
	}
	cr_assert_eq(bh_backoff_pause(&b, 0, &rng), 0);
}

Test(backoff, one_probe_decides_after_a_pause)
{
	struct bh_backoff b = metrics();
	struct bh_rng rng;
	int64_t five = 5 * BH_NS_PER_S;

	bh_rng_seed(&rng, 4);
	cr_assert(bh_backoff_may_send(&b, 0));
	bh_backoff_error(&b, 0, 0, &rng);
	cr_assert_not(bh_backoff_may_send(&b, BH_NS_PER_S));
	cr_assert(bh_backoff_may_send(&b, five));
	cr_assert_not(bh_backoff_may_send(&b, five), "a second probe at the same time");
	bh_backoff_error(&b, five, 0, &rng);
	cr_assert_eq(b.errors, 2);
	cr_assert(bh_backoff_may_send(&b, five + 8 * BH_NS_PER_S));
	bh_backoff_success(&b, five + 8 * BH_NS_PER_S, &rng);
	cr_assert_eq(b.state, BH_BREAKER_OPEN);
}

Test(backoff, results_of_requests_already_under_way_count_nothing)
{
	struct bh_backoff b = metrics();
	struct bh_rng rng;

	bh_rng_seed(&rng, 5);
	bh_backoff_error(&b, 0, 0, &rng);
	bh_backoff_error(&b, 0, 0, &rng);
	cr_assert_eq(b.errors, 1);
	bh_backoff_success(&b, 0, &rng);
	cr_assert_eq(b.state, BH_BREAKER_BLOCKED);
}

/* §12.2: the answer to an older request is not the probe's; §12.3: k failures of one moment are one
 */
Test(backoff, tells_old_requests_from_the_probe)
{
	struct bh_backoff b = metrics();
	struct bh_rng rng;
	int64_t five = 5 * BH_NS_PER_S;

	bh_rng_seed(&rng, 8);
	cr_assert_not(bh_backoff_is_old(&b, 0));
	bh_backoff_error(&b, BH_NS_PER_S, 0, &rng);
	cr_assert(bh_backoff_is_old(&b, BH_NS_PER_S - 1));
	cr_assert(bh_backoff_may_send(&b, five + BH_NS_PER_S));
	cr_assert_eq(b.state, BH_BREAKER_PROBING);
	cr_assert(bh_backoff_is_old(&b, 0), "it was sent before the pause");
	cr_assert_not(bh_backoff_is_old(&b, five + BH_NS_PER_S), "the probe");
	bh_backoff_success(&b, five + 2 * BH_NS_PER_S, &rng);
	cr_assert(bh_backoff_is_old(&b, 0), "also when all is well again");
}

/* §12.1, the table: base 1, max 120, and seven as the highest count */
Test(backoff, counts_errors_as_far_as_the_table_of_logs_goes)
{
	const struct bh_backoff_config cfg = {2, 1, 120, 2, false}, reset = {2, 1, 120, 2, true};
	struct bh_backoff b;
	struct bh_rng rng;
	int64_t now = 0;

	bh_rng_seed(&rng, 9);
	bh_backoff_init(&b, &cfg, 1, 120);
	for (int k = 1; k <= 9; k++) {
		int n = k < 7 ? k : 7;
		double top = n < 7 ? (double)(1 << n) : 120;
		double pause;

		cr_assert(bh_backoff_may_send(&b, now));
		bh_backoff_error(&b, now, 0, &rng);
		cr_assert_eq(b.errors, n);
		pause = (double)(b.until_ns - now) / (double)BH_NS_PER_S;
		cr_assert(pause <= top && pause >= (n < 7 ? top / 2 : 120), "k=%d %f", k, pause);
		now = b.until_ns;
	}
	for (int left = 5; left > 0; left -= 2) {
		cr_assert(bh_backoff_may_send(&b, now));
		bh_backoff_success(&b, now, &rng);
		cr_assert_eq(b.errors, left);
		cr_assert_eq(b.state, BH_BREAKER_BLOCKED, "n > 0: a shorter pause, then a probe");
		now = b.until_ns;
	}
	cr_assert(bh_backoff_may_send(&b, now));
	bh_backoff_success(&b, now, &rng);
	cr_assert_eq(b.state, BH_BREAKER_OPEN);
	bh_backoff_init(&b, &reset, 1, 120);
	for (int k = 0; k < 4; k++, now = b.until_ns) {
		(void)bh_backoff_may_send(&b, now);
		bh_backoff_error(&b, now, 0, &rng);
	}
	cr_assert(bh_backoff_may_send(&b, now));
	bh_backoff_success(&b, now, &rng);
	cr_assert_eq(b.errors, 0, "recovery_reset: one is enough");
}

Test(backoff, unusable_settings_are_replaced)
{
	const struct bh_backoff_config cfg = {1, 0, -1, 0, false}, narrow = {3, 10, 5, 1, false};
	struct bh_backoff b;

	bh_backoff_init(&b, &cfg, 2, 64);
	cr_expect_eq(b.cfg.factor, 2);
	cr_expect_eq(b.cfg.base_s, 2);
	cr_expect_eq(b.cfg.max_s, 64);
	cr_expect_eq(b.cfg.recovery, 2);
	bh_backoff_init(&b, &narrow, 2, 64);
	cr_expect_eq(b.cfg.max_s, 10);
}

Test(backoff, retry_after_raises_the_pause_but_not_above_the_longest)
{
	struct bh_backoff b = metrics();
	struct bh_rng rng;

	bh_rng_seed(&rng, 6);
	bh_backoff_error(&b, 0, 30 * BH_NS_PER_S, &rng);
	cr_assert_eq(b.until_ns, 30 * BH_NS_PER_S);
	b = metrics();
	bh_backoff_error(&b, 0, 3600 * BH_NS_PER_S, &rng);
	cr_assert_eq(b.until_ns, 64 * BH_NS_PER_S);
}

Test(urls, get_the_version_prefix_only_on_datadogs_own_hosts)
{
	static const char *const rows[][2] = {
	    {"https://app.datadoghq.com", "https://7-70-1-app.agent.datadoghq.com"},
	    {"https://app.us5.datadoghq.com", "https://7-70-1-app.agent.us5.datadoghq.com"},
	    {"https://app.ddog-gov.com", "https://7-70-1-app.agent.ddog-gov.com"},
	    {"https://app.datadoghq.com.", "https://7-70-1-app.agent.datadoghq.com."},
	    {"https://app.datadoghq.internal", "https://app.datadoghq.internal"},
	    {"https://app.myproxy.com", "https://app.myproxy.com"},
	    {"https://custom.datadoghq.com", "https://custom.datadoghq.com"},
	    {"http://127.0.0.1:8080", "http://127.0.0.1:8080"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		struct bh_buf out = BH_BUF_INIT;

		cr_assert_eq(bh_url_version_prefix(bh_str_from(rows[i][0]), "7.70.1", &out), 0);
		cr_expect_str_eq(out.data, rows[i][1]);
		bh_buf_release(&out);
	}
}

Test(urls, check_the_key_where_its_domain_says)
{
	static const char *const rows[][2] = {
	    {"https://7-70-1-app.agent.us5.datadoghq.com",
		"https://api.us5.datadoghq.com/api/v1/validate"},
	    {"https://app.datadoghq.eu.", "https://api.datadoghq.eu/api/v1/validate"},
	    {"https://app.datadoghq.com:8443/x", "https://api.datadoghq.com/api/v1/validate"},
	    {"https://app.ddog-gov.com", "https://api.ddog-gov.com/api/v1/validate"},
	    {"https://app.us2.ddog-gov.com", "https://api.us2.ddog-gov.com/api/v1/validate"},
	    {"https://app.ddog-gov.mil", "https://app.ddog-gov.mil/api/v1/validate"},
	    {"https://datadoghq.com.example.org",
		"https://datadoghq.com.example.org/api/v1/validate"},
	    {"https://notdatadoghq.com", "https://notdatadoghq.com/api/v1/validate"},
	    {"http://127.0.0.1:8080", "http://127.0.0.1:8080/api/v1/validate"},
	    {"http://localhost", "http://localhost/api/v1/validate"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		struct bh_buf out = BH_BUF_INIT;

		cr_assert_eq(bh_url_validate(bh_str_from(rows[i][0]), &out), 0);
		cr_expect_str_eq(out.data, rows[i][1]);
		bh_buf_release(&out);
	}
}

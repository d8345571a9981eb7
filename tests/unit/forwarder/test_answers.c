#include <criterion/criterion.h>
#include <string.h>

#include "common/clock.h"
#include "forwarder/backoff.h"
#include "forwarder/response.h"
#include "forwarder/urls.h"

Test(response, follows_the_table)
{
	static const struct {
		long status;
		enum bh_verdict verdict;
	} rows[] = {
	    {200, BH_VERDICT_TAKEN},
	    {202, BH_VERDICT_TAKEN},
	    {299, BH_VERDICT_TAKEN},
	    {301, BH_VERDICT_RETRY},
	    {400, BH_VERDICT_DROP},
	    {401, BH_VERDICT_RETRY},
	    {403, BH_VERDICT_RETRY},
	    {404, BH_VERDICT_RETRY},
	    {408, BH_VERDICT_RETRY},
	    {413, BH_VERDICT_DROP},
	    {429, BH_VERDICT_RETRY},
	    {500, BH_VERDICT_RETRY},
	    {503, BH_VERDICT_RETRY},
	    {0, BH_VERDICT_RETRY},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++)
		cr_expect_eq(bh_response(rows[i].status).verdict, rows[i].verdict, "status %ld",
		    rows[i].status);
	cr_assert_eq(bh_response(400).reason, BH_DROP_REFUSED_400);
	cr_assert_eq(bh_response(413).reason, BH_DROP_REFUSED_413);
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

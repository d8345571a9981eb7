#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/attrs.h"
#include "common/err.h"
#include "supervisor/deaths.h"
#include "supervisor/events.h"

static struct bh_loop loop;
static struct bh_events *events;

static void set_up(void)
{
	cr_assert_eq(bh_loop_init(&loop, &bh_clock_system), 0);
	events = calloc(1, sizeof(*events));
	cr_assert(events);
	bh_events_init(events, &loop);
}

static void tear_down(void)
{
	bh_events_release(events);
	bh_loop_release(&loop);
	free(events);
}

TestSuite(events, .init = set_up, .fini = tear_down);

static int receive(int fd, char *text, size_t cap)
{
	ssize_t n = recv(fd, text, cap - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return (int)n;
}

Test(events, the_last_256_are_kept_in_order)
{
	struct bh_buf out = BH_BUF_INIT;
	unsigned commas = 0;

	for (int i = 0; i < 300; i++)
		bh_event_limit(events, "x");
	bh_events_json(events, &out);
	cr_assert_eq(
	    strncmp(out.data, "{\"schema\":1,\"events\":[{\"seq\":45,", 31), 0, "%.60s", out.data);
	cr_assert(strstr(out.data, "{\"seq\":300,"));
	for (const char *p = out.data; (p = strstr(p, "},{")); p++)
		commas++;
	cr_assert_eq(commas, 255);
	bh_buf_release(&out);
}

Test(events, one_that_is_too_long_is_none)
{
	char text[BH_EVENT_MAX + 1];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	bh_event_limit(events, text);
	cr_assert_eq(events->n, 0);
}

Test(events, who_follows_gets_each_and_hears_of_what_it_missed)
{
	char text[BH_EVENT_MAX];
	int fd = bh_events_follow(events);
	unsigned got = 0;
	uint64_t missed;

	cr_assert_geq(fd, 0);
	bh_event_limit(events, "first");
	cr_assert_gt(receive(fd, text, sizeof(text)), 0);
	cr_assert(strstr(text, "\"text\":\"first\"") && strstr(text, "\"seq\":1"), "%s", text);
	for (int i = 0; i < 20000; i++)
		bh_event_limit(events, "flood");
	missed = events->follower[0].missed;
	cr_assert_gt(missed, 0);
	while (receive(fd, text, sizeof(text)) > 0)
		got++;
	cr_assert_eq(got + missed, 20000);
	bh_event_limit(events, "after");
	cr_assert_gt(receive(fd, text, sizeof(text)), 0);
	cr_assert_eq(strtoull(text + strlen("{\"missed\":"), NULL, 10), missed, "%s", text);
	cr_assert_gt(receive(fd, text, sizeof(text)), 0);
	cr_assert(strstr(text, "\"text\":\"after\""), "%s", text);
	(void)close(fd);
}

Test(events, four_may_follow_and_a_place_is_free_again)
{
	int fd[BH_EVENTS_FOLLOWERS];

	for (size_t i = 0; i < BH_EVENTS_FOLLOWERS; i++)
		cr_assert_geq(fd[i] = bh_events_follow(events), 0);
	cr_assert_eq(bh_events_follow(events), BH_E_LIMIT);
	(void)close(fd[2]);
	cr_assert_eq(bh_loop_turn(&loop, 0), 0);
	cr_assert_geq(fd[2] = bh_events_follow(events), 0);
	for (size_t i = 0; i < BH_EVENTS_FOLLOWERS; i++)
		(void)close(fd[i]);
}

/* --- drops and gaps --------------------------------------------------------------------------- */

static void figures(struct bh_kid *k, uint64_t received, uint64_t dropped)
{
	struct bh_stat stat = {.type = BH_STAT_LEDGER};

	bh_stat_set_clear(&k->stats);
	stat.row.l.received = received;
	stat.row.l.dropped[BH_DROP_KERNEL] = dropped;
	(void)snprintf(stat.row.name, sizeof(stat.row.name), "udp");
	bh_stat_set_add(&k->stats, &stat);
	bh_event_figures(events, k);
}

Test(events, a_drop_is_told_by_what_was_added_and_a_gap_once)
{
	static const struct {
		uint32_t generation;
		uint64_t received, dropped;
		uint64_t n; /* events afterwards */
		const char *last;
	} steps[] = {
	    {1, 0, 0, 0, ""},
	    {1, 5, 5, 1,
		"\"event\":\"drop\",\"role\":\"dogstatsd\",\"reason\":\"kernel\",\"count\":5,"
		"\"total\":5"},
	    {1, 5, 5, 1, ""},
	    {1, 7, 7, 2, "\"count\":2,\"total\":7"},
	    {2, 3, 3, 3, "\"count\":3,\"total\":3"},
	    {2, 4, 3, 4, "\"event\":\"gap\",\"role\":\"dogstatsd\",\"name\":\"udp\",\"gap\":1"},
	    {2, 5, 3, 4, ""},
	    {2, 3, 3, 4, ""},
	    {2, 4, 3, 5, "\"event\":\"gap\""},
	};
	struct bh_kid k = {.role = BH_ROLE_DOGSTATSD};

	for (size_t i = 0; i < BH_ARRAY_LEN(steps); i++) {
		k.life.generation = steps[i].generation;
		figures(&k, steps[i].received, steps[i].dropped);
		cr_assert_eq(
		    events->n, steps[i].n, "step %zu: %llu", i, (unsigned long long)events->n);
		if (*steps[i].last)
			cr_assert(strstr(events->ring[events->n - 1], steps[i].last),
			    "step %zu: %s", i, events->ring[events->n - 1]);
	}
	bh_stat_set_release(&k.stats);
}

/* --- deaths ----------------------------------------------------------------------------------- */

Test(deaths, the_last_100_are_kept_the_oldest_first)
{
	static const int counts[] = {0, 1, 99, 100, 101, 1000};

	for (size_t c = 0; c < BH_ARRAY_LEN(counts); c++) {
		struct bh_deaths *d = calloc(1, sizeof(*d));
		int first = counts[c] > BH_DEATHS_KEPT ? counts[c] - BH_DEATHS_KEPT : 0;

		cr_assert(d);
		for (int i = 0; i < counts[c]; i++)
			bh_deaths_add(d, &(struct bh_death){.pid = i});
		cr_assert_eq(bh_deaths_len(d), (size_t)(counts[c] - first));
		for (size_t i = 0; i < bh_deaths_len(d); i++)
			cr_assert_eq(bh_deaths_at(d, i)->pid, first + (int)i);
		free(d);
	}
}

/* Any lines, any kind: every raw byte is emitted once or held, nothing is kept that was borrowed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "logs-agent/aggregator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	uint64_t raw;
	unsigned refuse; /* number of the message that is refused; 0 = none */
	unsigned messages;
};

static int note(void *ctx, const struct bh_message *m)
{
	struct seen *s = ctx;
	volatile char sink;

	if ((m->tags >> BH_MESSAGE_TAGS) != 0 || m->status >= BH_STATUS__N)
		abort();
	for (size_t i = 0; i < m->content.n; i++)
		sink = m->content.p[i];
	(void)sink;
	s->raw += m->raw;
	return ++s->messages == s->refuse ? BH_E_STATE : 0;
}

/* A copy of its own for each line, so that reading it later is seen. */
static int feed(struct bh_aggregator *a, const uint8_t *p, size_t n, bool cut, uint8_t status)
{
	char *copy = malloc(n ? n : 1);
	struct bh_line line = {
	    {copy, n}, n + !cut, (enum bh_log_status)(status % BH_STATUS__N), cut};
	int rc;

	if (!copy)
		abort();
	memcpy(copy, p, n);
	rc = bh_aggregator_line(a, &line);
	free(copy);
	return rc;
}

/* A line ends at a newline; at 0x01 it is cut, at 0x02 a time-out follows. */
static void run(struct bh_aggregator *a, struct seen *s, const uint8_t *p, size_t n)
{
	uint64_t fed = 0;
	size_t from = 0;
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		const bool cut = p[i] == 1;

		if (p[i] > 2 && p[i] != '\n')
			continue;
		rc = feed(a, p + from, i - from, cut, p[from]);
		fed += i - from + !cut;
		from = i + 1;
		if (p[i] == 2 && !rc)
			rc = bh_aggregator_flush(a);
		if (p[i] == 2 && !rc && bh_aggregator_held(a))
			abort();
		if (s->raw + bh_aggregator_held(a) != fed)
			abort();
	}
	if (bh_aggregator_flush(a) != rc && !s->refuse)
		abort();
	if (s->raw + bh_aggregator_held(a) != fed || (!s->refuse && s->raw != fed))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bh_aggregation_options o = {
	    .regex = BH_STR_LIT("\\d+-|\\{"),
	    .match_limit = 1000,
	    .label = {.time_threshold = 0.5, .json = true, .datetime = true},
	    .json = true,
	    .tag_truncated = true,
	    .tag_multi_line = true,
	    .tag_json = true,
	};
	struct bh_aggregator_work work;
	struct bh_aggregation shared;
	struct bh_aggregator a;
	struct seen s = {0};

	if (size < 3)
		return 0;
	o.kind = (enum bh_aggregation_kind)(data[0] % BH_AGGREGATE__N);
	o.label.json = !(data[0] & 0x10);
	o.limit = (size_t)data[1] + 1;
	s.refuse = data[2] & 0x80 ? data[2] & 0x7f : 0;
	if (bh_aggregation_init(&shared, &o, NULL, NULL, NULL) || bh_aggregator_work_init(&work))
		abort();
	bh_aggregator_init(&a, &shared, &work, note, &s);
	run(&a, &s, data + 3, size - 3);
	bh_aggregator_release(&a);
	bh_aggregator_work_release(&work);
	bh_aggregation_release(&shared);
	return 0;
}

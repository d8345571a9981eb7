/*
 * A pattern, a template and a subject of any bytes, each ended by 0xFE (which no pattern holds):
 * matches stay within the subject and in order; the literal is in the subject when there is one;
 * rules give the same with the JIT and without, unless either gave up.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "logs-agent/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bh_rules_work works[2]; /* the second one interprets */

static char *field(const uint8_t **p, size_t *n)
{
	const uint8_t *end = *n ? memchr(*p, 0xFE, *n) : NULL;
	size_t len = end ? (size_t)(end - *p) : *n;
	char *s = malloc(len + 1);

	if (!s)
		abort();
	if (len)
		memcpy(s, *p, len);
	s[len] = '\0';
	*p += len + !!end;
	*n -= len + !!end;
	return s;
}

static void walk(const struct bh_log_rule *rule, struct bh_str subject)
{
	struct bh_pattern_walk w;
	struct bh_pattern *p;
	size_t end = 0;

	if (bh_pattern_new(&p, bh_str_from(rule->pattern), 10000, NULL))
		abort();
	bh_pattern_walk_init(&w, p, works[0].scratch, subject, 10000);
	while (bh_pattern_walk_next(&w) == BH_MATCH_YES) {
		struct bh_str literal = bh_pattern_literal(p);

		if (w.groups[0] < end || w.groups[1] < w.groups[0] || w.groups[1] > subject.n)
			abort();
		if (literal.n && !memmem(subject.p + w.groups[0], w.groups[1] - w.groups[0],
				     literal.p, literal.n))
			abort();
		end = w.groups[1];
	}
	bh_pattern_free(p);
}

static void apply(struct bh_ruleset *set, struct bh_str subject)
{
	struct bh_message m = {.content = subject};
	struct bh_rules_result got[2];
	uint64_t gave_up;

	for (size_t i = 0; i < 2; i++) {
		if (bh_ruleset_apply(set, &works[i], &m, &got[i]))
			abort();
		if (got[i].verdict == BH_RULES_DROP)
			abort();
	}
	gave_up = bh_ruleset_state(set, 0)->limit_hits;
	if (!gave_up && !bh_str_eq(got[0].content, got[1].content))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bh_log_rule rule = {.type = BH_RULE_MASK_SEQUENCES};
	char name[] = "fuzz";
	struct bh_ruleset *set;

	if (!works[1].scratch) {
		if (bh_pattern_scratch_new(&works[0].scratch) ||
		    bh_pattern_scratch_new(&works[1].scratch))
			abort();
		bh_pattern_scratch_interpret(works[1].scratch);
	}
	rule.name = name;
	rule.pattern = field(&data, &size);
	rule.replace_placeholder = field(&data, &size);
	if (!bh_ruleset_new(&set, NULL, 0, &rule, 1, NULL)) {
		walk(&rule, (struct bh_str){(const char *)data, size});
		apply(set, (struct bh_str){(const char *)data, size});
		bh_ruleset_free(set);
	}
	free(rule.pattern);
	free(rule.replace_placeholder);
	return 0;
}

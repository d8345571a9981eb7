#include "logs-agent/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "logs-agent/template.h"

#define MATCH_LIMIT  1000000u /* §9.4: shared by the rules of a set */
#define LIMIT_SAY_NS (60 * BH_NS_PER_S)

struct rule {
	struct bh_rule_state state;
	char *name;
	char *placeholder;
	struct bh_pattern *pattern; /* NULL for exclude_truncated */
	struct bh_template replacement;
	uint64_t limit_said; /* how many of its limit_hits were */
	int64_t limit_said_ns;
};

struct bh_ruleset {
	struct rule *rules;
	size_t n;
};

/* --- reading -----------------------------------------------------------------------------------
 */

static int compile(struct rule *r, const struct bh_log_rule *from, uint32_t match_limit,
    const struct bh_template_reader *reader, struct bh_err *err)
{
	struct bh_err why = BH_ERR_INIT;
	int rc;

	if (!*from->pattern)
		return bh_err_set(err, BH_E_CONFIG,
		    "no pattern provided for processing rule: %.100s", from->name);
	rc = bh_pattern_new(&r->pattern, bh_str_from(from->pattern), match_limit, &why);
	if (rc == BH_E_CONFIG)
		return bh_err_set(err, rc,
		    "invalid pattern %.150s for processing rule: %.100s: %.200s", from->pattern,
		    from->name, why.text);
	if (!rc && from->type == BH_RULE_MASK_SEQUENCES)
		rc = bh_template_init(
		    &r->replacement, bh_str_from(r->placeholder), r->pattern, reader);
	return rc;
}

static int read_rule(struct rule *r, const struct bh_log_rule *from, uint32_t match_limit,
    const struct bh_template_reader *reader, struct bh_err *err)
{
	r->name = strdup(from->name);
	r->placeholder = strdup(from->replace_placeholder);
	if (!r->name || !r->placeholder)
		return -ENOMEM;
	r->state.name = r->name;
	r->state.type = from->type;
	if (from->type == BH_RULE_EXCLUDE_TRUNCATED)
		return 0;
	return compile(r, from, match_limit, reader, err);
}

static size_t in_effect(const struct bh_log_rule *rules, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += rules[i].type != BH_RULE_MULTI_LINE;
	return count;
}

static int read_rules(struct bh_ruleset *set, const struct bh_log_rule *from, size_t n, bool global,
    uint32_t match_limit, const struct bh_template_reader *reader, struct bh_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < n && !rc; i++) {
		struct rule *r = &set->rules[set->n];

		if (from[i].type == BH_RULE_MULTI_LINE)
			continue;
		set->n++;
		r->state.global = global;
		rc = read_rule(r, &from[i], match_limit, reader, err);
	}
	return rc;
}

int bh_ruleset_new(struct bh_ruleset **out, const struct bh_log_rule *global, size_t global_n,
    const struct bh_log_rule *own, size_t own_n, struct bh_err *err)
{
	size_t n = in_effect(global, global_n) + in_effect(own, own_n);
	uint32_t limit = n ? (uint32_t)BH_MAX(MATCH_LIMIT / n, 1) : MATCH_LIMIT;
	struct bh_ruleset *set = calloc(1, sizeof(*set));
	struct bh_template_reader reader = {NULL, NULL};
	int rc = set ? 0 : -ENOMEM;

	*out = NULL;
	if (set) {
		set->rules = calloc(n + 1, sizeof(*set->rules));
		rc = set->rules ? bh_template_reader_init(&reader) : -ENOMEM;
	}
	if (!rc)
		rc = read_rules(set, global, global_n, true, limit, &reader, err);
	if (!rc)
		rc = read_rules(set, own, own_n, false, limit, &reader, err);
	bh_template_reader_release(&reader);
	if (rc) {
		bh_ruleset_free(set);
		return rc == BH_E_CONFIG ? rc : bh_err_set(err, rc, "processing rules");
	}
	*out = set;
	return 0;
}

void bh_ruleset_free(struct bh_ruleset *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->n; i++) {
		struct rule *r = &set->rules[i];

		bh_pattern_free(r->pattern);
		bh_template_release(&r->replacement);
		free(r->name);
		free(r->placeholder);
	}
	free(set->rules);
	free(set);
}

size_t bh_ruleset_count(const struct bh_ruleset *set)
{
	return set->n;
}

const struct bh_rule_state *bh_ruleset_state(const struct bh_ruleset *set, size_t i)
{
	return &set->rules[i].state;
}

uint64_t bh_ruleset_limit_news(struct bh_ruleset *set, size_t i, int64_t now_ns)
{
	struct rule *r = &set->rules[i];
	uint64_t news = r->state.limit_hits - r->limit_said;

	if (!news || (r->limit_said && now_ns - r->limit_said_ns < LIMIT_SAY_NS))
		return 0;
	r->limit_said = r->state.limit_hits;
	r->limit_said_ns = now_ns;
	return news;
}

/* --- applying ----------------------------------------------------------------------------------
 */

void bh_rules_work_release(struct bh_rules_work *w)
{
	bh_pattern_scratch_free(w->scratch);
	bh_buf_release(&w->bufs[0]);
	bh_buf_release(&w->bufs[1]);
	w->scratch = NULL;
}

/* One message on its way. */
struct pass {
	struct bh_rules_work *work;
	struct bh_str content; /* of the message, or in one of the buffers */
	uint64_t effort;       /* steps left for all rules to come */
};

/* The buffer that does not hold the content. */
static struct bh_buf *other(const struct pass *p)
{
	struct bh_buf *b = &p->work->bufs[p->content.p == p->work->bufs[0].data];

	bh_buf_clear(b);
	return b;
}

static void begin(struct pass *p, const struct rule *r, struct bh_pattern_walk *w, uint64_t *share)
{
	*share = p->effort / 2;
	bh_pattern_walk_init(w, r->pattern, p->work->scratch, p->content, *share);
}

static enum bh_match find(struct pass *p, const struct rule *r)
{
	struct bh_pattern_walk w;
	enum bh_match m;
	uint64_t share;

	begin(p, r, &w, &share);
	m = bh_pattern_walk_next(&w);
	p->effort -= share - w.effort;
	return m;
}

/* Replaces into out; *m is BH_MATCH_NO when all is done. */
static int replace(const struct rule *r, struct bh_pattern_walk *w, struct bh_buf *out,
    size_t *done, enum bh_match *m)
{
	int rc = 0;

	while (!rc && *m == BH_MATCH_YES) {
		rc = bh_buf_append(out, w->subject.p + *done, w->groups[0] - *done);
		if (!rc)
			rc = bh_template_expand(&r->replacement, w, BH_RULES_CONTENT_MAX, out);
		*done = w->groups[1];
		*m = bh_pattern_walk_next(w);
	}
	if (rc == BH_E_LIMIT) {
		*m = BH_MATCH_LIMIT;
		rc = 0;
	}
	return rc;
}

/* Leaking is worse than losing: nothing of the content is left. */
static int redact(const struct rule *r, struct bh_buf *out)
{
	const char *text = *r->placeholder ? r->placeholder : BH_RULE_REDACTED;

	bh_buf_clear(out);
	return bh_buf_str(out, text);
}

static int mask(struct pass *p, struct rule *r)
{
	struct bh_pattern_walk w;
	struct bh_buf *out;
	enum bh_match m;
	uint64_t share;
	size_t done = 0;
	int rc;

	begin(p, r, &w, &share);
	m = bh_pattern_walk_next(&w);
	if (m == BH_MATCH_NO) {
		p->effort -= share - w.effort;
		return 0;
	}
	out = other(p);
	rc = replace(r, &w, out, &done, &m);
	p->effort -= share - w.effort;
	if (!rc && m == BH_MATCH_LIMIT) {
		r->state.limit_hits++;
		rc = redact(r, out);
	} else if (!rc) {
		rc = bh_buf_append(out, w.subject.p + done, w.subject.n - done);
	}
	if (!rc)
		p->content = bh_buf_view(out);
	return rc;
}

/* *drop: the rule ends the message. */
static int apply(struct pass *p, struct rule *r, bool cut, bool *drop)
{
	enum bh_match m;

	switch (r->state.type) {
	case BH_RULE_EXCLUDE_TRUNCATED:
		*drop = cut;
		return 0;
	case BH_RULE_MASK_SEQUENCES:
		return mask(p, r);
	case BH_RULE_EXCLUDE_AT_MATCH:
	case BH_RULE_INCLUDE_AT_MATCH:
	case BH_RULE_MULTI_LINE:
		break;
	}
	m = find(p, r);
	r->state.limit_hits += m == BH_MATCH_LIMIT;
	*drop = m == (r->state.type == BH_RULE_EXCLUDE_AT_MATCH ? BH_MATCH_YES : BH_MATCH_NO);
	return 0;
}

int bh_ruleset_apply(struct bh_ruleset *set, struct bh_rules_work *w, const struct bh_message *m,
    struct bh_rules_result *out)
{
	struct pass p = {w, m->content, BH_RULES_EFFORT};
	bool drop = false;
	int rc = 0;

	*out = (struct bh_rules_result){.verdict = BH_RULES_KEEP};
	if (!w->scratch && set->n)
		rc = bh_pattern_scratch_new(&w->scratch);
	for (size_t i = 0; i < set->n && !rc; i++) {
		rc = apply(&p, &set->rules[i], m->cut, &drop);
		if (rc || !drop)
			continue;
		set->rules[i].state.dropped++;
		out->verdict = BH_RULES_DROP;
		out->rule = i;
		return 0;
	}
	out->content = p.content;
	return rc;
}

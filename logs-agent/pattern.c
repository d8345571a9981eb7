#include "logs-agent/pattern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/buf.h"
#include "common/re2.h"
#include "common/utf8.h"
#include "logs-agent/required.h"

#define NEST_LIMIT    400        /* common/re2.h */
#define GROUPS_MAX    (1u << 15) /* "()" twice 2^15 is the longest pattern */
#define JIT_STACK_MIN ((size_t)32 << 10)
#define JIT_STACK_MAX ((size_t)512 << 10)
#define HEAP_LIMIT_KB (16u << 10)
#define FIND          4   /* match limits for one subject */
#define CALL          4   /* steps that a call costs beside those it makes */
#define RUN           8   /* bytes run over that count as one step */
#define QUICK_MAX     512 /* bytes of a subject that is tried without the meter first */
#define QUICK_LIMIT   2000

struct name {
	uint32_t number;
	struct bh_str text; /* in the pattern's re2 */
};

/* The same expression three times. The meter is a callout before each item, which costs a multiple
 * of a plain match: short subjects, which most are, are tried without. An expression that can cope
 * with broken UTF-8 checks the subject anew for each match. That one is left to the interpreter:
 * the JIT finds other empty matches between broken bytes. */
struct bh_pattern {
	pcre2_code *quick, *metered, *broken;
	uint32_t match_limit;
	uint32_t groups;
	struct bh_required literal;
	struct bh_buf names; /* struct name each; texts lie in re2 */
	char *re2;           /* the pattern's own copy */
};

struct bh_pattern_scratch {
	pcre2_match_context *context;
	pcre2_match_data *match;
	pcre2_jit_stack *stack; /* NULL where there is no JIT */
	uint32_t options;       /* of every match */
	uint64_t effort;        /* steps left */
	size_t start, seen;     /* where the meter's last match began, and where it was */
};

/* --- compiling ---------------------------------------------------------------------------------
 */

static int compile(pcre2_code **out, struct bh_str text, uint32_t options, struct bh_err *err)
{
	pcre2_compile_context *how = pcre2_compile_context_create(NULL);
	PCRE2_SIZE at = 0;
	int why = 0;

	if (!how)
		return -ENOMEM;
	(void)pcre2_set_newline(how, PCRE2_NEWLINE_LF);
	(void)pcre2_set_parens_nest_limit(how, NEST_LIMIT);
	*out = pcre2_compile((PCRE2_SPTR)(text.n ? text.p : ""), text.n,
	    PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX | options, &why, &at, how);
	pcre2_compile_context_free(how);
	if (!*out) {
		PCRE2_UCHAR reason[120] = "";

		(void)pcre2_get_error_message(why, reason, sizeof(reason));
		return bh_err_set(err, BH_E_CONFIG, "%s", (const char *)reason);
	}
	/* A process that may not make memory executable has no JIT; the interpreter will do. */
	if (!(options & PCRE2_MATCH_INVALID_UTF))
		(void)pcre2_jit_compile(*out, PCRE2_JIT_COMPLETE);
	return 0;
}

static int note_name(void *ctx, uint32_t number, struct bh_str text)
{
	struct name name = {number, text};

	return bh_buf_append(ctx, &name, sizeof(name));
}

static int build(struct bh_pattern *p, struct bh_str re2, struct bh_err *err)
{
	struct bh_buf text = BH_BUF_INIT;
	int rc;

	rc = bh_re2_translate_groups(re2, &text, note_name, &p->names, err);
	if (!rc)
		rc = compile(&p->quick, bh_buf_view(&text), 0, err);
	if (!rc)
		rc = compile(&p->metered, bh_buf_view(&text), PCRE2_AUTO_CALLOUT, err);
	/* A ".*" in front must begin behind a broken byte, too, not only behind a newline. */
	if (!rc)
		rc = compile(&p->broken, bh_buf_view(&text),
		    PCRE2_AUTO_CALLOUT | PCRE2_MATCH_INVALID_UTF | PCRE2_NO_DOTSTAR_ANCHOR, err);
	if (!rc) {
		(void)pcre2_pattern_info(p->quick, PCRE2_INFO_CAPTURECOUNT, &p->groups);
		bh_required_find(bh_buf_view(&text), &p->literal);
	}
	bh_buf_release(&text);
	return rc;
}

int bh_pattern_new(
    struct bh_pattern **out, struct bh_str re2, uint32_t match_limit, struct bh_err *err)
{
	struct bh_pattern *p = calloc(1, sizeof(*p));
	int rc;

	*out = NULL;
	if (re2.n > BH_RE2_PATTERN_MAX) {
		free(p);
		return bh_err_set(err, BH_E_CONFIG, "longer than %zu bytes", BH_RE2_PATTERN_MAX);
	}
	if (p)
		p->re2 = malloc(re2.n + 1);
	if (!p || !p->re2) {
		bh_pattern_free(p);
		return bh_err_set(err, -ENOMEM, "pattern");
	}
	if (re2.n)
		memcpy(p->re2, re2.p, re2.n);
	p->match_limit = match_limit;
	rc = build(p, (struct bh_str){p->re2, re2.n}, err);
	if (rc) {
		bh_pattern_free(p);
		return rc;
	}
	*out = p;
	return 0;
}

void bh_pattern_free(struct bh_pattern *p)
{
	if (!p)
		return;
	pcre2_code_free(p->quick);
	pcre2_code_free(p->metered);
	pcre2_code_free(p->broken);
	bh_buf_release(&p->names);
	free(p->re2);
	free(p);
}

struct bh_str bh_pattern_literal(const struct bh_pattern *p)
{
	return (struct bh_str){p->literal.text, p->literal.n};
}

uint32_t bh_pattern_groups(const struct bh_pattern *p)
{
	return p->groups;
}

uint32_t bh_pattern_named(const struct bh_pattern *p, struct bh_str name, uint32_t after)
{
	struct name n;

	for (size_t i = 0; i < p->names.len; i += sizeof(n)) {
		memcpy(&n, p->names.data + i, sizeof(n));
		if (n.number > after && bh_str_eq(n.text, name))
			return n.number;
	}
	return 0;
}

/* --- scratch -----------------------------------------------------------------------------------
 */

/* Before each item of a metered match. A run is seen by where the next item begins. */
static int meter(pcre2_callout_block *block, void *ctx)
{
	struct bh_pattern_scratch *s = ctx;
	size_t at = block->current_position;
	uint64_t cost = 1;

	/* On the way to where a match may start nothing is tried. */
	if (block->start_match == s->start && at > s->seen)
		cost += (at - s->seen) / RUN;
	s->start = block->start_match;
	s->seen = at;
	if (cost > s->effort) {
		s->effort = 0;
		return PCRE2_ERROR_CALLOUT;
	}
	s->effort -= cost;
	return 0;
}

int bh_pattern_scratch_new(struct bh_pattern_scratch **out)
{
	struct bh_pattern_scratch *s = calloc(1, sizeof(*s));

	*out = NULL;
	if (!s)
		return -ENOMEM;
	s->context = pcre2_match_context_create(NULL);
	s->match = pcre2_match_data_create(GROUPS_MAX + 1, NULL);
	s->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
	if (!s->context || !s->match) {
		bh_pattern_scratch_free(s);
		return -ENOMEM;
	}
	if (s->stack)
		pcre2_jit_stack_assign(s->context, NULL, s->stack);
	(void)pcre2_set_heap_limit(s->context, HEAP_LIMIT_KB);
	(void)pcre2_set_callout(s->context, meter, s);
	*out = s;
	return 0;
}

void bh_pattern_scratch_free(struct bh_pattern_scratch *s)
{
	if (!s)
		return;
	pcre2_jit_stack_free(s->stack);
	pcre2_match_data_free(s->match);
	pcre2_match_context_free(s->context);
	free(s);
}

void bh_pattern_scratch_interpret(struct bh_pattern_scratch *s)
{
	s->options = PCRE2_NO_JIT;
}

/* --- matching ----------------------------------------------------------------------------------
 */

static int run(const struct bh_pattern_walk *w, const pcre2_code *code, uint32_t limit)
{
	struct bh_pattern_scratch *s = w->s;
	PCRE2_SPTR text = (PCRE2_SPTR)w->subject.p;
	uint32_t options = s->options | (w->valid ? PCRE2_NO_UTF_CHECK : 0);
	int rc;

	(void)pcre2_set_match_limit(s->context, limit);
	(void)pcre2_set_depth_limit(s->context, limit);
	s->start = s->seen = w->from;
	rc = pcre2_match(code, text, w->subject.n, w->from, options, s->match, s->context);
	/* The interpreter has more room than the JIT's stack. */
	if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
		rc = pcre2_match(code, text, w->subject.n, w->from, options | PCRE2_NO_JIT,
		    s->match, s->context);
	return rc;
}

/* The first match at or behind from. */
static enum bh_match search(struct bh_pattern_walk *w)
{
	struct bh_pattern_scratch *s = w->s;
	size_t left = w->subject.n - w->from;
	uint64_t cost = CALL;
	int rc = PCRE2_ERROR_MATCHLIMIT;

	/* Each call looks for what is broken again. */
	if (!w->valid)
		cost += left / RUN;
	if (cost > w->effort)
		return BH_MATCH_LIMIT;
	s->effort = w->effort - cost;
	if (w->valid && w->subject.n <= QUICK_MAX)
		rc = run(w, w->p->quick, BH_MIN(w->p->match_limit, QUICK_LIMIT));
	if (rc < PCRE2_ERROR_NOMATCH)
		rc = run(w, w->valid ? w->p->metered : w->p->broken, w->p->match_limit);
	w->effort = s->effort;
	if (rc == PCRE2_ERROR_NOMATCH)
		return BH_MATCH_NO;
	if (rc < 0)
		return BH_MATCH_LIMIT;
	w->groups = pcre2_get_ovector_pointer(s->match);
	return BH_MATCH_YES;
}

void bh_pattern_walk_init(struct bh_pattern_walk *w, const struct bh_pattern *p,
    struct bh_pattern_scratch *s, struct bh_str subject, uint64_t effort)
{
	if (!subject.p)
		subject = BH_STR_LIT("");
	*w = (struct bh_pattern_walk){.p = p, .s = s, .subject = subject, .effort = effort};
	if (p->literal.n && !memmem(subject.p, subject.n, p->literal.text, p->literal.n))
		w->from = subject.n + 1;
	else
		w->valid = bh_utf8_valid_prefix(subject.p, subject.n) == subject.n;
}

/* Bytes of the character at p: a byte that is part of none is one. 0 at the end. */
static size_t width(const char *p, size_t n)
{
	for (size_t k = 1; k <= 4 && k <= n; k++) {
		if (bh_utf8_valid_prefix(p, k) == k)
			return k;
	}
	return n ? 1 : 0;
}

enum bh_match bh_pattern_walk_next(struct bh_pattern_walk *w)
{
	while (w->from <= w->subject.n) {
		enum bh_match m = search(w);
		bool taken;
		size_t step;

		if (m != BH_MATCH_YES)
			return m;
		/* An empty match right behind the last one is none. */
		taken = w->groups[1] > w->end || w->groups[0] == 0;
		w->end = w->groups[1];
		step = width(w->subject.p + w->from, w->subject.n - w->from);
		w->from = BH_MAX(w->from + BH_MAX(step, 1), w->end);
		if (taken)
			return BH_MATCH_YES;
	}
	return BH_MATCH_NO;
}

enum bh_match bh_pattern_find(
    const struct bh_pattern *p, struct bh_pattern_scratch *s, struct bh_str subject)
{
	struct bh_pattern_walk w;

	bh_pattern_walk_init(&w, p, s, subject, (uint64_t)p->match_limit * FIND);
	return bh_pattern_walk_next(&w);
}

#include "logs-agent/label.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define TIME_MIN_TOKENS 8

/* One of pattern and tokens. */
struct bh_label_sample {
	struct bh_pattern *pattern;
	uint8_t *tokens; /* owned */
	size_t tokens_n;
	double threshold;
	enum bh_line_label label;
};

#define BIT(kind)     ((uint64_t)1 << BH_TOKEN_##kind)
#define LEFT_OF(kind) [BH_TOKEN_##kind]

/* Which token may follow which in a time: the union of 56 formats (§8.2). */
static const uint64_t pairs[BH_TOKEN__N] = {
    LEFT_OF(D1) = BIT(SPACE) | BIT(COMMA) | BIT(SLASH) | BIT(COLON),
    LEFT_OF(D2) = BIT(SPACE) | BIT(QUOTE) | BIT(STAR) | BIT(PLUS) | BIT(COMMA) | BIT(DASH) |
		  BIT(DOT) | BIT(SLASH) | BIT(COLON) | BIT(T) | BIT(UNDERSCORE),
    LEFT_OF(D3) = BIT(SPACE) | BIT(STAR) | BIT(PLUS) | BIT(ZONE),
    LEFT_OF(D4) = BIT(SPACE) | BIT(STAR) | BIT(DASH) | BIT(SLASH) | BIT(COLON) | BIT(ZONE),
    LEFT_OF(D6) = BIT(PLUS) | BIT(ZONE),
    LEFT_OF(SPACE) = BIT(PLUS) | BIT(D1) | BIT(D2) | BIT(D4) | BIT(MONTH) | BIT(PM) | BIT(ZONE),
    LEFT_OF(MONTH) = BIT(SPACE) | BIT(DASH) | BIT(SLASH),
    LEFT_OF(DAY) = BIT(COMMA),
    LEFT_OF(PM) = BIT(COLON),
    LEFT_OF(T) = BIT(QUOTE) | BIT(D2),
    LEFT_OF(QUOTE) = BIT(D2) | BIT(T),
    LEFT_OF(STAR) = BIT(D2) | BIT(D3) | BIT(ZONE),
    LEFT_OF(PLUS) = BIT(D2) | BIT(D4),
    LEFT_OF(COMMA) = BIT(SPACE) | BIT(D3),
    LEFT_OF(DASH) = BIT(D2) | BIT(D4) | BIT(MONTH),
    LEFT_OF(DOT) = BIT(D2) | BIT(D3) | BIT(D6),
    LEFT_OF(SLASH) = BIT(D1) | BIT(D2) | BIT(D4) | BIT(MONTH),
    LEFT_OF(COLON) = BIT(D2) | BIT(D3),
    LEFT_OF(UNDERSCORE) = BIT(D2),
};

_Static_assert(BH_TOKEN_ZONE < 64, "right sides of pairs are bits of a 64-bit set");

static inline bool is_pair(unsigned left, unsigned right)
{
	return right < 64 && (pairs[left] >> right & 1);
}

bool bh_timestamp_pair(unsigned left, unsigned right)
{
	return left < BH_TOKEN__N && is_pair(left, right);
}

/* Neighbours that fit, counted from the start to the first that do not. */
static size_t leading_pairs(const uint8_t *t, size_t n)
{
	size_t run = 0;

	while (run + 1 < n && is_pair(t[run], t[run + 1]))
		run++;
	return run;
}

double bh_timestamp_score(const uint8_t *t, size_t n)
{
	size_t start = 0, end = 0, from = 0;
	int cur, max;

	if (n < TIME_MIN_TOKENS)
		return 0;
	if (leading_pairs(t, n) >= TIME_MIN_TOKENS)
		return 1;
	cur = max = is_pair(t[0], t[1]) ? 1 : -1;
	for (size_t i = 1; i + 1 < n; i++) {
		int m = is_pair(t[i], t[i + 1]) ? 1 : -1;

		if (cur < 0) {
			cur = m;
			from = i;
		} else {
			cur += m;
		}
		if (cur > max) {
			max = cur;
			start = from;
			end = i;
		}
	}
	end++;
	return end - start < TIME_MIN_TOKENS ? 0 : (double)max / (double)(end - start);
}

bool bh_tokens_alike(const uint8_t *a, size_t a_n, const uint8_t *b, size_t b_n, double threshold)
{
	size_t c = BH_MIN(a_n, b_n), same = 0;

	if (c == 0)
		return a_n == b_n;
	for (size_t i = 0; i < c; i++)
		same += a[i] == b[i];
	return (double)same >= round(threshold * (double)c);
}

/* --- samples -------------------------------------------------------------------------------- */

static int compile_regex(
    struct bh_label_sample *s, const char *regex, uint32_t match_limit, struct bh_err *err)
{
	struct bh_buf text = BH_BUF_INIT;
	int rc;

	(void)bh_buf_str(&text, "^");
	rc = bh_buf_str(&text, regex);
	if (!rc)
		rc = bh_pattern_new(&s->pattern, bh_buf_view(&text), match_limit, err);
	bh_buf_release(&text);
	return rc;
}

static int compile_example(struct bh_label_sample *s, struct bh_str text)
{
	/* No line has more tokens than that, so further ones would never be compared. */
	const size_t max = BH_MIN(text.n, (size_t)BH_LABEL_BYTES_MAX);
	struct bh_tokenizer t;

	s->tokens = malloc(max);
	if (!s->tokens)
		return -ENOMEM;
	bh_tokenizer_init(&t, text);
	s->tokens_n = bh_tokenizer_read(&t, s->tokens, max);
	return 0;
}

/* 0, -ENOMEM, or BH_E_CONFIG with the reason. */
static int compile(struct bh_label_sample *s, const struct bh_log_sample *in, uint32_t match_limit,
    struct bh_err *err)
{
	*s = (struct bh_label_sample){.label = in->label, .threshold = in->match_threshold};
	if (in->regex && *in->regex)
		return compile_regex(s, in->regex, match_limit, err);
	if (!in->sample || !*in->sample)
		return bh_err_set(err, BH_E_CONFIG, "neither regex nor sample");
	if (!(s->threshold > 0 && s->threshold <= 1))
		return bh_err_set(err, BH_E_CONFIG, "match_threshold must be in (0, 1]");
	return compile_example(s, bh_str_from(in->sample));
}

static int add_samples(struct bh_labeler *l, const struct bh_log_samples *in, uint32_t match_limit,
    bh_sample_fault_fn *fault, void *ctx)
{
	for (size_t i = 0; i < in->n; i++) {
		struct bh_err err = BH_ERR_INIT;
		int rc = compile(&l->samples[l->samples_n], &in->v[i], match_limit, &err);

		if (rc == -ENOMEM)
			return rc;
		if (rc == 0)
			l->samples_n++;
		else if (fault)
			fault(ctx, &in->v[i], err.code ? err.text : bh_err_name(rc));
	}
	return 0;
}

int bh_labeler_init(
    struct bh_labeler *l, const struct bh_label_options *o, bh_sample_fault_fn *fault, void *ctx)
{
	size_t total = o->own.n + o->global.n;
	int rc = 0;

	*l = (struct bh_labeler){
	    .max_bytes =
		o->max_bytes ? BH_MIN(o->max_bytes, (size_t)BH_LABEL_BYTES_MAX) : BH_LABEL_BYTES,
	    .time_threshold = o->time_threshold,
	    .json = o->json,
	    .datetime = o->datetime,
	};
	if (!total)
		return 0;
	l->samples = calloc(total, sizeof(*l->samples));
	if (!l->samples)
		return -ENOMEM;
	rc = add_samples(l, &o->own, o->match_limit, fault, ctx);
	if (!rc)
		rc = add_samples(l, &o->global, o->match_limit, fault, ctx);
	if (rc)
		bh_labeler_release(l);
	return rc;
}

void bh_labeler_release(struct bh_labeler *l)
{
	for (size_t i = 0; i < l->samples_n; i++) {
		bh_pattern_free(l->samples[i].pattern);
		free(l->samples[i].tokens);
	}
	free(l->samples);
	l->samples = NULL;
	l->samples_n = 0;
}

/* The first sample that the line resembles, or NULL. */
static const struct bh_label_sample *find_sample(const struct bh_labeler *l,
    struct bh_pattern_scratch *scratch, struct bh_str content, struct bh_str head,
    uint64_t *limit_hits)
{
	uint8_t tokens[BH_LABEL_BYTES_MAX];
	struct bh_tokenizer t;
	size_t n;

	bh_tokenizer_init(&t, head);
	n = bh_tokenizer_read(&t, tokens, sizeof(tokens));
	for (const struct bh_label_sample *s = l->samples; s < l->samples + l->samples_n; s++) {
		enum bh_match m;

		if (!s->pattern) {
			if (bh_tokens_alike(s->tokens, s->tokens_n, tokens, n, s->threshold))
				return s;
			continue;
		}
		m = bh_pattern_find(s->pattern, scratch, content);
		if (m == BH_MATCH_YES)
			return s;
		*limit_hits += m == BH_MATCH_LIMIT;
	}
	return NULL;
}

/* --- JSON and times ------------------------------------------------------------------------- */

static size_t skip_space(struct bh_str s, size_t i)
{
	while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t' || s.p[i] == '\n' || s.p[i] == '\f' ||
			      s.p[i] == '\r'))
		i++;
	return i;
}

/* ^\s*\{\s*["}] */
static bool looks_like_json(struct bh_str s)
{
	size_t i = skip_space(s, 0);

	if (i == s.n || s.p[i] != '{')
		return false;
	i = skip_space(s, i + 1);
	return i < s.n && (s.p[i] == '"' || s.p[i] == '}');
}

/* A score is at most the number of pairs over the shortest window: too few of them, and no window
 * need be looked for. */
static bool may_exceed(const uint8_t *t, size_t n, double threshold)
{
	unsigned count = 0;

	for (size_t i = 0; i + 1 < n; i++)
		count += is_pair(t[i], t[i + 1]);
	return count > threshold * TIME_MIN_TOKENS;
}

/* Most lines with a time begin with it: then the first nine tokens settle the score, and the rest
 * need not be cut. */
static bool has_time(struct bh_str head, double threshold)
{
	uint8_t tokens[BH_LABEL_BYTES_MAX];
	struct bh_tokenizer t;
	size_t n;

	bh_tokenizer_init(&t, head);
	n = bh_tokenizer_read(&t, tokens, TIME_MIN_TOKENS + 1);
	if (leading_pairs(tokens, n) >= TIME_MIN_TOKENS)
		return threshold < 1;
	n += bh_tokenizer_read(&t, tokens + n, sizeof(tokens) - n);
	return may_exceed(tokens, n, threshold) && bh_timestamp_score(tokens, n) > threshold;
}

enum bh_line_label bh_labeler_label(const struct bh_labeler *l, struct bh_pattern_scratch *scratch,
    struct bh_str content, uint64_t *limit_hits)
{
	const struct bh_str head = {content.p, BH_MIN(content.n, l->max_bytes)};

	if (content.n == 0)
		return BH_LABEL_AGGREGATE;
	if (l->samples_n) {
		const struct bh_label_sample *s =
		    find_sample(l, scratch, content, head, limit_hits);

		if (s)
			return s->label;
	}
	if (l->json && looks_like_json(content))
		return BH_LABEL_NO_AGGREGATE;
	if (l->datetime && has_time(head, l->time_threshold))
		return BH_LABEL_START_GROUP;
	return BH_LABEL_AGGREGATE;
}

#include "common/config_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_finding.h"
#include "common/config_logs.h"
#include "common/re2.h"

#define MATCH_THRESHOLD 0.75

static const char *const type_words[] = {
    [BH_RULE_EXCLUDE_AT_MATCH] = "exclude_at_match",
    [BH_RULE_INCLUDE_AT_MATCH] = "include_at_match",
    [BH_RULE_MASK_SEQUENCES] = "mask_sequences",
    [BH_RULE_MULTI_LINE] = "multi_line",
    [BH_RULE_EXCLUDE_TRUNCATED] = "exclude_truncated",
};

static const char *const label_words[] = {
    [BH_LABEL_START_GROUP] = "start_group",
    [BH_LABEL_NO_AGGREGATE] = "no_aggregate",
    [BH_LABEL_AGGREGATE] = "aggregate",
};

static size_t index_of(const char *word, const char *const *words, size_t n)
{
	size_t i = 0;

	while (i < n && strcmp(words[i], word) != 0)
		i++;
	return i;
}

/* --- rules ------------------------------------------------------------------------------------ */

static int check_pattern(
    struct bh_reading *r, const struct bh_yaml *e, const char *name, const char *pattern)
{
	struct bh_err err = BH_ERR_INIT;
	int rc;

	if (!*pattern) {
		bh_reading_fault(r, e, "no pattern provided for processing rule: %.100s", name);
		return 0;
	}
	rc = bh_re2_translate(bh_str_from(pattern), NULL, &err);
	if (rc == -ENOMEM)
		return rc;
	if (rc)
		bh_reading_fault(r, e, "invalid pattern %.150s for processing rule: %.100s; %.150s",
		    pattern, name, err.text[0] ? err.text : bh_err_name(rc));
	return 0;
}

/* The order of the checks is the Agent's: it decides which text a user meets. */
static int check_rule(struct bh_reading *r, const struct bh_yaml *e, enum bh_rule_type *type)
{
	const char *name = bh_reading_text(e, "name"), *word = bh_reading_text(e, "type");
	size_t at = index_of(word, type_words, BH_ARRAY_LEN(type_words));

	if (!*name)
		bh_reading_fault(r, e, "all processing rules must have a name");
	else if (!*word)
		bh_reading_fault(r, e, "type must be set for processing rule `%.100s`", name);
	else if (at == BH_ARRAY_LEN(type_words))
		bh_reading_fault(
		    r, e, "type %.40s is not supported for processing rule `%.100s`", word, name);
	if (bh_reading_failed(r))
		return 0;
	*type = (enum bh_rule_type)at;
	if (*type == BH_RULE_EXCLUDE_TRUNCATED)
		return 0;
	return check_pattern(r, e, name, bh_reading_text(e, "pattern"));
}

static int read_rule(struct bh_reading *r, const struct bh_yaml *e, struct bh_log_rule *rule)
{
	static const char *const keys[] = {"name", "type", "pattern", "replace_placeholder"};
	char **const texts[] = {&rule->name, NULL, &rule->pattern, &rule->replace_placeholder};
	int rc = 0;

	if (e->type != BH_YAML_MAP) {
		bh_reading_fault(r, e, "a processing rule must be a map");
		return 0;
	}
	for (size_t i = 0; i < BH_ARRAY_LEN(keys) && !rc; i++) {
		const struct bh_yaml *n = bh_reading_get(e, keys[i]);

		if (n && n->type != BH_YAML_SCALAR)
			bh_reading_fault(r, n, "%s: a plain value is wanted", keys[i]);
		if (texts[i])
			rc = bh_reading_copy(texts[i], bh_reading_text(e, keys[i]));
	}
	if (rc || bh_reading_failed(r))
		return rc;
	rc = check_rule(r, e, &rule->type);
	if (!rc && !bh_reading_failed(r))
		bh_reading_keys(r, e, keys, BH_ARRAY_LEN(keys), 0);
	return rc;
}

static size_t count(const struct bh_yaml *list)
{
	size_t n = 0;

	for (const struct bh_yaml *e = list->child; e; e = e->next)
		n++;
	return n;
}

int bh_config_read_rules(
    struct bh_reading *r, const struct bh_yaml *list, struct bh_log_rule **rules, size_t *n)
{
	int rc = 0;

	if (!list)
		return 0;
	if (list->type != BH_YAML_SEQ) {
		bh_reading_fault(r, list, "a list of processing rules is wanted");
		return 0;
	}
	*rules = calloc(count(list) + 1, sizeof(**rules));
	if (!*rules)
		return -ENOMEM;
	for (const struct bh_yaml *e = list->child; e && !rc && !bh_reading_failed(r); e = e->next)
		rc = read_rule(r, e, &(*rules)[(*n)++]);
	return rc;
}

/* --- samples ---------------------------------------------------------------------------------- */

static int add_sample(
    struct bh_log_sample **samples, size_t *n, const char *regex, const char *sample)
{
	struct bh_log_sample *grown = reallocarray(*samples, *n + 1, sizeof(*grown)), *s;
	int rc;

	if (!grown)
		return -ENOMEM;
	*samples = grown;
	s = &grown[*n];
	*s = (struct bh_log_sample){.match_threshold = MATCH_THRESHOLD};
	rc = bh_reading_copy(&s->regex, regex);
	rc = rc ? rc : bh_reading_copy(&s->sample, sample);
	*n += 1; /* also when it is half made: its release is the list's */
	return rc;
}

static int check_regex(struct bh_reading *r, const struct bh_yaml *at, const char *regex)
{
	struct bh_err err = BH_ERR_INIT;
	int rc = bh_re2_translate(bh_str_from(regex), NULL, &err);

	if (rc == -ENOMEM)
		return rc;
	if (rc)
		bh_reading_fault(
		    r, at, "regex %.150s: %.200s", regex, err.text[0] ? err.text : bh_err_name(rc));
	return 0;
}

/* Like a rule, but r holds the fault of this one sample. */
static int read_sample(
    struct bh_reading *r, const struct bh_yaml *e, struct bh_log_sample **samples, size_t *n)
{
	static const char *const keys[] = {"regex", "sample", "label", "match_threshold"};
	const char *regex = bh_reading_text(e, "regex"), *sample = bh_reading_text(e, "sample"),
		   *label = bh_reading_text(e, "label");
	size_t at = *label ? index_of(label, label_words, BH_ARRAY_LEN(label_words)) : 0;
	double threshold = MATCH_THRESHOLD;
	int rc = 0;

	if (!*regex && !*sample)
		bh_reading_fault(r, e, "a map with regex or sample is wanted");
	if (at == BH_ARRAY_LEN(label_words))
		bh_reading_fault(r, e,
		    "label \"%.40s\" is not one of: start_group no_aggregate aggregate", label);
	bh_reading_share(r, bh_reading_get(e, "match_threshold"), &threshold);
	if (*regex && !bh_reading_failed(r))
		rc = check_regex(r, e, regex);
	if (rc || bh_reading_failed(r))
		return rc;
	bh_reading_keys(r, e, keys, BH_ARRAY_LEN(keys), 0);
	rc = add_sample(samples, n, regex, *regex ? "" : sample);
	if (rc)
		return rc;
	(*samples)[*n - 1].match_threshold = threshold;
	(*samples)[*n - 1].label = (enum bh_line_label)at;
	return 0;
}

int bh_config_read_samples(
    struct bh_reading *r, const struct bh_yaml *list, struct bh_log_sample **samples, size_t *n)
{
	int rc = 0;

	if (!list)
		return 0;
	if (list->type != BH_YAML_SEQ) {
		bh_reading_mistake(r, list, "a list of samples is wanted; they are left out");
		return 0;
	}
	for (const struct bh_yaml *e = list->child; e && !rc; e = e->next) {
		struct bh_reading one = {
		    .file = r->file, .whole = r->whole, .findings = r->findings};

		rc = read_sample(&one, e, samples, n);
		if (bh_reading_failed(&one))
			bh_reading_mistake(r, one.fault_at, "%s; the sample is ignored", one.fault);
	}
	return rc;
}

/* --- for all sources -------------------------------------------------------------------------- */

/* The tree of an option: as it was read, or out of its text. *made is to be freed. */
static const struct bh_yaml *tree_of(const char *text, const struct bh_config_tree *t,
    struct bh_yaml **made, struct bh_reading *r, struct bh_err *err)
{
	*r = (struct bh_reading){.file = t->where, .whole = t->whole, .findings = r->findings};
	*made = NULL;
	if (t->node || !*text)
		return t->node;
	return bh_yaml_parse(text, t->where ? t->where : "", made, err) ? NULL : *made;
}

static void drop_multi_line(struct bh_config *cfg, struct bh_reading *r, const struct bh_yaml *at)
{
	size_t kept = 0;

	for (size_t i = 0; i < cfg->log_rules_n; i++) {
		struct bh_log_rule *rule = &cfg->log_rules[i];

		if (rule->type != BH_RULE_MULTI_LINE) {
			cfg->log_rules[kept++] = *rule;
			continue;
		}
		bh_reading_mistake(r, at,
		    "logs_config.processing_rules: the multi_line rule %.100s has no effect for "
		    "all sources; write it into a source",
		    rule->name);
		free(rule->name);
		free(rule->pattern);
		free(rule->replace_placeholder);
	}
	cfg->log_rules_n = kept;
}

/* A fault here stops all collection, and nothing else (spec/logs.md §2.3). */
static int refuse_rules(struct bh_config *cfg, const char *text)
{
	bh_log_rules_release(&cfg->log_rules, &cfg->log_rules_n);
	return bh_reading_copy(&cfg->log_rules_fault, text);
}

static int read_global_rules(
    struct bh_config *cfg, const struct bh_config_tree *t, struct bh_findings *f)
{
	static const char key[] = "logs_config.processing_rules";
	struct bh_reading r = {.findings = f};
	struct bh_err err = BH_ERR_INIT;
	struct bh_yaml *made;
	const struct bh_yaml *list = tree_of(cfg->logs_processing_rules, t, &made, &r, &err);
	int rc = 0;

	if (err.code) {
		bh_finding_add(f, BH_FINDING_MISTAKE, "%s; no logs are collected", err.text);
		return refuse_rules(cfg, err.text);
	}
	if (list && !bh_yaml_is_null(list))
		rc = bh_config_read_rules(&r, list, &cfg->log_rules, &cfg->log_rules_n);
	if (!rc && bh_reading_failed(&r)) {
		bh_reading_mistake(&r, r.fault_at, "%s: %s; no logs are collected", key, r.fault);
		rc = refuse_rules(cfg, r.fault);
	} else if (!rc && list) {
		drop_multi_line(cfg, &r, list);
	}
	bh_yaml_free(made);
	return rc;
}

static int read_extra_patterns(struct bh_config *cfg, struct bh_findings *f)
{
	static const char key[] = "logs_config.auto_multi_line_extra_patterns";
	const struct bh_strlist *l = &cfg->logs_auto_multi_line_extra_patterns;
	int rc = 0;

	for (size_t i = 0; i < l->n && !rc; i++) {
		struct bh_reading r = {.file = key, .whole = true, .findings = f};
		const struct bh_yaml nowhere = {0};

		rc = check_regex(&r, &nowhere, l->v[i]);
		if (bh_reading_failed(&r))
			bh_reading_mistake(&r, &nowhere, "%s; the pattern is ignored", r.fault);
		else if (!rc)
			rc = add_sample(&cfg->log_samples, &cfg->log_samples_n, l->v[i], "");
	}
	return rc;
}

static int read_global_samples(
    struct bh_config *cfg, const struct bh_config_tree *t, struct bh_findings *f)
{
	struct bh_reading r = {.findings = f};
	struct bh_err err = BH_ERR_INIT;
	struct bh_yaml *made;
	const struct bh_yaml *list =
	    tree_of(cfg->logs_auto_multi_line_custom_samples, t, &made, &r, &err);
	int rc = 0;

	if (err.code)
		bh_finding_add(f, BH_FINDING_MISTAKE, "%s; the samples are left out", err.text);
	else if (list && !bh_yaml_is_null(list))
		rc = bh_config_read_samples(&r, list, &cfg->log_samples, &cfg->log_samples_n);
	bh_yaml_free(made);
	return rc ? rc : read_extra_patterns(cfg, f);
}

int bh_config_read_log_globals(struct bh_config *cfg, const struct bh_config_tree *rules,
    const struct bh_config_tree *samples, struct bh_findings *findings)
{
	int rc = read_global_rules(cfg, rules, findings);

	return rc ? rc : read_global_samples(cfg, samples, findings);
}

#include "dogstatsd/mapper.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "common/buf.h"
#include "dogstatsd/key.h"

#define EFFORT 10000 /* matches of the inner loop per name; real patterns need a few dozen */
#define DEPTH  250
#define GROUPS 32 /* of a pattern that templates can name, the whole match included */

struct rule {
	pcre2_code *pattern;
	char *name;    /* template */
	char **keys;   /* of tags */
	char **values; /* templates */
	size_t tags_n;
};

struct profile {
	char *prefix;
	struct rule *rules;
	size_t n;
};

/* The finished result of one name. */
struct entry {
	struct bh_key key; /* of the name; both 0 = empty */
	bool mapped;
	struct bh_buf text; /* name and tags, one after the other */
	size_t name_n;
	size_t *tag_ends; /* in text */
	size_t tags_n;
};

struct bh_mapper {
	struct profile *profiles;
	size_t n;
	pcre2_match_context *limits;
	pcre2_match_data *match;
	size_t groups; /* that took part in the last match */
	uint64_t seed;
	struct entry *cache; /* direct mapped; one entry at least */
	size_t cache_n;
	struct bh_str *tags; /* of the result given out */
	size_t tags_cap;
};

/* --- patterns ----------------------------------------------------------------------------------
 */

/* A wildcard as a regular expression; false when it holds what a wildcard may not. */
static bool wildcard(const char *match, struct bh_buf *out)
{
	for (const char *p = match; *p; p++) {
		if (*p == '*' && p[1] == '*')
			return false;
		if (*p == '*')
			(void)bh_buf_str(out, "([^.]*)");
		else if (*p == '.')
			(void)bh_buf_str(out, "\\.");
		else if (isalnum((unsigned char)*p) || *p == '-' || *p == '_')
			(void)bh_buf_u8(out, (uint8_t)*p);
		else
			return false;
	}
	return true;
}

static int compile(struct rule *r, const char *match, bool regex, struct bh_err *err)
{
	struct bh_buf text = BH_BUF_INIT;
	PCRE2_SIZE at = 0;
	int code = 0, rc = 0;

	(void)bh_buf_str(&text, "^");
	if (regex)
		(void)bh_buf_str(&text, match);
	else if (!wildcard(match, &text))
		rc = bh_err_set(err, BH_E_CONFIG,
		    "match \"%.100s\": a wildcard holds letters, digits, - _ . and single *",
		    match);
	(void)bh_buf_str(&text, "$");
	if (!rc)
		rc = bh_buf_failed(&text);
	if (!rc) {
		r->pattern = pcre2_compile((PCRE2_SPTR)text.data, text.len,
		    PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
		if (!r->pattern) {
			PCRE2_UCHAR why[120] = "";

			(void)pcre2_get_error_message(code, why, sizeof(why));
			rc = bh_err_set(err, BH_E_CONFIG, "match \"%.100s\", at %zu: %s", match,
			    at ? at - 1 : 0, (const char *)why);
		}
	}
	bh_buf_release(&text);
	return rc;
}

/* --- reading the profiles ----------------------------------------------------------------------
 */

static const char *text_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

static int read_tags(struct rule *r, json_t *tags)
{
	size_t n = json_object_size(tags);
	const char *key;
	json_t *value;

	if (n == 0)
		return 0;
	r->keys = calloc(n, sizeof(*r->keys));
	r->values = calloc(n, sizeof(*r->values));
	if (!r->keys || !r->values)
		return -ENOMEM;
	json_object_foreach(tags, key, value)
	{
		r->keys[r->tags_n] = strdup(key);
		r->values[r->tags_n] =
		    strdup(json_is_string(value) ? json_string_value(value) : "");
		if (!r->keys[r->tags_n] || !r->values[r->tags_n++])
			return -ENOMEM;
	}
	return 0;
}

static int read_rule(struct rule *r, const json_t *json, struct bh_err *err)
{
	const char *match = text_of(json, "match"), *type = text_of(json, "match_type"),
		   *name = text_of(json, "name");
	bool regex = strcmp(type, "regex") == 0;
	int rc;

	if (!*match || !*name)
		return bh_err_set(err, BH_E_CONFIG, "a mapping needs match and name");
	if (*type && !regex && strcmp(type, "wildcard") != 0)
		return bh_err_set(err, BH_E_CONFIG,
		    "match \"%.100s\": match_type \"%.40s\" is neither wildcard nor regex", match,
		    type);
	r->name = strdup(name);
	rc = r->name ? compile(r, match, regex, err) : -ENOMEM;
	return rc ? rc : read_tags(r, json_object_get(json, "tags"));
}

static int read_profile(struct profile *p, const json_t *json, struct bh_err *err)
{
	const json_t *rules = json_object_get(json, "mappings");
	size_t n = json_array_size(rules);
	int rc = 0;

	if (!*text_of(json, "name") || !*text_of(json, "prefix"))
		return bh_err_set(err, BH_E_CONFIG, "a profile needs name and prefix");
	p->prefix = strdup(text_of(json, "prefix"));
	p->rules = calloc(n ? n : 1, sizeof(*p->rules));
	if (!p->prefix || !p->rules)
		return -ENOMEM;
	for (size_t i = 0; i < n && !rc; i++)
		rc = read_rule(&p->rules[p->n++], json_array_get(rules, i), err);
	return rc;
}

static int read_profiles(struct bh_mapper *m, const char *text, struct bh_err *err)
{
	json_error_t where;
	json_t *root = json_loads(text, 0, &where);
	size_t n = json_array_size(root);
	int rc = 0;

	if (!json_is_array(root)) {
		json_decref(root);
		return bh_err_set(err, BH_E_CONFIG, "a list of profiles is wanted: %s",
		    root ? "it is none" : where.text);
	}
	m->profiles = calloc(n ? n : 1, sizeof(*m->profiles));
	if (!m->profiles)
		rc = -ENOMEM;
	for (size_t i = 0; i < n && !rc; i++) {
		json_t *profile = json_array_get(root, i);

		rc = read_profile(&m->profiles[m->n++], profile, err);
		if (rc)
			(void)bh_err_prefix(
			    err, "profile %zu \"%.60s\"", i + 1, text_of(profile, "name"));
	}
	json_decref(root);
	return rc;
}

int bh_mapper_new(
    struct bh_mapper **out, const char *json, size_t cache_size, uint64_t seed, struct bh_err *err)
{
	struct bh_mapper *m;
	int rc = 0;

	*out = NULL;
	if (!*json)
		return 0;
	m = calloc(1, sizeof(*m));
	if (!m)
		return bh_err_set(err, -ENOMEM, "mapper");
	m->seed = seed;
	m->cache_n = cache_size ? cache_size : 1;
	m->cache = calloc(m->cache_n, sizeof(*m->cache));
	m->limits = pcre2_match_context_create(NULL);
	m->match = pcre2_match_data_create(GROUPS, NULL);
	if (!m->cache || !m->limits || !m->match) {
		rc = bh_err_set(err, -ENOMEM, "mapper");
	} else {
		(void)pcre2_set_match_limit(m->limits, EFFORT);
		(void)pcre2_set_depth_limit(m->limits, DEPTH);
		rc = read_profiles(m, json, err);
	}
	if (rc) {
		bh_mapper_free(m);
		return rc;
	}
	*out = m;
	return 0;
}

static void free_rule(struct rule *r)
{
	pcre2_code_free(r->pattern);
	free(r->name);
	for (size_t i = 0; i < r->tags_n; i++) {
		free(r->keys[i]);
		free(r->values[i]);
	}
	free(r->keys);
	free(r->values);
}

void bh_mapper_free(struct bh_mapper *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		for (size_t j = 0; j < m->profiles[i].n; j++)
			free_rule(&m->profiles[i].rules[j]);
		free(m->profiles[i].rules);
		free(m->profiles[i].prefix);
	}
	for (size_t i = 0; m->cache && i < m->cache_n; i++) {
		bh_buf_release(&m->cache[i].text);
		free(m->cache[i].tag_ends);
	}
	free(m->profiles);
	free(m->cache);
	free(m->tags);
	pcre2_match_context_free(m->limits);
	pcre2_match_data_free(m->match);
	free(m);
}

/* --- templates ---------------------------------------------------------------------------------
 */

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* The word of $word or ${word} at p (behind the $); 0 when there is none. *used is what it takes.
 */
static size_t word_at(const char *p, const char **word, size_t *used)
{
	bool brace = *p == '{';
	size_t n = 0;

	*word = p + brace;
	while (is_word((*word)[n]))
		n++;
	if (n == 0 || (brace && (*word)[n] != '}'))
		return 0;
	*used = n + 2 * (size_t)brace;
	return n;
}

static void put_group(struct bh_mapper *m, const struct rule *r, struct bh_str subject,
    struct bh_str word, struct bh_buf *out)
{
	const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(m->match);
	size_t group = 0;
	char name[64];

	if (word.n >= sizeof(name))
		return;
	memcpy(name, word.p, word.n);
	name[word.n] = '\0';
	if (strspn(name, "0123456789") == word.n) {
		group = strtoul(name, NULL, 10);
	} else {
		int at = pcre2_substring_number_from_name(r->pattern, (PCRE2_SPTR)name);

		if (at < 0)
			return;
		group = (size_t)at;
	}
	if (group >= m->groups || ends[2 * group] == PCRE2_UNSET)
		return;
	(void)bh_buf_append(
	    out, subject.p + ends[2 * group], ends[2 * group + 1] - ends[2 * group]);
}

static void expand(struct bh_mapper *m, const struct rule *r, struct bh_str subject,
    const char *template, struct bh_buf *out)
{
	for (const char *p = template; *p; p++) {
		const char *word;
		size_t used = 0, n;

		if (*p != '$') {
			(void)bh_buf_u8(out, (uint8_t)*p);
		} else if (p[1] == '$') {
			(void)bh_buf_u8(out, '$');
			p++;
		} else if ((n = word_at(p + 1, &word, &used)) > 0) {
			put_group(m, r, subject, (struct bh_str){word, n}, out);
			p += used;
		} else {
			(void)bh_buf_u8(out, '$');
		}
	}
}

/* --- mapping -----------------------------------------------------------------------------------
 */

static const struct profile *profile_of(const struct bh_mapper *m, struct bh_str name)
{
	for (size_t i = 0; i < m->n; i++) {
		const char *prefix = m->profiles[i].prefix;

		if (strcmp(prefix, "*") == 0 || bh_str_starts(name, bh_str_from(prefix)))
			return &m->profiles[i];
	}
	return NULL;
}

static const struct rule *rule_of(struct bh_mapper *m, struct bh_str name)
{
	const struct profile *p = profile_of(m, name);

	for (size_t i = 0; p && i < p->n; i++) {
		int groups = pcre2_match(
		    p->rules[i].pattern, (PCRE2_SPTR)name.p, name.n, 0, 0, m->match, m->limits);

		if (groups >= 0) {
			m->groups = groups ? (size_t)groups : GROUPS;
			return &p->rules[i];
		}
	}
	return NULL;
}

static int fill(struct bh_mapper *m, struct entry *e, const struct rule *r, struct bh_str name)
{
	size_t *ends = r->tags_n ? calloc(r->tags_n, sizeof(*ends)) : NULL;

	if (r->tags_n && !ends)
		return -ENOMEM;
	e->tag_ends = ends;
	e->tags_n = r->tags_n;
	expand(m, r, name, r->name, &e->text);
	e->name_n = e->text.len;
	for (size_t i = 0; i < r->tags_n; i++) {
		(void)bh_buf_str(&e->text, r->keys[i]);
		(void)bh_buf_u8(&e->text, ':');
		expand(m, r, name, r->values[i], &e->text);
		ends[i] = e->text.len;
	}
	return bh_buf_failed(&e->text);
}

static void remember(struct bh_mapper *m, struct entry *e, struct bh_key key, struct bh_str name)
{
	const struct rule *r = rule_of(m, name);

	bh_buf_clear(&e->text);
	free(e->tag_ends);
	*e = (struct entry){.key = key, .mapped = r != NULL, .text = e->text};
	if (r && fill(m, e, r, name)) {
		/* Without memory the name stays as it is, and is tried again next time. */
		e->mapped = false;
		e->key = (struct bh_key){0, 0};
	}
}

static bool room_for_tags(struct bh_mapper *m, size_t n)
{
	struct bh_str *grown;

	if (n <= m->tags_cap)
		return true;
	grown = realloc(m->tags, n * sizeof(*grown));
	if (!grown)
		return false;
	m->tags = grown;
	m->tags_cap = n;
	return true;
}

bool bh_mapper_map(struct bh_mapper *m, struct bh_str name, struct bh_mapped *out)
{
	struct bh_key key = bh_key_of(name, m->seed);
	struct entry *e = &m->cache[key.lo % m->cache_n];
	size_t at;

	if (!bh_key_eq(e->key, key))
		remember(m, e, key, name);
	if (!e->mapped || !room_for_tags(m, e->tags_n))
		return false;
	at = e->name_n;
	for (size_t i = 0; i < e->tags_n; i++) {
		m->tags[i] = (struct bh_str){e->text.data + at, e->tag_ends[i] - at};
		at = e->tag_ends[i];
	}
	*out = (struct bh_mapped){{e->text.data, e->name_n}, m->tags, e->tags_n};
	return true;
}

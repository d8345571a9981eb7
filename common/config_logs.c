#include "common/config_logs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(field)    offsetof(struct bh_log_source, field)
#define FP_COUNT     1
#define FP_MAX_BYTES 10000

static const size_t texts[] = {AT(type), AT(path), AT(service), AT(source), AT(sourcecategory),
    AT(start_position), AT(encoding), AT(format), AT(bind_host), AT(default_application_name),
    AT(config_id), AT(where), AT(fault)};
static const size_t lists[] = {AT(tags), AT(exclude_paths), AT(allowed_ips), AT(denied_ips),
    AT(include_units), AT(exclude_units), AT(include_user_units), AT(exclude_user_units),
    AT(include_matches), AT(exclude_matches)};

static char **text_at(struct bh_log_source *s, size_t i)
{
	return (char **)(void *)((char *)s + texts[i]);
}

static struct bh_strlist *list_at(struct bh_log_source *s, size_t i)
{
	return (struct bh_strlist *)(void *)((char *)s + lists[i]);
}

int bh_log_source_init(struct bh_log_source *s)
{
	*s = (struct bh_log_source){
	    .auto_multi_line_keys = {true, true, true, false, 0.5, 60},
	    .fingerprint = {BH_FP_LINE_CHECKSUM, FP_COUNT, 0, FP_MAX_BYTES},
	    .process_raw_message = true,
	};
	for (size_t i = 0; i < BH_ARRAY_LEN(texts); i++) {
		*text_at(s, i) = strdup(texts[i] == AT(default_application_name) ? "docker" : "");
		if (!*text_at(s, i))
			return -ENOMEM;
	}
	return 0;
}

void bh_log_rules_release(struct bh_log_rule **rules, size_t *n)
{
	for (size_t i = 0; i < *n; i++) {
		free((*rules)[i].name);
		free((*rules)[i].pattern);
		free((*rules)[i].replace_placeholder);
	}
	free(*rules);
	*rules = NULL;
	*n = 0;
}

void bh_log_samples_release(struct bh_log_sample **samples, size_t *n)
{
	for (size_t i = 0; i < *n; i++) {
		free((*samples)[i].regex);
		free((*samples)[i].sample);
	}
	free(*samples);
	*samples = NULL;
	*n = 0;
}

void bh_log_source_release(struct bh_log_source *s)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(texts); i++)
		free(*text_at(s, i));
	for (size_t i = 0; i < BH_ARRAY_LEN(lists); i++)
		bh_strlist_release(list_at(s, i));
	bh_log_rules_release(&s->rules, &s->rules_n);
	bh_log_samples_release(&s->samples, &s->samples_n);
	*s = (struct bh_log_source){0};
}

void bh_log_source_name(const struct bh_log_source *s, char *out, size_t cap)
{
	const char *identity = s->path;

	if (strcmp(s->type, "journald") == 0) {
		if (s->config_id[0])
			identity = s->config_id;
		(void)snprintf(out, cap, "journald:%s", identity[0] ? identity : "default");
	} else if (strcmp(s->type, "run") == 0) {
		(void)snprintf(out, cap, "run:%s", s->path);
	} else if (s->port) {
		(void)snprintf(out, cap, "%s:%" PRIu16, s->type, s->port);
	} else {
		(void)snprintf(out, cap, "%s", s->path[0] ? s->path : s->type);
	}
}

/* --- into the copy ---------------------------------------------------------------------------- */

void bh_config_put_text(struct bh_buf *out, const char *s)
{
	(void)bh_buf_blob(out, s ? s : "", s ? strlen(s) : 0);
}

void bh_config_put_list(struct bh_buf *out, const struct bh_strlist *l)
{
	(void)bh_buf_u32(out, (uint32_t)l->n);
	for (size_t i = 0; i < l->n; i++)
		bh_config_put_text(out, l->v[i]);
}

static void put_double(struct bh_buf *out, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	(void)bh_buf_u64(out, bits);
}

static void put_rules(struct bh_buf *out, const struct bh_log_rule *rules, size_t n)
{
	(void)bh_buf_u32(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		bh_config_put_text(out, rules[i].name);
		bh_config_put_text(out, rules[i].pattern);
		bh_config_put_text(out, rules[i].replace_placeholder);
		(void)bh_buf_u8(out, (uint8_t)rules[i].type);
	}
}

static void put_samples(struct bh_buf *out, const struct bh_log_sample *samples, size_t n)
{
	(void)bh_buf_u32(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		bh_config_put_text(out, samples[i].regex);
		bh_config_put_text(out, samples[i].sample);
		put_double(out, samples[i].match_threshold);
		(void)bh_buf_u8(out, (uint8_t)samples[i].label);
	}
}

static void put_keys(struct bh_buf *out, const struct bh_auto_multi_line *a)
{
	const bool flags[] = {a->enable_json_detection, a->enable_datetime_detection,
	    a->enable_json_aggregation, a->tag_aggregated_json};

	for (size_t i = 0; i < BH_ARRAY_LEN(flags); i++)
		(void)bh_buf_u8(out, flags[i]);
	put_double(out, a->timestamp_detector_match_threshold);
	(void)bh_buf_u64(out, (uint64_t)a->tokenizer_max_input_bytes);
}

void bh_config_put_source(struct bh_buf *out, const struct bh_log_source *s)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(texts); i++)
		bh_config_put_text(out, *(char *const *)(const void *)((const char *)s + texts[i]));
	for (size_t i = 0; i < BH_ARRAY_LEN(lists); i++)
		bh_config_put_list(
		    out, (const struct bh_strlist *)(const void *)((const char *)s + lists[i]));
	put_rules(out, s->rules, s->rules_n);
	put_samples(out, s->samples, s->samples_n);
	(void)bh_buf_u8(out, (uint8_t)s->auto_multi_line);
	put_keys(out, &s->auto_multi_line_keys);
	(void)bh_buf_u8(out, (uint8_t)s->fingerprint.strategy);
	(void)bh_buf_u32(out, s->fingerprint.count);
	(void)bh_buf_u32(out, s->fingerprint.count_to_skip);
	(void)bh_buf_u32(out, s->fingerprint.max_bytes);
	(void)bh_buf_u16(out, s->port);
	(void)bh_buf_u64(out, (uint64_t)s->idle_timeout_ns);
	(void)bh_buf_u64(out, (uint64_t)s->max_connections);
	(void)bh_buf_u8(out, s->process_raw_message);
	(void)bh_buf_u8(out, s->container_mode);
}

void bh_config_put_logs(struct bh_buf *out, const struct bh_config *cfg)
{
	(void)bh_buf_u32(out, (uint32_t)cfg->log_sources_n);
	for (size_t i = 0; i < cfg->log_sources_n; i++)
		bh_config_put_source(out, &cfg->log_sources[i]);
	put_rules(out, cfg->log_rules, cfg->log_rules_n);
	put_samples(out, cfg->log_samples, cfg->log_samples_n);
	bh_config_put_text(out, cfg->log_rules_fault);
}

/* --- out of the copy -------------------------------------------------------------------------- */

int bh_config_get_text(struct bh_cur *c, char **out)
{
	struct bh_str s = bh_cur_blob(c);

	if (s.n && memchr(s.p, '\0', s.n))
		return BH_E_FORMAT; /* encode writes C strings: it would come out cut */
	free(*out);
	*out = strndup(s.p ? s.p : "", s.n);
	return *out ? 0 : -ENOMEM;
}

int bh_config_get_list(struct bh_cur *c, struct bh_strlist *l)
{
	uint32_t n = bh_cur_u32(c);
	int rc = 0;

	bh_strlist_release(l);
	for (uint32_t i = 0; i < n && !c->failed && !rc; i++) {
		struct bh_str s = bh_cur_blob(c);

		if (s.n && memchr(s.p, '\0', s.n))
			return BH_E_FORMAT;
		rc = bh_strlist_add(l, s.p ? s.p : "", s.n);
	}
	return rc;
}

static double get_double(struct bh_cur *c)
{
	uint64_t bits = bh_cur_u64(c);
	double v;

	memcpy(&v, &bits, sizeof(v));
	return v;
}

/* Room for a list whose length *n is the next number. It is compared with what is there: an entry
 * takes that many words at least. */
static int get_room(struct bh_cur *c, size_t entry, size_t words, void **v, uint32_t *n)
{
	*n = bh_cur_u32(c);
	if (c->failed || *n > c->left / (words * sizeof(uint32_t)))
		return BH_E_FORMAT;
	*v = *n ? calloc(*n, entry) : NULL;
	return *n && !*v ? -ENOMEM : 0;
}

static int get_rules(struct bh_cur *c, struct bh_log_rule **rules, size_t *made)
{
	void *room = NULL;
	uint32_t n;
	int rc = get_room(c, sizeof(**rules), 3, &room, &n);

	*rules = room;
	for (uint32_t i = 0; i < n && !rc; i++) {
		struct bh_log_rule *r = &(*rules)[(*made)++];
		uint8_t type;

		rc = bh_config_get_text(c, &r->name);
		rc = rc ? rc : bh_config_get_text(c, &r->pattern);
		rc = rc ? rc : bh_config_get_text(c, &r->replace_placeholder);
		type = bh_cur_u8(c);
		if (!rc && (c->failed || type > BH_RULE_EXCLUDE_TRUNCATED))
			rc = BH_E_FORMAT;
		r->type = (enum bh_rule_type)type;
	}
	return rc;
}

static int get_samples(struct bh_cur *c, struct bh_log_sample **samples, size_t *made)
{
	void *room = NULL;
	uint32_t n;
	int rc = get_room(c, sizeof(**samples), 4, &room, &n);

	*samples = room;
	for (uint32_t i = 0; i < n && !rc; i++) {
		struct bh_log_sample *s = &(*samples)[(*made)++];
		uint8_t label;

		rc = bh_config_get_text(c, &s->regex);
		rc = rc ? rc : bh_config_get_text(c, &s->sample);
		s->match_threshold = get_double(c);
		label = bh_cur_u8(c);
		if (!rc && (c->failed || label > BH_LABEL_AGGREGATE))
			rc = BH_E_FORMAT;
		s->label = (enum bh_line_label)label;
	}
	return rc;
}

static void get_keys(struct bh_cur *c, struct bh_auto_multi_line *a)
{
	a->enable_json_detection = bh_cur_u8(c);
	a->enable_datetime_detection = bh_cur_u8(c);
	a->enable_json_aggregation = bh_cur_u8(c);
	a->tag_aggregated_json = bh_cur_u8(c);
	a->timestamp_detector_match_threshold = get_double(c);
	a->tokenizer_max_input_bytes = (int64_t)bh_cur_u64(c);
}

static int get_numbers(struct bh_cur *c, struct bh_log_source *s)
{
	uint8_t tristate = bh_cur_u8(c), strategy;

	get_keys(c, &s->auto_multi_line_keys);
	strategy = bh_cur_u8(c);
	if (tristate > BH_TRUE || strategy > BH_FP_DISABLED)
		return BH_E_FORMAT;
	s->auto_multi_line = (enum bh_tristate)tristate;
	s->fingerprint.strategy = strategy;
	s->fingerprint.count = bh_cur_u32(c);
	s->fingerprint.count_to_skip = bh_cur_u32(c);
	s->fingerprint.max_bytes = bh_cur_u32(c);
	s->port = bh_cur_u16(c);
	s->idle_timeout_ns = (int64_t)bh_cur_u64(c);
	s->max_connections = (int64_t)bh_cur_u64(c);
	s->process_raw_message = bh_cur_u8(c);
	s->container_mode = bh_cur_u8(c);
	return c->failed ? BH_E_FORMAT : 0;
}

static int get_source(struct bh_cur *c, struct bh_log_source *s)
{
	int rc = 0;

	for (size_t i = 0; i < BH_ARRAY_LEN(texts) && !rc; i++)
		rc = bh_config_get_text(c, text_at(s, i));
	for (size_t i = 0; i < BH_ARRAY_LEN(lists) && !rc; i++)
		rc = bh_config_get_list(c, list_at(s, i));
	rc = rc ? rc : get_rules(c, &s->rules, &s->rules_n);
	rc = rc ? rc : get_samples(c, &s->samples, &s->samples_n);
	return rc ? rc : get_numbers(c, s);
}

int bh_config_get_logs(struct bh_cur *c, struct bh_config *cfg)
{
	void *room = NULL;
	uint32_t n;
	int rc = get_room(
	    c, sizeof(*cfg->log_sources), BH_ARRAY_LEN(texts) + BH_ARRAY_LEN(lists), &room, &n);

	cfg->log_sources = room;
	for (uint32_t i = 0; i < n && !rc; i++)
		rc = get_source(c, &cfg->log_sources[cfg->log_sources_n++]);
	rc = rc ? rc : get_rules(c, &cfg->log_rules, &cfg->log_rules_n);
	rc = rc ? rc : get_samples(c, &cfg->log_samples, &cfg->log_samples_n);
	return rc ? rc : bh_config_get_text(c, &cfg->log_rules_fault);
}

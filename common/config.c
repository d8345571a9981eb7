#include "common/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_value.h"

#define MAGIC            0x63666862u /* "bhfc" */
#define VERSION          1
#define SOURCE_BYTES_MIN (9 * sizeof(uint32_t)) /* seven texts and two lists, all empty */

static const char *const role_names[BH_ROLE__N] = {"supervisor", "dogstatsd", "logs", "forwarder"};

const char *bh_role_name(enum bh_role role)
{
	return role_names[role];
}

int bh_role_parse(const char *name, enum bh_role *role)
{
	for (unsigned i = 0; i < BH_ROLE__N; i++) {
		if (strcmp(name, role_names[i]) == 0) {
			*role = (enum bh_role)i;
			return 0;
		}
	}
	return -EINVAL;
}

int bh_strlist_add(struct bh_strlist *l, const char *p, size_t n)
{
	char **grown = reallocarray(l->v, l->n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	l->v = grown;
	l->v[l->n] = strndup(p, n);
	if (!l->v[l->n])
		return -ENOMEM;
	l->n++;
	return 0;
}

void bh_strlist_release(struct bh_strlist *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct bh_strlist){NULL, 0};
}

void bh_config_defaults(struct bh_config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	for (size_t i = 0; i < bh_options_n; i++) {
		if (bh_config_set(cfg, &bh_options[i], bh_options[i].def, NULL))
			BH_BUG(bh_options[i].key);
	}
}

static void release_source(struct bh_log_source *s)
{
	free(s->type);
	free(s->path);
	free(s->service);
	free(s->source);
	free(s->sourcecategory);
	free(s->start_position);
	free(s->where);
	bh_strlist_release(&s->tags);
	bh_strlist_release(&s->exclude_paths);
}

int64_t bh_config_stop_budget_ms(const struct bh_config *cfg)
{
	return BH_MAX(cfg->shutdown_budget_ms,
	    cfg->aggregator_stop_timeout_ms * 10 / BH_STOP_PRODUCERS_TENTHS);
}

void bh_config_release(struct bh_config *cfg)
{
	for (size_t i = 0; i < bh_options_n; i++) {
		const struct bh_option *o = &bh_options[i];
		char **text = (char **)(void *)((char *)cfg + o->offset);

		if (o->type == BH_OPT_SECRET && *text)
			explicit_bzero(*text, strlen(*text));
		if (o->type == BH_OPT_STRING || o->type == BH_OPT_JSON ||
		    o->type == BH_OPT_SECRET) {
			free(*text);
			*text = NULL;
		} else if (o->type == BH_OPT_LIST) {
			bh_config_clear_list(cfg, o);
		}
	}
	for (size_t i = 0; i < cfg->log_sources_n; i++)
		release_source(&cfg->log_sources[i]);
	free(cfg->log_sources);
	memset(cfg, 0, sizeof(*cfg));
}

static int put_text(struct bh_buf *out, const char *s)
{
	return bh_buf_blob(out, s ? s : "", s ? strlen(s) : 0);
}

static void put_list(struct bh_buf *out, const struct bh_strlist *l)
{
	(void)bh_buf_u32(out, (uint32_t)l->n);
	for (size_t i = 0; i < l->n; i++)
		(void)put_text(out, l->v[i]);
}

static void put_source(struct bh_buf *out, const struct bh_log_source *s)
{
	const char *const texts[] = {s->type, s->path, s->service, s->source, s->sourcecategory,
	    s->start_position, s->where};

	for (size_t i = 0; i < BH_ARRAY_LEN(texts); i++)
		(void)put_text(out, texts[i]);
	put_list(out, &s->tags);
	put_list(out, &s->exclude_paths);
}

static bool seen_by(const struct bh_option *o, enum bh_role role)
{
	return o->type != BH_OPT_IGNORED && (o->roles & 1u << role);
}

static int put_option(const struct bh_config *cfg, const struct bh_option *o, struct bh_buf *out)
{
	struct bh_buf text = BH_BUF_INIT;
	int rc = 0;

	(void)put_text(out, o->key);
	if (o->type == BH_OPT_LIST) {
		put_list(
		    out, (const struct bh_strlist *)(const void *)((const char *)cfg + o->offset));
		return bh_buf_failed(out);
	}
	rc = bh_config_print(cfg, o, &text);
	if (!rc)
		rc = bh_buf_blob(out, text.data, text.len);
	if (text.data)
		explicit_bzero(text.data, text.len);
	bh_buf_release(&text);
	return rc;
}

int bh_config_encode(const struct bh_config *cfg, enum bh_role role, struct bh_buf *out)
{
	uint32_t n = 0;
	size_t sources = role == BH_ROLE_LOGS ? cfg->log_sources_n : 0;
	int rc = 0;

	for (size_t i = 0; i < bh_options_n; i++)
		n += seen_by(&bh_options[i], role);
	(void)bh_buf_u32(out, MAGIC);
	(void)bh_buf_u16(out, VERSION);
	(void)bh_buf_u32(out, n);
	for (size_t i = 0; i < bh_options_n && !rc; i++) {
		if (seen_by(&bh_options[i], role))
			rc = put_option(cfg, &bh_options[i], out);
	}
	(void)bh_buf_u32(out, (uint32_t)sources);
	for (size_t i = 0; i < sources; i++)
		put_source(out, &cfg->log_sources[i]);
	return rc ? rc : bh_buf_failed(out);
}

static int get_text(struct bh_cur *c, char **out)
{
	struct bh_str s = bh_cur_blob(c);

	if (s.n && memchr(s.p, '\0', s.n))
		return BH_E_FORMAT; /* encode writes C strings: it would come out cut */
	free(*out);
	*out = strndup(s.p ? s.p : "", s.n);
	return *out ? 0 : -ENOMEM;
}

static int get_list(struct bh_cur *c, struct bh_strlist *l)
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

static const struct bh_option *find_option(struct bh_str key)
{
	for (size_t i = 0; i < bh_options_n; i++) {
		if (bh_str_eq(key, bh_str_from(bh_options[i].key)))
			return &bh_options[i];
	}
	return NULL;
}

static int get_option(struct bh_cur *c, struct bh_config *cfg)
{
	const struct bh_option *o = find_option(bh_cur_blob(c));
	char *text = NULL;
	int rc;

	if (!o || o->type == BH_OPT_IGNORED)
		return BH_E_FORMAT;
	if (o->type == BH_OPT_LIST)
		return get_list(c, (struct bh_strlist *)(void *)((char *)cfg + o->offset));
	rc = get_text(c, &text);
	if (!rc)
		rc = bh_config_set(cfg, o, text, NULL) ? BH_E_FORMAT : 0;
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	return rc;
}

static int get_source(struct bh_cur *c, struct bh_log_source *s)
{
	char **const texts[] = {&s->type, &s->path, &s->service, &s->source, &s->sourcecategory,
	    &s->start_position, &s->where};
	int rc = 0;

	for (size_t i = 0; i < BH_ARRAY_LEN(texts) && !rc; i++)
		rc = get_text(c, texts[i]);
	if (!rc)
		rc = get_list(c, &s->tags);
	return rc ? rc : get_list(c, &s->exclude_paths);
}

static int get_sources(struct bh_cur *c, struct bh_config *cfg)
{
	uint32_t n = bh_cur_u32(c);

	if (c->failed || n > c->left / SOURCE_BYTES_MIN)
		return BH_E_FORMAT;
	if (n == 0)
		return 0;
	cfg->log_sources = calloc(n, sizeof(*cfg->log_sources));
	if (!cfg->log_sources)
		return -ENOMEM;
	for (uint32_t i = 0; i < n && !c->failed; i++) {
		int rc = get_source(c, &cfg->log_sources[cfg->log_sources_n++]);

		if (rc)
			return rc;
	}
	return 0;
}

int bh_config_decode(struct bh_config *cfg, const void *p, size_t n)
{
	struct bh_cur c = bh_cur_init(p, n);
	uint32_t options;
	int rc = 0;

	bh_config_release(cfg);
	bh_config_defaults(cfg);
	if (bh_cur_u32(&c) != MAGIC || bh_cur_u16(&c) != VERSION)
		return BH_E_FORMAT;
	options = bh_cur_u32(&c);
	for (uint32_t i = 0; i < options && !rc && !c.failed; i++)
		rc = get_option(&c, cfg);
	if (!rc)
		rc = get_sources(&c, cfg);
	return rc ? rc : bh_cur_end(&c);
}

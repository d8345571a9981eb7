#include "common/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_endpoints.h"
#include "common/config_logs.h"
#include "common/config_value.h"

#define MAGIC   0x63666862u /* "bhfc" */
#define VERSION 3

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
	cfg->log_rules_fault = strdup("");
	if (!cfg->log_rules_fault)
		BH_BUG("out of memory for the configuration");
}

int64_t bh_config_stop_budget_ms(const struct bh_config *cfg)
{
	int64_t asked = BH_MAX(cfg->shutdown_budget_ms, cfg->logs_stop_grace_period_ms);

	return BH_MAX(asked, cfg->aggregator_stop_timeout_ms * 10 / BH_STOP_PRODUCERS_TENTHS);
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
		bh_log_source_release(&cfg->log_sources[i]);
	free(cfg->log_sources);
	bh_log_rules_release(&cfg->log_rules, &cfg->log_rules_n);
	bh_log_samples_release(&cfg->log_samples, &cfg->log_samples_n);
	free(cfg->log_rules_fault);
	bh_endpoints_release(cfg);
	memset(cfg, 0, sizeof(*cfg));
}

static bool seen_by(const struct bh_option *o, enum bh_role role)
{
	return o->type != BH_OPT_IGNORED && (o->roles & 1u << role);
}

static int put_option(const struct bh_config *cfg, const struct bh_option *o, struct bh_buf *out)
{
	struct bh_buf text = BH_BUF_INIT;
	int rc = 0;

	bh_config_put_text(out, o->key);
	if (o->type == BH_OPT_LIST) {
		bh_config_put_list(
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
	(void)bh_buf_u8(out, (uint8_t)role);
	if (role == BH_ROLE_LOGS)
		bh_config_put_logs(out, cfg);
	else if (role == BH_ROLE_FORWARDER)
		bh_config_put_endpoints(out, cfg);
	return rc ? rc : bh_buf_failed(out);
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
		return bh_config_get_list(
		    c, (struct bh_strlist *)(void *)((char *)cfg + o->offset));
	rc = bh_config_get_text(c, &text);
	if (!rc)
		rc = bh_config_set(cfg, o, text, NULL) ? BH_E_FORMAT : 0;
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	return rc;
}

int bh_config_decode(struct bh_config *cfg, const void *p, size_t n)
{
	struct bh_cur c = bh_cur_init(p, n);
	uint32_t options;
	unsigned role;
	int rc = 0;

	bh_config_release(cfg);
	bh_config_defaults(cfg);
	if (bh_cur_u32(&c) != MAGIC || bh_cur_u16(&c) != VERSION)
		return BH_E_FORMAT;
	options = bh_cur_u32(&c);
	for (uint32_t i = 0; i < options && !rc && !c.failed; i++)
		rc = get_option(&c, cfg);
	role = rc ? BH_ROLE__N : bh_cur_u8(&c);
	if (role == BH_ROLE_LOGS)
		rc = bh_config_get_logs(&c, cfg);
	else if (role == BH_ROLE_FORWARDER)
		rc = bh_config_get_endpoints(&c, cfg);
	return rc ? rc : bh_cur_end(&c);
}

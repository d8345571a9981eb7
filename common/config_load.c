#include "common/config_load.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config_finding.h"
#include "common/config_sources.h"
#include "common/config_value.h"
#include "common/config_yaml.h"
#include "common/nearest.h"

#define PATH_CAP    4096
#define KEY_CAP     256
#define NEAR_ENOUGH 3
#define FILE_NAME   "datadog.yaml"

void bh_finding_add(struct bh_findings *f, enum bh_finding_level level, const char *fmt, ...)
{
	struct bh_finding *grown = reallocarray(f->v, f->n + 1, sizeof(*grown));
	char text[BH_ERR_TEXT_MAX];
	va_list ap;

	f->errors += level == BH_FINDING_ERROR;
	if (!grown)
		return;
	f->v = grown;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	f->v[f->n].level = level;
	f->v[f->n].text = strdup(text);
	if (f->v[f->n].text)
		f->n++;
}

void bh_findings_release(struct bh_findings *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i].text);
	free(f->v);
	*f = (struct bh_findings){NULL, 0, 0};
}

struct load {
	struct bh_config *cfg;
	struct bh_findings *findings;
	const char *file;
};

static bool below(const char *key, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(key, prefix, n) == 0 && (key[n] == '\0' || key[n] == '.');
}

static const struct bh_option *find_option(const char *key)
{
	if (strcmp(key, "log_enabled") == 0)
		key = "logs_enabled"; /* old alias */
	for (size_t i = 0; i < bh_options_n; i++) {
		const struct bh_option *o = &bh_options[i];

		if (strcmp(o->key, key) == 0 || (o->type == BH_OPT_IGNORED && below(key, o->key)))
			return o;
	}
	return NULL;
}

static bool is_section(const char *key)
{
	for (size_t i = 0; i < bh_options_n; i++) {
		if (below(bh_options[i].key, key) && strcmp(bh_options[i].key, key) != 0)
			return true;
	}
	return false;
}

static void unknown_key(struct load *l, const struct bh_yaml *n, const char *key)
{
	const char *best = NULL;
	size_t best_distance = NEAR_ENOUGH + 1;

	for (size_t i = 0; i < bh_options_n; i++) {
		size_t d = bh_edit_distance(key, bh_options[i].key, NEAR_ENOUGH);

		if (d < best_distance) {
			best_distance = d;
			best = bh_options[i].key;
		}
	}
	if (best)
		bh_finding_add(l->findings, BH_FINDING_WARNING,
		    "%s:%d:%d: unknown key %.100s; did you mean %s?", l->file, n->key_line,
		    n->key_col, key, best);
	else
		bh_finding_add(l->findings, BH_FINDING_WARNING,
		    "%s:%d:%d: unknown key %.100s; it is ignored", l->file, n->key_line, n->key_col,
		    key);
}

static void set_list(struct load *l, const struct bh_option *o, const struct bh_yaml *n)
{
	bh_config_clear_list(l->cfg, o);
	for (const struct bh_yaml *item = n->child; item; item = item->next) {
		if (item->type != BH_YAML_SCALAR || bh_config_add_item(l->cfg, o, item->text))
			bh_finding_add(l->findings, BH_FINDING_ERROR,
			    "%s:%d:%d: %s: a list of plain values is wanted", l->file, item->line,
			    item->col, o->key);
	}
}

/* How bad a refused value is. The Agent goes on with the default of batch_wait (spec/logs.md §14).
 */
static enum bh_finding_level value_refused(struct load *l, const struct bh_option *o)
{
	if (strcmp(o->key, "logs_config.batch_wait") != 0)
		return BH_FINDING_ERROR;
	if (bh_config_set(l->cfg, o, o->def, NULL))
		BH_BUG(o->key);
	return BH_FINDING_WARNING;
}

static void set_option(
    struct load *l, const struct bh_option *o, const struct bh_yaml *n, const char *key)
{
	struct bh_err err = BH_ERR_INIT;

	if (o->type == BH_OPT_IGNORED) {
		bh_finding_add(l->findings, BH_FINDING_WARNING,
		    "%s:%d:%d: %.100s is known but has no effect in this version", l->file,
		    n->key_line, n->key_col, key);
		return;
	}
	if (o->type == BH_OPT_LIST && n->type == BH_YAML_SEQ) {
		set_list(l, o, n);
		return;
	}
	if (n->type != BH_YAML_SCALAR) {
		bh_finding_add(l->findings, BH_FINDING_ERROR,
		    "%s:%d:%d: %s: a plain value is wanted", l->file, n->line, n->col, key);
		return;
	}
	/* `key:` with nothing behind it means unset */
	if (n->plain &&
	    (n->text[0] == '\0' || strcmp(n->text, "null") == 0 || strcmp(n->text, "~") == 0))
		return;
	if (!bh_config_set(l->cfg, o, n->text, &err))
		return;
	bh_finding_add(l->findings, value_refused(l, o), "%s:%d:%d: %s", l->file, n->line, n->col,
	    err.text[0] ? err.text : bh_err_name(-ENOMEM));
}

static void report_duplicates(struct load *l, const struct bh_yaml *map)
{
	for (const struct bh_yaml *n = map->child; n; n = n->next) {
		const struct bh_yaml *first = bh_yaml_get(map, n->key);

		if (first != n)
			bh_finding_add(l->findings, BH_FINDING_ERROR,
			    "%s:%d:%d: %.100s is set twice, first at line %d", l->file, n->key_line,
			    n->key_col, n->key, first->key_line);
	}
}

static void read_map(struct load *l, const struct bh_yaml *map, const char *prefix)
{
	report_duplicates(l, map);
	for (const struct bh_yaml *n = map->child; n; n = n->next) {
		char key[KEY_CAP];
		int len = snprintf(key, sizeof(key), "%s%s%s", prefix, *prefix ? "." : "", n->key);
		const struct bh_option *o =
		    len > 0 && (size_t)len < sizeof(key) ? find_option(key) : NULL;

		if (o)
			set_option(l, o, n, key);
		else if (n->type == BH_YAML_MAP && is_section(key))
			read_map(l, n, key);
		else if (!(n->type == BH_YAML_SCALAR && is_section(key) && n->text[0] == '\0'))
			unknown_key(l, n, key);
	}
}

static const char *env_value(char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; env && *env; env++) {
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return (*env)[n + 1] ? *env + n + 1 : NULL; /* empty counts as unset */
	}
	return NULL;
}

static void env_name(const char *key, const char *prefix, char *out, size_t cap)
{
	int n = snprintf(out, cap, "%s%s", prefix, key);

	if (n < 0 || (size_t)n >= cap) {
		out[0] = '\0';
		return;
	}
	for (char *p = out; *p; p++)
		*p = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
}

static void apply_env(struct load *l, const struct bh_option *o, const char *name, char *const *env)
{
	struct bh_err err = BH_ERR_INIT;
	const char *value = name[0] ? env_value(env, name) : NULL;

	if (!value)
		return;
	if (o->type == BH_OPT_IGNORED) {
		bh_finding_add(l->findings, BH_FINDING_WARNING,
		    "environment %s: %s is known but has no effect in this version", name, o->key);
		return;
	}
	if (bh_config_set(l->cfg, o, value, &err))
		bh_finding_add(
		    l->findings, value_refused(l, o), "environment %s: %s", name, err.text);
}

static void read_env(struct load *l, char *const *env)
{
	const struct bh_option *dd_url = find_option("dd_url");
	const struct bh_option *logs = find_option("logs_enabled");
	char name[KEY_CAP];

	apply_env(l, dd_url, "DD_URL", env);
	apply_env(l, logs, "DD_LOG_ENABLED", env);
	for (size_t i = 0; i < bh_options_n; i++) {
		const struct bh_option *o = &bh_options[i];

		if (below(o->key, "bulkhead")) {
			env_name(o->key, "", name, sizeof(name));
			apply_env(l, o, name, env);
		}
		env_name(o->key, "DD_", name, sizeof(name));
		apply_env(l, o, o->env ? o->env : name, env);
	}
}

/* -c names the file or its folder; without it the two well-known folders are looked in. false: no
 * file. */
static bool find_file(const char *path, char *out, size_t cap)
{
	static const char *const dirs[] = {"/etc/bulkhead", "/etc/datadog-agent"};
	struct stat st;

	if (path) {
		bool dir = stat(path, &st) == 0 && S_ISDIR(st.st_mode);

		(void)snprintf(out, cap, "%s%s", path, dir ? "/" FILE_NAME : "");
		return true;
	}
	for (size_t i = 0; i < BH_ARRAY_LEN(dirs); i++) {
		(void)snprintf(out, cap, "%s/%s", dirs[i], FILE_NAME);
		if (access(out, F_OK) == 0)
			return true;
	}
	return false;
}

static void read_main(struct load *l)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_yaml *root = NULL;

	if (bh_yaml_load(l->file, &root, &err)) {
		bh_finding_add(l->findings, BH_FINDING_ERROR, "%s", err.text);
		return;
	}
	if (root && root->type == BH_YAML_MAP)
		read_map(l, root, "");
	else if (root)
		bh_finding_add(l->findings, BH_FINDING_ERROR, "%s:%d:%d: a map of keys is wanted",
		    l->file, root->line, root->col);
	bh_yaml_free(root);
}

static void set_text(char **at, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		BH_BUG("out of memory while reading the configuration");
	free(*at);
	*at = copy;
}

static bool valid_hostname(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= 255 &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
		   n &&
	       s[0] != '-' && s[0] != '.' && strcmp(s, "localhost") != 0;
}

static void resolve_hostname(struct load *l)
{
	char name[256] = "";

	if (l->cfg->hostname[0]) {
		if (!valid_hostname(l->cfg->hostname))
			bh_finding_add(l->findings, BH_FINDING_ERROR,
			    "hostname: \"%.100s\" is not a host name (RFC 1123)", l->cfg->hostname);
		return;
	}
	if (gethostname(name, sizeof(name) - 1) < 0 || name[0] == '\0')
		(void)snprintf(name, sizeof(name), "localhost");
	if (!valid_hostname(name))
		bh_finding_add(l->findings, BH_FINDING_WARNING,
		    "hostname: this host calls itself \"%.100s\"; set hostname", name);
	set_text(&l->cfg->hostname, name);
}

/* conf.d stands beside the file when nothing else is said. */
static void default_confd(struct load *l)
{
	const char *slash = strrchr(l->file, '/');
	char dir[PATH_CAP];

	if (l->cfg->confd_path[0])
		return;
	(void)snprintf(dir, sizeof(dir), "%.*s/conf.d", slash ? (int)(slash - l->file) : 1,
	    slash ? l->file : ".");
	set_text(&l->cfg->confd_path, dir);
}

int bh_config_load(
    struct bh_config *cfg, const char *path, char *const *environ_, struct bh_findings *findings)
{
	char file[PATH_CAP] = "";
	struct load l = {cfg, findings, file};

	bh_config_defaults(cfg);
	if (find_file(path, file, sizeof(file)))
		read_main(&l);
	else
		(void)snprintf(file, sizeof(file), "/etc/bulkhead/%s", FILE_NAME);
	read_env(&l, environ_);
	resolve_hostname(&l);
	default_confd(&l);
	if (bh_config_read_sources(cfg, findings))
		bh_finding_add(findings, BH_FINDING_ERROR, "%s: out of memory", cfg->confd_path);
	return findings->errors ? BH_E_CONFIG : 0;
}

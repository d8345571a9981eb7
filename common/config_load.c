#include "common/config_load.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config_endpoints_read.h"
#include "common/config_finding.h"
#include "common/config_hostname.h"
#include "common/config_proxy.h"
#include "common/config_rules.h"
#include "common/config_sources.h"
#include "common/config_value.h"
#include "common/config_yaml.h"
#include "common/nearest.h"
#include "common/secret.h"

#define PATH_CAP  4096
#define KEY_CAP   256
#define WHERE_CAP (PATH_CAP + 32)
#define FILE_NAME "datadog.yaml"

struct load {
	struct bh_config *cfg;
	struct bh_findings *findings;
	const char *file;
	struct bh_yaml *root;        /* of file; the trees below point into it */
	char hostname_at[WHERE_CAP]; /* where these were set last */
	bool confd_set;
	struct bh_config_trace *trace;
	bool kind_set; /* logs_config.compression_kind */
	struct structure {
		struct bh_config_tree tree;
		char at[WHERE_CAP];
	} rules, samples, endpoints, logs_endpoints;
};

/* Notes where one of the structures was written: as a tree, or as a text. */
static void note_tree(struct load *l, const struct bh_option *o, const struct bh_yaml *n,
    const char *where, bool whole)
{
	struct structure *s = NULL;

	if (o->offset == offsetof(struct bh_config, logs_processing_rules))
		s = &l->rules;
	else if (o->offset == offsetof(struct bh_config, logs_auto_multi_line_custom_samples))
		s = &l->samples;
	else if (o->offset == offsetof(struct bh_config, additional_endpoints))
		s = &l->endpoints;
	else if (o->offset == offsetof(struct bh_config, logs_additional_endpoints))
		s = &l->logs_endpoints;
	else
		return;
	(void)snprintf(s->at, WHERE_CAP, "%s", where);
	s->tree = (struct bh_config_tree){.node = n, .where = s->at, .whole = whole};
}

static bool takes_structure(const struct bh_option *o)
{
	return o->type == BH_OPT_JSON ||
	       o->offset == offsetof(struct bh_config, additional_endpoints) ||
	       o->offset == offsetof(struct bh_config, logs_additional_endpoints);
}

static void trace(struct load *l, const struct bh_option *o, const char *where)
{
	size_t i = (size_t)(o - bh_options);

	if (!l->trace->at)
		return;
	free(l->trace->at[i]);
	l->trace->at[i] = strdup(where);
}

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

/* A key out of its section counts as near: batch_wait for logs_config.batch_wait. */
static const char *nearest_option(const char *key)
{
	size_t tolerance = bh_edit_tolerance(key), best_distance = tolerance + 1;
	const char *best = NULL;

	for (size_t i = 0; i < bh_options_n; i++) {
		const char *known = bh_options[i].key, *tail = strrchr(known, '.');
		size_t d = bh_edit_distance(key, known, tolerance);

		if (strcasecmp(key, known) == 0)
			return known;
		if (tail && strcmp(tail + 1, key) == 0 && bh_options[i].type != BH_OPT_IGNORED)
			d = BH_MIN(d, 1);
		if (d < best_distance) {
			best_distance = d;
			best = known;
		}
	}
	return best;
}

static void unknown_key(struct load *l, const struct bh_yaml *n, const char *key)
{
	const char *best;

	if (strcmp(key, "logs") == 0) {
		bh_finding_add(l->findings, BH_FINDING_MISTAKE,
		    "%s:%d:%d: logs: sources do not stand here; write them into "
		    "conf.d/NAME.d/conf.yaml",
		    l->file, n->key_line, n->key_col);
		return;
	}
	best = bh_findings_full(l->findings) ? NULL : nearest_option(key);
	if (best)
		bh_finding_add(l->findings, BH_FINDING_MISTAKE,
		    "%s:%d:%d: unknown key %.100s; did you mean %s?", l->file, n->key_line,
		    n->key_col, key, best);
	else
		bh_finding_add(l->findings, BH_FINDING_MISTAKE,
		    "%s:%d:%d: unknown key %.100s; it is ignored", l->file, n->key_line, n->key_col,
		    key);
}

/* ENC[...] is put in for the children; here it would be taken as it stands. */
static bool check_handle(
    struct load *l, const struct bh_option *o, const char *text, const char *where)
{
	if (!bh_secret_is(text) || bh_secret_may_stand_in(o))
		return true;
	bh_finding_add(l->findings, BH_FINDING_ERROR,
	    "%s: %s: ENC[...] cannot stand for this option; write the value itself", where, o->key);
	return false;
}

static void set_list(struct load *l, const struct bh_option *o, const struct bh_yaml *n)
{
	char where[WHERE_CAP];

	(void)snprintf(where, sizeof(where), "%s:%d:%d", l->file, n->line, n->col);
	trace(l, o, where);
	bh_config_clear_list(l->cfg, o);
	for (const struct bh_yaml *item = n->child; item; item = item->next) {
		if (item->type != BH_YAML_SCALAR || bh_config_add_item(l->cfg, o, item->text))
			bh_finding_add(l->findings, BH_FINDING_ERROR,
			    "%s:%d:%d: %s: a list of plain values is wanted; write [a, b]", l->file,
			    item->line, item->col, o->key);
		else
			check_handle(l, o, item->text, where);
	}
}

/* Like in the Agent, these being wrong costs the value, not the start (spec/logs.md §3.2, §14;
 * spec/intake.md §3). */
static bool is_forgiven(const struct bh_option *o)
{
	return strcmp(o->key, "logs_config.batch_wait") == 0 ||
	       strcmp(o->key, "logs_config.file_wildcard_selection_mode") == 0 ||
	       strcmp(o->key, "min_tls_version") == 0;
}

static void value_refused(
    struct load *l, const struct bh_option *o, const char *where, const struct bh_err *err)
{
	if (!is_forgiven(o)) {
		bh_finding_add(l->findings, BH_FINDING_ERROR, "%s: %s", where,
		    err->text[0] ? err->text : bh_err_name(-ENOMEM));
		return;
	}
	if (bh_config_set(l->cfg, o, o->def, NULL))
		BH_BUG(o->key);
	bh_finding_add(
	    l->findings, BH_FINDING_WARNING, "%s: %s; %s is used", where, err->text, o->def);
}

static void set_text_option(
    struct load *l, const struct bh_option *o, const char *text, const char *where)
{
	struct bh_err err = BH_ERR_INIT;

	if (!check_handle(l, o, text, where))
		return;
	trace(l, o, where);
	if (bh_config_set(l->cfg, o, text, &err)) {
		value_refused(l, o, where, &err);
		return;
	}
	if (o->offset == offsetof(struct bh_config, hostname))
		(void)snprintf(l->hostname_at, sizeof(l->hostname_at), "%s", where);
	if (o->offset == offsetof(struct bh_config, confd_path))
		l->confd_set = true;
	if (o->offset == offsetof(struct bh_config, logs_compression_kind))
		l->kind_set = true;
	note_tree(l, o, NULL, where, strncmp(where, l->file, strlen(l->file)) == 0);
}

static void set_structure(struct load *l, const struct bh_option *o, const struct bh_yaml *n)
{
	struct bh_buf json = BH_BUF_INIT;
	char where[WHERE_CAP];
	int rc = bh_yaml_json(n, &json);

	(void)snprintf(where, sizeof(where), "%s:%d:%d", l->file, n->line, n->col);
	trace(l, o, where);
	if (!rc)
		rc = bh_config_set(l->cfg, o, json.data, NULL);
	if (rc)
		bh_finding_add(l->findings, BH_FINDING_ERROR, "%s:%d:%d: %s: %s", l->file, n->line,
		    n->col, o->key, bh_err_name(rc));
	if (json.data)
		explicit_bzero(json.data, json.len);
	bh_buf_release(&json);
	note_tree(l, o, n, l->file, false);
}

static void set_option(
    struct load *l, const struct bh_option *o, const struct bh_yaml *n, const char *key)
{
	char where[WHERE_CAP];

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
	if (takes_structure(o) && n->type != BH_YAML_SCALAR) {
		set_structure(l, o, n);
		return;
	}
	if (n->type != BH_YAML_SCALAR) {
		bh_finding_add(l->findings, BH_FINDING_ERROR, "%s:%d:%d: %s: %s", l->file, n->line,
		    n->col, key,
		    o->type == BH_OPT_LIST ? "a list is wanted; write [a, b]"
					   : "one plain value is wanted");
		return;
	}
	if (bh_yaml_is_null(n)) /* `key:` with nothing behind it means unset */
		return;
	(void)snprintf(where, sizeof(where), "%s:%d:%d", l->file, n->line, n->col);
	set_text_option(l, o, n->text, where);
}

static void report_duplicates(struct load *l, const struct bh_yaml *map)
{
	for (const struct bh_yaml *n = map->child; n; n = n->next) {
		const struct bh_yaml *first = bh_yaml_get(map, n->key);

		if (first != n)
			bh_finding_add(l->findings, BH_FINDING_ERROR,
			    "%s:%d:%d: %.100s is set twice, first at line %d; keep one of them",
			    l->file, n->key_line, n->key_col, n->key, first->key_line);
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
		else if (!is_section(key))
			unknown_key(l, n, key);
		else if (!bh_yaml_is_null(n))
			bh_finding_add(l->findings, BH_FINDING_ERROR,
			    "%s:%d:%d: %s: a map of keys is wanted; write them below it, indented",
			    l->file, n->line, n->col, key);
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
		*p = (char)(*p == '.' ? '_' : toupper((unsigned char)*p));
}

static void apply_env(struct load *l, const struct bh_option *o, const char *name, char *const *env)
{
	const char *value = name[0] ? env_value(env, name) : NULL;
	char where[KEY_CAP + 16];

	if (!value)
		return;
	if (o->type == BH_OPT_IGNORED) {
		bh_finding_add(l->findings, BH_FINDING_WARNING,
		    "environment %s: %s is known but has no effect in this version", name, o->key);
		return;
	}
	(void)snprintf(where, sizeof(where), "environment %s", name);
	set_text_option(l, o, value, where);
}

static bool is_variable(const char *name, size_t n)
{
	char known[KEY_CAP];

	for (size_t i = 0; i < bh_options_n; i++) {
		const struct bh_option *o = &bh_options[i];

		env_name(o->key, "DD_", known, sizeof(known));
		if (strlen(known) == n && strncmp(name, known, n) == 0)
			return true;
		if (o->env && strlen(o->env) == n && strncmp(name, o->env, n) == 0)
			return true;
	}
	return false;
}

/* Other programs have variables of this kind too: only what is close to one of ours is told. */
static void report_strays(struct load *l, char *const *env)
{
	for (; env && *env && !bh_findings_full(l->findings); env++) {
		size_t n = strcspn(*env, "="), best_distance;
		char name[KEY_CAP], known[KEY_CAP], best[KEY_CAP] = "";

		if (strncmp(*env, "DD_", 3) != 0 || n >= sizeof(name) || is_variable(*env, n))
			continue;
		(void)snprintf(name, sizeof(name), "%.*s", (int)n, *env);
		best_distance = BH_MIN(bh_edit_tolerance(name + 3), (size_t)2) + 1;
		for (size_t i = 0; i < bh_options_n; i++) {
			size_t d;

			if (bh_options[i].type == BH_OPT_IGNORED)
				continue;
			env_name(bh_options[i].key, "DD_", known, sizeof(known));
			d = bh_edit_distance(name + 3, known + 3, best_distance);
			if (strlen(name) > 8 && d < best_distance) {
				best_distance = d;
				memcpy(best, known, sizeof(best));
			}
		}
		if (best[0] && strcmp(name, "DD_LOG_ENABLED") != 0)
			bh_finding_add(l->findings, BH_FINDING_WARNING,
			    "environment %s: unknown variable; did you mean %s?", name, best);
	}
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
	report_strays(l, env);
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
		/* one that cannot be looked at is there: reading it will say why it cannot */
		if (access(out, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR))
			return true;
	}
	return false;
}

static void read_main(struct load *l)
{
	struct bh_err err = BH_ERR_INIT;

	if (bh_yaml_load(l->file, &l->root, &err)) {
		bh_finding_add(l->findings, BH_FINDING_ERROR, "%s", err.text);
		return;
	}
	if (l->root && l->root->type == BH_YAML_MAP)
		read_map(l, l->root, "");
	else if (l->root)
		bh_finding_add(l->findings, BH_FINDING_ERROR,
		    "%s:%d:%d: a map of keys is wanted; write KEY: VALUE", l->file, l->root->line,
		    l->root->col);
}

static void set_text(char **at, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		BH_BUG("out of memory while reading the configuration");
	free(*at);
	*at = copy;
}

/* Where an option was set, or the file it could be set in. */
static const char *place(const struct load *l, const char *key)
{
	const char *at = l->trace->at ? l->trace->at[find_option(key) - bh_options] : NULL;

	return at ? at : l->file;
}

/* conf.d stands beside the file when nothing else is said. */
static void default_confd(struct load *l)
{
	const char *slash = strrchr(l->file, '/');
	char dir[PATH_CAP];

	if (l->cfg->confd_path[0]) {
		if (l->confd_set && access(l->cfg->confd_path, F_OK) < 0)
			bh_finding_add(l->findings, BH_FINDING_MISTAKE,
			    "%s: confd_path: %s: %s; there are no log sources",
			    place(l, "confd_path"), l->cfg->confd_path, strerror(errno));
		return;
	}
	(void)snprintf(dir, sizeof(dir), "%.*s/conf.d", slash ? (int)(slash - l->file) : 1,
	    slash ? l->file : ".");
	set_text(&l->cfg->confd_path, dir);
}

/* No key in the file and none in the environment: it may be in a file of its own, or a credential
 * of the service manager (common/secret.h). */
static void default_api_key(struct load *l, char *const *env)
{
	const char *credentials = env_value(env, "CREDENTIALS_DIRECTORY");
	char text[PATH_CAP + 32], path[PATH_CAP];

	if (l->cfg->api_key[0])
		return;
	if (l->cfg->api_key_file[0]) {
		(void)snprintf(text, sizeof(text), "ENC[file@%s]", l->cfg->api_key_file);
		trace(l, find_option("api_key"), "bulkhead.api_key_file");
		set_text(&l->cfg->api_key, text);
		return;
	}
	(void)snprintf(path, sizeof(path), "%s/api_key", credentials ? credentials : "");
	if (credentials && access(path, F_OK) == 0) {
		trace(l, find_option("api_key"), "environment CREDENTIALS_DIRECTORY");
		set_text(&l->cfg->api_key, "ENC[credential@api_key]");
	}
}

/* What builds on the options: the structures of logs_config, then the sources. */
static int read_logs(struct load *l)
{
	struct bh_config *cfg = l->cfg;
	int rc = bh_config_read_log_globals(cfg, &l->rules.tree, &l->samples.tree, l->findings);

	cfg->logs_auto_multi_line_detection |= cfg->logs_experimental_auto_multi_line_detection;
	return rc ? rc : bh_config_read_sources(cfg, l->findings);
}

void bh_config_trace_release(struct bh_config_trace *t)
{
	for (size_t i = 0; t->at && i < bh_options_n; i++)
		free(t->at[i]);
	free(t->at);
	t->at = NULL;
}

static int load_all(struct load *l, const char *path, char *const *environ_, char *file)
{
	struct bh_config *cfg = l->cfg;
	char own[256] = "";

	bh_config_defaults(cfg);
	if (find_file(path, file, PATH_CAP))
		read_main(l);
	else
		(void)snprintf(file, PATH_CAP, "/etc/bulkhead/%s", FILE_NAME);
	read_env(l, environ_);
	default_api_key(l, environ_);
	bh_config_read_proxies(
	    cfg, place(l, "bulkhead.tls.pinned_public_keys"), environ_, l->findings);
	if (!l->hostname_at[0])
		(void)snprintf(l->hostname_at, sizeof(l->hostname_at), "%s", file);
	if (gethostname(own, sizeof(own) - 1) < 0)
		own[0] = '\0';
	bh_config_resolve_hostname(cfg, l->hostname_at, own, l->findings);
	default_confd(l);
	if (bh_config_read_endpoints(
		cfg, &l->endpoints.tree, &l->logs_endpoints.tree, l->kind_set, l->findings) ||
	    read_logs(l))
		bh_finding_add(l->findings, BH_FINDING_ERROR, "%s: out of memory", cfg->confd_path);
	bh_yaml_free(l->root);
	return l->findings->errors ? BH_E_CONFIG : 0;
}

int bh_config_load_traced(struct bh_config *cfg, const char *path, char *const *environ_,
    struct bh_findings *findings, struct bh_config_trace *out)
{
	char file[PATH_CAP] = "";
	struct load l = {.cfg = cfg, .findings = findings, .file = file, .trace = out};

	out->at = calloc(bh_options_n, sizeof(*out->at));
	return load_all(&l, path, environ_, file);
}

int bh_config_load(
    struct bh_config *cfg, const char *path, char *const *environ_, struct bh_findings *findings)
{
	struct bh_config_trace places;
	int rc = bh_config_load_traced(cfg, path, environ_, findings, &places);

	bh_config_trace_release(&places);
	return rc;
}

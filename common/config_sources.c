#include "common/config_sources.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "common/config_finding.h"
#include "common/config_yaml.h"
#include "common/nearest.h"

#define PATH_CAP    4096
#define SOURCES_MAX 10000 /* a new path is compared with all before it */

/* Keys of a source, spec/logs.md §2.2: texts, lists, and those without effect in this version. */
static const char *const text_keys[] = {
    "type", "path", "service", "source", "sourcecategory", "start_position"};
static const char *const list_keys[] = {"tags", "exclude_paths"};
static const char *const unused_keys[] = {"log_processing_rules", "encoding", "format",
    "auto_multi_line_detection", "auto_multi_line", "auto_multi_line_detection_custom_samples",
    "auto_multi_line_sample_size", "auto_multi_line_match_threshold", "fingerprint_config",
    "process_raw_message", "port", "bind_host", "idle_timeout", "max_connections", "allowed_ips",
    "denied_ips", "tls", "include_units", "exclude_units", "include_user_units",
    "exclude_user_units", "include_matches", "exclude_matches", "container_mode",
    "default_application_name", "config_id", "identifier", "image", "label", "name"};

static bool in_list(const char *key, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i], key) == 0)
			return true;
	}
	return false;
}

static void nearest_in(
    const char *key, const char *const *list, size_t n, const char **best, size_t *distance)
{
	for (size_t i = 0; i < n; i++) {
		size_t d = bh_edit_distance(key, list[i], bh_edit_tolerance(key));

		if (d < *distance) {
			*distance = d;
			*best = list[i];
		}
	}
}

/* A misspelt key does not stop its source, but is named (spec/logs.md §2.2). */
static void report_key(const struct bh_yaml *n, const char *file, struct bh_findings *f)
{
	size_t distance = bh_edit_tolerance(n->key) + 1;
	const char *best = NULL;

	if (in_list(n->key, unused_keys, BH_ARRAY_LEN(unused_keys))) {
		bh_finding_add(f, BH_FINDING_WARNING,
		    "%s:%d:%d: %s is known but has no effect in this version", file, n->key_line,
		    n->key_col, n->key);
		return;
	}
	nearest_in(n->key, text_keys, BH_ARRAY_LEN(text_keys), &best, &distance);
	nearest_in(n->key, list_keys, BH_ARRAY_LEN(list_keys), &best, &distance);
	nearest_in(n->key, unused_keys, BH_ARRAY_LEN(unused_keys), &best, &distance);
	bh_finding_add(f, BH_FINDING_WARNING, "%s:%d:%d: unknown key %.100s; %s%s", file,
	    n->key_line, n->key_col, n->key, best ? "did you mean " : "it is ignored",
	    best ? best : "");
}

static void report_keys(const struct bh_yaml *e, const char *file, struct bh_findings *f)
{
	for (const struct bh_yaml *n = e->child; n && !bh_findings_full(f); n = n->next) {
		if (!in_list(n->key, text_keys, BH_ARRAY_LEN(text_keys)) &&
		    !in_list(n->key, list_keys, BH_ARRAY_LEN(list_keys)))
			report_key(n, file, f);
	}
}

static bool is_null(const struct bh_yaml *n)
{
	return n->type == BH_YAML_SCALAR && n->plain &&
	       (!*n->text || strcmp(n->text, "~") == 0 || strcasecmp(n->text, "null") == 0);
}

static bool ends_with(const char *s, const char *suffix)
{
	return bh_str_ends(bh_str_from(s), bh_str_from(suffix));
}

static bool is_yaml_name(const char *name)
{
	return name[0] != '.' && (ends_with(name, ".yaml") || ends_with(name, ".yml"));
}

static const char *text_of(const struct bh_yaml *entry, const char *key)
{
	const struct bh_yaml *n = bh_yaml_get(entry, key);

	return n && n->type == BH_YAML_SCALAR && !is_null(n) ? n->text : "";
}

/* What YAML reads as a number, a boolean or nothing is no text unless it is quoted: the Agent
 * refuses `tags: [5]` in these words. */
static bool is_text(const struct bh_yaml *n)
{
	char *end = NULL;

	if (n->type != BH_YAML_SCALAR)
		return false;
	if (!n->plain)
		return true;
	if (is_null(n) || strcasecmp(n->text, "true") == 0 || strcasecmp(n->text, "false") == 0)
		return false;
	if (!strchr("+-.0123456789", n->text[0]))
		return true;
	(void)strtod(n->text, &end);
	return *end != '\0';
}

/* `a,b` in one text: line ends removed, split at commas, nothing trimmed (spec/logs.md §2.2). */
static int split_list(const char *text, struct bh_strlist *out)
{
	char *joined = strdup(text), *to = joined;
	int rc = 0;

	if (!joined)
		return -ENOMEM;
	for (const char *p = text; *p; p++) {
		if (*p != '\n' && *p != '\r')
			*to++ = *p;
	}
	*to = '\0';
	for (const char *p = joined; *p && !rc;) {
		size_t len = strcspn(p, ",");

		rc = bh_strlist_add(out, p, len);
		p += len + (p[len] == ',');
	}
	free(joined);
	return rc;
}

static int read_list(
    const struct bh_yaml *n, struct bh_strlist *out, const char *file, struct bh_findings *f)
{
	int rc = 0;

	if (!n || is_null(n))
		return 0;
	if (n->type == BH_YAML_SCALAR)
		return split_list(n->text, out);
	if (n->type == BH_YAML_MAP) {
		bh_finding_add(f, BH_FINDING_WARNING,
		    "%s:%d:%d: %s: a list or one text is wanted; source skipped", file, n->line,
		    n->col, n->key);
		return BH_E_CONFIG;
	}
	for (const struct bh_yaml *item = n->child; item && !rc; item = item->next) {
		if (!is_text(item)) {
			bh_finding_add(f, BH_FINDING_WARNING,
			    "%s:%d:%d: %s: cannot unmarshal %.80s into a string; quote it; source "
			    "skipped",
			    file, item->line, item->col, n->key,
			    item->type == BH_YAML_SCALAR ? item->text : "a structure");
			return BH_E_CONFIG;
		}
		rc = bh_strlist_add(out, item->text, strlen(item->text));
	}
	return rc;
}

static bool valid_position(const char *s)
{
	static const char *const words[] = {"", "end", "beginning", "forceEnd", "forceBeginning"};

	for (size_t i = 0; i < BH_ARRAY_LEN(words); i++) {
		if (strcmp(s, words[i]) == 0)
			return true;
	}
	return false;
}

static const char *fault_of(
    const struct bh_config *cfg, const struct bh_yaml *e, char *text, size_t cap)
{
	const char *type = text_of(e, "type"), *path = text_of(e, "path"),
		   *start = text_of(e, "start_position");

	if (e->type != BH_YAML_MAP)
		return "a source must be a map";
	for (const struct bh_yaml *n = e->child; n; n = n->next) {
		if (n->type != BH_YAML_SCALAR &&
		    in_list(n->key, text_keys, BH_ARRAY_LEN(text_keys))) {
			(void)snprintf(text, cap, "%s: a plain value is wanted", n->key);
			return text;
		}
	}
	if (!*type)
		return "a config must have a type";
	if (strcmp(type, "file") != 0) {
		(void)snprintf(text, cap,
		    "type %.40s is not supported by bulkhead in this version; source skipped",
		    type);
		return text;
	}
	if (path[0] != '/')
		return *path ? "path must be absolute" : "file source must have a path";
	if (!valid_position(start)) {
		(void)snprintf(text, cap, "invalid tailing mode '%.40s' for %.200s", start, path);
		return text;
	}
	if (cfg->log_sources_n >= SOURCES_MAX)
		return "too many sources; source skipped";
	for (size_t i = 0; i < cfg->log_sources_n; i++) {
		if (strcmp(cfg->log_sources[i].path, path) == 0) {
			(void)snprintf(text, cap,
			    "%.200s is tailed already by the source at %.100s; source skipped",
			    path, cfg->log_sources[i].where);
			return text;
		}
	}
	return NULL;
}

static int fill(
    struct bh_log_source *s, const struct bh_yaml *e, const char *file, struct bh_findings *f)
{
	char where[PATH_CAP + 16];
	int rc;

	(void)snprintf(where, sizeof(where), "%s:%d", file, e->line);
	s->type = strdup(text_of(e, "type"));
	s->path = strdup(text_of(e, "path"));
	s->service = strdup(text_of(e, "service"));
	s->source = strdup(text_of(e, "source"));
	s->sourcecategory = strdup(text_of(e, "sourcecategory"));
	s->start_position = strdup(text_of(e, "start_position"));
	s->where = strdup(where);
	if (!s->type || !s->path || !s->service || !s->source || !s->sourcecategory ||
	    !s->start_position || !s->where)
		return -ENOMEM;
	rc = read_list(bh_yaml_get(e, "tags"), &s->tags, file, f);
	return rc ? rc : read_list(bh_yaml_get(e, "exclude_paths"), &s->exclude_paths, file, f);
}

static int add_source(
    struct bh_config *cfg, const struct bh_yaml *e, const char *file, struct bh_findings *f)
{
	struct bh_config one = {0}; /* lends its release to a source that is left out */
	struct bh_log_source *grown;
	char text[512];
	const char *fault = fault_of(cfg, e, text, sizeof(text));
	int rc;

	if (fault) {
		bh_finding_add(f, BH_FINDING_WARNING, "%s:%d:%d: %s", file, e->line, e->col, fault);
		return 0;
	}
	report_keys(e, file, f);
	one.log_sources = calloc(1, sizeof(*one.log_sources));
	if (!one.log_sources)
		return -ENOMEM;
	one.log_sources_n = 1;
	rc = fill(&one.log_sources[0], e, file, f);
	grown = rc ? NULL : reallocarray(cfg->log_sources, cfg->log_sources_n + 1, sizeof(*grown));
	if (!grown) {
		bh_config_release(&one);
		return rc == BH_E_CONFIG ? 0 : -ENOMEM;
	}
	cfg->log_sources = grown;
	cfg->log_sources[cfg->log_sources_n++] = one.log_sources[0];
	free(one.log_sources);
	return 0;
}

static int read_file(struct bh_config *cfg, const char *file, struct bh_findings *f)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_yaml *root = NULL;
	const struct bh_yaml *logs;
	int rc = bh_yaml_load(file, &root, &err);

	if (rc) {
		bh_finding_add(f, BH_FINDING_WARNING, "%s; its sources are left out", err.text);
		return 0;
	}
	logs = bh_yaml_get(root, "logs");
	if (logs && logs->type != BH_YAML_SEQ && !is_null(logs)) {
		bh_finding_add(f, BH_FINDING_WARNING, "%s:%d:%d: logs: a list of sources is wanted",
		    file, logs->line, logs->col);
	} else if (logs) {
		for (const struct bh_yaml *e = logs->child; e && !rc; e = e->next)
			rc = add_source(cfg, e, file, f);
	}
	bh_yaml_free(root);
	return rc;
}

static int read_dir(struct bh_config *cfg, const char *dir, int depth, struct bh_findings *f)
{
	struct dirent **names = NULL;
	int n = scandir(dir, &names, NULL, alphasort), rc = 0;

	if (n < 0) {
		if (errno != ENOENT)
			bh_finding_add(f, BH_FINDING_WARNING, "%s: %s; its sources are left out",
			    dir, strerror(errno));
		return 0;
	}
	for (int i = 0; i < n; i++) {
		char path[PATH_CAP];
		const char *name = names[i]->d_name;
		int len = snprintf(path, sizeof(path), "%s/%s", dir, name);
		struct stat st;

		if (!rc && len > 0 && (size_t)len < sizeof(path) && name[0] != '.' &&
		    stat(path, &st) == 0) {
			if (S_ISREG(st.st_mode) && is_yaml_name(name))
				rc = read_file(cfg, path, f);
			else if (S_ISDIR(st.st_mode) && depth == 0 && ends_with(name, ".d"))
				rc = read_dir(cfg, path, 1, f);
		}
		free(names[i]);
	}
	free(names);
	return rc;
}

int bh_config_read_sources(struct bh_config *cfg, struct bh_findings *findings)
{
	return cfg->confd_path[0] ? read_dir(cfg, cfg->confd_path, 0, findings) : 0;
}

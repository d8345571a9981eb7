#include "common/config_sources.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "common/config_finding.h"
#include "common/config_source.h"
#include "common/config_yaml.h"
#include "common/nearest.h"

#define PATH_CAP 4096
#define DEFAULT  ".default"

static bool ends_with(const char *s, const char *suffix)
{
	return bh_str_ends(bh_str_from(s), bh_str_from(suffix));
}

static bool is_yaml_name(const char *name)
{
	return name[0] != '.' && (ends_with(name, ".yaml") || ends_with(name, ".yml"));
}

/* conf.yaml.default: what a package brings, in effect until there is a file of the user's. */
static bool is_default_name(const char *name)
{
	return name[0] != '.' &&
	       (ends_with(name, ".yaml" DEFAULT) || ends_with(name, ".yml" DEFAULT));
}

/* The Agent's other integrations have files without logs; a misspelt word is another matter. */
static void look_for_logs(const struct bh_yaml *root, const char *file, struct bh_findings *f)
{
	const struct bh_yaml *n = root && root->type == BH_YAML_MAP ? root->child : NULL;

	for (; n; n = n->next) {
		if (bh_edit_distance(n->key, "logs", 1) <= 1 || strcasecmp(n->key, "logs") == 0)
			bh_finding_add(f, BH_FINDING_MISTAKE,
			    "%s:%d:%d: unknown key %.100s; did you mean logs?", file, n->key_line,
			    n->key_col, n->key);
	}
}

static int read_file(struct bh_config *cfg, const char *file, struct bh_findings *f)
{
	struct bh_err err = BH_ERR_INIT;
	struct bh_yaml *root = NULL;
	const struct bh_yaml *logs;
	int rc = bh_yaml_load(file, &root, &err);

	if (rc) {
		bh_finding_add(f, BH_FINDING_MISTAKE, "%s; its sources are left out", err.text);
		return 0;
	}
	logs = bh_yaml_get(root, "logs");
	if (logs && logs->type != BH_YAML_SEQ && !bh_yaml_is_null(logs)) {
		bh_finding_add(f, BH_FINDING_MISTAKE, "%s:%d:%d: logs: a list of sources is wanted",
		    file, logs->line, logs->col);
	} else if (logs) {
		for (const struct bh_yaml *e = logs->child; e && !rc; e = e->next)
			rc = bh_config_read_source(cfg, e, file, f);
	}
	if (!logs)
		look_for_logs(root, file, f);
	bh_yaml_free(root);
	return rc;
}

/* The names in a folder, sorted; what cannot be listed is said. Freed by free_names. */
struct names {
	struct dirent **v;
	int n;
};

static struct names list_dir(const char *dir, struct bh_findings *f)
{
	struct names l = {NULL, 0};

	l.n = scandir(dir, &l.v, NULL, alphasort);
	if (l.n < 0 && errno != ENOENT)
		bh_finding_add(f, BH_FINDING_MISTAKE, "%s: %s; its sources are left out", dir,
		    strerror(errno));
	l.n = l.n < 0 ? 0 : l.n;
	return l;
}

static void free_names(struct names *l)
{
	for (int i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
}

static bool has_yaml(const struct names *l)
{
	for (int i = 0; i < l->n; i++) {
		if (is_yaml_name(l->v[i]->d_name))
			return true;
	}
	return false;
}

/* Path of an entry, if it is of that kind. */
static bool entry_path(const char *dir, const char *name, mode_t kind, char path[PATH_CAP])
{
	int len = snprintf(path, PATH_CAP, "%s/%s", dir, name);
	struct stat st;

	return name[0] != '.' && len > 0 && len < PATH_CAP && stat(path, &st) == 0 &&
	       (st.st_mode & S_IFMT) == kind;
}

/* The files of one <name>.d; those of packages only when there is no other. */
static int read_folder(
    struct bh_config *cfg, const char *dir, bool overridden, struct bh_findings *f)
{
	struct names l = list_dir(dir, f);
	bool defaults = !overridden && !has_yaml(&l);
	char path[PATH_CAP];
	int rc = 0;

	for (int i = 0; i < l.n && !rc; i++) {
		const char *name = l.v[i]->d_name;

		if ((is_yaml_name(name) || (defaults && is_default_name(name))) &&
		    entry_path(dir, name, S_IFREG, path))
			rc = read_file(cfg, path, f);
	}
	free_names(&l);
	return rc;
}

/* "syslog" of syslog.d, syslog.yaml, syslog.yaml.default. */
static struct bh_str stem(const char *name)
{
	static const char *const suffixes[] = {
	    ".d", ".yaml", ".yml", ".yaml" DEFAULT, ".yml" DEFAULT};
	struct bh_str s = bh_str_from(name);

	for (size_t i = 0; i < BH_ARRAY_LEN(suffixes); i++) {
		if (ends_with(name, suffixes[i]))
			s.n = strlen(name) - strlen(suffixes[i]);
	}
	return s;
}

/* Whether the user has written a file of that name: beside the folders, or in the one of it. */
static bool is_overridden(
    const char *dir, const struct names *l, const char *name, struct bh_findings *f)
{
	for (int i = 0; i < l->n; i++) {
		const char *other = l->v[i]->d_name;
		char path[PATH_CAP];
		struct names inner;
		bool yes;

		if (other == name || !bh_str_eq(stem(other), stem(name)))
			continue;
		if (is_yaml_name(other))
			return true;
		if (!ends_with(other, ".d") || !entry_path(dir, other, S_IFDIR, path))
			continue;
		inner = list_dir(path, f);
		yes = has_yaml(&inner);
		free_names(&inner);
		if (yes)
			return true;
	}
	return false;
}

static int read_entry(struct bh_config *cfg, const char *dir, const struct names *l,
    const char *name, struct bh_findings *f)
{
	char path[PATH_CAP];

	if (ends_with(name, ".d") && entry_path(dir, name, S_IFDIR, path))
		return read_folder(cfg, path, is_overridden(dir, l, name, f), f);
	if (is_yaml_name(name) || (is_default_name(name) && !is_overridden(dir, l, name, f)))
		return entry_path(dir, name, S_IFREG, path) ? read_file(cfg, path, f) : 0;
	return 0;
}

int bh_config_read_sources(struct bh_config *cfg, struct bh_findings *findings)
{
	struct names l = {NULL, 0};
	int rc = 0;

	if (!cfg->confd_path[0])
		return 0;
	l = list_dir(cfg->confd_path, findings);
	for (int i = 0; i < l.n && !rc; i++)
		rc = read_entry(cfg, cfg->confd_path, &l, l.v[i]->d_name, findings);
	free_names(&l);
	return rc;
}

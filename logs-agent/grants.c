#include "logs-agent/grants.h"

#include <dlfcn.h>
#include <errno.h>
#include <iconv.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "logs-agent/glob.h"

#define LINKS_MAX 16 /* links behind one another */
#define READ_TREE (BH_USE_READ | BH_USE_LIST)

/* --- one path -----------------------------------------------------------------------------------
 */

static int grow(struct bh_grants *g)
{
	struct bh_grant *grown = reallocarray(g->v, g->rules.n, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	g->v = grown;
	while (g->n < g->rules.n) {
		const char *path = g->rules.v[g->n].path;
		char real[PATH_MAX] = "";
		struct stat st;

		grown[g->n] = (struct bh_grant){NULL, 0, 0};
		if (realpath(path, real) && stat(real, &st) == 0) {
			grown[g->n].dev = st.st_dev;
			grown[g->n].ino = st.st_ino;
		} else {
			real[0] = '\0';
		}
		grown[g->n].real = strdup(real);
		if (!grown[g->n].real)
			return -ENOMEM;
		g->n++;
	}
	return 0;
}

static int add(struct bh_grants *g, const char *path)
{
	int rc = bh_landlock_allow(&g->rules, path, READ_TREE);

	if (rc || g->n == g->rules.n)
		return rc;
	return grow(g);
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (n == 0 || strncmp(path, dir, n) != 0)
		return false;
	return path[n] == '\0' || path[n] == '/' || dir[n - 1] == '/';
}

static bool covers(const struct bh_grants *g, const char *real)
{
	for (size_t i = 0; i < g->n; i++) {
		if (is_below(real, g->v[i].real))
			return true;
	}
	return false;
}

void bh_grants_base(const char *path, char *out, size_t cap)
{
	size_t n = strcspn(path, "*?[\\");

	out[0] = '\0';
	if (path[0] != '/')
		return;
	while (n > 0 && path[n - 1] != '/')
		n--;
	n = n > 1 ? n - 1 : 1; /* without its slash, but for the root */
	if (n >= cap)
		return;
	memcpy(out, path, n);
	out[n] = '\0';
}

/* --- links --------------------------------------------------------------------------------------
 */

/* Where a link points, as a path. */
static bool read_link(const char *path, char *out)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	const char *slash = strrchr(path, '/');
	int len;

	if (n <= 0 || !slash)
		return false;
	target[n] = '\0';
	len = target[0] == '/'
		  ? snprintf(out, PATH_MAX, "%s", target)
		  : snprintf(out, PATH_MAX, "%.*s/%s", (int)(slash - path), path, target);
	return len > 0 && len < PATH_MAX;
}

/* Follows the links at the end of a path, as far as they are to be trusted. */
static bool follow(const char *path, char *out)
{
	struct stat link, end;
	char next[PATH_MAX];

	if (stat(path, &end) < 0 || snprintf(out, PATH_MAX, "%s", path) >= PATH_MAX)
		return false;
	for (int i = 0; i < LINKS_MAX; i++) {
		if (lstat(out, &link) < 0)
			return false;
		if (!S_ISLNK(link.st_mode))
			return true;
		if (link.st_uid != 0 && link.st_uid != geteuid() && link.st_uid != end.st_uid)
			return false;
		if (!read_link(out, next))
			return false;
		memcpy(out, next, sizeof(next));
	}
	return false;
}

/* The directory of what the path leads to, when that lies elsewhere. */
static int add_target(struct bh_grants *g, const char *path)
{
	char end[PATH_MAX], real[PATH_MAX], *slash;
	struct stat st;

	if (!follow(path, end) || !realpath(end, real) || covers(g, real))
		return 0;
	if (stat(real, &st) == 0 && !S_ISDIR(st.st_mode)) {
		slash = strrchr(real, '/');
		slash[slash == real ? 1 : 0] = '\0';
	}
	return add(g, real);
}

/* Links between the directory of the pattern and the file, the file included. */
static int add_links(struct bh_grants *g, const char *path, size_t base)
{
	char part[PATH_MAX];
	struct stat st;
	int rc = 0;

	for (const char *slash = strchr(path + base + 1, '/'); !rc;
	     slash = strchr(slash + 1, '/')) {
		size_t n = slash ? (size_t)(slash - path) : strlen(path);

		if (n >= sizeof(part))
			return 0;
		memcpy(part, path, n);
		part[n] = '\0';
		if (lstat(part, &st) == 0 && S_ISLNK(st.st_mode))
			rc = add_target(g, part);
		if (!slash)
			break;
	}
	return rc;
}

/* --- sources ------------------------------------------------------------------------------------
 */

/* Links of Kubernetes and Docker, whatever is there now. */
static int add_containers(struct bh_grants *g, const char *base)
{
	static const char *const places[] = {"/var/log/pods", "/var/lib/docker/containers"};
	int rc = 0;

	if (!is_below(base, "/var/log/containers") && !is_below(base, "/var/log/pods"))
		return 0;
	for (size_t i = 0; i < BH_ARRAY_LEN(places) && !rc; i++)
		rc = add(g, places[i]);
	return rc;
}

static int add_file(struct bh_grants *g, const struct bh_log_source *s, bool recursive)
{
	struct bh_strlist paths = {NULL, 0};
	char base[PATH_MAX];
	int rc;

	bh_grants_base(s->path, base, sizeof(base));
	if (!base[0])
		return 0;
	rc = add(g, base);
	rc = rc ? rc : add_containers(g, base);
	/* Too many files: the links among those that were not looked at stay closed. */
	if (!rc && bh_glob_expand(s->path, recursive, &paths) == -ENOMEM)
		rc = -ENOMEM;
	for (size_t i = 0; i < paths.n && !rc; i++)
		rc = add_links(g, paths.v[i], strlen(base));
	bh_strlist_release(&paths);
	return rc;
}

static int add_journal(struct bh_grants *g, const struct bh_log_source *s)
{
	static const char *const places[] = {"/var/log/journal", "/run/log/journal"};
	static const char *const identity[] = {
	    "/etc/machine-id", "/proc/sys/kernel/random/boot_id"};
	int rc = s->path[0] ? add(g, s->path) : 0;

	for (size_t i = 0; i < BH_ARRAY_LEN(places) && !rc && !s->path[0]; i++)
		rc = add(g, places[i]);
	for (size_t i = 0; i < BH_ARRAY_LEN(identity) && !rc; i++)
		rc = add(g, identity[i]);
	return rc;
}

/* The C library keeps its character sets in modules beside itself. */
static int add_charsets(struct bh_grants *g)
{
	char path[PATH_MAX];
	Dl_info info;
	const char *slash;
	int n;

	if (!dladdr((const void *)(uintptr_t)iconv_open, &info) || !info.dli_fname)
		return 0;
	slash = strrchr(info.dli_fname, '/');
	if (!slash)
		return 0;
	n = snprintf(
	    path, sizeof(path), "%.*s/gconv", (int)(slash - info.dli_fname), info.dli_fname);
	return n > 0 && (size_t)n < sizeof(path) ? add(g, path) : 0;
}

static int add_source(struct bh_grants *g, const struct bh_log_source *s, bool recursive)
{
	int rc = 0;

	if (strcmp(s->type, "file") == 0)
		rc = add_file(g, s, recursive);
	else if (strcmp(s->type, "journald") == 0)
		rc = add_journal(g, s);
	if (!rc && strcmp(s->encoding, "shift-jis") == 0)
		rc = add_charsets(g);
	return rc;
}

int bh_grants_make(
    struct bh_grants *g, const struct bh_log_source *const *sources, size_t n, bool recursive)
{
	int rc = 0;

	*g = (struct bh_grants){.n = 0};
	for (size_t i = 0; i < n && !rc; i++) {
		if (!sources[i]->fault[0])
			rc = add_source(g, sources[i], recursive);
	}
	return rc;
}

void bh_grants_release(struct bh_grants *g)
{
	for (size_t i = 0; i < g->n; i++)
		free(g->v[i].real);
	free(g->v);
	bh_landlock_release(&g->rules);
	*g = (struct bh_grants){.n = 0};
}

/* --- later --------------------------------------------------------------------------------------
 */

bool bh_grants_moved(const struct bh_grants *g)
{
	struct stat st;

	for (size_t i = 0; i < g->n; i++) {
		/* Files are of the kernel and the C library here; they may have new numbers at any
		 * time. */
		if (stat(g->rules.v[i].path, &st) == 0 && S_ISDIR(st.st_mode) &&
		    (st.st_dev != g->v[i].dev || st.st_ino != g->v[i].ino))
			return true;
	}
	return false;
}

static bool knows(const struct bh_grants *g, const char *path)
{
	for (size_t i = 0; i < g->n; i++) {
		if (strcmp(g->rules.v[i].path, path) == 0)
			return true;
	}
	return false;
}

/* What is not there yet has to be looked out for. */
bool bh_grants_cover(const struct bh_grants *have, const struct bh_grants *want)
{
	for (size_t i = 0; i < want->n; i++) {
		const char *real = want->v[i].real;

		if (real[0] ? !covers(have, real) : !knows(have, want->rules.v[i].path))
			return false;
	}
	return true;
}

#include "logs-agent/glob.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/err.h"
#include "common/utf8.h"

static bool match_class(const char **pattern, char c)
{
	const char *p = *pattern + 1;
	bool negate = *p == '^', hit = false, first = true;

	p += negate;
	while (*p && (first || *p != ']')) {
		unsigned char lo, hi;

		first = false;
		p += *p == '\\' && p[1];
		lo = hi = (unsigned char)*p++;
		if (p[0] == '-' && p[1] && p[1] != ']') {
			p++;
			p += *p == '\\' && p[1];
			hi = (unsigned char)*p++;
		}
		hit |= (unsigned char)c >= lo && (unsigned char)c <= hi;
	}
	if (*p != ']')
		return false; /* a class that never ends matches nothing */
	*pattern = p + 1;
	return hit != negate;
}

/* Bytes of the character at s: matching is by characters, and by bytes where there are none. */
static size_t one_character(const char *s)
{
	unsigned char c = (unsigned char)*s;
	size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 1;

	return bh_utf8_valid_prefix(s, strnlen(s, n)) == n ? n : 1;
}

bool bh_glob_match(const char *p, const char *name)
{
	const char *star = NULL, *retry = NULL;

	for (;;) {
		if (*p == '*') {
			star = ++p;
			retry = name;
			continue;
		}
		if (*name == '\0')
			return *p == '\0';
		if (*p == '?') {
			p++;
			name += one_character(name);
			continue;
		}
		if (*p == '[' && match_class(&p, *name)) {
			name++;
			continue;
		}
		if (*p && *p != '[') {
			const char *literal = *p == '\\' && p[1] ? p + 1 : p;

			if (*literal == *name) {
				p = literal + 1;
				name++;
				continue;
			}
		}
		if (!star)
			return false;
		/* The last star takes one byte more. */
		p = star;
		retry += one_character(retry);
		name = retry;
	}
}

bool bh_glob_is_pattern(const char *path)
{
	return strpbrk(path, "*?[") != NULL;
}

static bool is_double_star(const char *component)
{
	return strcmp(component, "**") == 0;
}

/* First component of p into out; the rest behind its slash, or NULL. False: longer than a name. */
static bool split(const char *p, char out[NAME_MAX + 1], const char **rest)
{
	size_t n = strcspn(p, "/");

	if (n > NAME_MAX)
		return false;
	memcpy(out, p, n);
	out[n] = '\0';
	*rest = p[n] ? p + n + 1 : NULL;
	return true;
}

static bool match_rest(const char *pattern, const char *path, bool recursive, int depth)
{
	char want[NAME_MAX + 1], have[NAME_MAX + 1];
	const char *pattern_rest, *path_rest;

	if (depth > BH_GLOB_DEPTH_MAX || !split(pattern, want, &pattern_rest) ||
	    !split(path, have, &path_rest))
		return false;
	if (recursive && is_double_star(want) && pattern_rest)
		return match_rest(pattern_rest, path, recursive, depth + 1) ||
		       (path_rest && match_rest(pattern, path_rest, recursive, depth + 1));
	if (!bh_glob_match(want, have) || !pattern_rest != !path_rest)
		return false;
	return !pattern_rest || match_rest(pattern_rest, path_rest, recursive, depth + 1);
}

bool bh_glob_match_path(const char *pattern, const char *path, bool recursive)
{
	return match_rest(pattern, path, recursive, 0);
}

struct expansion {
	struct bh_strlist *out;
	bool recursive;
	int depth;
};

static int expand(struct expansion *x, const char *base, const char *pattern);

static int take(struct expansion *x, const char *path, size_t n)
{
	return x->out->n >= BH_GLOB_MATCHES_MAX ? BH_E_LIMIT : bh_strlist_add(x->out, path, n);
}

/* A directory entry is asked for its type only when the listing does not tell. */
static bool is_directory(const struct dirent *e, const char *path)
{
	struct stat st;

	if (e->d_type == DT_DIR || e->d_type == DT_REG)
		return e->d_type == DT_DIR;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool exists(const struct dirent *e, const char *path)
{
	struct stat st;

	return e->d_type == DT_REG || stat(path, &st) == 0;
}

/* One entry of base that matches its component. */
static int take_entry(
    struct expansion *x, const struct dirent *e, const char *base, const char *rest)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", base, e->d_name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return 0;
	if (is_directory(e, path))
		return rest ? expand(x, path, rest) : 0;
	return rest || !exists(e, path) ? 0 : take(x, path, (size_t)n);
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int expand_component(
    struct expansion *x, const char *base, const char *component, const char *rest)
{
	DIR *dir = opendir(*base ? base : "/");
	struct dirent *e;
	int rc = 0;

	while (dir && !rc && (e = readdir(dir))) {
		if (!is_dots(e->d_name) && bh_glob_match(component, e->d_name))
			rc = take_entry(x, e, base, rest);
	}
	if (dir)
		(void)closedir(dir);
	return rc;
}

/* `**`: the rest here, and below every directory; links are not followed, they may lead back. */
static int expand_everywhere(
    struct expansion *x, const char *base, const char *pattern, const char *rest)
{
	int rc = expand(x, base, rest);
	DIR *dir = rc ? NULL : opendir(*base ? base : "/");
	struct dirent *e;

	while (dir && !rc && (e = readdir(dir))) {
		char path[PATH_MAX];
		int n = snprintf(path, sizeof(path), "%s/%s", base, e->d_name);

		if (!is_dots(e->d_name) && e->d_type == DT_DIR && n > 0 && (size_t)n < sizeof(path))
			rc = expand(x, path, pattern);
	}
	if (dir)
		(void)closedir(dir);
	return rc;
}

static int expand_pattern(struct expansion *x, const char *base, const char *pattern)
{
	char component[NAME_MAX + 1], path[PATH_MAX];
	const char *rest;
	struct stat st;
	int n;

	if (!split(pattern, component, &rest))
		return 0;
	if (x->recursive && is_double_star(component) && rest)
		return expand_everywhere(x, base, pattern, rest);
	if (bh_glob_is_pattern(component) || strchr(component, '\\'))
		return expand_component(x, base, component, rest);
	n = snprintf(path, sizeof(path), "%s/%s", base, component);
	if (n < 0 || (size_t)n >= sizeof(path) || stat(path, &st) < 0)
		return 0;
	if (rest)
		return expand(x, path, rest);
	return S_ISDIR(st.st_mode) ? 0 : take(x, path, (size_t)n);
}

static int expand(struct expansion *x, const char *base, const char *pattern)
{
	int rc = 0;

	if (x->depth < BH_GLOB_DEPTH_MAX) {
		x->depth++;
		rc = expand_pattern(x, base, pattern);
		x->depth--;
	}
	return rc;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Base name first, full path where those are equal: the result of sorting twice, stably. */
static int newest_name_first(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	int order = strcmp(base_name(y), base_name(x));

	return order ? order : strcmp(y, x);
}

/* `**` may reach a path in more than one way; equal ones stand side by side. */
static void drop_repeated(struct bh_strlist *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (kept && strcmp(l->v[kept - 1], l->v[i]) == 0)
			free(l->v[i]);
		else
			l->v[kept++] = l->v[i];
	}
	l->n = kept;
}

int bh_glob_expand(const char *pattern, bool recursive, struct bh_strlist *out)
{
	struct expansion x = {.out = out, .recursive = recursive};
	struct stat st;
	int rc;

	if (stat(pattern, &st) == 0)
		return bh_strlist_add(out, pattern, strlen(pattern));
	if (!bh_glob_is_pattern(pattern) || pattern[0] != '/')
		return 0;
	rc = expand(&x, "", pattern + 1);
	if (out->n)
		qsort((void *)out->v, out->n, sizeof(char *), newest_name_first);
	drop_repeated(out);
	return rc;
}

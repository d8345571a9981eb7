#include "logs-agent/glob.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/err.h"

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
			name++;
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
		name = ++retry;
	}
}

bool bh_glob_is_pattern(const char *path)
{
	return strpbrk(path, "*?[") != NULL;
}

static int expand(const char *base, const char *rest, struct bh_strlist *out)
{
	size_t n = strcspn(rest, "/");
	char component[NAME_MAX + 1], path[PATH_MAX];
	const char *next = rest[n] ? rest + n + 1 : NULL;
	struct stat st;
	struct dirent *e;
	int rc = 0;
	DIR *dir;

	if (n > NAME_MAX)
		return 0;
	memcpy(component, rest, n);
	component[n] = '\0';
	if (!bh_glob_is_pattern(component) && !strchr(component, '\\')) {
		int len = snprintf(path, sizeof(path), "%s/%s", base, component);

		if (len < 0 || (size_t)len >= sizeof(path) || stat(path, &st) < 0)
			return 0;
		return next ? expand(path, next, out) : bh_strlist_add(out, path, (size_t)len);
	}
	dir = opendir(*base ? base : "/");
	while (dir && !rc && (e = readdir(dir))) {
		int len = snprintf(path, sizeof(path), "%s/%s", base, e->d_name);

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    !bh_glob_match(component, e->d_name) || len < 0 ||
		    (size_t)len >= sizeof(path) || stat(path, &st) < 0)
			continue;
		if (next)
			rc = S_ISDIR(st.st_mode) ? expand(path, next, out) : 0;
		else if (out->n >= BH_GLOB_MATCHES_MAX)
			rc = BH_E_LIMIT;
		else if (!S_ISDIR(st.st_mode))
			rc = bh_strlist_add(out, path, (size_t)len);
	}
	if (dir)
		(void)closedir(dir);
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

int bh_glob_expand(const char *pattern, struct bh_strlist *out)
{
	struct stat st;
	int rc;

	if (stat(pattern, &st) == 0)
		return bh_strlist_add(out, pattern, strlen(pattern));
	if (!bh_glob_is_pattern(pattern) || pattern[0] != '/')
		return 0;
	rc = expand("", pattern + 1, out);
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), newest_name_first);
	return rc;
}

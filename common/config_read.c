#include "common/config_read.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/config_finding.h"
#include "common/config_value.h"
#include "common/nearest.h"

#define LONGEST 400 /* of a text beside its place */

static void find_at(
    struct bh_reading *r, enum bh_finding_level level, int line, int col, const char *text)
{
	if (r->whole)
		bh_finding_add(r->findings, level, "%s: %s", r->file, text);
	else
		bh_finding_add(r->findings, level, "%s:%d:%d: %s", r->file, line, col, text);
}

BH_PRINTF(4, 0)
static void find(struct bh_reading *r, enum bh_finding_level level, const struct bh_yaml *at,
    const char *fmt, va_list ap)
{
	char text[LONGEST];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	find_at(r, level, at->line, at->col, text);
}

void bh_reading_warn(struct bh_reading *r, const struct bh_yaml *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	find(r, BH_FINDING_WARNING, at, fmt, ap);
	va_end(ap);
}

void bh_reading_mistake(struct bh_reading *r, const struct bh_yaml *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	find(r, BH_FINDING_MISTAKE, at, fmt, ap);
	va_end(ap);
}

void bh_reading_fault(struct bh_reading *r, const struct bh_yaml *at, const char *fmt, ...)
{
	va_list ap;

	if (bh_reading_failed(r))
		return;
	r->fault_at = at;
	va_start(ap, fmt);
	(void)vsnprintf(r->fault, sizeof(r->fault), fmt, ap);
	va_end(ap);
	for (char *p = r->fault; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?'; /* a status is lines of text, whatever a pattern holds */
	}
}

static size_t place_of(const char *key, const char *const *known, size_t n)
{
	size_t i = 0;

	while (i < n && strcmp(known[i], key) != 0)
		i++;
	return i;
}

static const char *nearest_of(const char *key, const char *const *known, size_t n)
{
	size_t tolerance = bh_edit_tolerance(key), distance = tolerance + 1;
	const char *best = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t d = bh_edit_distance(key, known[i], tolerance);

		if (d < distance) {
			distance = d;
			best = known[i];
		}
	}
	return best;
}

void bh_reading_keys(struct bh_reading *r, const struct bh_yaml *map, const char *const *known,
    size_t n, size_t unused)
{
	for (const struct bh_yaml *c = map->child; c && !bh_findings_full(r->findings);
	     c = c->next) {
		size_t at = place_of(c->key, known, n);
		const char *best;
		char text[LONGEST];

		if (at < n - unused)
			continue;
		best = at == n ? nearest_of(c->key, known, n) : NULL;
		if (at < n)
			(void)snprintf(text, sizeof(text),
			    "%s is known but has no effect in this version", c->key);
		else
			(void)snprintf(text, sizeof(text), "unknown key %.100s; %s%s%s", c->key,
			    best ? "did you mean " : "it is ignored", best ? best : "",
			    best ? "?" : "");
		find_at(r, at < n ? BH_FINDING_WARNING : BH_FINDING_MISTAKE, c->key_line,
		    c->key_col, text);
	}
}

const struct bh_yaml *bh_reading_get(const struct bh_yaml *map, const char *key)
{
	const struct bh_yaml *n = bh_yaml_get(map, key);

	return n && !bh_yaml_is_null(n) ? n : NULL;
}

const char *bh_reading_text(const struct bh_yaml *map, const char *key)
{
	const struct bh_yaml *n = bh_reading_get(map, key);

	return n && n->type == BH_YAML_SCALAR ? n->text : "";
}

static const char *shown(const struct bh_yaml *n)
{
	return n->type == BH_YAML_SCALAR ? n->text : "a structure";
}

void bh_reading_bool(struct bh_reading *r, const struct bh_yaml *n, bool *out)
{
	if (n && (n->type != BH_YAML_SCALAR || !bh_config_bool(n->text, out)))
		bh_reading_fault(
		    r, n, "%s: \"%.80s\" is not a boolean; write true or false", n->key, shown(n));
}

void bh_reading_int(
    struct bh_reading *r, const struct bh_yaml *n, int64_t min, int64_t max, int64_t *out)
{
	char *end = NULL;
	long long v;

	if (!n)
		return;
	errno = 0;
	v = n->type == BH_YAML_SCALAR ? strtoll(n->text, &end, 10) : 0;
	if (!end || end == n->text || *end)
		bh_reading_fault(r, n, "%s: \"%.80s\" is not a whole number; write digits only",
		    n->key, shown(n));
	else if (errno || v < min || v > max)
		bh_reading_fault(r, n, "%s: %.80s is out of range; from %" PRId64 " to %" PRId64,
		    n->key, n->text, min, max);
	else
		*out = v;
}

void bh_reading_share(struct bh_reading *r, const struct bh_yaml *n, double *out)
{
	char *end = NULL;
	double v;

	if (!n)
		return;
	v = n->type == BH_YAML_SCALAR ? strtod(n->text, &end) : 0;
	if (!end || end == n->text || *end || !(v >= 0 && v <= 1))
		bh_reading_fault(
		    r, n, "%s: \"%.80s\" is not a number from 0 to 1", n->key, shown(n));
	else
		*out = v;
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
	if (bh_yaml_is_null(n) || strcasecmp(n->text, "true") == 0 ||
	    strcasecmp(n->text, "false") == 0)
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

int bh_reading_list(struct bh_reading *r, const struct bh_yaml *n, struct bh_strlist *out)
{
	int rc = 0;

	if (!n)
		return 0;
	if (n->type == BH_YAML_SCALAR)
		return split_list(n->text, out);
	if (n->type == BH_YAML_MAP) {
		bh_reading_fault(r, n, "%s: a list or one text is wanted", n->key);
		return BH_E_CONFIG;
	}
	for (const struct bh_yaml *item = n->child; item && !rc; item = item->next) {
		if (!is_text(item)) {
			bh_reading_fault(r, item,
			    "%s: cannot unmarshal %.80s into a string; quote it", n->key,
			    shown(item));
			return BH_E_CONFIG;
		}
		rc = bh_strlist_add(out, item->text, strlen(item->text));
	}
	return rc;
}

int bh_reading_copy(char **out, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*out);
	*out = copy;
	return 0;
}

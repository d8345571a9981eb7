#include "tests/intake/faults.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 256
#define HOUR_MS  3600000ULL

static const char *const mode_names[] = {
    [BH_FAULT_NONE] = "none",
    [BH_FAULT_STATUS] = "status",
    [BH_FAULT_RESET] = "reset",
    [BH_FAULT_HANG] = "hang",
    [BH_FAULT_LOST] = "lost",
};

const char *bh_fault_mode_name(enum bh_fault_mode mode)
{
	return mode_names[mode];
}

void bh_fault_init(struct bh_fault *rule)
{
	*rule = (struct bh_fault){.probability = 1, .count = -1};
	bh_rng_seed(&rule->rng, 0);
}

static bool read_unsigned(const char *value, uint64_t max, uint64_t *out)
{
	char *end = NULL;

	if (*value < '0' || *value > '9')
		return false;
	errno = 0;
	*out = strtoull(value, &end, 10);
	return errno == 0 && *end == '\0' && *out <= max;
}

static bool set_mode(struct bh_fault *rule, const char *value)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(mode_names); i++) {
		if (strcmp(value, mode_names[i]) == 0) {
			rule->mode = (enum bh_fault_mode)i;
			return true;
		}
	}
	return false;
}

static bool set_probability(struct bh_fault *rule, const char *value)
{
	char *end = NULL;

	rule->probability = strtod(value, &end);
	return end != value && *end == '\0' && isfinite(rule->probability) &&
	       rule->probability >= 0 && rule->probability <= 1;
}

static bool set_text(char field[BH_FAULT_PATH_MAX], const char *value)
{
	size_t n = strlen(value);

	if (n >= BH_FAULT_PATH_MAX)
		return false;
	memcpy(field, value, n + 1);
	return true;
}

static bool set_status(struct bh_fault *rule, uint64_t v)
{
	if (v < 200 || v > 599)
		return false;
	rule->status = (unsigned)v;
	if (rule->mode == BH_FAULT_NONE)
		rule->mode = BH_FAULT_STATUS;
	return true;
}

static bool set_time(unsigned *field, uint64_t v)
{
	if (v > HOUR_MS)
		return false;
	*field = (unsigned)v;
	return true;
}

static bool set_number(struct bh_fault *rule, const char *key, const char *value)
{
	uint64_t v = 0;

	if (!read_unsigned(value, INT64_MAX, &v))
		return false;
	if (!strcmp(key, "status"))
		return set_status(rule, v);
	if (!strcmp(key, "latency_ms"))
		return set_time(&rule->latency_ms, v);
	if (!strcmp(key, "retry_after"))
		return set_time(&rule->retry_after, v);
	if (!strcmp(key, "seed")) {
		bh_rng_seed(&rule->rng, v);
		return true;
	}
	if (!strcmp(key, "above")) {
		rule->above = v;
		return true;
	}
	if (!strcmp(key, "count")) {
		rule->count = (int64_t)v;
		return true;
	}
	return false;
}

int bh_fault_set(struct bh_fault *rule, const char *key, const char *value, struct bh_err *err)
{
	bool ok;

	if (!strcmp(key, "mode"))
		ok = set_mode(rule, value);
	else if (!strcmp(key, "probability"))
		ok = set_probability(rule, value);
	else if (!strcmp(key, "path"))
		ok = set_text(rule->path, value);
	else if (!strcmp(key, "key"))
		ok = set_text(rule->key, value);
	else
		ok = set_number(rule, key, value);
	return ok ? 0 : bh_err_set(err, BH_E_FORMAT, "fault: %.40s=%.80s", key, value);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decodes %XX in place; an escape that is none stays as it is. */
static void percent_decode(char *s)
{
	char *out = s;

	while (*s) {
		int hi = *s == '%' ? hex_digit(s[1]) : -1;
		int lo = hi >= 0 ? hex_digit(s[2]) : -1;

		if (lo >= 0) {
			*out++ = (char)(hi * 16 + lo);
			s += 3;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

int bh_fault_parse(struct bh_fault *rule, const char *text, struct bh_err *err)
{
	char copy[TEXT_MAX];
	char *rest = copy;
	size_t n = strlen(text);

	bh_fault_init(rule);
	if (n >= sizeof(copy))
		return bh_err_set(err, BH_E_LIMIT, "fault: longer than %d bytes", TEXT_MAX - 1);
	memcpy(copy, text, n + 1);
	while (rest) {
		char *key = strsep(&rest, "&");
		char *value = strchr(key, '=');
		int rc;

		if (!value)
			return bh_err_set(err, BH_E_FORMAT, "fault: \"%s\" is not key=value", key);
		*value++ = '\0';
		percent_decode(value);
		rc = bh_fault_set(rule, key, value, err);
		if (rc)
			return rc;
	}
	return 0;
}

static void drop_spent(struct bh_faults *faults)
{
	size_t kept = 0;

	for (size_t i = 0; i < faults->n; i++) {
		if (faults->rules[i].count != 0)
			faults->rules[kept++] = faults->rules[i];
	}
	faults->n = kept;
}

int bh_faults_add(struct bh_faults *faults, const struct bh_fault *rule, struct bh_err *err)
{
	drop_spent(faults);
	if (faults->n == BH_FAULT_RULES_MAX)
		return bh_err_set(
		    err, BH_E_LIMIT, "fault: %d rules are set already", BH_FAULT_RULES_MAX);
	if (rule->mode == BH_FAULT_STATUS && rule->status == 0)
		return bh_err_set(err, BH_E_FORMAT, "fault: mode=status without status=");
	if (rule->mode == BH_FAULT_NONE && rule->latency_ms == 0)
		return bh_err_set(err, BH_E_FORMAT, "fault: neither mode, status nor latency_ms");
	faults->rules[faults->n++] = *rule;
	return 0;
}

void bh_faults_clear(struct bh_faults *faults)
{
	faults->n = 0;
}

static bool ends_with(const char *text, const char *tail)
{
	size_t n = strlen(text), m = strlen(tail);

	return n >= m && strcmp(text + n - m, tail) == 0;
}

static bool fires(struct bh_fault *rule, const char *path, const char *key, uint64_t bytes)
{
	if (!ends_with(key, rule->key))
		return false;
	if (rule->above && bytes <= rule->above)
		return false;
	if (rule->count == 0 || strncmp(path, rule->path, strlen(rule->path)) != 0)
		return false;
	if (rule->probability < 1 && bh_rng_range(&rule->rng, 0, 1) >= rule->probability)
		return false;
	if (rule->count > 0)
		rule->count--;
	return true;
}

void bh_faults_draw(struct bh_faults *faults, const char *path, const char *key, uint64_t bytes,
    struct bh_fault *out)
{
	for (size_t i = 0; i < faults->n; i++) {
		if (fires(&faults->rules[i], path, key, bytes)) {
			*out = faults->rules[i];
			return;
		}
	}
	*out = (struct bh_fault){.mode = BH_FAULT_NONE};
}

#include "common/config_value.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *field(struct bh_config *cfg, const struct bh_option *o)
{
	return (char *)cfg + o->offset;
}

static const void *const_field(const struct bh_config *cfg, const struct bh_option *o)
{
	return (const char *)cfg + o->offset;
}

static int set_string(struct bh_config *cfg, const struct bh_option *o, const char *text)
{
	char **at = field(cfg, o);
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	if (*at && o->type == BH_OPT_SECRET)
		explicit_bzero(*at, strlen(*at));
	free(*at);
	*at = copy;
	return 0;
}

static int set_bool(
    struct bh_config *cfg, const struct bh_option *o, const char *text, struct bh_err *err)
{
	static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
	static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};

	for (size_t i = 0; i < BH_ARRAY_LEN(yes); i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*(bool *)field(cfg, o) = strcmp(text, yes[i]) == 0;
			return 0;
		}
	}
	return bh_err_set(
	    err, BH_E_CONFIG, "%s: \"%.80s\" is not a boolean; write true or false", o->key, text);
}

static int out_of_range(const struct bh_option *o, const char *text, struct bh_err *err)
{
	double unit = o->type == BH_OPT_SECONDS || o->type == BH_OPT_MILLI ? 1000 : 1;

	return bh_err_set(err, BH_E_CONFIG, "%s: %.80s is out of range; from %g to %g", o->key,
	    text, (double)o->min / unit, (double)o->max / unit);
}

static int store_number(struct bh_config *cfg, const struct bh_option *o, const char *text,
    int64_t v, struct bh_err *err)
{
	if ((o->min || o->max) && (v < o->min || v > o->max))
		return out_of_range(o, text, err);
	*(int64_t *)field(cfg, o) = v;
	return 0;
}

static int set_int(
    struct bh_config *cfg, const struct bh_option *o, const char *text, struct bh_err *err)
{
	char *end = NULL;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno || end == text || *end)
		return bh_err_set(
		    err, BH_E_CONFIG, "%s: \"%.80s\" is not a whole number", o->key, text);
	return store_number(cfg, o, text, v, err);
}

static int set_port(
    struct bh_config *cfg, const struct bh_option *o, const char *text, struct bh_err *err)
{
	char *end = NULL;
	long v;

	if (strcmp(text, "__random__") == 0) {
		*(int64_t *)field(cfg, o) = -1;
		return 0;
	}
	v = strtol(text, &end, 10);
	if (end == text || *end || v < 0 || v > 65535)
		return bh_err_set(err, BH_E_CONFIG,
		    "%s: \"%.80s\" is not a port; 0 to 65535 or __random__", o->key, text);
	*(int64_t *)field(cfg, o) = v;
	return 0;
}

/* Numbers of seconds, with an optional unit as in Go's durations (ms s m h). */
static int set_scaled(
    struct bh_config *cfg, const struct bh_option *o, const char *text, struct bh_err *err)
{
	char *end = NULL;
	double scale = 1000, v = strtod(text, &end);

	if (end != text && o->type != BH_OPT_MILLI && *end) {
		if (strcmp(end, "ms") == 0)
			scale = 1;
		else if (strcmp(end, "m") == 0)
			scale = 60000;
		else if (strcmp(end, "h") == 0)
			scale = 3600000;
		else if (strcmp(end, "s") != 0)
			end = NULL;
	} else if (end == text || *end) {
		end = NULL;
	}
	if (!end || !isfinite(v) || fabs(v * scale) > 9e15)
		return bh_err_set(err, BH_E_CONFIG, "%s: \"%.80s\" is not a number%s", o->key, text,
		    o->type == BH_OPT_MILLI ? "" : " of seconds");
	return store_number(cfg, o, text, (int64_t)llround(v * scale), err);
}

void bh_config_clear_list(struct bh_config *cfg, const struct bh_option *o)
{
	bh_strlist_release(field(cfg, o));
}

int bh_config_add_item(struct bh_config *cfg, const struct bh_option *o, const char *text)
{
	return bh_strlist_add(field(cfg, o), text, strlen(text));
}

static int set_list(struct bh_config *cfg, const struct bh_option *o, const char *text)
{
	int rc = 0;

	bh_config_clear_list(cfg, o);
	while (*text && !rc) {
		size_t n = strcspn(text, " \t\n");

		if (n)
			rc = bh_strlist_add(field(cfg, o), text, n);
		text += n + strspn(text + n, " \t\n");
	}
	return rc;
}

int bh_config_set(
    struct bh_config *cfg, const struct bh_option *o, const char *text, struct bh_err *err)
{
	switch (o->type) {
	case BH_OPT_STRING:
	case BH_OPT_SECRET:
		return set_string(cfg, o, text);
	case BH_OPT_BOOL:
		return set_bool(cfg, o, text, err);
	case BH_OPT_INT:
		return set_int(cfg, o, text, err);
	case BH_OPT_PORT:
		return set_port(cfg, o, text, err);
	case BH_OPT_SECONDS:
	case BH_OPT_DURATION:
	case BH_OPT_MILLI:
		return set_scaled(cfg, o, text, err);
	case BH_OPT_LIST:
		return set_list(cfg, o, text);
	case BH_OPT_IGNORED:
		return 0;
	}
	return BH_E_STATE;
}

int bh_config_print(const struct bh_config *cfg, const struct bh_option *o, struct bh_buf *out)
{
	const void *at = const_field(cfg, o);
	int64_t v;

	switch (o->type) {
	case BH_OPT_STRING:
	case BH_OPT_SECRET:
		return bh_buf_str(out, *(char *const *)at);
	case BH_OPT_BOOL:
		return bh_buf_str(out, *(const bool *)at ? "true" : "false");
	case BH_OPT_INT:
		return bh_buf_printf(out, "%" PRId64, *(const int64_t *)at);
	case BH_OPT_PORT:
		v = *(const int64_t *)at;
		return v < 0 ? bh_buf_str(out, "__random__") : bh_buf_printf(out, "%" PRId64, v);
	case BH_OPT_SECONDS:
	case BH_OPT_DURATION:
	case BH_OPT_MILLI:
		v = *(const int64_t *)at;
		return bh_buf_printf(out, "%" PRId64 ".%03d", v / 1000, (int)(v % 1000));
	case BH_OPT_LIST:
	case BH_OPT_IGNORED:
		return 0;
	}
	return BH_E_STATE;
}

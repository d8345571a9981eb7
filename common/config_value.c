#include "common/config_value.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/config_proxy.h"
#include "common/secret.h"

static void *field(struct bh_config *cfg, const struct bh_option *o)
{
	return (char *)cfg + o->offset;
}

static const void *const_field(const struct bh_config *cfg, const struct bh_option *o)
{
	return (const char *)cfg + o->offset;
}

/* Strings that are one of a few words, in any case. An empty one means the default. */
static const struct {
	const char *key;
	const char *words[9];
} choices[] = {
    {"log_level", {"off", "critical", "error", "warn", "warning", "info", "debug", "trace"}},
    {"serializer_compressor_kind", {"zstd", "zlib", "none"}},
    {"logs_config.compression_kind", {"zstd", "gzip"}},
    {"bulkhead.log.target", {"stderr", "syslog", "file"}},
    {"logs_config.disk_retry.replay_order", {"oldest_first", "newest_first"}},
    {"forwarder_http_protocol", {"auto", "http1"}},
    {"logs_config.http_protocol", {"auto", "http1"}},
    {"logs_config.disk_retry.when_full", {"block", "drop_newest", "drop_oldest"}},
    {"bulkhead.metrics_spool_when_full", {"block", "drop_newest", "drop_oldest"}},
    {"logs_config.disk_retry.fsync", {"batch", "off"}},
    {"logs_config.disk_retry.on_corruption", {"continue", "stop"}},
    {"min_tls_version", {"tlsv1.2", "tlsv1.3", "tlsv1.0", "tlsv1.1"}},
    {"logs_config.file_wildcard_selection_mode", {"by_name", "by_modification_time"}},
    {"logs_config.fingerprint_config.fingerprint_strategy",
	{"line_checksum", "byte_checksum", "disabled"}},
};

/* The word to store for text; NULL when it is none of those accepted. */
static const char *choose(const struct bh_option *o, const char *text, struct bh_err *err)
{
	char list[128] = "";
	size_t len = 0;

	for (size_t i = 0; i < BH_ARRAY_LEN(choices); i++) {
		if (strcmp(choices[i].key, o->key) != 0)
			continue;
		if (!*text)
			return o->def;
		for (const char *const *w = choices[i].words; *w; w++) {
			if (strcasecmp(*w, text) == 0)
				return *w;
			len += (size_t)snprintf(list + len, sizeof(list) - len, " %s", *w);
		}
		(void)bh_err_set(
		    err, BH_E_CONFIG, "%s: \"%.80s\" is not one of:%s", o->key, text, list);
		return NULL;
	}
	return text;
}

/* A line end behind a key comes with files and commands (spec/intake.md §2.1, §13.6: trim). */
static bool is_trimmed(const struct bh_option *o)
{
	return o->offset == offsetof(struct bh_config, api_key) ||
	       o->offset == offsetof(struct bh_config, logs_api_key) ||
	       o->offset == offsetof(struct bh_config, site);
}

static char *copy_trimmed(const char *text)
{
	static const char blanks[] = " \t\r\n";
	size_t n;

	text += strspn(text, blanks);
	n = strlen(text);
	while (n && strchr(blanks, text[n - 1]))
		n--;
	return strndup(text, n);
}

static int set_string(
    struct bh_config *cfg, const struct bh_option *o, const char *text, struct bh_err *err)
{
	bool handle = bh_secret_is(text); /* what it stands for is checked when it is known */
	const char *word = o->type == BH_OPT_STRING && !handle ? choose(o, text, err) : text;
	char **at = field(cfg, o);
	char *copy;

	if (!word || (!handle && bh_config_check_proxy(o, word, err)))
		return BH_E_CONFIG;
	copy = is_trimmed(o) ? copy_trimmed(word) : strdup(word);
	if (!copy)
		return -ENOMEM;
	if (*at && o->type == BH_OPT_SECRET)
		explicit_bzero(*at, strlen(*at));
	free(*at);
	*at = copy;
	return 0;
}

bool bh_config_bool(const char *text, bool *out)
{
	static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
	static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};

	for (size_t i = 0; i < BH_ARRAY_LEN(yes); i++) {
		if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
			*out = strcmp(text, yes[i]) == 0;
			return true;
		}
	}
	return false;
}

static int set_bool(
    struct bh_config *cfg, const struct bh_option *o, const char *text, struct bh_err *err)
{
	if (bh_config_bool(text, field(cfg, o)))
		return 0;
	return bh_err_set(
	    err, BH_E_CONFIG, "%s: \"%.80s\" is not a boolean; write true or false", o->key, text);
}

static int out_of_range(const struct bh_option *o, const char *text, struct bh_err *err)
{
	bool plain = o->type == BH_OPT_INT || o->type == BH_OPT_PORT;
	double unit = plain ? 1 : 1000;

	if (o->max == INT64_MAX)
		return bh_err_set(err, BH_E_CONFIG,
		    "%s: %.80s is out of range; %" PRId64 " or more", o->key, text, o->min);

	return bh_err_set(err, BH_E_CONFIG, "%s: %.80s is out of range; from %.12g to %.12g",
	    o->key, text, (double)o->min / unit, (double)o->max / unit);
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
	if (errno == ERANGE && end != text && !*end && (o->min || o->max))
		return out_of_range(o, text, err);
	if (errno || end == text || *end)
		return bh_err_set(err, BH_E_CONFIG,
		    "%s: \"%.80s\" is not a whole number; write digits only", o->key, text);
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

/* Milliseconds of one Go unit at *p, which is moved behind it; 0 when there is none. */
static double take_unit(const char **p)
{
	static const struct {
		const char *word; /* "ms" stands before "m" */
		double ms;
	} units[] = {{"ms", 1}, {"us", 1e-3}, {"ns", 1e-6}, {"h", 3600e3}, {"m", 60e3}, {"s", 1e3}};

	for (size_t i = 0; i < BH_ARRAY_LEN(units); i++) {
		size_t n = strlen(units[i].word);

		if (strncmp(*p, units[i].word, n) == 0) {
			*p += n;
			return units[i].ms;
		}
	}
	return 0;
}

double bh_config_go_duration(const char *text)
{
	char *end = NULL;
	double total = 0;

	for (const char *p = text; *p;) {
		double v = strtod(p, &end), unit;

		if (end == p || (p != text && v < 0))
			return NAN;
		p = end;
		unit = take_unit(&p);
		if (unit <= 0)
			return NAN;
		total += v * unit;
	}
	return *text ? total : NAN;
}

/* One number of seconds, or a Go duration such as 1m30s; NaN when it is neither. */
static double read_duration(const char *text)
{
	char *end = NULL;
	double v = strtod(text, &end);

	return end != text && *end == '\0' ? v * 1000 : bh_config_go_duration(text);
}

static double read_factor(const char *text)
{
	char *end = NULL;
	double v = strtod(text, &end);

	return end == text || *end ? NAN : v * 1000;
}

static int set_scaled(
    struct bh_config *cfg, const struct bh_option *o, const char *text, struct bh_err *err)
{
	bool factor = o->type == BH_OPT_MILLI;
	double v = factor ? read_factor(text) : read_duration(text);
	int64_t n;

	if (!isfinite(v) || fabs(v) > 9e15)
		return bh_err_set(err, BH_E_CONFIG, "%s: \"%.80s\" is not a number%s", o->key, text,
		    factor ? "" : " of seconds; write 5, 0.5 or a duration such as 1m30s");
	n = llround(v);
	if (n == 0 && v != 0) /* -1ns: the sign may say all */
		n = v < 0 ? -1 : 1;
	return store_number(cfg, o, text, n, err);
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
	case BH_OPT_JSON:
	case BH_OPT_SECRET:
		return set_string(cfg, o, text, err);
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
	case BH_OPT_JSON:
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

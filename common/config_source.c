#include "common/config_source.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_finding.h"
#include "common/config_logs.h"
#include "common/config_read.h"
#include "common/config_rules.h"
#include "common/config_value.h"
#include "common/secret.h"

#define AT(field)     offsetof(struct bh_log_source, field)
#define WHERE_CAP     (4096 + 16)
#define FP_NUMBER_MAX (1 << 20)
#define BYTES_MAX     (1 << 20)
#define MS_MAX        9e12
#define NS_PER_MS     1e6
#define BYTE_COUNT    1024
#define MAX_CLIENTS   1000000
#define V4_BITS       32
#define V6_BITS       128
#define ADDRESS_CAP   (INET6_ADDRSTRLEN + 1)
#define UNUSED_KEYS   6
#define PATTERN_SIGNS "*?["

/* Keys of a source that are texts and lists; the field is where they go. */
static const struct {
	const char *key;
	size_t offset;
} texts[] =
    {
	{"type", AT(type)},
	{"path", AT(path)},
	{"service", AT(service)},
	{"source", AT(source)},
	{"sourcecategory", AT(sourcecategory)},
	{"start_position", AT(start_position)},
	{"encoding", AT(encoding)},
	{"format", AT(format)},
	{"bind_host", AT(bind_host)},
	{"default_application_name", AT(default_application_name)},
	{"config_id", AT(config_id)},
},
  lists[] = {
      {"tags", AT(tags)},
      {"exclude_paths", AT(exclude_paths)},
      {"allowed_ips", AT(allowed_ips)},
      {"denied_ips", AT(denied_ips)},
      {"include_units", AT(include_units)},
      {"exclude_units", AT(exclude_units)},
      {"include_user_units", AT(include_user_units)},
      {"exclude_user_units", AT(exclude_user_units)},
      {"include_matches", AT(include_matches)},
      {"exclude_matches", AT(exclude_matches)},
};

/* All keys; those without effect at the end. */
static const char *const keys[] = {"type", "path", "service", "source", "sourcecategory",
    "start_position", "encoding", "format", "bind_host", "default_application_name", "config_id",
    "tags", "exclude_paths", "allowed_ips", "denied_ips", "include_units", "exclude_units",
    "include_user_units", "exclude_user_units", "include_matches", "exclude_matches",
    "log_processing_rules", "auto_multi_line_detection", "auto_multi_line",
    "auto_multi_line_detection_custom_samples", "fingerprint_config", "process_raw_message", "port",
    "idle_timeout", "max_connections", "tls", "container_mode", /* unused: */
    "auto_multi_line_sample_size", "auto_multi_line_match_threshold", "identifier", "image",
    "label", "name"};

static bool is_one_of(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(word, words[i]) == 0)
			return true;
	}
	return false;
}

/* --- keys of all types ------------------------------------------------------------------------ */

/* Texts and lists. A fault here means that the entry cannot be read at all. */
static int read_plain(struct bh_reading *r, const struct bh_yaml *e, struct bh_log_source *s)
{
	int rc = 0;

	for (size_t i = 0; i < BH_ARRAY_LEN(texts) && !rc; i++) {
		const struct bh_yaml *n = bh_reading_get(e, texts[i].key);

		if (n && n->type != BH_YAML_SCALAR)
			bh_reading_fault(r, e, "%s: a plain value is wanted", n->key);
		else if (n)
			rc = bh_reading_copy(
			    (char **)(void *)((char *)s + texts[i].offset), n->text);
	}
	for (size_t i = 0; i < BH_ARRAY_LEN(lists) && !rc; i++)
		rc = bh_reading_list(r, bh_reading_get(e, lists[i].key),
		    (struct bh_strlist *)(void *)((char *)s + lists[i].offset));
	return rc == BH_E_CONFIG ? 0 : rc;
}

static bool is_map(struct bh_reading *r, const struct bh_yaml *n)
{
	if (n && n->type != BH_YAML_MAP)
		bh_reading_fault(r, n, "%s: a map of keys is wanted", n->key);
	return n && n->type == BH_YAML_MAP;
}

static void read_uint(
    struct bh_reading *r, const struct bh_yaml *map, const char *key, int64_t min, uint32_t *out)
{
	int64_t v = *out;

	bh_reading_int(r, bh_reading_get(map, key), min, FP_NUMBER_MAX, &v);
	*out = (uint32_t)v;
}

/* false: no such word. */
static bool parse_strategy(const char *word, struct bh_fingerprint_config *fp)
{
	if (strcmp(word, "line_checksum") == 0)
		fp->strategy = BH_FP_LINE_CHECKSUM;
	else if (strcmp(word, "byte_checksum") == 0)
		fp->strategy = BH_FP_BYTE_CHECKSUM;
	else if (strcmp(word, "disabled") == 0)
		fp->strategy = BH_FP_DISABLED;
	else
		return false;
	fp->count = fp->strategy == BH_FP_BYTE_CHECKSUM ? BYTE_COUNT : 1;
	return true;
}

/* The global options, then the keys of the source; one that names a strategy starts from the
 * defaults of it (spec/logs.md §5.1). */
static void read_fingerprint(struct bh_reading *r, const struct bh_config *cfg,
    const struct bh_yaml *n, struct bh_fingerprint_config *fp)
{
	static const char *const known[] = {
	    "fingerprint_strategy", "count", "count_to_skip", "max_bytes"};
	struct bh_fingerprint_config defaults = *fp;
	const char *word;

	(void)parse_strategy(cfg->logs_fingerprint_strategy, fp);
	if (cfg->logs_fingerprint_count)
		fp->count = (uint32_t)cfg->logs_fingerprint_count;
	fp->count_to_skip = (uint32_t)cfg->logs_fingerprint_count_to_skip;
	fp->max_bytes = (uint32_t)cfg->logs_fingerprint_max_bytes;
	if (!is_map(r, n))
		return;
	bh_reading_keys(r, n, known, BH_ARRAY_LEN(known), 0);
	word = bh_reading_text(n, "fingerprint_strategy");
	if (*word) {
		*fp = defaults;
		if (!parse_strategy(word, fp))
			bh_reading_fault(r, n,
			    "fingerprint_strategy: \"%.40s\" is not one of: line_checksum "
			    "byte_checksum disabled",
			    word);
	}
	read_uint(r, n, "count", 1, &fp->count);
	read_uint(r, n, "count_to_skip", 0, &fp->count_to_skip);
	read_uint(r, n, "max_bytes", 1, &fp->max_bytes);
}

static int read_multi_line(struct bh_reading *r, const struct bh_config *cfg,
    const struct bh_yaml *e, struct bh_log_source *s)
{
	static const char *const known[] = {"enable_json_detection", "enable_datetime_detection",
	    "timestamp_detector_match_threshold", "tokenizer_max_input_bytes",
	    "enable_json_aggregation", "tag_aggregated_json", "pattern_table_max_size",
	    "pattern_table_match_threshold", "stack_trace_parsers"};
	const struct bh_yaml *on = bh_reading_get(e, "auto_multi_line_detection");
	const struct bh_yaml *map = bh_reading_get(e, "auto_multi_line");
	struct bh_auto_multi_line *a = &s->auto_multi_line_keys;
	bool yes = false;

	bh_reading_bool(r, on, &yes);
	if (on)
		s->auto_multi_line = yes ? BH_TRUE : BH_FALSE;
	*a = (struct bh_auto_multi_line){
	    .enable_json_detection = cfg->logs_aml_enable_json_detection,
	    .enable_datetime_detection = cfg->logs_aml_enable_datetime_detection,
	    .enable_json_aggregation = cfg->logs_aml_enable_json_aggregation,
	    .tag_aggregated_json = cfg->logs_aml_tag_aggregated_json,
	    .timestamp_detector_match_threshold =
		(double)cfg->logs_aml_timestamp_threshold_milli / 1000,
	    .tokenizer_max_input_bytes = cfg->logs_aml_tokenizer_max_input_bytes,
	};
	if (is_map(r, map)) {
		bh_reading_keys(r, map, known, BH_ARRAY_LEN(known), 3);
		bh_reading_bool(r, bh_reading_get(map, known[0]), &a->enable_json_detection);
		bh_reading_bool(r, bh_reading_get(map, known[1]), &a->enable_datetime_detection);
		bh_reading_share(
		    r, bh_reading_get(map, known[2]), &a->timestamp_detector_match_threshold);
		bh_reading_int(
		    r, bh_reading_get(map, known[3]), 1, BYTES_MAX, &a->tokenizer_max_input_bytes);
		bh_reading_bool(r, bh_reading_get(map, known[4]), &a->enable_json_aggregation);
		bh_reading_bool(r, bh_reading_get(map, known[5]), &a->tag_aggregated_json);
	}
	return bh_config_read_samples(r,
	    bh_reading_get(e, "auto_multi_line_detection_custom_samples"), &s->samples,
	    &s->samples_n);
}

/* --- files ------------------------------------------------------------------------------------ */

static void check_position(
    struct bh_reading *r, const struct bh_yaml *e, const struct bh_log_source *s)
{
	static const char *const words[] = {"", "end", "beginning", "forceEnd", "forceBeginning"};
	const char *start = s->start_position;

	if (!is_one_of(start, words, BH_ARRAY_LEN(words)))
		bh_reading_fault(r, e, "invalid tailing mode '%.40s' for %.300s", start,
		    s->path[0] ? s->path : s->type);
	else if (strcmp(s->type, "file") == 0 && strpbrk(s->path, PATTERN_SIGNS) &&
		 (strcmp(start, "beginning") == 0 || strcmp(start, "forceBeginning") == 0))
		bh_reading_warn(r, e,
		    "start_position: %s with the pattern %.200s: every file that matches is read "
		    "from its beginning",
		    start, s->path);
}

static void check_encoding(struct bh_reading *r, const struct bh_yaml *e, struct bh_log_source *s)
{
	static const char *const words[] = {"", "utf-8", "utf-16-le", "utf-16-be", "shift-jis"};

	if (is_one_of(s->encoding, words, BH_ARRAY_LEN(words)))
		return;
	bh_reading_warn(r, bh_reading_get(e, "encoding"),
	    "encoding: \"%.40s\" is not one of: utf-8 utf-16-le utf-16-be shift-jis; the file is "
	    "read as utf-8",
	    s->encoding);
	s->encoding[0] = '\0';
}

static void check_file(struct bh_reading *r, const struct bh_yaml *e, struct bh_log_source *s)
{
	if (!s->path[0])
		bh_reading_fault(r, e, "file source must have a path");
	else if (s->path[0] != '/')
		bh_reading_fault(r, e, "path must be absolute");
	if (bh_reading_failed(r))
		return;
	check_position(r, e, s);
	check_encoding(r, e, s);
}

/* --- sockets ---------------------------------------------------------------------------------- */

static bool is_prefix(const char *text)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	unsigned char raw[sizeof(struct in6_addr)];
	char address[ADDRESS_CAP], *end = NULL;
	int family = memchr(text, ':', n) ? AF_INET6 : AF_INET;
	long bits;

	if (n >= sizeof(address))
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	if (inet_pton(family, address, raw) != 1)
		return false;
	if (!slash)
		return true;
	bits = strtol(slash + 1, &end, 10);
	return slash[1] >= '0' && slash[1] <= '9' && !*end && bits >= 0 &&
	       bits <= (family == AF_INET6 ? V6_BITS : V4_BITS);
}

/* An entry that is not understood must not open the door to all: the source does not run. */
static void check_addresses(
    struct bh_reading *r, const struct bh_yaml *e, const char *key, const struct bh_strlist *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!is_prefix(l->v[i]))
			bh_reading_fault(r, e,
			    "%s: \"%.80s\" is not an address or a prefix such as 10.0.0.0/8", key,
			    l->v[i]);
	}
}

/* A text that does not parse is logged and means none (spec/logs.md §2.2). */
static void read_idle(struct bh_reading *r, const struct bh_yaml *n, int64_t *out)
{
	double ms = n && n->type == BH_YAML_SCALAR ? bh_config_go_duration(n->text) : NAN;

	if (!n || (n->type == BH_YAML_SCALAR && strcmp(n->text, "0") == 0))
		return;
	if (isfinite(ms) && ms >= 0 && ms < MS_MAX)
		*out = (int64_t)llround(ms * NS_PER_MS);
	else
		bh_reading_warn(r, n,
		    "idle_timeout: \"%.80s\" is not a duration such as 60s or 1m30s; silent "
		    "connections stay",
		    n->type == BH_YAML_SCALAR ? n->text : "a structure");
}

static void check_socket(struct bh_reading *r, const struct bh_yaml *e, struct bh_log_source *s)
{
	int64_t port = 0;

	bh_reading_int(r, bh_reading_get(e, "port"), 0, UINT16_MAX, &port);
	if (!port)
		bh_reading_fault(r, e, "%s source must have a port", s->type);
	s->port = (uint16_t)port;
	if (bh_reading_get(e, "tls"))
		bh_reading_fault(r, bh_reading_get(e, "tls"),
		    "tls is not built in; the source is refused rather than listen in clear text");
	bh_reading_int(
	    r, bh_reading_get(e, "max_connections"), 0, MAX_CLIENTS, &s->max_connections);
	check_addresses(r, e, "allowed_ips", &s->allowed_ips);
	check_addresses(r, e, "denied_ips", &s->denied_ips);
	if (!bh_reading_failed(r))
		read_idle(r, bh_reading_get(e, "idle_timeout"), &s->idle_timeout_ns);
}

/* --- journald --------------------------------------------------------------------------------- */

static void check_matches(
    struct bh_reading *r, const struct bh_yaml *e, const char *what, const struct bh_strlist *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (!strchr(l->v[i], '='))
			bh_reading_fault(r, e,
			    "incorrectly formatted %s (must be `[field]=[value]`: %.200s", what,
			    l->v[i]);
	}
}

static void check_journald(struct bh_reading *r, const struct bh_yaml *e, struct bh_log_source *s)
{
	if (s->path[0] && s->path[0] != '/')
		bh_reading_fault(r, e, "path must be absolute");
	check_matches(r, e, "IncludeMatch", &s->include_matches);
	check_matches(r, e, "ExcludeMatch", &s->exclude_matches);
	bh_reading_bool(r, bh_reading_get(e, "process_raw_message"), &s->process_raw_message);
	bh_reading_bool(r, bh_reading_get(e, "container_mode"), &s->container_mode);
	if (!bh_reading_failed(r))
		check_position(r, e, s);
}

/* --- secrets ---------------------------------------------------------------------------------- */

/* Everything of a source goes out with its lines, or is said in status: nothing of it is a secret,
 * and the logs process gets none. A handle taken as it stands would go out as a service or a tag.
 */
static void refuse_handles(struct bh_reading *r, const struct bh_yaml *n, const char *key)
{
	for (; n && !bh_reading_failed(r); n = n->next) {
		const char *name = n->key ? n->key : key;

		if (n->type == BH_YAML_SCALAR && bh_secret_is(n->text))
			bh_reading_fault(r, n,
			    "%.60s: %.100s is no value: a log source gets no secrets; write the "
			    "value itself, a pattern that looks so as (%.100s)",
			    name, n->text, n->text);
		refuse_handles(r, n->child, name);
	}
}

/* --- the whole -------------------------------------------------------------------------------- */

static const struct type {
	const char *word;
	void (*check)(struct bh_reading *r, const struct bh_yaml *e, struct bh_log_source *s);
	const char *formats[3];
} types[] = {
    {"file", check_file, {"docker", "cri"}},
    {"tcp", check_socket, {"syslog"}},
    {"udp", check_socket, {"syslog"}},
    {"journald", check_journald, {NULL}},
};

static void check_format(
    struct bh_reading *r, const struct bh_yaml *e, const struct type *t, struct bh_log_source *s)
{
	for (const char *const *f = t->formats; *f; f++) {
		if (strcmp(s->format, *f) == 0)
			return;
	}
	if (!s->format[0])
		return;
	bh_reading_warn(r, bh_reading_get(e, "format"),
	    "format: \"%.40s\" means nothing for type %s; it is ignored", s->format, t->word);
	s->format[0] = '\0';
}

static const struct type *check_type(
    struct bh_reading *r, const struct bh_yaml *e, const struct bh_log_source *s)
{
	static const char *const elsewhere[] = {
	    "docker", "containerd", "integration", "windows_event", "string_channel"};

	for (size_t i = 0; i < BH_ARRAY_LEN(types); i++) {
		if (strcmp(s->type, types[i].word) == 0)
			return &types[i];
	}
	if (!s->type[0])
		bh_reading_fault(r, e, "a config must have a type");
	else if (is_one_of(s->type, elsewhere, BH_ARRAY_LEN(elsewhere)))
		bh_reading_fault(r, e, "type %s is not supported by bulkhead", s->type);
	else
		bh_reading_fault(
		    r, e, "type %.40s is not known; it is one of: file tcp udp journald", s->type);
	return NULL;
}

static bool same_input(const struct bh_log_source *a, const struct bh_log_source *b)
{
	const char *x = a->config_id[0] ? a->config_id : a->path;
	const char *y = b->config_id[0] ? b->config_id : b->path;

	if (strcmp(a->type, b->type) != 0)
		return false;
	if (strcmp(a->type, "file") == 0)
		return strcmp(a->path, b->path) == 0;
	if (strcmp(a->type, "journald") == 0)
		return strcmp(*x ? x : "default", *y ? y : "default") == 0;
	return a->port == b->port;
}

/* The first in file order wins (spec/logs.md §2.3). */
static void check_duplicate(struct bh_reading *r, const struct bh_config *cfg,
    const struct bh_yaml *e, const struct bh_log_source *s)
{
	for (size_t i = 0; i < cfg->log_sources_n; i++) {
		const struct bh_log_source *o = &cfg->log_sources[i];
		char name[200];

		if (o->fault[0] || !same_input(o, s))
			continue;
		bh_log_source_name(s, name, sizeof(name));
		bh_reading_fault(
		    r, e, "%s is read already by the source at %.200s", name, o->where);
		return;
	}
}

static int read_values(struct bh_reading *r, const struct bh_config *cfg, const struct bh_yaml *e,
    struct bh_log_source *s)
{
	const struct type *t = check_type(r, e, s);
	int rc;

	if (t)
		refuse_handles(r, e->child, "");
	if (!t || bh_reading_failed(r))
		return 0;
	t->check(r, e, s);
	check_format(r, e, t, s);
	read_fingerprint(r, cfg, bh_reading_get(e, "fingerprint_config"), &s->fingerprint);
	rc = read_multi_line(r, cfg, e, s);
	if (rc || bh_reading_failed(r))
		return rc;
	rc = bh_config_read_rules(
	    r, bh_reading_get(e, "log_processing_rules"), &s->rules, &s->rules_n);
	if (!rc && !bh_reading_failed(r))
		check_duplicate(r, cfg, e, s);
	return rc;
}

static int append(struct bh_config *cfg, const struct bh_log_source *s)
{
	struct bh_log_source *grown =
	    reallocarray(cfg->log_sources, cfg->log_sources_n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	cfg->log_sources = grown;
	grown[cfg->log_sources_n++] = *s;
	return 0;
}

/* *keep: s belongs into the list. */
static int read_source(struct bh_reading *r, const struct bh_config *cfg, const struct bh_yaml *e,
    struct bh_log_source *s, bool *keep)
{
	char where[WHERE_CAP];
	int rc = bh_log_source_init(s);

	(void)snprintf(where, sizeof(where), "%s:%d", r->file, e->line);
	rc = rc ? rc : bh_reading_copy(&s->where, where);
	rc = rc ? rc : read_plain(r, e, s);
	*keep = !bh_reading_failed(r);
	if (rc || !*keep)
		return rc;
	rc = read_values(r, cfg, e, s);
	return !rc && bh_reading_failed(r) ? bh_reading_copy(&s->fault, r->fault) : rc;
}

int bh_config_read_source(struct bh_config *cfg, const struct bh_yaml *entry, const char *file,
    struct bh_findings *findings)
{
	struct bh_reading r = {.file = file, .findings = findings};
	struct bh_log_source s = {0};
	bool keep = false;
	int rc = 0;

	if (entry->type != BH_YAML_MAP)
		bh_reading_fault(&r, entry, "a source must be a map");
	else if (cfg->log_sources_n >= BH_LOG_SOURCES_MAX)
		bh_reading_fault(&r, entry, "too many sources");
	else
		rc = read_source(&r, cfg, entry, &s, &keep);
	if (!rc && bh_reading_failed(&r))
		bh_reading_mistake(&r, r.fault_at, "%s; source skipped", r.fault);
	else if (!rc)
		bh_reading_keys(&r, entry, keys, BH_ARRAY_LEN(keys), UNUSED_KEYS);
	if (!rc && keep)
		rc = append(cfg, &s);
	if (rc || !keep)
		bh_log_source_release(&s);
	return rc;
}

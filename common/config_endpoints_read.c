#include "common/config_endpoints_read.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/config_finding.h"

#define URL_MAX   200      /* so that it fits into the name of a destination in the database */
#define RESET_MAX 31536000 /* a year, of connection_reset_interval, seconds */
#define KEY_MAX   200      /* of an API key, bytes: it must fit into a header */

struct reader {
	struct bh_config *cfg;
	struct bh_reading at;
	const char *key; /* the option, for messages */
	int rc;          /* -ENOMEM */
};

static void error_at(struct reader *r, const struct bh_yaml *n, const char *text)
{
	if (r->at.whole)
		bh_finding_add(
		    r->at.findings, BH_FINDING_ERROR, "%s: %s: %s", r->at.file, r->key, text);
	else
		bh_finding_add(r->at.findings, BH_FINDING_ERROR, "%s:%d:%d: %s: %s", r->at.file,
		    n->line, n->col, r->key, text);
}

/* --- values ----------------------------------------------------------------------------------- */

static struct bh_str trimmed(const char *text)
{
	struct bh_str s = bh_str_from(text);

	while (s.n && isspace((unsigned char)s.p[0]))
		s.p++, s.n--;
	while (s.n && isspace((unsigned char)s.p[s.n - 1]))
		s.n--;
	return s;
}

static bool after(struct bh_str url, struct bh_str head, struct bh_str *rest)
{
	if (!bh_str_starts(url, head))
		return false;
	*rest = (struct bh_str){url.p + head.n, url.n - head.n};
	return true;
}

/* A URL that requests can be sent to. Credentials in it would go into the database and the log. */
static const char *url_fault(struct bh_str url)
{
	struct bh_str rest;

	if (!after(url, BH_STR_LIT("http://"), &rest) && !after(url, BH_STR_LIT("https://"), &rest))
		return "a URL with http:// or https:// is wanted";
	if (rest.n == 0 || rest.p[0] == '/' || rest.p[0] == ':')
		return "the URL names no host";
	if (memchr(rest.p, '@', rest.n))
		return "a URL without user and password is wanted";
	for (size_t i = 0; i < url.n; i++) {
		if ((unsigned char)url.p[i] <= ' ' || (unsigned char)url.p[i] >= 0x7f ||
		    strchr("\"<>\\^`{|}?#", url.p[i]))
			return "the URL holds a character that a URL has not";
	}
	return url.n > URL_MAX ? "the URL is too long" : NULL;
}

static const char *key_fault(struct bh_str key)
{
	if (key.n == 0)
		return "an api_key is wanted";
	for (size_t i = 0; i < key.n; i++) {
		if ((unsigned char)key.p[i] <= ' ' || (unsigned char)key.p[i] >= 0x7f)
			return "an api_key holds a character that a header cannot";
	}
	return key.n > KEY_MAX ? "an api_key is too long" : NULL;
}

static void take(struct reader *r, const struct bh_yaml *n, const struct bh_endpoint *e,
    struct bh_str url, struct bh_str api_key)
{
	const char *fault = url_fault(url);

	if (!fault)
		fault = key_fault(api_key);
	if (!fault && r->cfg->endpoints_n == BH_ENDPOINTS_MAX)
		fault = "there are more additional endpoints than 24";
	if (fault)
		error_at(r, n, fault);
	else if (!r->rc)
		r->rc = bh_endpoints_add(r->cfg, e, url, api_key);
}

/* --- metrics: a map of URLs to lists of keys -------------------------------------------------- */

static void read_metrics(struct reader *r, const struct bh_yaml *map)
{
	const struct bh_endpoint e = {.reliable = true, .reset_ms = -1};

	if (map->type != BH_YAML_MAP) {
		error_at(r, map, "a map of URLs, each with a list of API keys, is wanted");
		return;
	}
	for (const struct bh_yaml *n = map->child; n; n = n->next) {
		bool some = false;

		if (n->type == BH_YAML_SCALAR && !bh_yaml_is_null(n)) {
			take(r, n, &e, trimmed(n->key), trimmed(n->text));
			continue;
		}
		for (const struct bh_yaml *k = n->type == BH_YAML_SEQ ? n->child : NULL; k;
		     k = k->next) {
			if (k->type != BH_YAML_SCALAR) {
				error_at(r, k, "a plain value is wanted for an API key");
			} else if (trimmed(k->text).n) {
				take(r, k, &e, trimmed(n->key), trimmed(k->text));
			} else {
				continue;
			}
			some = true;
		}
		if (!some)
			error_at(r, n, "a URL without an API key; it is left out");
	}
}

/* --- logs: a list of maps --------------------------------------------------------------------- */

static const struct bh_yaml *get(const struct bh_yaml *map, const char *key)
{
	for (const struct bh_yaml *n = map->child; n; n = n->next) {
		if (strcasecmp(n->key, key) == 0)
			return bh_yaml_is_null(n) ? NULL : n;
	}
	return NULL;
}

static const char *text_of(const struct bh_yaml *map, const char *key)
{
	const struct bh_yaml *n = get(map, key);

	return n && n->type == BH_YAML_SCALAR ? n->text : "";
}

/* Where the main endpoint for logs has TLS, its others have it. */
static bool main_has_tls(const struct bh_config *cfg)
{
	bool tls;

	(void)bh_config_logs_intake(cfg, &tls);
	return tls;
}

static int whole_url(const struct bh_yaml *map, bool tls, int64_t port, struct bh_buf *out)
{
	struct bh_str host = trimmed(text_of(map, "host"));
	struct bh_str prefix = trimmed(text_of(map, "path_prefix"));

	if (!memmem(host.p, host.n, "://", 3))
		(void)bh_buf_str(out, tls ? "https://" : "http://");
	while (host.n && host.p[host.n - 1] == '/')
		host.n--;
	(void)bh_buf_append(out, host.p, host.n);
	if (port)
		(void)bh_buf_printf(out, ":%" PRId64, port);
	while (prefix.n && prefix.p[prefix.n - 1] == '/')
		prefix.n--;
	if (prefix.n && prefix.p[0] != '/')
		(void)bh_buf_str(out, "/");
	return bh_buf_append(out, prefix.p, prefix.n);
}

static void warn_keys(struct reader *r, const struct bh_yaml *map)
{
	static const char *const known[] = {"api_key", "host", "port", "use_ssl", "path_prefix",
	    "is_reliable", "version", "use_compression", "compression_kind", "compression_level",
	    "zstd_compression_level", "connection_reset_interval", "protocol", "track_type",
	    "use_proto", "origin"};

	for (const struct bh_yaml *n = map->child; n; n = n->next) {
		size_t i = 0;

		while (i < BH_ARRAY_LEN(known) && strcasecmp(known[i], n->key) != 0)
			i++;
		if (i == BH_ARRAY_LEN(known))
			bh_reading_warn(
			    &r->at, n, "%s: unknown key %.40s; it is ignored", r->key, n->key);
	}
}

static void read_entry(struct reader *r, const struct bh_yaml *map)
{
	struct bh_endpoint e = {.logs = true, .reliable = true};
	int64_t reset_s = -1;
	struct bh_buf url = BH_BUF_INIT;
	bool tls = main_has_tls(r->cfg);
	int64_t port = 0, version = 2;

	if (map->type != BH_YAML_MAP) {
		error_at(r, map, "a map with host and api_key is wanted");
		return;
	}
	r->at.fault[0] = '\0';
	bh_reading_bool(&r->at, get(map, "use_ssl"), &tls);
	bh_reading_bool(&r->at, get(map, "is_reliable"), &e.reliable);
	bh_reading_int(&r->at, get(map, "port"), 0, 65535, &port);
	bh_reading_int(&r->at, get(map, "version"), 1, 2, &version);
	bh_reading_int(&r->at, get(map, "connection_reset_interval"), 0, RESET_MAX, &reset_s);
	e.reset_ms = reset_s < 0 ? -1 : reset_s * 1000;
	warn_keys(r, map);
	if (bh_reading_failed(&r->at)) {
		error_at(r, r->at.fault_at ? r->at.fault_at : map, r->at.fault);
		return;
	}
	if (whole_url(map, tls, port, &url) == 0 && version == 1)
		(void)bh_buf_str(&url, "/v1/input");
	if (bh_buf_failed(&url))
		r->rc = -ENOMEM;
	else if (!trimmed(text_of(map, "host")).n)
		error_at(r, map, "a host is wanted");
	else
		take(r, map, &e, bh_buf_view(&url), trimmed(text_of(map, "api_key")));
	bh_buf_release(&url);
}

static void read_logs(struct reader *r, const struct bh_yaml *list)
{
	if (list->type != BH_YAML_SEQ) {
		error_at(r, list, "a list of maps with host and api_key is wanted");
		return;
	}
	for (const struct bh_yaml *n = list->child; n; n = n->next)
		read_entry(r, n);
}

/* --- both ------------------------------------------------------------------------------------- */

static int read_option(struct bh_config *cfg, const char *key, const char *text,
    const struct bh_config_tree *t, void (*fn)(struct reader *r, const struct bh_yaml *n),
    struct bh_findings *findings)
{
	struct reader r = {
	    .cfg = cfg,
	    .at = {.file = t->where ? t->where : "", .whole = t->whole, .findings = findings},
	    .key = key,
	};
	struct bh_err err = BH_ERR_INIT;
	struct bh_yaml *made = NULL;
	const struct bh_yaml *tree = t->node;

	if (!tree && *text) {
		/* What the parser says of a text may quote it: it holds keys. */
		if (bh_yaml_parse(text, r.at.file, &made, &err)) {
			bh_finding_add(
			    findings, BH_FINDING_ERROR, "%s: %s is not JSON", r.at.file, key);
			return 0;
		}
		tree = made;
	}
	if (tree && !bh_yaml_is_null(tree))
		fn(&r, tree);
	bh_yaml_free(made);
	return r.rc;
}

static bool any_for_logs(const struct bh_config *cfg)
{
	for (size_t i = 0; i < cfg->endpoints_n; i++) {
		if (cfg->endpoints[i].logs)
			return true;
	}
	return false;
}

/* Older relays do not know zstd. */
static int choose_gzip(struct bh_config *cfg, const char *where, struct bh_findings *findings)
{
	bh_finding_add(findings, BH_FINDING_WARNING,
	    "%s: logs_config.additional_endpoints: logs are compressed with gzip, as every "
	    "endpoint "
	    "knows it; set logs_config.compression_kind to choose",
	    where ? where : "");
	return bh_reading_copy(&cfg->logs_compression_kind, "gzip");
}

int bh_config_read_endpoints(struct bh_config *cfg, const struct bh_config_tree *metrics,
    const struct bh_config_tree *logs, bool kind_is_set, struct bh_findings *findings)
{
	int rc = read_option(cfg, "additional_endpoints", cfg->additional_endpoints, metrics,
	    read_metrics, findings);

	if (!rc)
		rc = read_option(cfg, "logs_config.additional_endpoints",
		    cfg->logs_additional_endpoints, logs, read_logs, findings);
	if (!rc && any_for_logs(cfg) && !kind_is_set)
		rc = choose_gzip(cfg, logs->where, findings);
	return rc;
}

#include "common/config_check.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/config_finding.h"
#include "common/secret.h"

struct check {
	const struct bh_config *cfg;
	const struct bh_config_trace *trace;
	struct bh_findings *findings;
};

static size_t index_of(const char *key)
{
	size_t i = 0;

	while (strcmp(bh_options[i].key, key) != 0)
		i++;
	return i;
}

static const char *place_of(const struct check *c, const char *key)
{
	return c->trace && c->trace->at ? c->trace->at[index_of(key)] : NULL;
}

static void mistake(const struct check *c, const char *key, const char *fmt, ...) BH_PRINTF(3, 4);
static void mistake(const struct check *c, const char *key, const char *fmt, ...)
{
	const char *place = place_of(c, key);
	char text[BH_ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bh_finding_add(c->findings, BH_FINDING_MISTAKE, "%s%s%s: %s", place ? place : "",
	    place ? ": " : "", key, text);
}

/* --- addresses -------------------------------------------------------------------------------- */

static bool is_port(const char *p, size_t n)
{
	unsigned v = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)p[i]) || i == 5)
			return false;
		v = v * 10 + (unsigned)(p[i] - '0');
	}
	return n && v && v <= 65535;
}

/* host, host:port or [address]:port, up to a slash or the end */
static bool is_place(const char *p)
{
	size_t n = strcspn(p, "/?#"), host;

	if (*p == '[') {
		const char *end = memchr(p, ']', n);

		host = end ? (size_t)(end - p) + 1 : 0;
		if (host < 4)
			return false;
	} else {
		host = strcspn(p, ":/?#");
		for (size_t i = 0; i < host; i++) {
			if (!isalnum((unsigned char)p[i]) && !strchr("-._", p[i]))
				return false;
		}
	}
	if (host == 0)
		return false;
	return host == n || (p[host] == ':' && is_port(p + host + 1, n - host - 1));
}

static const char *behind_scheme(const char *url)
{
	if (strncasecmp(url, "https://", 8) == 0)
		return url + 8;
	return strncasecmp(url, "http://", 7) == 0 ? url + 7 : NULL;
}

static void check_worker(const struct check *c, const char *key, const struct bh_worker *w)
{
	const char *rest = behind_scheme(w->url);

	if (w->enabled && !w->url[0])
		mistake(c, key, "is empty, so nothing goes there; write the URL of the worker");
	else if (w->url[0] && !bh_secret_is(w->url) && (!rest || !is_place(rest)))
		mistake(c, key, "\"%.100s\" is not a URL; write http://HOST:PORT", w->url);
}

static void check_addresses(const struct check *c)
{
	const char *host = c->cfg->logs_host;
	const char *url = c->cfg->dd_url, *logs = c->cfg->logs_dd_url, *site = c->cfg->site;
	const char *rest = behind_scheme(url);

	if (*url && !bh_secret_is(url) && (!rest || !is_place(rest)))
		mistake(c, "dd_url",
		    "\"%.100s\" is not a URL; write https://HOST or http://HOST:PORT", url);
	rest = behind_scheme(logs) ? behind_scheme(logs) : logs;
	if (*logs && !bh_secret_is(logs) && !is_place(rest))
		mistake(c, "logs_config.logs_dd_url",
		    "\"%.100s\" is no address; write HOST:PORT or https://HOST", logs);
	rest = behind_scheme(host) ? behind_scheme(host) : host;
	if (*host && !bh_secret_is(host) && !is_place(rest))
		mistake(c, "logs_config.dd_url", "\"%.100s\" is no host", host);
	check_worker(c, "observability_pipelines_worker.metrics.url", &c->cfg->worker_metrics);
	check_worker(c, "observability_pipelines_worker.logs.url", &c->cfg->worker_logs);
	check_worker(c, "vector.metrics.url", &c->cfg->vector_metrics);
	check_worker(c, "vector.logs.url", &c->cfg->vector_logs);
	if (!bh_secret_is(site) && (!is_place(site) || strpbrk(site, ":/")))
		mistake(c, "site",
		    "\"%.100s\" is not a site; write a name such as datadoghq.eu, or dd_url for "
		    "an address",
		    site);
}

/* --- files ------------------------------------------------------------------------------------ */

static void check_file(const struct check *c, const char *key, const char *path)
{
	if (*path && !bh_secret_is(path) && access(path, F_OK) < 0 &&
	    (errno == ENOENT || errno == ENOTDIR))
		mistake(c, key, "%.200s: %s; correct the path", path, strerror(errno));
}

static void check_socket(const struct check *c, const char *key, const char *path)
{
	const size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	if (!*path)
		return;
	if (*path != '/')
		mistake(c, key, "\"%.100s\" is not an absolute path; write it from / on", path);
	else if (strlen(path) > max)
		mistake(c, key, "a path of %zu bytes; a socket's holds %zu", strlen(path), max);
}

static void check_files(const struct check *c)
{
	const struct bh_config *cfg = c->cfg;
	const char *key_file =
	    bh_secret_is(cfg->api_key) && cfg->api_key_file[0] ? cfg->api_key_file : "";

	check_file(c, "bulkhead.api_key_file", key_file);
	check_file(c, "secret_backend_command", cfg->secret_backend_command);
	check_file(c, "bulkhead.tls.ca_file", cfg->tls_ca_file);
	check_file(c, "bulkhead.tls.cert_file", cfg->tls_cert_file);
	check_file(c, "bulkhead.tls.key_file", cfg->tls_key_file);
	check_socket(c, "dogstatsd_socket", cfg->dogstatsd_socket);
	check_socket(c, "dogstatsd_stream_socket", cfg->dogstatsd_stream_socket);
	if (cfg->run_path[0] != '/')
		mistake(c, "run_path", "\"%.100s\" is not an absolute path; write it from / on",
		    cfg->run_path);
	if (cfg->run_dir[0] != '/')
		mistake(c, "bulkhead.run_dir",
		    "\"%.100s\" is not an absolute path; write it from / on", cfg->run_dir);
}

/* --- contradictions --------------------------------------------------------------------------- */

static void check_dogstatsd(const struct check *c)
{
	const struct bh_config *cfg = c->cfg;

	if (cfg->use_dogstatsd && cfg->dogstatsd_port == 0 && !cfg->dogstatsd_socket[0] &&
	    !cfg->dogstatsd_stream_socket[0])
		mistake(c, "use_dogstatsd",
		    "there is no listener: dogstatsd_port is 0 and no socket is named; set one, "
		    "or use_dogstatsd: false");
	if (cfg->statsd_forward_host[0] && cfg->statsd_forward_port == 0)
		mistake(c, "statsd_forward_host",
		    "nothing is forwarded without statsd_forward_port; set it");
	if (!cfg->statsd_forward_host[0] && cfg->statsd_forward_port)
		mistake(c, "statsd_forward_port",
		    "nothing is forwarded without statsd_forward_host; set it");
	if (cfg->serializer_max_payload_size > cfg->serializer_max_uncompressed_payload_size)
		mistake(c, "serializer_max_payload_size",
		    "larger than serializer_max_uncompressed_payload_size; lower it");
}

static void check_logs(const struct check *c)
{
	const struct bh_config *cfg = c->cfg;

	if (cfg->logs_max_message_size_bytes > cfg->logs_batch_max_content_size)
		mistake(c, "logs_config.max_message_size_bytes",
		    "larger than logs_config.batch_max_content_size; a message has to fit");
	if (cfg->logs_sender_backoff_base_ms > cfg->logs_sender_backoff_max_ms)
		mistake(c, "logs_config.sender_backoff_base",
		    "longer than logs_config.sender_backoff_max; lower it");
}

static void check_forwarder(const struct check *c)
{
	const struct bh_config *cfg = c->cfg;

	if (cfg->forwarder_backoff_base_ms > cfg->forwarder_backoff_max_ms)
		mistake(c, "forwarder_backoff_base", "longer than forwarder_backoff_max; lower it");
	if (cfg->tls_key_file[0] && !cfg->tls_cert_file[0])
		mistake(c, "bulkhead.tls.key_file",
		    "a key without a certificate; set bulkhead.tls.cert_file");
	if (cfg->secret_refresh_interval_ms && cfg->secret_backend_command[0] &&
	    cfg->secret_refresh_interval_ms <= cfg->secret_backend_timeout_ms)
		mistake(c, "secret_refresh_interval",
		    "not longer than secret_backend_timeout; raise it");
}

static void check_key(const struct check *c)
{
	const char *place = place_of(c, "api_key");

	if (c->cfg->api_key[0])
		return;
	bh_finding_add(c->findings, BH_FINDING_ERROR,
	    "%s%sapi_key is not set: set it in datadog.yaml, or DD_API_KEY in the environment; or "
	    "name a file or credential that holds it: ENC[file@/PATH], ENC[NAME]",
	    place ? place : "", place ? ": " : "");
}

/* What the service takes at most (spec/intake.md §10.1). A relay may take more: it is honoured. */
static const struct {
	const char *key;
	size_t offset;
	int64_t max;
} service_limits[] = {
    {"serializer_max_payload_size", offsetof(struct bh_config, serializer_max_payload_size),
	3200000},
    {"serializer_max_uncompressed_payload_size",
	offsetof(struct bh_config, serializer_max_uncompressed_payload_size), 62914560},
    {"serializer_max_series_payload_size",
	offsetof(struct bh_config, serializer_max_series_payload_size), 512000},
    {"serializer_max_series_uncompressed_payload_size",
	offsetof(struct bh_config, serializer_max_series_uncompressed_payload_size), 5242880},
    {"logs_config.batch_max_size", offsetof(struct bh_config, logs_batch_max_size), 1000},
    {"logs_config.batch_max_content_size", offsetof(struct bh_config, logs_batch_max_content_size),
	5000000},
};

static void check_limits(const struct check *c)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(service_limits); i++) {
		const char *place = place_of(c, service_limits[i].key);
		int64_t v = *(
		    const int64_t *)(const void *)((const char *)c->cfg + service_limits[i].offset);

		if (v > service_limits[i].max)
			bh_finding_add(c->findings, BH_FINDING_WARNING,
			    "%s%s%s: Datadog's own intakes refuse more than %" PRId64,
			    place ? place : "", place ? ": " : "", service_limits[i].key,
			    service_limits[i].max);
	}
}

void bh_config_check(
    const struct bh_config *cfg, const struct bh_config_trace *trace, struct bh_findings *findings)
{
	const struct check c = {cfg, trace, findings};

	check_key(&c);
	check_addresses(&c);
	check_files(&c);
	check_dogstatsd(&c);
	check_logs(&c);
	check_forwarder(&c);
	check_limits(&c);
}

void bh_config_hint(
    const struct bh_config *cfg, const struct bh_config_trace *trace, struct bh_findings *findings)
{
	const struct check c = {cfg, trace, findings};
	const char *place = place_of(&c, "logs_enabled");

	if (cfg->logs_enabled && cfg->log_sources_n == 0)
		bh_finding_add(findings, BH_FINDING_WARNING,
		    "%s%slogs_enabled: there is no log source; write one into "
		    "%.200s/NAME.d/conf.yaml",
		    place ? place : "", place ? ": " : "", cfg->confd_path);
}

/* --- as lines --------------------------------------------------------------------------------- */

/* Digits behind a colon; 0 = there are none. */
static size_t number_at(const char *p)
{
	size_t n = *p == ':' ? strspn(p + 1, "0123456789") : 0;

	return n ? n + 1 : 0;
}

size_t bh_finding_place(const char *text)
{
	static const char variable[] = "environment ";

	if (strncmp(text, variable, sizeof(variable) - 1) == 0) {
		const char *end = strstr(text, ": ");

		return end ? (size_t)(end - text) : 0;
	}
	for (const char *p = strchr(text, ':'); p; p = strchr(p + 1, ':')) {
		size_t n = number_at(p);

		n += n ? number_at(p + n) : 0;
		if (n && strncmp(p + n, ": ", 2) == 0)
			return (size_t)(p - text) + n;
		/* a file without a line, when it is what the text begins with */
		if (p[1] == ' ')
			return *text == '/' ? (size_t)(p - text) : 0;
	}
	return 0;
}

static int put_line(const struct bh_finding *f, struct bh_buf *out)
{
	const char *level = f->level == BH_FINDING_WARNING ? "warning" : "error";
	size_t n = bh_finding_place(f->text);

	if (n == 0)
		return bh_buf_printf(out, "%s: %s\n", level, f->text);
	return bh_buf_printf(out, "%.*s: %s: %s\n", (int)n, f->text, level, f->text + n + 2);
}

int bh_findings_print(const struct bh_findings *f, struct bh_buf *out)
{
	int rc = 0;

	for (size_t i = 0; i < f->n && !rc; i++)
		rc = put_line(&f->v[i], out);
	return rc;
}

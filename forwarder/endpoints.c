#include "forwarder/endpoints.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forwarder/urls.h"

static const char *class_name(bool logs)
{
	return logs ? "logs" : "metrics";
}

static struct bh_str without_slashes(const char *url)
{
	struct bh_str s = bh_str_from(url);

	while (s.n && s.p[s.n - 1] == '/')
		s.n--;
	return s;
}

static struct bh_str host_of(struct bh_str url)
{
	const char *scheme = memmem(url.p, url.n, "://", 3);
	size_t n = 0;

	if (scheme) {
		url.n -= (size_t)(scheme + 3 - url.p);
		url.p = scheme + 3;
	}
	while (n < url.n && url.p[n] != '/')
		n++;
	return (struct bh_str){url.p, n};
}

static unsigned key_index(struct bh_endpoint_list *l, const char *key)
{
	unsigned i = 0;

	while (i < l->keys_n && strcmp(l->keys[i], key) != 0)
		i++;
	if (i == l->keys_n)
		l->keys[l->keys_n++] = key;
	return i;
}

static bool is_there(const struct bh_endpoint_list *l, const struct bh_endpoint_dest *d)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].logs == d->logs && l->v[i].key == d->key &&
		    strcmp(l->v[i].url, d->url) == 0)
			return true;
	}
	return false;
}

/* Takes d->url in any case. */
static void append(struct bh_endpoint_list *l, struct bh_endpoint_dest *d)
{
	if (is_there(l, d))
		free(d->url);
	else
		l->v[l->n++] = *d;
}

static int64_t reset_ms(const struct bh_config *cfg, bool logs)
{
	return logs ? cfg->logs_connection_reset_interval_ms
		    : cfg->forwarder_connection_reset_interval_ms;
}

static int add_primary(struct bh_endpoint_list *l, const struct bh_config *cfg, bool logs)
{
	struct bh_endpoint_dest d = {
	    .logs = logs, .reliable = true, .reset_ms = reset_ms(cfg, logs)};
	struct bh_buf url = BH_BUF_INIT;
	int rc = logs ? bh_url_logs(cfg, &url) : bh_url_metrics_base(cfg, &url);
	size_t n;

	if (rc) {
		bh_buf_release(&url);
		return rc;
	}
	d.url = bh_buf_detach(&url, &n);
	d.key = key_index(l, logs && cfg->logs_api_key[0] ? cfg->logs_api_key : cfg->api_key);
	if (!logs && *bh_config_metrics_worker(cfg))
		d.worker_url = bh_config_metrics_worker(cfg);
	(void)snprintf(d.names.id, sizeof(d.names.id), "%s/primary", class_name(logs));
	(void)snprintf(d.names.name, sizeof(d.names.name), "%s", class_name(logs));
	append(l, &d);
	return 0;
}

static bool starts(const char *text, const char *head)
{
	return strncmp(text, head, strlen(head)) == 0;
}

/* Entries of the same URL before this one are what its key's index counts; those of the same host,
 * its number. */
static int set_names(const struct bh_endpoint_list *l, const struct bh_endpoint *e,
    struct bh_endpoint_dest *d, struct bh_err *err)
{
	struct bh_str url = without_slashes(e->url), host = host_of(url);
	char id[BH_STORE_DEST_KEY], name[BH_DEST_NAME];
	int n = snprintf(id, sizeof(id), "%s/%.*s#", class_name(e->logs), (int)url.n, url.p);
	unsigned keys = 0, peers = 1;

	if (n < 0 || (size_t)n + 4 >= sizeof(id))
		return bh_err_set(err, BH_E_CONFIG,
		    "additional_endpoints: a URL is longer than %zu bytes", sizeof(id) - 16);
	(void)snprintf(name, sizeof(name), "%s:%.*s#", class_name(e->logs),
	    (int)BH_MIN(host.n, sizeof(name) - 20), host.p);
	for (size_t i = 0; i < l->n; i++) {
		keys += starts(l->v[i].names.id, id);
		peers += starts(l->v[i].names.name, name);
	}
	(void)snprintf(d->names.id, sizeof(d->names.id), "%.*s%u", n, id, keys);
	(void)snprintf(d->names.name, sizeof(d->names.name), "%.*s%u",
	    (int)sizeof(d->names.name) - 12, name, peers);
	return 0;
}

static int add_endpoint(struct bh_endpoint_list *l, const struct bh_config *cfg,
    const struct bh_endpoint *e, struct bh_err *err)
{
	struct bh_endpoint_dest d = {.logs = e->logs, .reliable = e->reliable};
	struct bh_buf url = BH_BUF_INIT;
	int rc = set_names(l, e, &d, err);
	size_t n;

	if (!rc)
		rc = e->logs ? bh_url_logs_path(without_slashes(e->url), &url)
			     : bh_url_metrics_rewrite(without_slashes(e->url), &url);
	if (rc) {
		bh_buf_release(&url);
		return rc;
	}
	d.url = bh_buf_detach(&url, &n);
	d.key = key_index(l, e->api_key);
	d.reset_ms = e->reset_ms < 0 ? reset_ms(cfg, e->logs) : e->reset_ms;
	append(l, &d);
	return 0;
}

int bh_endpoints_resolve(
    struct bh_endpoint_list *out, const struct bh_config *cfg, struct bh_err *err)
{
	int rc;

	*out = (struct bh_endpoint_list){.keys = {cfg->api_key}, .keys_n = 1};
	rc = add_primary(out, cfg, true);
	if (!rc)
		rc = add_primary(out, cfg, false);
	for (size_t i = 0; i < cfg->endpoints_n && !rc; i++)
		rc = add_endpoint(out, cfg, &cfg->endpoints[i], err);
	if (rc)
		bh_endpoints_free(out);
	return rc;
}

void bh_endpoints_free(struct bh_endpoint_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].url);
	*l = (struct bh_endpoint_list){.n = 0};
}

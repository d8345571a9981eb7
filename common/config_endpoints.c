#include "common/config_endpoints.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/config_logs.h"

static const char *worker_url(const struct bh_worker *worker, const struct bh_worker *vector)
{
	if (worker->enabled && worker->url[0])
		return worker->url;
	return vector->enabled ? vector->url : "";
}

const char *bh_config_metrics_worker(const struct bh_config *cfg)
{
	return worker_url(&cfg->worker_metrics, &cfg->vector_metrics);
}

const char *bh_config_logs_intake(const struct bh_config *cfg, bool *tls)
{
	const char *address = worker_url(&cfg->worker_logs, &cfg->vector_logs);

	if (!*address)
		address = cfg->logs_dd_url;
	*tls = !*address || !cfg->logs_no_ssl;
	if (!*address)
		address = cfg->logs_host;
	if (strstr(address, "://"))
		*tls = strncasecmp(address, "https://", 8) == 0;
	return address;
}

void bh_endpoints_release(struct bh_config *cfg)
{
	for (size_t i = 0; i < cfg->endpoints_n; i++) {
		struct bh_endpoint *e = &cfg->endpoints[i];

		if (e->api_key)
			explicit_bzero(e->api_key, strlen(e->api_key));
		free(e->api_key);
		free(e->url);
	}
	free(cfg->endpoints);
	cfg->endpoints = NULL;
	cfg->endpoints_n = 0;
}

int bh_endpoint_set_key(struct bh_endpoint *e, const char *key)
{
	char *copy = strdup(key);

	if (!copy)
		return -ENOMEM;
	explicit_bzero(e->api_key, strlen(e->api_key));
	free(e->api_key);
	e->api_key = copy;
	return 0;
}

int bh_endpoints_add(
    struct bh_config *cfg, const struct bh_endpoint *e, struct bh_str url, struct bh_str api_key)
{
	struct bh_endpoint *grown =
	    reallocarray(cfg->endpoints, cfg->endpoints_n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	cfg->endpoints = grown;
	grown += cfg->endpoints_n;
	*grown = *e;
	grown->url = strndup(url.p, url.n);
	grown->api_key = strndup(api_key.p, api_key.n);
	cfg->endpoints_n++; /* also when it is half made: its release is the list's */
	return grown->url && grown->api_key ? 0 : -ENOMEM;
}

void bh_config_put_endpoints(struct bh_buf *out, const struct bh_config *cfg)
{
	(void)bh_buf_u32(out, (uint32_t)cfg->endpoints_n);
	for (size_t i = 0; i < cfg->endpoints_n; i++) {
		bh_config_put_text(out, cfg->endpoints[i].url);
		bh_config_put_text(out, cfg->endpoints[i].api_key);
		(void)bh_buf_u8(out, cfg->endpoints[i].logs);
		(void)bh_buf_u8(out, cfg->endpoints[i].reliable);
		(void)bh_buf_u64(out, (uint64_t)cfg->endpoints[i].reset_ms);
	}
}

int bh_config_get_endpoints(struct bh_cur *c, struct bh_config *cfg)
{
	uint32_t n = bh_cur_u32(c);
	int rc = n > BH_ENDPOINTS_MAX ? BH_E_FORMAT : 0;

	bh_endpoints_release(cfg);
	for (uint32_t i = 0; i < n && !rc; i++) {
		struct bh_str url = bh_cur_blob(c), api_key = bh_cur_blob(c);
		struct bh_endpoint e = {.logs = bh_cur_u8(c)};

		e.reliable = bh_cur_u8(c);
		e.reset_ms = (int64_t)bh_cur_u64(c);
		if (c->failed || !url.n || memchr(url.p, '\0', url.n) ||
		    memchr(api_key.p, '\0', api_key.n))
			rc = BH_E_FORMAT;
		else
			rc = bh_endpoints_add(cfg, &e, url, api_key);
	}
	return rc;
}

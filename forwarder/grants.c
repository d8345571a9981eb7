#include "forwarder/grants.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_endpoints.h"
#include "common/err.h"

#define READ_TREE (BH_USE_READ | BH_USE_LIST)
#define DB_TREE   (BH_USE_READ | BH_USE_LIST | BH_USE_WRITE)
#define AGENT_RUN "/opt/datadog-agent/run"
#define HTTPS     443
#define HTTP      80
#define SOCKS     1080 /* what libcurl takes for a proxy without a port */
#define DOMAIN    53   /* answers that do not fit a datagram */

/* What is the same everywhere. The resolver loads modules of the C library. */
static const struct {
	const char *path;
	unsigned use;
} fixed[] = {
    {"/etc/ssl", READ_TREE},
    {"/usr/lib/ssl", READ_TREE},
    {"/usr/share/ca-certificates", READ_TREE},
    {"/usr/local/share/ca-certificates", READ_TREE},
    {"/etc/resolv.conf", BH_USE_READ},
    {"/etc/hosts", BH_USE_READ},
    {"/etc/nsswitch.conf", BH_USE_READ},
    {"/etc/host.conf", BH_USE_READ},
    {"/etc/gai.conf", BH_USE_READ},
    {"/etc/services", BH_USE_READ},
    {"/etc/ld.so.cache", BH_USE_READ},
    {"/usr/lib", BH_USE_READ},
    {"/run/systemd/resolve", BH_USE_READ},
};

static int below(struct bh_landlock_rules *r, const char *dir, const char *name, unsigned use)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

	return n > 0 && (size_t)n < sizeof(path) ? bh_landlock_allow(r, path, use) : BH_E_LIMIT;
}

/* Files are replaced by renaming: the rule is for their directory, where that gives nothing away.
 */
static int directory_of(struct bh_landlock_rules *r, const char *path, bool as_root, unsigned use)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (!slash || (size_t)(slash - path) >= sizeof(dir))
		return 0;
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	if (!dir[0] || (as_root && strcmp(dir, "/etc") == 0))
		return bh_landlock_allow(r, path, use);
	return bh_landlock_allow(r, dir, use);
}

static int file(struct bh_landlock_rules *r, const char *path, bool as_root, unsigned use)
{
	char real[PATH_MAX];
	int rc = path[0] == '/' ? directory_of(r, path, as_root, use) : 0;

	if (!rc && path[0] == '/' && realpath(path, real) && strcmp(real, path) != 0)
		rc = directory_of(r, real, as_root, use);
	return rc;
}

static int allow_files(const struct bh_config *cfg, bool as_root, struct bh_landlock_rules *r)
{
	const char *const tls[] = {cfg->tls_ca_file, cfg->tls_cert_file, cfg->tls_key_file};
	const char *const registries[] = {cfg->logs_run_path, cfg->run_path, AGENT_RUN};
	int rc = below(r, cfg->run_path, "store", DB_TREE);

	rc = rc ? rc : below(r, cfg->run_dir, "link", BH_USE_SOCKET);
	for (size_t i = 0; i < BH_ARRAY_LEN(fixed) && !rc; i++)
		rc = bh_landlock_allow(r, fixed[i].path, fixed[i].use);
	/* It is written anew whenever the network changes. */
	rc = rc ? rc : file(r, "/etc/resolv.conf", as_root, BH_USE_READ);
	for (size_t i = 0; i < BH_ARRAY_LEN(tls) && !rc; i++)
		rc = file(r, tls[i], as_root, BH_USE_READ);
	for (size_t i = 0; i < BH_ARRAY_LEN(registries) && !rc; i++) {
		if (registries[i][0])
			rc = below(r, registries[i], "registry.json", BH_USE_READ);
	}
	if (!rc && cfg->sslkeylogfile[0])
		rc = file(r, cfg->sslkeylogfile, as_root, BH_USE_READ | BH_USE_WRITE);
	return rc;
}

unsigned bh_url_port(const char *url, unsigned fallback)
{
	const char *scheme = strstr(url, "://"), *end, *at, *colon;
	char *stop = NULL;
	unsigned long port;

	if (!url[0])
		return 0;
	if (scheme) {
		fallback = strncmp(url, "https", 5) == 0                        ? HTTPS
			   : strncmp(url, "http:", 5) == 0 && fallback == HTTPS ? HTTP
										: fallback;
		url = scheme + 3;
	}
	end = url + strcspn(url, "/?#");
	at = memrchr(url, '@', (size_t)(end - url));
	url = at ? at + 1 : url;
	colon = memrchr(url, ':', (size_t)(end - url));
	/* The last colon of an IPv6 address is one of its own. */
	if (!colon || memchr(colon, ']', (size_t)(end - colon)))
		return fallback;
	port = strtoul(colon + 1, &stop, 10);
	return stop == end && port > 0 && port <= UINT16_MAX ? (unsigned)port : fallback;
}

static int allow_ports(const struct bh_config *cfg, struct bh_landlock_rules *r)
{
	bool logs_tls;
	const char *logs = bh_config_logs_intake(cfg, &logs_tls);
	const unsigned ports[] = {
	    HTTPS,
	    DOMAIN,
	    bh_url_port(cfg->dd_url, HTTPS),
	    bh_url_port(bh_config_metrics_worker(cfg), HTTPS),
	    bh_url_port(logs, logs_tls ? HTTPS : HTTP),
	    bh_url_port(cfg->proxy_http, SOCKS),
	    bh_url_port(cfg->proxy_https, SOCKS),
	};
	int rc = 0;

	for (size_t i = 0; i < BH_ARRAY_LEN(ports) && !rc; i++) {
		if (ports[i])
			rc = bh_landlock_allow_port(r, (uint16_t)ports[i]);
	}
	for (size_t i = 0; i < cfg->endpoints_n && !rc; i++) {
		const char *url = cfg->endpoints[i].url;
		bool plain = strncmp(url, "http://", 7) == 0;

		rc = bh_landlock_allow_port(r, (uint16_t)bh_url_port(url, plain ? HTTP : HTTPS));
	}
	return rc;
}

int bh_forwarder_grants(const struct bh_config *cfg, bool as_root, struct bh_landlock_rules *out)
{
	int rc = allow_files(cfg, as_root, out);

	return rc ? rc : allow_ports(cfg, out);
}

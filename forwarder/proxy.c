#include "forwarder/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#define HTTP_PORT  80
#define HTTPS_PORT 443

/* An address in one form for both families. */
struct address {
	int family; /* 0 = not an address */
	unsigned char bytes[sizeof(struct in6_addr)];
};

/* --- the target ------------------------------------------------------------------------------- */

/* libcurl's own parser, so that what is matched is what will be connected to. */
static int read_target(CURLU *u, const char *url, struct bh_target *out)
{
	char *scheme = NULL, *host = NULL, *port = NULL;
	int rc = BH_E_FORMAT;

	if (curl_url_set(u, CURLUPART_URL, url, 0) ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0))
		goto out;
	out->https = strcasecmp(scheme, "https") == 0;
	if ((!out->https && strcasecmp(scheme, "http") != 0) || strlen(host) >= sizeof(out->host))
		goto out;
	(void)snprintf(out->host, sizeof(out->host), "%s", host);
	out->port_given = curl_url_get(u, CURLUPART_PORT, &port, 0) == CURLUE_OK;
	out->port = out->https ? HTTPS_PORT : HTTP_PORT;
	if (out->port_given)
		out->port = (uint16_t)strtoul(port, NULL, 10);
	rc = 0;
out:
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	return rc;
}

int bh_target_parse(const char *url, struct bh_target *out)
{
	CURLU *u = curl_url();
	int rc;

	*out = (struct bh_target){0};
	if (!u)
		return -ENOMEM;
	rc = read_target(u, url, out);
	curl_url_cleanup(u);
	return rc;
}

/* --- no_proxy --------------------------------------------------------------------------------- */

static struct address to_address(const char *p, size_t n)
{
	struct address a = {0};
	char text[INET6_ADDRSTRLEN];

	if (n >= 2 && p[0] == '[' && p[n - 1] == ']') {
		p++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof(text))
		return a;
	memcpy(text, p, n);
	text[n] = '\0';
	if (inet_pton(AF_INET, text, a.bytes) == 1)
		a.family = AF_INET;
	else if (inet_pton(AF_INET6, text, a.bytes) == 1)
		a.family = AF_INET6;
	return a;
}

static bool same_bits(const struct address *a, const struct address *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;
	unsigned char mask = (unsigned char)(0xff00u >> rest);

	if (a->family != b->family || memcmp(a->bytes, b->bytes, bytes) != 0)
		return false;
	return rest == 0 || ((a->bytes[bytes] ^ b->bytes[bytes]) & mask) == 0;
}

static unsigned bits_of(const struct address *a)
{
	return a->family == AF_INET6 ? 128 : 32;
}

/* "10.0.0.0/8"; *is tells whether it is a range at all. */
static bool in_range(const char *p, size_t n, const struct address *host, bool *is)
{
	const char *slash = memchr(p, '/', n);
	struct address net;
	unsigned bits = 0;

	*is = slash != NULL;
	if (!slash || slash + 1 == p + n)
		return false;
	for (const char *d = slash + 1; d < p + n; d++) {
		if (*d < '0' || *d > '9' || bits > 128)
			return false;
		bits = bits * 10 + (unsigned)(*d - '0');
	}
	net = to_address(p, (size_t)(slash - p));
	return net.family && bits <= bits_of(&net) && same_bits(&net, host, bits);
}

static bool in_domain(const char *p, size_t n, const char *host, size_t host_n)
{
	bool subs_only = false;

	if (n > 1 && p[0] == '*' && p[1] == '.') {
		p++;
		n--;
	}
	if (n > 1 && p[0] == '.') {
		subs_only = true;
		p++;
		n--;
	}
	if (n == 0 || n > host_n || strncasecmp(host + host_n - n, p, n) != 0)
		return false;
	if (n == host_n)
		return !subs_only;
	return host[host_n - n - 1] == '.';
}

/* Cuts ":port" off an entry. An IPv6 address has one only behind its bracket. false: it names
 * another port than the target's, or none that can be read. */
static bool port_fits(const char *p, size_t *n, uint16_t port)
{
	const char *colon = memrchr(p, ':', *n);
	const char *bracket = memrchr(p, ']', *n);
	unsigned long v;
	char *end;

	if (!colon || (bracket && bracket > colon))
		return true;
	if (!bracket && memchr(p, ':', *n) != colon)
		return true;
	v = strtoul(colon + 1, &end, 10);
	*n = (size_t)(colon - p);
	return end != colon + 1 && !*end && v == port;
}

static bool matches_loosely(const char *entry, const struct bh_target *t)
{
	size_t n = strlen(entry), host_n = strlen(t->host);
	struct address host, own;
	bool inside, range;

	if (strcmp(entry, "*") == 0)
		return true;
	if (!port_fits(entry, &n, t->port))
		return false;
	if (host_n > 1 && t->host[host_n - 1] == '.')
		host_n--;
	if (n > 1 && entry[n - 1] == '.')
		n--;
	host = to_address(t->host, host_n);
	inside = in_range(entry, n, &host, &range);
	if (range)
		return inside;
	own = to_address(entry, n);
	if (own.family || host.family)
		return own.family && same_bits(&own, &host, bits_of(&own));
	return in_domain(entry, n, t->host, host_n);
}

bool bh_no_proxy_matches(const char *entry, const struct bh_target *t, bool exact)
{
	char want[BH_PROXY_HOST_CAP + 8];

	if (!exact)
		return matches_loosely(entry, t);
	if (t->port_given)
		(void)snprintf(want, sizeof(want), "%s:%u", t->host, t->port);
	else
		(void)snprintf(want, sizeof(want), "%s", t->host);
	return strcasecmp(entry, want) == 0;
}

static const char *first_match(const struct bh_strlist *l, const struct bh_target *t, bool exact)
{
	for (size_t i = 0; i < l->n; i++) {
		if (bh_no_proxy_matches(l->v[i], t, exact))
			return l->v[i];
	}
	return NULL;
}

/* Go's rule, which the Agent takes over in this mode only: a proxy cannot reach our loopback. */
static bool is_own_host(const struct bh_target *t)
{
	struct address a = to_address(t->host, strlen(t->host));

	if (a.family == AF_INET)
		return a.bytes[0] == 127;
	if (a.family == AF_INET6)
		return memcmp(a.bytes, &in6addr_loopback, sizeof(a.bytes)) == 0;
	return strcasecmp(t->host, "localhost") == 0;
}

static bool is_cloud_metadata(const struct bh_target *t)
{
	return strcmp(t->host, "169.254.169.254") == 0 || strcmp(t->host, "100.100.100.200") == 0;
}

void bh_proxy_choose(const struct bh_config *cfg, const struct bh_target *t, struct bh_way *out)
{
	const char *proxy = t->https ? cfg->proxy_https : cfg->proxy_http;
	bool exact = !cfg->no_proxy_nonexact_match;

	*out = (struct bh_way){.key = t->https ? "proxy.https" : "proxy.http"};
	if (!proxy[0] || (is_cloud_metadata(t) && !cfg->use_proxy_for_cloud_metadata) ||
	    (!exact && is_own_host(t)) || first_match(&cfg->proxy_no_proxy, t, exact))
		return;
	out->proxy = proxy;
	out->near = exact ? first_match(&cfg->proxy_no_proxy, t, false) : NULL;
}

/* --- the proxy's own URL ---------------------------------------------------------------------- */

void bh_proxy_show(const char *proxy, char *out, size_t cap)
{
	const char *place = strstr(proxy, "://"), *at;
	size_t n;

	place = place ? place + 3 : proxy;
	n = strcspn(place, "/?#");
	at = memrchr(place, '@', n);
	if (at)
		(void)snprintf(out, cap, "%.*s***@%.*s", (int)(place - proxy), proxy,
		    (int)(place + n - at - 1), at + 1);
	else
		(void)snprintf(out, cap, "%.*s", (int)(place + n - proxy), proxy);
}

long bh_proxy_default_port(const char *proxy)
{
	return strncasecmp(proxy, "https://", 8) == 0 ? HTTPS_PORT : HTTP_PORT;
}

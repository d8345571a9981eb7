#include "common/config_proxy.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/config_finding.h"
#include "common/config_value.h"

#define PIN_HEAD   "sha256//"
#define PIN_BASE64 44 /* characters of 32 bytes, one "=" at the end */

static const struct {
	size_t offset;
	const char *names[3]; /* strongest first */
} variables[] = {
    {offsetof(struct bh_config, proxy_http), {"DD_PROXY_HTTP", "HTTP_PROXY", "http_proxy"}},
    {offsetof(struct bh_config, proxy_https), {"DD_PROXY_HTTPS", "HTTPS_PROXY", "https_proxy"}},
    {offsetof(struct bh_config, proxy_no_proxy), {"DD_PROXY_NO_PROXY", "NO_PROXY", "no_proxy"}},
};

/* Written by mistake again and again; the Agent does not know them either. */
static const struct {
	const char *wrong, *right;
} mistakes[] = {
    {"DD_HTTP_PROXY", "DD_PROXY_HTTP"},
    {"DD_HTTPS_PROXY", "DD_PROXY_HTTPS"},
    {"DD_NO_PROXY", "DD_PROXY_NO_PROXY"},
};

/* --- the URL ---------------------------------------------------------------------------------- */

static const char *after_scheme(const char *url)
{
	const char *mark = strstr(url, "://");

	if (!mark)
		return url;
	if ((mark - url == 4 && strncasecmp(url, "http", 4) == 0) ||
	    (mark - url == 5 && strncasecmp(url, "https", 5) == 0))
		return mark + 3;
	return NULL;
}

static bool valid_port(const char *p, size_t n)
{
	unsigned port = 0;

	for (size_t i = 0; i < n; i++) {
		if (!isdigit((unsigned char)p[i]) || i == 5)
			return false;
		port = port * 10 + (unsigned)(p[i] - '0');
	}
	return n > 0 && port > 0 && port <= 65535;
}

static bool valid_place(const char *p, size_t n)
{
	const char *end = n && *p == '[' ? memchr(p, ']', n) : NULL;
	const char *colon = end ? end + 1 : memchr(p, ':', n);
	size_t host;

	if (n && *p == '[' && !end)
		return false;
	host = colon ? (size_t)(colon - p) : n;
	if (host == 0 || (!end && memchr(p, ']', n)))
		return false;
	return host == n || (*colon == ':' && valid_port(colon + 1, n - host - 1));
}

static bool one_word(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	}
	return true;
}

int bh_config_check_proxy(const struct bh_option *o, const char *text, struct bh_err *err)
{
	const char *place, *at;
	size_t n;

	if (!*text || (o->offset != variables[0].offset && o->offset != variables[1].offset))
		return 0;
	place = after_scheme(text);
	if (!place)
		return bh_err_set(
		    err, BH_E_CONFIG, "%s: a proxy's URL begins with http:// or https://", o->key);
	n = strcspn(place, "/?#");
	at = memrchr(place, '@', n);
	if (at) {
		n -= (size_t)(at + 1 - place);
		place = at + 1;
	}
	if (one_word(text) && valid_place(place, n))
		return 0;
	return bh_err_set(err, BH_E_CONFIG,
	    "%s: not a URL; write http://user:password@host:port, with %%XX for what is neither "
	    "letter nor digit in user and password",
	    o->key);
}

/* --- the environment -------------------------------------------------------------------------- */

/* NULL: not set. Unlike elsewhere an empty value counts. */
static const char *value_of(char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; env && *env; env++) {
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	}
	return NULL;
}

static const struct bh_option *option_at(size_t offset)
{
	for (size_t i = 0; i < bh_options_n; i++) {
		if (bh_options[i].type != BH_OPT_IGNORED && bh_options[i].offset == offset)
			return &bh_options[i];
	}
	BH_BUG("an option is gone");
}

static void read_variable(
    struct bh_config *cfg, size_t i, char *const *env, struct bh_findings *findings)
{
	const struct bh_option *o = option_at(variables[i].offset);
	struct bh_err err = BH_ERR_INIT;

	for (size_t k = 0; k < BH_ARRAY_LEN(variables[i].names); k++) {
		const char *value = value_of(env, variables[i].names[k]);

		if (!value)
			continue;
		if (bh_config_set(cfg, o, value, &err))
			bh_finding_add(findings, BH_FINDING_ERROR, "environment %s: %s",
			    variables[i].names[k], err.text[0] ? err.text : "out of memory");
		return;
	}
}

/* --- lists ------------------------------------------------------------------------------------ */

static int split_at_commas(struct bh_strlist *l)
{
	struct bh_strlist whole = *l;
	int rc = 0;

	*l = (struct bh_strlist){NULL, 0};
	for (size_t i = 0; i < whole.n && !rc; i++) {
		for (const char *p = whole.v[i]; *p && !rc;) {
			size_t n = strcspn(p, ", \t");

			if (n)
				rc = bh_strlist_add(l, p, n);
			p += n + strspn(p + n, ", \t");
		}
	}
	bh_strlist_release(&whole);
	return rc;
}

static bool valid_pin(const char *pin)
{
	static const char base64[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const size_t head = sizeof(PIN_HEAD) - 1;

	return strncmp(pin, PIN_HEAD, head) == 0 && strlen(pin) == head + PIN_BASE64 &&
	       strspn(pin + head, base64) == PIN_BASE64 - 1 && pin[head + PIN_BASE64 - 1] == '=';
}

/* libcurl would take a pin in another form for the name of a file. */
static void check_pins(const struct bh_config *cfg, const char *file, struct bh_findings *findings)
{
	for (size_t i = 0; i < cfg->tls_pinned_public_keys.n; i++) {
		if (!valid_pin(cfg->tls_pinned_public_keys.v[i]))
			bh_finding_add(findings, BH_FINDING_ERROR,
			    "%s: bulkhead.tls.pinned_public_keys: \"%.80s\" is not " PIN_HEAD
			    " and the base64 of a SHA-256",
			    file, cfg->tls_pinned_public_keys.v[i]);
	}
}

void bh_config_read_proxies(
    struct bh_config *cfg, const char *file, char *const *environ_, struct bh_findings *findings)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(mistakes); i++) {
		if (value_of(environ_, mistakes[i].wrong))
			bh_finding_add(findings, BH_FINDING_WARNING,
			    "environment %s: not a variable of the Agent; it is ignored, write %s",
			    mistakes[i].wrong, mistakes[i].right);
	}
	for (size_t i = 0; i < BH_ARRAY_LEN(variables); i++)
		read_variable(cfg, i, environ_, findings);
	if (split_at_commas(&cfg->proxy_no_proxy))
		bh_finding_add(
		    findings, BH_FINDING_ERROR, "%s: proxy.no_proxy: out of memory", file);
	check_pins(cfg, file, findings);
}

#include "forwarder/urls.h"

#include <ctype.h>
#include <string.h>

#include "common/config_endpoints.h"
#include "common/err.h"
#include "common/version.h"

#define LOGS_PATH     "/api/v2/logs"
#define LOGS_PATH_OLD "/v1/input"

const char *bh_url_path(enum bh_kind kind)
{
	switch (kind) {
	case BH_KIND_SERIES_V2:
		return "/api/v2/series";
	case BH_KIND_SKETCHES:
		return "/api/beta/sketches";
	case BH_KIND_SERIES_V1:
		return "/api/v1/series";
	case BH_KIND_CHECKS:
		return "/api/v1/check_run";
	case BH_KIND_EVENTS:
	case BH_KIND_METADATA:
		return "/intake/";
	case BH_KIND_LOGS:
	case BH_KIND__END:
		return NULL;
	}
	return NULL;
}

bool bh_url_is_workers(enum bh_kind kind)
{
	return kind == BH_KIND_SERIES_V2 || kind == BH_KIND_SERIES_V1 || kind == BH_KIND_SKETCHES;
}

static bool take(struct bh_str *s, const char *word)
{
	struct bh_str w = bh_str_from(word);

	if (!bh_str_starts(*s, w))
		return false;
	s->p += w.n;
	s->n -= w.n;
	return true;
}

/* "us5.": at least two letters, then one or two digits */
static void take_region(struct bh_str *s)
{
	size_t letters = 0, digits = 0;

	while (letters < s->n && islower((unsigned char)s->p[letters]))
		letters++;
	while (letters + digits < s->n && isdigit((unsigned char)s->p[letters + digits]))
		digits++;
	if (letters < 2 || digits < 1 || digits > 2 || letters + digits >= s->n ||
	    s->p[letters + digits] != '.')
		return;
	s->p += letters + digits + 1;
	s->n -= letters + digits + 1;
}

static bool is_datadog_host(struct bh_str host)
{
	static const char *const domains[] = {"datadoghq.com", "datadoghq.eu", "datad0g.com",
	    "datad0g.eu", "ddog-gov.com", "ddog-gov.mil"};

	if (!take(&host, "app."))
		return false;
	(void)take(&host, "mrf.");
	take_region(&host);
	for (size_t i = 0; i < BH_ARRAY_LEN(domains); i++) {
		struct bh_str rest = host;

		if (take(&rest, domains[i]) && (rest.n == 0 || (rest.n == 1 && rest.p[0] == '.')))
			return true;
	}
	return false;
}

int bh_url_version_prefix(struct bh_str base, const char *version, struct bh_buf *out)
{
	const char *scheme = memmem(base.p, base.n, "://", 3);
	struct bh_str host;
	size_t head;

	if (!scheme)
		return bh_buf_append(out, base.p, base.n);
	head = (size_t)(scheme - base.p) + 3;
	host = (struct bh_str){base.p + head, strcspn(base.p + head, ":/")};
	if (!is_datadog_host(host))
		return bh_buf_append(out, base.p, base.n);
	(void)bh_buf_append(out, base.p, head);
	for (const char *v = version; *v; v++)
		(void)bh_buf_u8(out, *v == '.' ? '-' : (uint8_t)*v);
	(void)bh_buf_str(out, "-app.agent");
	return bh_buf_append(out, base.p + head + 3, base.n - head - 3);
}

static struct bh_str trim_slashes(const char *url)
{
	struct bh_str s = bh_str_from(url);

	while (s.n && s.p[s.n - 1] == '/')
		s.n--;
	return s;
}

int bh_url_metrics_base(const struct bh_config *cfg, struct bh_buf *out)
{
	struct bh_buf base = BH_BUF_INIT;
	int rc;

	if (cfg->dd_url[0]) {
		struct bh_str url = trim_slashes(cfg->dd_url);

		(void)bh_buf_append(&base, url.p, url.n);
	} else {
		(void)bh_buf_printf(&base, "https://app.%s", cfg->site);
	}
	rc = bh_buf_failed(&base);
	if (!rc)
		rc = bh_url_version_prefix(bh_buf_view(&base), BH_AGENT_VERSION, out);
	bh_buf_release(&base);
	return rc;
}

int bh_url_metrics_rewrite(struct bh_str base, struct bh_buf *out)
{
	return bh_url_version_prefix(base, BH_AGENT_VERSION, out);
}

static int complete(struct bh_str url, const char *path, struct bh_buf *out)
{
	(void)bh_buf_append(out, url.p, url.n);
	if (bh_str_ends(url, BH_STR_LIT(LOGS_PATH)) || bh_str_ends(url, BH_STR_LIT(LOGS_PATH_OLD)))
		return bh_buf_failed(out);
	return bh_buf_str(out, path);
}

int bh_url_logs_path(struct bh_str url, struct bh_buf *out)
{
	return complete(url, LOGS_PATH, out);
}

int bh_url_logs(const struct bh_config *cfg, struct bh_buf *out)
{
	const char *path = cfg->logs_use_v2_api ? LOGS_PATH : LOGS_PATH_OLD;
	bool tls;
	struct bh_str url = trim_slashes(bh_config_logs_intake(cfg, &tls));

	if (url.n == 0)
		return bh_buf_printf(out, "https://agent-http-intake.logs.%s%s", cfg->site, path);
	if (!memmem(url.p, url.n, "://", 3))
		(void)bh_buf_str(out, tls ? "https://" : "http://");
	return complete(url, path, out);
}

/* Start of the label that ends before `end`. */
static size_t label_before(struct bh_str host, size_t end)
{
	while (end > 0 && host.p[end - 1] != '.')
		end--;
	return end;
}

static bool is_region(struct bh_str label)
{
	char text[32];
	struct bh_str rest = {text, label.n + 1};

	if (label.n + 1 > sizeof(text))
		return false;
	memcpy(text, label.p, label.n);
	text[label.n] = '.';
	take_region(&rest);
	return rest.n == 0;
}

/* "[<region>.]datadoghq.<tld>" or "[<region>.]ddog-gov.com" at the end of a host, final dot off. */
static struct bh_str own_suffix(struct bh_str host)
{
	size_t tld, domain, region, end;
	bool own;

	if (host.n && host.p[host.n - 1] == '.')
		host.n--;
	tld = label_before(host, host.n);
	if (tld == 0)
		return (struct bh_str){NULL, 0};
	domain = label_before(host, tld - 1);
	own = bh_str_eq(
		  (struct bh_str){host.p + domain, tld - 1 - domain}, BH_STR_LIT("datadoghq")) ||
	      bh_str_eq(
		  (struct bh_str){host.p + domain, host.n - domain}, BH_STR_LIT("ddog-gov.com"));
	if (!own)
		return (struct bh_str){NULL, 0};
	if (domain) {
		end = domain - 1;
		region = label_before(host, end);
		if (is_region((struct bh_str){host.p + region, end - region}))
			domain = region;
	}
	return (struct bh_str){host.p + domain, host.n - domain};
}

int bh_url_validate(struct bh_str base, struct bh_buf *out)
{
	const char *scheme = memmem(base.p, base.n, "://", 3);
	size_t at = scheme ? (size_t)(scheme - base.p) + 3 : 0, n = 0;
	struct bh_str own;

	while (at + n < base.n && base.p[at + n] != ':' && base.p[at + n] != '/')
		n++;
	own = own_suffix((struct bh_str){base.p + at, n});
	if (own.n)
		(void)bh_buf_printf(out, "https://api.%.*s", (int)own.n, own.p);
	else
		(void)bh_buf_append(out, base.p, base.n);
	return bh_buf_str(out, "/api/v1/validate");
}

int bh_url_validate_logs(struct bh_str url, struct bh_buf *out)
{
	const char *scheme = memmem(url.p, url.n, "://", 3);
	size_t n = scheme ? (size_t)(scheme - url.p) + 3 : 0;

	while (n < url.n && url.p[n] != '/')
		n++;
	return bh_url_validate((struct bh_str){url.p, n}, out);
}

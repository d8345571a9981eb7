#include "forwarder/transport_tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMPONENT "transport"
/* libcurl keeps the parsed CAs so long: a renewed ca_file counts after that. */
#define CA_CACHE_S    60L
#define ONE_BY_ONE_MS 5000L
/* OpenSSL's level 1 and above refuse the hashes that TLS 1.0 and 1.1 sign with. */
#define OLD_CIPHERS "DEFAULT@SECLEVEL=0"

void bh_tls_key_log(const struct bh_config *cfg, struct bh_log *log)
{
	(void)unsetenv("SSLKEYLOGFILE");
	if (!cfg->sslkeylogfile[0])
		return;
	(void)setenv("SSLKEYLOGFILE", cfg->sslkeylogfile, 1);
	bh_warn(log, COMPONENT,
	    "sslkeylogfile: whoever reads %s can read all that is sent; remove the key when the "
	    "search for the fault is over",
	    cfg->sslkeylogfile);
}

static int join_pins(struct bh_tls *tls)
{
	const struct bh_strlist *pins = &tls->cfg->tls_pinned_public_keys;
	struct bh_buf text = BH_BUF_INIT;

	if (pins->n == 0)
		return 0;
	for (size_t i = 0; i < pins->n; i++)
		(void)bh_buf_printf(&text, "%s%s", i ? ";" : "", pins->v[i]);
	if (!bh_buf_failed(&text))
		tls->pins = strdup(text.data);
	bh_buf_release(&text);
	return tls->pins ? 0 : -ENOMEM;
}

static void look_at_file(struct bh_log *log, const char *key, const char *path)
{
	if (path[0] && access(path, R_OK) < 0)
		bh_warn(log, COMPONENT,
		    "bulkhead.tls.%s %s: %s; https intakes fail until the forwarder can read it",
		    key, path, strerror(errno));
}

static long version_of(const char *word)
{
	static const struct {
		const char *word;
		long version;
	} versions[] = {
	    {"tlsv1.0", CURL_SSLVERSION_TLSv1_0},
	    {"tlsv1.1", CURL_SSLVERSION_TLSv1_1},
	    {"tlsv1.2", CURL_SSLVERSION_TLSv1_2},
	    {"tlsv1.3", CURL_SSLVERSION_TLSv1_3},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(versions); i++) {
		if (strcmp(versions[i].word, word) == 0)
			return versions[i].version;
	}
	return CURL_SSLVERSION_TLSv1_2;
}

int bh_tls_init(struct bh_tls *tls, const struct bh_config *cfg, struct bh_log *log)
{
	*tls = (struct bh_tls){.cfg = cfg, .version = version_of(cfg->min_tls_version)};
	tls->old = tls->version < CURL_SSLVERSION_TLSv1_2;
	look_at_file(log, "ca_file", cfg->tls_ca_file);
	look_at_file(log, "cert_file", cfg->tls_cert_file);
	look_at_file(log, "key_file", cfg->tls_key_file);
	if (tls->old)
		bh_warn(log, COMPONENT,
		    "min_tls_version %s: old versions and weak keys are accepted from every "
		    "intake; tlsv1.2 is safe",
		    cfg->min_tls_version);
	if (cfg->skip_ssl_validation)
		bh_warn(log, COMPONENT,
		    "skip_ssl_validation: anyone on the way can read and change what is sent; a "
		    "private CA belongs into bulkhead.tls.ca_file");
	return join_pins(tls);
}

void bh_tls_release(struct bh_tls *tls)
{
	free(tls->pins);
	tls->pins = NULL;
}

/* A proxy that is spoken to in TLS is checked like an intake, but it has neither our pins nor our
 * certificate. */
static CURLcode apply_to_proxy(const struct bh_tls *tls, CURL *e)
{
	const struct bh_config *cfg = tls->cfg;
	CURLcode rc = curl_easy_setopt(e, CURLOPT_PROXY_SSLVERSION, tls->version);

	if (!rc)
		rc = curl_easy_setopt(
		    e, CURLOPT_PROXY_SSL_VERIFYPEER, cfg->skip_ssl_validation ? 0L : 1L);
	if (!rc)
		rc = curl_easy_setopt(
		    e, CURLOPT_PROXY_SSL_VERIFYHOST, cfg->skip_ssl_validation ? 0L : 2L);
	if (!rc && cfg->tls_ca_file[0])
		rc = curl_easy_setopt(e, CURLOPT_PROXY_CAINFO, cfg->tls_ca_file);
	if (!rc && cfg->tls_ca_file[0])
		rc = curl_easy_setopt(e, CURLOPT_PROXY_CAPATH, NULL);
	if (!rc && tls->old)
		rc = curl_easy_setopt(e, CURLOPT_PROXY_SSL_CIPHER_LIST, OLD_CIPHERS);
	return rc;
}

static CURLcode apply_client_certificate(const struct bh_config *cfg, CURL *e)
{
	const char *key = cfg->tls_key_file[0] ? cfg->tls_key_file : cfg->tls_cert_file;
	CURLcode rc;

	if (!cfg->tls_cert_file[0])
		return CURLE_OK;
	rc = curl_easy_setopt(e, CURLOPT_SSLCERT, cfg->tls_cert_file);
	if (!rc)
		rc = curl_easy_setopt(e, CURLOPT_SSLKEY, key);
	/* Also when empty: without it OpenSSL would ask on the terminal. */
	if (!rc)
		rc = curl_easy_setopt(e, CURLOPT_KEYPASSWD, cfg->tls_key_password);
	return rc;
}

static CURLcode apply_trust(const struct bh_tls *tls, CURL *e)
{
	const struct bh_config *cfg = tls->cfg;
	CURLcode rc =
	    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, cfg->skip_ssl_validation ? 0L : 1L);

	if (!rc)
		rc =
		    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, cfg->skip_ssl_validation ? 0L : 2L);
	if (!rc && cfg->tls_ca_file[0])
		rc = curl_easy_setopt(e, CURLOPT_CAINFO, cfg->tls_ca_file);
	/* The system's folder would be trusted beside the file. */
	if (!rc && cfg->tls_ca_file[0])
		rc = curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	if (!rc)
		rc = curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_S);
	if (!rc && tls->pins)
		rc = curl_easy_setopt(e, CURLOPT_PINNEDPUBLICKEY, tls->pins);
	return rc;
}

/* One address after the other: the next one still has its turn before the request runs out of time.
 */
static CURLcode apply_race(const struct bh_config *cfg, CURL *e)
{
	int64_t ms = cfg->http_dial_fallback_delay_ms;

	if (ms == 0)
		return CURLE_OK;
	return curl_easy_setopt(
	    e, CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS, ms < 0 ? ONE_BY_ONE_MS : (long)ms);
}

CURLcode bh_tls_apply(const struct bh_tls *tls, CURL *e)
{
	CURLcode rc = curl_easy_setopt(e, CURLOPT_SSLVERSION, tls->version);

	if (!rc && tls->old)
		rc = curl_easy_setopt(e, CURLOPT_SSL_CIPHER_LIST, OLD_CIPHERS);
	if (!rc)
		rc = apply_trust(tls, e);
	if (!rc)
		rc = apply_client_certificate(tls->cfg, e);
	if (!rc)
		rc = apply_race(tls->cfg, e);
	return rc ? rc : apply_to_proxy(tls, e);
}

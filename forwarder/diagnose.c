#include "forwarder/diagnose.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/jsonw.h"
#include "common/secret.h"
#include "common/version.h"
#include "forwarder/proxy.h"
#include "forwarder/spool_limits.h"
#include "forwarder/transport_text.h"
#include "forwarder/transport_tls.h"
#include "forwarder/urls.h"

#define TIMEOUT_MS    10000L
#define SKEW_MAX_S    300 /* spec/intake.md §3.2 */
#define EXPIRY_WARN_D 14
#define DISK_LEAST    ((uint64_t)34 << 20) /* twice the ballast (spec/durability.md §8) */
#define TEXT_MAX      400
#define URL_CAP       2560
#define STOP_WAIT_S   3

struct bh_diagnose {
	pthread_t thread;
	struct bh_config cfg;
	struct bh_tls tls;
	struct bh_endpoint_list list;
	char *keys[BH_DESTS_CONFIGURED]; /* of the list's destinations; "" = not known */
	int fd;
	atomic_bool stop, over;
	unsigned checks, failed;
	int64_t skew_s; /* of the last answer with a Date */
	bool skew_known;
};

/* --- lines ------------------------------------------------------------------------------------ */

static void write_line(struct bh_diagnose *d, struct bh_buf *line)
{
	size_t done = 0;

	(void)bh_buf_u8(line, '\n');
	while (!bh_buf_failed(line) && done < line->len) {
		ssize_t n = send(d->fd, line->data + done, line->len - done, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			atomic_store(&d->stop, true); /* nobody reads any more */
			break;
		}
		done += (size_t)n;
	}
	bh_buf_release(line);
}

static void say(struct bh_diagnose *d, const char *check, const char *target, const char *result,
    const char *fix, const char *fmt, ...) BH_PRINTF(6, 7);

static void say(struct bh_diagnose *d, const char *check, const char *target, const char *result,
    const char *fix, const char *fmt, ...)
{
	struct bh_buf line = BH_BUF_INIT;
	char detail[TEXT_MAX];
	struct bh_jsonw w;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < d->list.keys_n; i++) {
		if (d->keys[i] && d->keys[i][0])
			bh_http_clean(detail, d->keys[i]);
	}
	d->checks++;
	d->failed += strcmp(result, "fail") == 0;
	bh_jsonw_init(&w, &line);
	bh_jsonw_object(&w, NULL);
	bh_jsonw_str(&w, "check", check);
	bh_jsonw_str(&w, "target", target);
	bh_jsonw_str(&w, "result", result);
	bh_jsonw_str(&w, "detail", detail);
	bh_jsonw_str(&w, "fix", fix ? fix : "");
	bh_jsonw_object_end(&w);
	write_line(d, &line);
}

static void say_end(struct bh_diagnose *d)
{
	struct bh_buf line = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_init(&w, &line);
	bh_jsonw_object(&w, NULL);
	bh_jsonw_bool(&w, "end", true);
	bh_jsonw_u64(&w, "checks", d->checks);
	bh_jsonw_u64(&w, "failed", d->failed);
	bh_jsonw_object_end(&w);
	write_line(d, &line);
}

/* --- one request ------------------------------------------------------------------------------ */

struct probe {
	const char *key; /* of the check of one */
	struct bh_diagnose *d;
	CURL *easy;
	struct bh_target target;
	struct bh_way way;
	const char *what;                  /* "metrics", "logs", "key" */
	char name[BH_PROXY_HOST_CAP + 40]; /* what it is called in the lines */
	char error[CURL_ERROR_SIZE];
	int64_t date_s; /* of the answer; 0 = none */
	CURLcode code;
	long status;
};

static size_t on_header(char *p, size_t size, size_t n, void *userp)
{
	struct probe *probe = userp;
	int64_t date_s = bh_http_date(p, size * n);

	if (date_s)
		probe->date_s = date_s;
	return size * n;
}

static size_t on_body(char *p, size_t size, size_t n, void *userp)
{
	(void)p, (void)userp;
	return size * n;
}

static int on_progress(void *userp, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t e)
{
	const struct probe *p = userp;

	(void)a, (void)b, (void)c, (void)e;
	return atomic_load(&p->d->stop);
}

static CURLcode set_options(struct probe *p, const char *url)
{
	const char *proxy = p->way.proxy ? p->way.proxy : "";
	CURL *e = p->easy;
	CURLcode rc = curl_easy_setopt(e, CURLOPT_URL, url);

	(void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, p->error);
	(void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(e, CURLOPT_HEADERDATA, p);
	(void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
	(void)curl_easy_setopt(e, CURLOPT_XFERINFODATA, p);
	(void)curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
	(void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	(void)curl_easy_setopt(e, CURLOPT_CERTINFO, 1L);
	(void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(
	    e, CURLOPT_USERAGENT, "datadog-agent/" BH_AGENT_VERSION " bulkhead/" BH_VERSION);
	if (!rc)
		rc = curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	if (!rc)
		rc = curl_easy_setopt(e, CURLOPT_PROXY, proxy);
	if (!rc)
		rc = curl_easy_setopt(e, CURLOPT_NOPROXY, "");
	if (!rc && *proxy)
		rc = curl_easy_setopt(e, CURLOPT_PROXYPORT, bh_proxy_default_port(proxy));
	return rc ? rc : bh_tls_apply(&p->d->tls, e);
}

static long info(const struct probe *p, CURLINFO what)
{
	long v = 0;

	(void)curl_easy_getinfo(p->easy, what, &v);
	return v;
}

static bool reached(const struct probe *p, CURLINFO what)
{
	curl_off_t us = 0;

	return curl_easy_getinfo(p->easy, what, &us) == CURLE_OK && us > 0;
}

static enum bh_http_stage stage_of(const struct probe *p)
{
	if (reached(p, CURLINFO_PRETRANSFER_TIME_T))
		return BH_HTTP_SENDING;
	if (reached(p, CURLINFO_CONNECT_TIME_T))
		return p->target.https ? BH_HTTP_HANDSHAKING : BH_HTTP_SENDING;
	return reached(p, CURLINFO_NAMELOOKUP_TIME_T) ? BH_HTTP_CONNECTING : BH_HTTP_RESOLVING;
}

/* What failed: libcurl's code says it better than its times, which it does not keep for a handshake
 * that fails. */
static enum bh_http_stage failed_stage(const struct probe *p)
{
	switch (p->code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return BH_HTTP_RESOLVING;
	case CURLE_COULDNT_CONNECT:
		return BH_HTTP_CONNECTING;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
	case CURLE_SSL_CLIENTCERT:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return BH_HTTP_HANDSHAKING;
	case CURLE_OPERATION_TIMEDOUT:
		return stage_of(p);
	default:
		return BH_HTTP_SENDING;
	}
}

/* What the proxy said instead of passing it on; 0 = it did pass it. */
static long refused_by_proxy(const struct probe *p)
{
	long connect = info(p, CURLINFO_HTTP_CONNECTCODE);

	if (!p->way.proxy)
		return 0;
	if (p->target.https)
		return connect >= 200 && connect < 300 ? 0 : connect;
	return p->status == 407 ? 407 : 0;
}

static void explain(const struct probe *p, char *out, size_t cap)
{
	char host[BH_PROXY_HOST_CAP + 8], proxy[BH_PROXY_HOST_CAP + 40];
	struct bh_http_failure f = {
	    .code = p->code,
	    .detail = p->error,
	    .host = host,
	    .proxy = p->way.proxy ? proxy : NULL,
	    .proxy_key = p->way.key,
	    .min_tls = p->d->cfg.min_tls_version,
	    .ca_file = p->d->cfg.tls_ca_file,
	    .proxy_status = refused_by_proxy(p),
	    .os_errno = info(p, CURLINFO_OS_ERRNO),
	    .proxy_tls = info(p, CURLINFO_PROXY_SSL_VERIFYRESULT) != 0,
	    .timeout_ms = TIMEOUT_MS,
	    .stage = stage_of(p),
	};

	(void)snprintf(host, sizeof(host), "%s:%u", p->target.host, p->target.port);
	if (p->way.proxy)
		bh_proxy_show(p->way.proxy, proxy, sizeof(proxy));
	bh_http_explain(&f, out, cap);
}

/* --- what the request has shown --------------------------------------------------------------- */

static const char *fix_of_tls(CURLcode code)
{
	switch (code) {
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		return "if the intake's key was changed on purpose, correct "
		       "bulkhead.tls.pinned_public_keys";
	case CURLE_PEER_FAILED_VERIFICATION:
		return "a private CA belongs into bulkhead.tls.ca_file; else the intake's "
		       "certificate must be renewed or issued for this name";
	case CURLE_SSL_CACERT_BADFILE:
		return "make bulkhead.tls.ca_file readable for the user of the forwarder";
	case CURLE_SSL_CERTPROBLEM:
		return "check bulkhead.tls.cert_file, key_file and key_password";
	default:
		return "compare min_tls_version with what the intake offers; is it TLS at that "
		       "port?";
	}
}

static void say_failure(struct probe *p)
{
	char text[TEXT_MAX];
	struct bh_diagnose *d = p->d;

	explain(p, text, sizeof(text));
	if (p->way.proxy && (refused_by_proxy(p) || failed_stage(p) < BH_HTTP_HANDSHAKING ||
				info(p, CURLINFO_PROXY_SSL_VERIFYRESULT) != 0)) {
		say(d, "proxy", p->name, "fail",
		    "check address, credentials and rules of the proxy, or name the intake in "
		    "proxy.no_proxy",
		    "%s", text);
		return;
	}
	switch (failed_stage(p)) {
	case BH_HTTP_RESOLVING:
		say(d, "dns", p->name, "fail",
		    "check the name (site, dd_url, logs_config.logs_dd_url) and the resolvers in "
		    "/etc/resolv.conf",
		    "%s", text);
		return;
	case BH_HTTP_CONNECTING:
		say(d, "tcp", p->name, "fail",
		    "check address and port; a firewall must let this host connect to it", "%s",
		    text);
		return;
	case BH_HTTP_HANDSHAKING:
		say(d, "tls", p->name, "fail", fix_of_tls(p->code), "%s", text);
		return;
	case BH_HTTP_SENDING:
		say(d, "http", p->name, "fail", "look at the log of the intake or relay", "%s",
		    text);
		return;
	}
}

/* The value of "Name:value" in a certificate; NULL = not there. */
static const char *cert_value(const struct curl_slist *l, const char *name)
{
	size_t n = strlen(name);

	for (; l; l = l->next) {
		if (strncmp(l->data, name, n) == 0 && l->data[n] == ':')
			return l->data + n + 1;
	}
	return NULL;
}

static void say_certificate(struct probe *p)
{
	struct curl_certinfo *chain = NULL;
	const char *until, *issuer;
	int64_t days;

	if (curl_easy_getinfo(p->easy, CURLINFO_CERTINFO, &chain) || !chain ||
	    chain->num_of_certs < 1) {
		say(p->d, "tls", p->name, "pass", NULL, "connected");
		return;
	}
	until = cert_value(chain->certinfo[0], "Expire date");
	issuer = cert_value(chain->certinfo[0], "Issuer");
	days = until ? ((int64_t)curl_getdate(until, NULL) -
			   bh_wall_ns(&bh_clock_system) / BH_NS_PER_S) /
			   86400
		     : 0;
	if (p->d->cfg.skip_ssl_validation)
		say(p->d, "tls", p->name, "warn",
		    "a private CA belongs into bulkhead.tls.ca_file; then skip_ssl_validation can "
		    "go",
		    "connected, but the certificate is not checked (skip_ssl_validation)");
	else
		say(p->d, "tls", p->name, days < EXPIRY_WARN_D ? "warn" : "pass",
		    days < EXPIRY_WARN_D ? "have the certificate of the intake renewed" : NULL,
		    "certificate issued by %.120s%s, %" PRId64 " days left",
		    issuer ? issuer : "unknown",
		    p->d->cfg.tls_pinned_public_keys.n ? ", its key is pinned" : "", days);
}

static void say_way(struct probe *p)
{
	char *ip = NULL, proxy[BH_PROXY_HOST_CAP + 40];
	curl_off_t us = 0;

	(void)curl_easy_getinfo(p->easy, CURLINFO_PRIMARY_IP, &ip);
	(void)curl_easy_getinfo(p->easy, CURLINFO_CONNECT_TIME_T, &us);
	if (p->way.proxy) {
		bh_proxy_show(p->way.proxy, proxy, sizeof(proxy));
		say(p->d, "proxy", p->name, "pass", NULL, "through %s (%s)", proxy, p->way.key);
	} else {
		say(p->d, "dns", p->name, "pass", NULL, "%s", ip ? ip : "an address");
		say(p->d, "tcp", p->name, "pass", NULL, "connected in %" PRId64 " ms",
		    (int64_t)us / 1000);
	}
	if (p->target.https)
		say_certificate(p);
}

static void note_clock(struct probe *p)
{
	if (!p->date_s)
		return;
	p->d->skew_known = true;
	p->d->skew_s = bh_wall_ns(&bh_clock_system) / BH_NS_PER_S - p->date_s;
}

static void say_answer(struct probe *p)
{
	bool bad = p->status >= 500 || (p->status >= 300 && p->status < 400);

	say(p->d, "http", p->name, bad ? "fail" : "pass",
	    bad ? "set the URL to the intake itself; is it under maintenance?" : NULL,
	    "answers with status %ld", p->status);
}

static void say_key(struct probe *p)
{
	const char *key = p->key;
	size_t n = strlen(key);
	const char *tail = n > 5 ? key + n - 5 : "";

	if (p->status == 200)
		say(p->d, "key", p->name, "pass", NULL, "API key ending with %s is valid", tail);
	else if (p->status == 403)
		say(p->d, "key", p->name, "fail", "correct api_key and restart, or enable the key",
		    "API key ending with %s is invalid", tail);
	else
		say(p->d, "key", p->name, "warn", NULL,
		    "API key ending with %s: status %ld says nothing about it", tail, p->status);
}

/* --- the checks ------------------------------------------------------------------------------- */

/* false: p was not begun, and it was said. */
static bool perform(struct probe *p, const char *url, const char *shown)
{
	if (bh_target_parse(shown, &p->target)) {
		say(p->d, "url", p->what, "fail", "write it as https://HOST[:PORT]",
		    "%.200s is no URL", shown);
		return false;
	}
	(void)snprintf(
	    p->name, sizeof(p->name), "%s %s:%u", p->what, p->target.host, p->target.port);
	bh_proxy_choose(&p->d->cfg, &p->target, &p->way);
	p->easy = curl_easy_init();
	p->code = p->easy ? set_options(p, url) : CURLE_OUT_OF_MEMORY;
	if (!p->code)
		p->code = curl_easy_perform(p->easy);
	if (!p->easy)
		return false;
	p->status = info(p, CURLINFO_RESPONSE_CODE);
	note_clock(p);
	return !atomic_load(&p->d->stop);
}

static void check_intake(struct bh_diagnose *d, const char *what, const char *url)
{
	struct probe p = {.d = d, .what = what};

	if (perform(&p, url, url)) {
		if (p.status < 200 || refused_by_proxy(&p)) {
			say_failure(&p);
		} else {
			say_way(&p);
			say_answer(&p);
		}
	}
	if (p.easy)
		curl_easy_cleanup(p.easy);
}

static void check_key(struct bh_diagnose *d, const char *validate, const char *key)
{
	struct probe p = {.d = d, .what = "key", .key = key};
	char url[URL_CAP];
	char *escaped;

	if (!key[0]) {
		say(d, "key", "key", "skip", "ask as root, or while bulkhead runs",
		    "the API key is not known here");
		return;
	}
	escaped = curl_easy_escape(NULL, key, 0);
	(void)snprintf(
	    url, sizeof(url), "%.2000s?api_key=%.400s", validate, escaped ? escaped : "");
	curl_free(escaped);
	if (perform(&p, url, validate)) {
		if (p.status < 200 || refused_by_proxy(&p))
			say_failure(&p);
		else
			say_key(&p);
	}
	explicit_bzero(url, sizeof(url));
	if (p.easy)
		curl_easy_cleanup(p.easy);
}

static void check_clock(struct bh_diagnose *d)
{
	int64_t off = d->skew_s < 0 ? -d->skew_s : d->skew_s;

	if (!d->skew_known)
		say(d, "clock", "this host", "skip", NULL, "no intake has said what time it is");
	else if (off > SKEW_MAX_S)
		say(d, "clock", "this host", "fail",
		    "synchronise the clock (chrony, systemd-timesyncd): intakes refuse what is too "
		    "old or in the future",
		    "%" PRId64 " s %s the intake's", off, d->skew_s < 0 ? "behind" : "ahead of");
	else
		say(d, "clock", "this host", "pass", NULL, "within %" PRId64 " s of the intake's",
		    off + 1);
}

static void check_disk(struct bh_diagnose *d)
{
	char path[4096];
	struct statvfs fs;
	uint64_t free_bytes;

	(void)snprintf(path, sizeof(path), "%s/store", d->cfg.run_path);
	if (statvfs(path, &fs) < 0) {
		say(d, "disk", path, "fail", "check run_path and the rights of its folders", "%s",
		    strerror(errno));
		return;
	}
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (fs.f_flag & ST_RDONLY)
		say(d, "disk", path, "fail", "mount it for writing, or set run_path",
		    "the file system is read-only");
	else if (free_bytes < DISK_LEAST)
		say(d, "disk", path, "fail", "free space, or set run_path to another disk",
		    "%" PRIu64 " MiB are free: the spool takes nothing below %" PRIu64 " MiB",
		    free_bytes >> 20, DISK_LEAST >> 20);
	else
		say(d, "disk", path, "pass", NULL,
		    "%" PRIu64 " MiB are free, the spool may take %" PRId64 " MiB",
		    free_bytes >> 20, bh_spool_max_bytes(&d->cfg, free_bytes) >> 20);
}

/* Each key once, where the first destination with it is. The primary key is checked where metrics
 * go. */
static void check_keys(struct bh_diagnose *d)
{
	for (unsigned k = 0; k < d->list.keys_n; k++) {
		const struct bh_endpoint_dest *e = NULL;
		struct bh_buf validate = BH_BUF_INIT;
		int rc;

		for (size_t i = d->list.n; i-- > 0;) {
			if (d->list.v[i].key == k && (!e || !d->list.v[i].logs || e->logs))
				e = &d->list.v[i];
		}
		if (!e)
			continue;
		rc = e->logs ? bh_url_validate_logs(bh_str_from(e->url), &validate)
			     : bh_url_validate(bh_str_from(e->url), &validate);
		if (!rc)
			check_key(d, validate.data, d->keys[k]);
		bh_buf_release(&validate);
	}
}

static void check_all(struct bh_diagnose *d)
{
	/* Metrics first: theirs is the intake that says what time it is. */
	for (size_t i = 0; i < d->list.n; i++) {
		if (!d->list.v[i].logs)
			check_intake(d, d->list.v[i].names.name, d->list.v[i].url);
		if (d->list.v[i].worker_url)
			check_intake(d, "metrics worker", d->list.v[i].worker_url);
	}
	for (size_t i = 0; i < d->list.n; i++) {
		if (d->list.v[i].logs)
			check_intake(d, d->list.v[i].names.name, d->list.v[i].url);
	}
	check_keys(d);
	check_clock(d);
	check_disk(d);
}

/* --- life ------------------------------------------------------------------------------------- */

static void forget(struct bh_diagnose *d)
{
	for (size_t i = 0; i < BH_DESTS_CONFIGURED; i++) {
		if (d->keys[i])
			explicit_bzero(d->keys[i], strlen(d->keys[i]));
		free(d->keys[i]);
		d->keys[i] = NULL;
	}
	bh_endpoints_free(&d->list);
}

int bh_diagnose_here(const struct bh_config *cfg, int fd)
{
	struct bh_diagnose d = {.cfg = *cfg, .fd = fd};
	struct bh_err err = BH_ERR_INIT;
	int rc = bh_endpoints_resolve(&d.list, cfg, &err);

	for (size_t i = 0; i < d.list.keys_n && !rc; i++) {
		/* What nobody has resolved is no key. */
		d.keys[i] = strdup(bh_secret_is(d.list.keys[i]) ? "" : d.list.keys[i]);
		rc = d.keys[i] ? 0 : -ENOMEM;
	}
	if (!rc)
		rc = curl_global_init(CURL_GLOBAL_DEFAULT) || bh_tls_init(&d.tls, cfg, NULL);
	if (!rc) {
		check_all(&d);
		say_end(&d);
		bh_tls_release(&d.tls);
		curl_global_cleanup();
	}
	forget(&d);
	return rc ? 1 : 0;
}

static void discard(struct bh_diagnose *d)
{
	if (d->fd >= 0)
		(void)close(d->fd);
	bh_tls_release(&d->tls);
	bh_config_release(&d->cfg);
	forget(d);
	free(d);
}

/* A copy of its own: what the process does with its configuration is not ours to know. */
static int copy_config(struct bh_diagnose *d, const struct bh_config *cfg)
{
	struct bh_buf bytes = BH_BUF_INIT;
	int rc = bh_config_encode(cfg, BH_ROLE_FORWARDER, &bytes);

	bh_config_defaults(&d->cfg);
	if (!rc)
		rc = bh_config_decode(&d->cfg, bytes.data, bytes.len);
	if (bytes.data)
		explicit_bzero(bytes.data, bytes.len);
	bh_buf_release(&bytes);
	return rc;
}

static int copy_list(
    struct bh_diagnose *d, const struct bh_endpoint_list *list, const char *const *keys)
{
	bool whole = true;

	d->list = *list;
	for (size_t i = 0; i < list->n; i++) {
		d->list.v[i].url = strdup(list->v[i].url);
		whole &= d->list.v[i].url != NULL;
	}
	for (size_t i = 0; i < list->keys_n; i++) {
		d->keys[i] = strdup(keys[i]);
		whole &= d->keys[i] != NULL;
	}
	return whole ? 0 : -ENOMEM;
}

static void *run(void *ctx)
{
	struct bh_diagnose *d = ctx;

	check_all(d);
	/* Whoever has read the end may ask again at once. */
	atomic_store(&d->over, true);
	say_end(d);
	(void)shutdown(d->fd, SHUT_RDWR);
	return NULL;
}

int bh_diagnose_start(struct bh_diagnose **out, const struct bh_config *cfg,
    const struct bh_endpoint_list *list, const char *const *keys, int fd)
{
	static const struct timeval wait = {5, 0};
	struct bh_diagnose *d;
	int rc;

	if (*out && !atomic_load(&(*out)->over))
		return -EAGAIN;
	bh_diagnose_stop(out);
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	rc = d->fd < 0 ? -errno : copy_config(d, cfg);
	if (!rc)
		rc = copy_list(d, list, keys);
	if (!rc)
		rc = bh_tls_init(&d->tls, &d->cfg, NULL);
	if (!rc && setsockopt(d->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0)
		rc = -errno;
	if (!rc)
		rc = -pthread_create(&d->thread, NULL, run, d);
	if (rc)
		discard(d);
	else
		*out = d;
	return rc;
}

void bh_diagnose_stop(struct bh_diagnose **out)
{
	struct bh_diagnose *d = *out;
	struct timespec until;

	if (!d)
		return;
	*out = NULL;
	atomic_store(&d->stop, true);
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += STOP_WAIT_S;
	/* A resolver that hangs is left behind with what it uses: the process is about to end. */
	if (pthread_timedjoin_np(d->thread, NULL, &until) == 0)
		discard(d);
}

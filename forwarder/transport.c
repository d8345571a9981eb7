#include "forwarder/transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/crc.h"
#include "forwarder/transport_internal.h"

#define IDLE_MAX 256L /* connections kept */

/* curl's sockets, one watch each */
struct bh_transport_socket {
	struct bh_watch watch;
	struct bh_transport *t;
	struct bh_transport_socket *next;
};

static void discard(struct bh_transport_request *r)
{
	if (r->easy)
		curl_easy_cleanup(r->easy);
	curl_slist_free_all(r->headers);
	free(r);
}

static void unlink_request(struct bh_transport *t, struct bh_transport_request *r)
{
	struct bh_transport_request **at = &t->requests;

	while (*at && *at != r)
		at = &(*at)->next;
	if (*at)
		*at = r->next;
	(void)curl_multi_remove_handle(t->multi, r->easy);
	discard(r);
}

/* --- connections that may be dead ------------------------------------------------------------- */

static uint32_t where(const struct bh_transport_request *r)
{
	return bh_crc32c(r->target.port, r->target.host, strlen(r->target.host));
}

int64_t bh_transport_stale_ns(const struct bh_transport_request *r)
{
	for (size_t i = 0; i < BH_HTTP_STALE_MAX; i++) {
		if (r->t->stale[i].at_ns && r->t->stale[i].where == where(r))
			return r->t->stale[i].at_ns;
	}
	return 0;
}

static void note_stale(const struct bh_transport_request *r)
{
	struct bh_transport_stale *v = r->t->stale, *oldest = v;

	for (size_t i = 0; i < BH_HTTP_STALE_MAX; i++) {
		if (v[i].at_ns && v[i].where == where(r)) {
			oldest = &v[i];
			break;
		}
		oldest = v[i].at_ns < oldest->at_ns ? &v[i] : oldest;
	}
	*oldest = (struct bh_transport_stale){where(r), bh_mono_ns(r->t->loop->clock)};
}

/* --- the loop --------------------------------------------------------------------------------- */

static void finish(struct bh_transport *t, CURL *easy, CURLcode code)
{
	struct bh_transport_request *r = NULL;
	struct bh_http_result result;
	void *token;

	(void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&r);
	bh_transport_judge(r, code, &result);
	if (code == CURLE_OPERATION_TIMEDOUT)
		note_stale(r);
	token = r->token;
	unlink_request(t, r);
	t->done(t->ctx, token, &result);
}

static void collect(struct bh_transport *t)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(t->multi, &left))) {
		if (m->msg == CURLMSG_DONE)
			finish(t, m->easy_handle, m->data.result);
	}
}

static void on_socket(struct bh_watch *w, unsigned events)
{
	struct bh_transport *t = BH_CONTAINER(w, struct bh_transport_socket, watch)->t;
	int flags = 0, running = 0;

	if (events & BH_LOOP_READ)
		flags |= CURL_CSELECT_IN;
	if (events & BH_LOOP_WRITE)
		flags |= CURL_CSELECT_OUT;
	if (events & BH_LOOP_HANGUP)
		flags |= CURL_CSELECT_ERR;
	(void)curl_multi_socket_action(t->multi, w->fd, flags, &running);
	collect(t);
}

static void on_timer(struct bh_timer *timer)
{
	struct bh_transport *t = BH_CONTAINER(timer, struct bh_transport, timer);
	int running = 0;

	(void)curl_multi_socket_action(t->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(t);
}

static int curl_timer(CURLM *multi, long timeout_ms, void *userp)
{
	struct bh_transport *t = userp;

	(void)multi;
	if (timeout_ms < 0)
		bh_timer_cancel(&t->timer);
	else
		bh_timer_in(t->loop, &t->timer, timeout_ms * BH_NS_PER_MS, on_timer);
	return 0;
}

static void drop_sock(struct bh_transport *t, struct bh_transport_socket *s)
{
	struct bh_transport_socket **at = &t->socks;

	while (*at && *at != s)
		at = &(*at)->next;
	if (*at)
		*at = s->next;
	bh_loop_del_fd(&s->watch);
	free(s);
}

static unsigned wanted(int what)
{
	unsigned events = 0;

	if (what & CURL_POLL_IN)
		events |= BH_LOOP_READ;
	if (what & CURL_POLL_OUT)
		events |= BH_LOOP_WRITE;
	return events;
}

static int curl_socket(CURL *easy, curl_socket_t fd, int what, void *userp, void *sockp)
{
	struct bh_transport *t = userp;
	struct bh_transport_socket *s = sockp;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			drop_sock(t, s);
		return 0;
	}
	if (s)
		return bh_loop_mod_fd(&s->watch, wanted(what)) ? -1 : 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -1;
	s->t = t;
	if (bh_loop_add_fd(t->loop, &s->watch, fd, wanted(what), on_socket)) {
		free(s);
		return -1;
	}
	s->next = t->socks;
	t->socks = s;
	(void)curl_multi_assign(t->multi, fd, s);
	return 0;
}

/* --- life ------------------------------------------------------------------------------------- */

static void set_multi(struct bh_transport *t)
{
	(void)curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, curl_socket);
	(void)curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
	(void)curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, curl_timer);
	(void)curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
	(void)curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, IDLE_MAX);
}

static int put_key(struct bh_transport_key *k, const char *text)
{
	static const char name[] = "DD-API-KEY: ";

	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return BH_E_CONFIG;
	}
	if (strlen(text) > sizeof(k->header) - sizeof(name))
		return BH_E_CONFIG;
	explicit_bzero(k->header, sizeof(k->header));
	(void)snprintf(k->header, sizeof(k->header), "%s%s", name, text);
	k->text = k->header + sizeof(name) - 1;
	return 0;
}

int bh_transport_set_key(struct bh_transport *t, unsigned key, const char *text)
{
	struct bh_transport_key *k = key < t->keys_n ? t->keys[key] : NULL;
	char old[BH_HTTP_HEADER_MAX];
	int rc;

	if (!k)
		return BH_E_STATE;
	(void)snprintf(old, sizeof(old), "%s", k->text);
	rc = put_key(k, text);
	if (!rc)
		(void)snprintf(k->old, sizeof(k->old), "%s", old);
	explicit_bzero(old, sizeof(old));
	return rc;
}

bool bh_transport_key_is(const struct bh_transport *t, unsigned key, const char *text)
{
	return key < t->keys_n && strcmp(t->keys[key]->text, text) == 0;
}

int bh_transport_add_key(struct bh_transport *t, const char *text, struct bh_err *err)
{
	struct bh_transport_key *k;

	if (t->keys_n == BH_HTTP_KEYS_MAX)
		return bh_err_set(
		    err, BH_E_CONFIG, "there are more API keys than %d", BH_HTTP_KEYS_MAX);
	k = calloc(1, sizeof(*k));
	if (!k)
		return bh_err_set(err, -ENOMEM, "transport");
	t->keys[t->keys_n++] = k;
	if (put_key(k, text))
		return bh_err_set(
		    err, BH_E_CONFIG, "an API key is too long, or has control characters");
	return 0;
}

int bh_transport_new(struct bh_transport **out, struct bh_loop *loop, struct bh_log *log,
    const struct bh_config *cfg, bh_http_done_fn *done, void *ctx, struct bh_err *err)
{
	struct bh_transport *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return bh_err_set(err, -ENOMEM, "transport");
	bh_tls_key_log(cfg, log);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) || !(t->multi = curl_multi_init())) {
		free(t);
		return bh_err_set(err, BH_E_NET, "libcurl does not start");
	}
	t->loop = loop;
	t->log = log;
	t->cfg = cfg;
	t->done = done;
	t->ctx = ctx;
	set_multi(t);
	rc = bh_transport_add_key(t, cfg->api_key, err);
	if (!rc && (rc = bh_tls_init(&t->tls, cfg, log)))
		(void)bh_err_set(err, rc, "TLS settings");
	if (rc)
		bh_transport_free(t);
	else
		*out = t;
	return rc;
}

const char *bh_transport_key(const struct bh_transport *t, unsigned key)
{
	return key < t->keys_n ? t->keys[key]->text : "";
}

void bh_transport_cancel_all(struct bh_transport *t)
{
	while (t->requests)
		unlink_request(t, t->requests);
}

void bh_transport_free(struct bh_transport *t)
{
	if (!t)
		return;
	bh_transport_cancel_all(t);
	(void)curl_multi_cleanup(t->multi);
	while (t->socks)
		drop_sock(t, t->socks);
	bh_timer_cancel(&t->timer);
	bh_tls_release(&t->tls);
	curl_global_cleanup();
	for (unsigned i = 0; i < t->keys_n; i++) {
		explicit_bzero(t->keys[i], sizeof(*t->keys[i]));
		free(t->keys[i]);
	}
	free(t);
}

int bh_transport_start(struct bh_transport *t, const struct bh_http_request *req, void *token)
{
	struct bh_transport_request *r;
	int rc;

	if (req->key >= t->keys_n)
		return BH_E_STATE; /* no other key may go there */
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->t = t;
	r->token = token;
	r->key = t->keys[req->key];
	rc = bh_transport_prepare(r, req);
	if (rc) {
		discard(r);
		return rc;
	}
	r->next = t->requests;
	t->requests = r;
	if (curl_multi_add_handle(t->multi, r->easy) != CURLM_OK) {
		unlink_request(t, r);
		return BH_E_NET;
	}
	return 0;
}

void bh_transport_proxies(const struct bh_transport *t, char *out, size_t cap)
{
	const char *const keys[] = {"http", "https"};
	const char *const urls[] = {t->cfg->proxy_http, t->cfg->proxy_https};
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < BH_ARRAY_LEN(urls); i++) {
		char shown[BH_HTTP_TEXT_MAX];

		if (!urls[i][0] || n >= cap)
			continue;
		bh_proxy_show(urls[i], shown, sizeof(shown));
		n += (size_t)snprintf(
		    out + n, cap - n, "%s%s intakes over %.80s", n ? ", " : "", keys[i], shown);
	}
}

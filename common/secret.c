#include "common/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config_endpoints.h"
#include "common/config_value.h"
#include "common/jsonw.h"

#define FILE_PREFIX       "file@"
#define CREDENTIAL_PREFIX "credential@"
#define BLANKS            " \t\r\n"

/* --- handles ---------------------------------------------------------------------------------- */

static struct bh_str trimmed(struct bh_str s)
{
	while (s.n && strchr(BLANKS, s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && strchr(BLANKS, s.p[s.n - 1]))
		s.n--;
	return s;
}

static struct bh_str handle_in(struct bh_str s)
{
	const struct bh_str head = BH_STR_LIT("ENC["), tail = BH_STR_LIT("]");

	s = trimmed(s);
	if (!bh_str_starts(s, head) || !bh_str_ends(s, tail) || s.n <= head.n + tail.n)
		return (struct bh_str){NULL, 0};
	return (struct bh_str){s.p + head.n, s.n - head.n - tail.n};
}

struct bh_str bh_secret_handle(const char *text)
{
	return handle_in(bh_str_from(text));
}

bool bh_secret_is(const char *text)
{
	return bh_secret_handle(text).n > 0;
}

/* --- values ----------------------------------------------------------------------------------- */

static void forget(char **value)
{
	if (*value)
		explicit_bzero(*value, strlen(*value));
	free(*value);
	*value = NULL;
}

static void wipe_buf(struct bh_buf *b)
{
	if (b->cap)
		explicit_bzero(b->data, b->cap);
	bh_buf_release(b);
}

void bh_secrets_release(struct bh_secrets *s)
{
	for (size_t i = 0; i < s->n; i++) {
		forget(&s->v[i].value);
		free(s->v[i].handle);
	}
	free(s->v);
	*s = (struct bh_secrets){NULL, 0};
}

struct bh_secret *bh_secrets_find(const struct bh_secrets *s, struct bh_str handle)
{
	for (size_t i = 0; i < s->n; i++) {
		if (bh_str_eq(bh_str_from(s->v[i].handle), handle))
			return &s->v[i];
	}
	return NULL;
}

int bh_secret_set(struct bh_secret *s, const char *value, size_t n)
{
	char *copy;

	if (memchr(value, '\0', n))
		return BH_E_FORMAT;
	copy = strndup(value, n);
	if (!copy)
		return -ENOMEM;
	forget(&s->value);
	s->value = copy;
	return 0;
}

static int add(struct bh_secrets *s, struct bh_str handle)
{
	struct bh_secret *grown;

	if (bh_secrets_find(s, handle))
		return 0;
	if (s->n == BH_SECRETS_MAX)
		return BH_E_LIMIT;
	grown = reallocarray(s->v, s->n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	s->v = grown;
	s->v[s->n] = (struct bh_secret){strndup(handle.p, handle.n), NULL};
	return s->v[s->n].handle ? (s->n++, 0) : -ENOMEM;
}

/* --- texts within a structure ----------------------------------------------------------------- */

/* The next text of some JSON, quotes included; false: none. */
static bool next_text(const char **p, struct bh_str *token)
{
	const char *begin = strchr(*p, '"'), *end;

	if (!begin)
		return false;
	for (end = begin + 1; *end && *end != '"'; end++)
		end += *end == '\\' && end[1];
	*token = (struct bh_str){begin, (size_t)(end - begin) + (*end == '"')};
	*p = begin + token->n;
	return *end == '"';
}

/* The handle a text of JSON holds, without the escapes of quotes and backslashes. */
static int handle_of_text(struct bh_str token, struct bh_buf *out)
{
	struct bh_str raw = handle_in((struct bh_str){token.p + 1, token.n - 2});

	bh_buf_clear(out);
	for (size_t i = 0; i < raw.n; i++) {
		i += raw.p[i] == '\\' && i + 1 < raw.n && strchr("\"\\/", raw.p[i + 1]);
		(void)bh_buf_u8(out, (uint8_t)raw.p[i]);
	}
	return bh_buf_failed(out);
}

static int collect_json(const char *json, struct bh_secrets *s)
{
	struct bh_buf handle = BH_BUF_INIT;
	struct bh_str token;
	int rc = 0;

	while (!rc && next_text(&json, &token)) {
		rc = handle_of_text(token, &handle);
		if (!rc && handle.len)
			rc = add(s, bh_buf_view(&handle));
	}
	bh_buf_release(&handle);
	return rc;
}

/* --- options ---------------------------------------------------------------------------------- */

static const char *text_of(const struct bh_config *cfg, const struct bh_option *o)
{
	return *(char *const *)(const void *)((const char *)cfg + o->offset);
}

static const struct bh_strlist *list_of(const struct bh_config *cfg, const struct bh_option *o)
{
	return (const struct bh_strlist *)(const void *)((const char *)cfg + o->offset);
}

bool bh_secret_may_stand_in(const struct bh_option *o)
{
	static const char *const needed[] = {
	    "run_path", "bulkhead.run_dir", "hostname", "log_level"};
	bool text = o->type == BH_OPT_STRING || o->type == BH_OPT_SECRET ||
		    o->type == BH_OPT_LIST || o->type == BH_OPT_JSON;

	for (size_t i = 0; i < BH_ARRAY_LEN(needed); i++)
		text = text && strcmp(o->key, needed[i]) != 0;
	return text && (o->roles & ~(1u << BH_ROLE_SUPERVISOR));
}

static int collect_option(
    const struct bh_config *cfg, const struct bh_option *o, struct bh_secrets *s)
{
	const struct bh_strlist *l;
	struct bh_str h;
	int rc = 0;

	if (o->type == BH_OPT_JSON)
		return collect_json(text_of(cfg, o), s);
	if (o->type == BH_OPT_STRING || o->type == BH_OPT_SECRET) {
		h = bh_secret_handle(text_of(cfg, o));
		return h.n ? add(s, h) : 0;
	}
	if (o->type != BH_OPT_LIST)
		return 0;
	l = list_of(cfg, o);
	for (size_t i = 0; i < l->n && !rc; i++) {
		h = bh_secret_handle(l->v[i]);
		rc = h.n ? add(s, h) : 0;
	}
	return rc;
}

int bh_secrets_collect(const struct bh_config *cfg, struct bh_secrets *s)
{
	int rc = 0;

	for (size_t i = 0; i < bh_options_n && !rc; i++) {
		if (bh_secret_may_stand_in(&bh_options[i]))
			rc = collect_option(cfg, &bh_options[i], s);
	}
	for (size_t i = 0; i < cfg->endpoints_n && !rc; i++) {
		struct bh_str h = bh_secret_handle(cfg->endpoints[i].api_key);

		rc = h.n ? add(s, h) : 0;
	}
	return rc;
}

static int unknown(const struct bh_option *o, struct bh_str handle, struct bh_err *err)
{
	return bh_err_set(err, BH_E_CONFIG, "%s: nobody told the value of ENC[%.*s]", o->key,
	    (int)BH_MIN(handle.n, (size_t)100), handle.p);
}

static int misfit(const struct bh_option *o, struct bh_str handle, int rc, struct bh_err *err)
{
	if (rc == -ENOMEM)
		return bh_err_set(err, rc, "%s", o->key);
	return bh_err_set(err, BH_E_CONFIG, "%s: the value of ENC[%.*s] does not fit this option",
	    o->key, (int)BH_MIN(handle.n, (size_t)100), handle.p);
}

static int apply_text(const char *text, const struct bh_option *o, const struct bh_secrets *s,
    struct bh_config *to, struct bh_err *err)
{
	struct bh_str h = bh_secret_handle(text);
	const struct bh_secret *found = h.n ? bh_secrets_find(s, h) : NULL;
	int rc;

	if (h.n && (!found || !found->value))
		return unknown(o, h, err);
	if (!h.n && (o->type != BH_OPT_SECRET || !*text))
		return 0;
	/* A value that looks like a handle would pass unchecked. */
	if (found && bh_secret_is(found->value))
		return misfit(o, h, BH_E_CONFIG, err);
	rc = bh_config_set(to, o, found ? found->value : text, NULL);
	return rc ? misfit(o, h, rc, err) : 0;
}

static int apply_list(const struct bh_strlist *l, const struct bh_option *o,
    const struct bh_secrets *s, struct bh_config *to, struct bh_err *err)
{
	bool any = false;
	int rc = 0;

	for (size_t i = 0; i < l->n; i++)
		any |= bh_secret_is(l->v[i]);
	if (!any)
		return 0;
	bh_config_clear_list(to, o);
	for (size_t i = 0; i < l->n && !rc; i++) {
		struct bh_str h = bh_secret_handle(l->v[i]);
		const struct bh_secret *found = h.n ? bh_secrets_find(s, h) : NULL;

		if (h.n && (!found || !found->value))
			return unknown(o, h, err);
		rc = bh_config_add_item(to, o, found ? found->value : l->v[i]);
	}
	return rc ? bh_err_set(err, rc, "%s", o->key) : 0;
}

static int fill_json(const char *json, const struct bh_option *o, const struct bh_secrets *s,
    struct bh_buf *out, bool *any, struct bh_err *err)
{
	struct bh_buf handle = BH_BUF_INIT;
	const char *done = json;
	struct bh_str token;
	int rc = 0;

	while (!rc && next_text(&json, &token)) {
		const struct bh_secret *found;
		struct bh_jsonw w;

		rc = handle_of_text(token, &handle);
		if (rc || !handle.len)
			continue;
		found = bh_secrets_find(s, bh_buf_view(&handle));
		if (!found || !found->value) {
			rc = unknown(o, bh_buf_view(&handle), err);
			break;
		}
		(void)bh_buf_append(out, done, (size_t)(token.p - done));
		bh_jsonw_init(&w, out);
		bh_jsonw_str(&w, NULL, found->value);
		done = json;
		*any = true;
	}
	bh_buf_release(&handle);
	(void)bh_buf_str(out, done);
	return rc ? rc : bh_buf_failed(out);
}

static int apply_json(const char *json, const struct bh_option *o, const struct bh_secrets *s,
    struct bh_config *to, struct bh_err *err)
{
	struct bh_buf filled = BH_BUF_INIT;
	bool any = false;
	int rc = fill_json(json, o, s, &filled, &any, err);

	if (!rc && any)
		rc = bh_config_set(to, o, filled.data, NULL);
	if (rc && !err->code)
		(void)bh_err_set(err, rc, "%s", o->key);
	wipe_buf(&filled);
	return rc;
}

/* Keys of the further endpoints: what was read out of the options, where the handles are whole. */
static int apply_endpoints(const struct bh_config *raw, const struct bh_secrets *s,
    struct bh_config *to, struct bh_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < BH_MIN(raw->endpoints_n, to->endpoints_n) && !rc; i++) {
		const char *text = raw->endpoints[i].api_key;
		struct bh_str h = bh_secret_handle(text);
		const struct bh_secret *found = h.n ? bh_secrets_find(s, h) : NULL;

		if (h.n && (!found || !found->value || !*found->value))
			return bh_err_set(err, BH_E_CONFIG,
			    "additional_endpoints: nobody told the value of ENC[%.*s]",
			    (int)BH_MIN(h.n, (size_t)100), h.p);
		if (found || *text)
			rc = bh_endpoint_set_key(&to->endpoints[i], found ? found->value : text);
	}
	return rc ? bh_err_set(err, rc, "additional_endpoints") : 0;
}

int bh_secrets_apply(const struct bh_config *raw, unsigned roles, const struct bh_secrets *s,
    struct bh_config *to, struct bh_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < bh_options_n && !rc; i++) {
		const struct bh_option *o = &bh_options[i];

		if (!(o->roles & roles) || !bh_secret_may_stand_in(o))
			continue;
		if (o->type == BH_OPT_JSON)
			rc = apply_json(text_of(raw, o), o, s, to, err);
		else if (o->type == BH_OPT_LIST)
			rc = apply_list(list_of(raw, o), o, s, to, err);
		else if (o->type == BH_OPT_STRING || o->type == BH_OPT_SECRET)
			rc = apply_text(text_of(raw, o), o, s, to, err);
	}
	if (!rc && (roles & 1u << BH_ROLE_FORWARDER))
		rc = apply_endpoints(raw, s, to, err);
	return rc;
}

void bh_secrets_wipe_plain(struct bh_config *cfg)
{
	for (size_t i = 0; i < bh_options_n; i++) {
		const struct bh_option *o = &bh_options[i];
		char *text =
		    o->type == BH_OPT_SECRET ? *(char **)(void *)((char *)cfg + o->offset) : NULL;

		if (text && !bh_secret_is(text))
			explicit_bzero(text, strlen(text));
	}
	for (size_t i = 0; i < cfg->endpoints_n; i++) {
		if (!bh_secret_is(cfg->endpoints[i].api_key))
			explicit_bzero(
			    cfg->endpoints[i].api_key, strlen(cfg->endpoints[i].api_key));
	}
}

/* --- files ------------------------------------------------------------------------------------ */

static int credential_path(
    const char *name, const char *credentials, char **path, struct bh_err *err)
{
	if (strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return bh_err_set(err, BH_E_CONFIG,
		    "ENC[%.100s]: not the name of a credential; set secret_backend_command for "
		    "handles of a program",
		    name);
	if (!credentials)
		return bh_err_set(err, BH_E_CONFIG,
		    "ENC[%.100s]: there are no credentials ($CREDENTIALS_DIRECTORY is not set): "
		    "add LoadCredential=%.100s:/path to the unit, or set secret_backend_command",
		    name, name);
	return asprintf(path, "%s/%s", credentials, name) < 0 ? -ENOMEM : 0;
}

int bh_secret_path(
    const char *handle, bool has_command, const char *credentials, char **path, struct bh_err *err)
{
	const struct bh_str h = bh_str_from(handle);
	int rc = 0;

	*path = NULL;
	if (bh_str_starts(h, BH_STR_LIT(FILE_PREFIX))) {
		*path = strdup(handle + sizeof(FILE_PREFIX) - 1);
		rc = *path ? 0 : -ENOMEM;
	} else if (bh_str_starts(h, BH_STR_LIT(CREDENTIAL_PREFIX))) {
		rc =
		    credential_path(handle + sizeof(CREDENTIAL_PREFIX) - 1, credentials, path, err);
	} else if (!has_command) {
		rc = credential_path(handle, credentials, path, err);
	}
	if (rc)
		*path = NULL;
	return rc == -ENOMEM ? bh_err_set(err, rc, "ENC[%.100s]", handle) : rc;
}

static ssize_t read_whole(int fd, char *buf, size_t cap)
{
	size_t n = 0;

	while (n < cap) {
		ssize_t r = read(fd, buf + n, cap - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		n += (size_t)r;
	}
	return (ssize_t)n;
}

static int take_content(
    struct bh_secret *s, int fd, const char *path, char *buf, struct bh_err *err)
{
	ssize_t n = read_whole(fd, buf, BH_SECRET_FILE_MAX + 1);
	struct bh_str value;
	int rc;

	if (n < 0)
		return bh_err_set(err, (int)n, "%s", path);
	if ((size_t)n > BH_SECRET_FILE_MAX)
		return bh_err_set(err, BH_E_CONFIG, "%s: a secret of more than 64 KiB", path);
	value = trimmed((struct bh_str){buf, (size_t)n});
	if (value.n == 0)
		return bh_err_set(err, BH_E_CONFIG, "%s is empty: write the value into it", path);
	rc = bh_secret_set(s, value.p, value.n);
	return rc ? bh_err_set(err, rc == -ENOMEM ? rc : BH_E_CONFIG,
			"%s: a NUL byte is in the value", path)
		  : 0;
}

/* Not blocking: somebody may have put a FIFO there. */
int bh_secret_read(struct bh_secret *s, const char *path, struct bh_err *err)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char *buf;
	struct stat st;
	int rc;

	if (fd < 0)
		return bh_err_set(err, -errno, "ENC[%.100s]: %s", s->handle, path);
	buf = malloc(BH_SECRET_FILE_MAX + 1);
	if (!buf)
		rc = bh_err_set(err, -ENOMEM, "%s", path);
	else if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		rc = bh_err_set(err, BH_E_CONFIG, "%s: not a regular file", path);
	else
		rc = take_content(s, fd, path, buf, err);
	if (buf)
		explicit_bzero(buf, BH_SECRET_FILE_MAX + 1);
	free(buf);
	(void)close(fd);
	return rc;
}

#include "supervisor/resolver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_yaml.h"
#include "common/jsonw.h"

#define OPTION    "secret_backend_command"
#define VERSION   "1.0"
#define ARGS_MAX  256
#define CAUSE_MAX 200

/* --- the answer of the command ---------------------------------------------------------------- */

static void wipe_tree(struct bh_yaml *n)
{
	for (; n; n = n->next) {
		wipe_tree(n->child); /* as deep as BH_YAML_DEPTH_MAX */
		if (n->text)
			explicit_bzero(n->text, strlen(n->text));
	}
}

static const char *text_of(const struct bh_yaml *n)
{
	return n && n->type == BH_YAML_SCALAR && !n->plain ? n->text : "";
}

static int take_value(
    struct bh_secret *s, const struct bh_yaml *answer, bool trim, struct bh_err *err)
{
	const struct bh_yaml *entry = bh_yaml_get(answer, s->handle);
	const char *error = text_of(bh_yaml_get(entry, "error"));
	const char *value = text_of(bh_yaml_get(entry, "value"));
	size_t n = strlen(value);
	int rc;

	if (!entry)
		return bh_err_set(err, BH_E_CONFIG,
		    OPTION ": its answer has no member for ENC[%.100s]: teach it this handle, or "
			   "correct it",
		    s->handle);
	if (*error)
		return bh_err_set(err, BH_E_CONFIG,
		    OPTION ": it has no value for ENC[%.100s]: %.*s", s->handle, CAUSE_MAX, error);
	while (trim && n && strchr("\r\n", value[n - 1]))
		n--;
	if (n == 0)
		return bh_err_set(err, BH_E_CONFIG,
		    OPTION ": the value of ENC[%.100s] is empty or no text: it has to be "
			   "{\"value\": \"TEXT\"}",
		    s->handle);
	rc = bh_secret_set(s, value, n);
	return rc ? bh_err_set(err, rc, OPTION ": ENC[%.100s]", s->handle) : 0;
}

int bh_resolver_read(struct bh_secrets *s, const char *answer, bool trim, struct bh_err *err)
{
	struct bh_err why = BH_ERR_INIT;
	struct bh_yaml *root = NULL;
	int rc = bh_yaml_parse(answer, "its answer", &root, &why);

	if (!rc && (!root || root->type != BH_YAML_MAP))
		rc = bh_err_set(&why, BH_E_CONFIG, "its answer is no JSON object");
	if (rc)
		(void)bh_err_set(err, BH_E_CONFIG,
		    OPTION ": %.200s; it has to write {\"HANDLE\": {\"value\": \"TEXT\"}}",
		    why.text);
	for (size_t i = 0; i < s->n && !rc; i++) {
		if (!s->v[i].value)
			rc = take_value(&s->v[i], root, trim, err);
	}
	wipe_tree(root);
	bh_yaml_free(root);
	return rc;
}

/* --- files ------------------------------------------------------------------------------------ */

/* Reads what stands in files; *left values are for the command to tell. */
static int read_files(
    struct bh_secrets *s, const struct bh_config *raw, size_t *left, struct bh_err *err)
{
	bool has_command = raw->secret_backend_command[0] != '\0';
	int rc = 0;

	*left = 0;
	for (size_t i = 0; i < s->n && !rc; i++) {
		char *path = NULL;

		rc = bh_secret_path(
		    s->v[i].handle, has_command, getenv("CREDENTIALS_DIRECTORY"), &path, err);
		if (!rc && path)
			rc = bh_secret_read(&s->v[i], path, err);
		*left += !rc && !path;
		free(path);
	}
	return rc;
}

/* --- the command ------------------------------------------------------------------------------ */

static void finish(struct bh_resolver *r, const struct bh_err *err)
{
	struct bh_secrets secrets = r->secrets;

	r->secrets = (struct bh_secrets){NULL, 0};
	free(r->path);
	r->path = NULL;
	r->done(r, &secrets, err->code ? err : NULL);
	bh_secrets_release(&secrets);
}

static void on_ended(
    struct bh_command *c, enum bh_command_end end, int code, const struct bh_buf *out)
{
	struct bh_resolver *r = BH_CONTAINER(c, struct bh_resolver, command);
	struct bh_err err = BH_ERR_INIT;

	switch (end) {
	case BH_COMMAND_DONE:
		err.code = bh_resolver_read(&r->secrets, out->data ? out->data : "", r->trim, &err);
		break;
	case BH_COMMAND_EXITED:
		(void)bh_err_set(&err, BH_E_STATE,
		    OPTION ": %s ended with status %d: run it by hand, as this user, to see why",
		    r->path, code);
		break;
	case BH_COMMAND_SIGNALED:
		(void)bh_err_set(
		    &err, BH_E_STATE, OPTION ": %s was ended by signal %d", r->path, code);
		break;
	case BH_COMMAND_LATE:
		(void)bh_err_set(&err, BH_E_STATE,
		    OPTION ": %s did not end within %g s and was killed: make it faster, or raise "
			   "secret_backend_timeout",
		    r->path, (double)r->timeout_ms / 1000);
		break;
	case BH_COMMAND_TOO_LONG:
		(void)bh_err_set(&err, BH_E_CONFIG,
		    OPTION ": %s wrote more than %lld bytes and was killed: raise "
			   "secret_backend_output_max_size if that is right",
		    r->path, (long long)r->max);
		break;
	}
	finish(r, &err);
}

static int put_request(const struct bh_secrets *s, struct bh_buf *out)
{
	struct bh_jsonw w;

	bh_jsonw_init(&w, out);
	bh_jsonw_object(&w, NULL);
	bh_jsonw_str(&w, "version", VERSION);
	bh_jsonw_array(&w, "secrets");
	for (size_t i = 0; i < s->n; i++) {
		if (!s->v[i].value)
			bh_jsonw_str(&w, NULL, s->v[i].handle);
	}
	bh_jsonw_array_end(&w);
	bh_jsonw_object_end(&w);
	return bh_buf_failed(out);
}

static int run(struct bh_resolver *r, const struct bh_config *raw, struct bh_err *err)
{
	const struct bh_strlist *args = &raw->secret_backend_arguments;
	struct bh_buf in = BH_BUF_INIT;
	char *argv[ARGS_MAX + 2] = {raw->secret_backend_command};
	int rc;

	r->trim = raw->secret_backend_trim;
	r->timeout_ms = raw->secret_backend_timeout_ms;
	r->max = raw->secret_backend_output_max_size;
	if (args->n > ARGS_MAX)
		return bh_err_set(
		    err, BH_E_CONFIG, "secret_backend_arguments: more than %d", ARGS_MAX);
	for (size_t i = 0; i < args->n; i++)
		argv[i + 1] = args->v[i];
	r->path = strdup(raw->secret_backend_command);
	rc = r->path ? put_request(&r->secrets, &in) : -ENOMEM;
	if (rc)
		(void)bh_err_set(err, rc, OPTION);
	else
		rc = bh_command_check(r->path, raw->secret_backend_allow_group_exec, err);
	if (!rc)
		rc = bh_command_start(
		    &r->command, argv, &in, (size_t)r->max, r->timeout_ms * BH_NS_PER_MS, err);
	if (rc)
		(void)bh_err_prefix(err, OPTION);
	bh_buf_release(&in);
	return rc;
}

void bh_resolver_init(struct bh_resolver *r, struct bh_loop *loop, bh_resolver_fn *done)
{
	*r = (struct bh_resolver){.done = done};
	bh_command_init(&r->command, loop, on_ended);
}

void bh_resolver_start(struct bh_resolver *r, const struct bh_config *raw)
{
	struct bh_err err = BH_ERR_INIT;
	size_t left = 0;
	int rc = bh_secrets_collect(raw, &r->secrets);

	if (rc)
		(void)bh_err_set(&err, rc, "secrets of the configuration");
	else
		rc = read_files(&r->secrets, raw, &left, &err);
	if (!rc && left)
		rc = run(r, raw, &err);
	if (rc || !left)
		finish(r, &err);
}

void bh_resolver_cancel(struct bh_resolver *r)
{
	bh_command_cancel(&r->command);
	bh_secrets_release(&r->secrets);
	free(r->path);
	r->path = NULL;
}

/* --- at a start ------------------------------------------------------------------------------- */

struct waiting {
	struct bh_resolver resolver;
	struct bh_loop loop;
	bool over;
	struct bh_secrets *out;
	struct bh_err *err;
};

static void on_resolved(struct bh_resolver *r, struct bh_secrets *secrets, const struct bh_err *err)
{
	struct waiting *w = BH_CONTAINER(r, struct waiting, resolver);

	w->over = true;
	if (err) {
		*w->err = *err;
		return;
	}
	*w->out = *secrets;
	*secrets = (struct bh_secrets){NULL, 0};
}

int bh_resolve(const struct bh_config *raw, struct bh_secrets *out, struct bh_err *err)
{
	struct waiting w = {.out = out, .err = err};
	int rc = bh_loop_init(&w.loop, &bh_clock_system);

	if (rc)
		return bh_err_set(err, rc, "secrets of the configuration");
	bh_resolver_init(&w.resolver, &w.loop, on_resolved);
	bh_resolver_start(&w.resolver, raw);
	while (!w.over && !rc)
		rc = bh_loop_turn(&w.loop, -1);
	if (rc)
		(void)bh_err_set(err, rc, "secrets of the configuration");
	bh_resolver_cancel(&w.resolver);
	bh_loop_release(&w.loop);
	return rc ? rc : err->code;
}

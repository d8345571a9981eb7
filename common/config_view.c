#include "common/config_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_value.h"
#include "common/secret.h"

#define MASK       "********"
#define TAIL       5
#define KEY_LENGTH 20 /* shorter ones show nothing */

static const struct bh_strlist *list_of(const struct bh_config *cfg, const struct bh_option *o)
{
	return (const struct bh_strlist *)(const void *)((const char *)cfg + o->offset);
}

static int show_list(const struct bh_strlist *l, struct bh_buf *out)
{
	(void)bh_buf_u8(out, '[');
	for (size_t i = 0; i < l->n; i++)
		(void)bh_buf_printf(out, "%s%s", i ? ", " : "", l->v[i]);
	return bh_buf_u8(out, ']');
}

static int show_secret(const struct bh_option *o, const char *text, struct bh_buf *out)
{
	static const char name[] = "api_key";
	size_t n = strlen(text), m = strlen(o->key), k = sizeof(name) - 1;
	bool key = m >= k && strcmp(o->key + m - k, name) == 0;

	if (n == 0 || bh_secret_is(text))
		return bh_buf_str(out, text);
	(void)bh_buf_str(out, MASK);
	return key && n >= KEY_LENGTH ? bh_buf_str(out, text + n - TAIL) : 0;
}

int bh_config_show(const struct bh_config *cfg, const struct bh_option *o, struct bh_buf *out)
{
	if (o->type == BH_OPT_SECRET)
		return show_secret(
		    o, *(char *const *)(const void *)((const char *)cfg + o->offset), out);
	if (o->type == BH_OPT_LIST)
		return show_list(list_of(cfg, o), out);
	return bh_config_print(cfg, o, out);
}

/* --- images ----------------------------------------------------------------------------------- */

static uint64_t mark(uint64_t h, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		h = (h ^ (unsigned char)p[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	return h;
}

static int take_one(struct bh_config_image *i, const struct bh_config *cfg, size_t at)
{
	const struct bh_option *o = &bh_options[at];
	struct bh_buf shown = BH_BUF_INIT, whole = BH_BUF_INIT;
	size_t len;
	int rc = bh_config_show(cfg, o, &shown);

	if (!rc)
		rc = o->type == BH_OPT_LIST ? show_list(list_of(cfg, o), &whole)
					    : bh_config_print(cfg, o, &whole);
	if (!rc)
		rc = bh_buf_u8(&shown, '\0');
	if (!rc) {
		i->marks[at] = mark(i->salt, whole.data, whole.len);
		i->shown[at] = bh_buf_detach(&shown, &len);
	}
	if (whole.cap)
		explicit_bzero(whole.data, whole.cap);
	bh_buf_release(&whole);
	bh_buf_release(&shown);
	return rc;
}

int bh_config_image_take(struct bh_config_image *i, const struct bh_config *cfg, uint64_t salt)
{
	int rc = 0;

	bh_config_image_release(i);
	i->salt = salt;
	i->shown = calloc(bh_options_n, sizeof(*i->shown));
	i->marks = calloc(bh_options_n, sizeof(*i->marks));
	if (!i->shown || !i->marks)
		rc = -ENOMEM;
	for (size_t at = 0; at < bh_options_n && !rc; at++) {
		if (bh_options[at].type != BH_OPT_IGNORED)
			rc = take_one(i, cfg, at);
	}
	if (rc)
		bh_config_image_release(i);
	return rc;
}

void bh_config_image_release(struct bh_config_image *i)
{
	for (size_t at = 0; i->shown && at < bh_options_n; at++)
		free(i->shown[at]);
	free(i->shown);
	free(i->marks);
	*i = (struct bh_config_image){NULL, NULL, 0};
}

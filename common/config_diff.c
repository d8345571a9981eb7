#include "common/config_diff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_logs.h"

#define NAME_MAX_BYTES 4200 /* a path and some */

/* One source as bytes. */
struct key {
	struct bh_buf content;
	bool taken;
};

static int make_key(struct key *k, const struct bh_log_source *s)
{
	static char nowhere[] = "", some[] = "x";
	struct bh_log_source view = *s; /* borrows */

	/* The text of a fault may tell the place of another source. */
	view.where = nowhere;
	view.fault = s->fault[0] ? some : nowhere;
	bh_config_put_source(&k->content, &view);
	return bh_buf_failed(&k->content);
}

static bool is_kin(const struct bh_log_source *a, const struct bh_log_source *b)
{
	char x[NAME_MAX_BYTES], y[NAME_MAX_BYTES];

	if (strcmp(a->type, b->type) != 0)
		return false;
	bh_log_source_name(a, x, sizeof(x));
	bh_log_source_name(b, y, sizeof(y));
	return strcmp(x, y) == 0;
}

/* Both lists mostly have the same order: the search goes on where it succeeded last. */
static size_t find_same(const struct key *old, size_t n, size_t from, const struct key *k)
{
	for (size_t i = 0; i < n; i++) {
		size_t at = (from + i) % n;

		if (!old[at].taken &&
		    bh_str_eq(bh_buf_view(&old[at].content), bh_buf_view(&k->content)))
			return at;
	}
	return BH_SOURCE_NEW;
}

/* Of the old ones that nobody continues, those that a new one stands in for have changed. */
static void count(const struct bh_log_source *const *old, struct key *keys, size_t old_n,
    const struct bh_log_source *now, size_t n, const size_t *same, struct bh_sources_change *c)
{
	for (size_t i = 0; i < n; i++) {
		size_t at = 0;

		if (same[i] != BH_SOURCE_NEW) {
			c->unchanged++;
			continue;
		}
		while (at < old_n && (keys[at].taken || !is_kin(old[at], &now[i])))
			at++;
		if (at < old_n) {
			keys[at].taken = true;
			c->changed++;
		} else {
			c->added++;
		}
	}
	for (size_t i = 0; i < old_n; i++)
		c->removed += !keys[i].taken;
}

int bh_log_sources_compare(const struct bh_log_source *const *old, size_t old_n,
    const struct bh_log_source *now, size_t n, size_t *same, struct bh_sources_change *change)
{
	struct key *keys = calloc(old_n + 1, sizeof(*keys));
	size_t from = 0;
	int rc = keys ? 0 : -ENOMEM;

	*change = (struct bh_sources_change){0};
	for (size_t i = 0; i < old_n && !rc; i++)
		rc = make_key(&keys[i], old[i]);
	for (size_t i = 0; i < n && !rc; i++) {
		struct key k = {BH_BUF_INIT, false};

		rc = make_key(&k, &now[i]);
		same[i] = rc ? BH_SOURCE_NEW : find_same(keys, old_n, from, &k);
		if (same[i] != BH_SOURCE_NEW) {
			keys[same[i]].taken = true;
			from = same[i] + 1;
		}
		bh_buf_release(&k.content);
	}
	if (!rc)
		count(old, keys, old_n, now, n, same, change);
	for (size_t i = 0; keys && i < old_n; i++)
		bh_buf_release(&keys[i].content);
	free(keys);
	return rc;
}

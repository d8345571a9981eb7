#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "forwarder/custody_internal.h"
#include "forwarder/registry_file.h"

#define COMPONENT    "registry"
#define IMPORTED_KEY "registry_imported"
#define AGENT_DIR    "/opt/datadog-agent/run"
#define AGENT_FILE   "registry.json"

const struct bh_positions *bh_custody_positions(const struct bh_custody *c)
{
	return &c->positions;
}

/* --- all generations by identifier
 * ---------------------------------------------------------------- */

struct index {
	const struct bh_generation **v;
	size_t n, cap;
};

static int index_add(void *ctx, const struct bh_generation *g)
{
	struct index *x = ctx;

	if (x->n < x->cap)
		x->v[x->n++] = g;
	return 0;
}

static int compare(struct bh_str a, struct bh_str b)
{
	size_t n = BH_MIN(a.n, b.n);
	int c = n ? memcmp(a.p, b.p, n) : 0;

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int by_identifier(const void *a, const void *b)
{
	const struct bh_generation *const *x = a;
	const struct bh_generation *const *y = b;

	return compare((*x)->row.identifier, (*y)->row.identifier);
}

static int index_room(struct index *x, size_t cap)
{
	*x = (struct index){.cap = cap};
	x->v = calloc(cap + 1, sizeof(const struct bh_generation *));
	return x->v ? 0 : -ENOMEM;
}

static int index_make(struct index *x, const struct bh_positions *ps)
{
	if (index_room(x, ps->n))
		return -ENOMEM;
	(void)!bh_positions_each(ps, index_add, x); /* index_add never fails */
	qsort(x->v, x->n, sizeof(const struct bh_generation *), by_identifier);
	return 0;
}

/* The first one that is not before the identifier. */
static size_t index_find(const struct index *x, struct bh_str identifier)
{
	size_t low = 0, high = x->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(x->v[middle]->row.identifier, identifier) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool index_is(const struct index *x, size_t at, struct bh_str identifier)
{
	return at < x->n && bh_str_eq(x->v[at]->row.identifier, identifier);
}

/* --- import
 * --------------------------------------------------------------------------------------- */

struct import {
	struct bh_custody *c;
	struct bh_registry_import *in;
	struct index known;
	struct index old;    /* of these, the ones that are replaced */
	struct bh_buf fresh; /* records of the new rows, for memory once they are committed */
};

/* An identifier that only imports made rows of gets the new one instead. */
static int replace_old(struct import *m, struct bh_str identifier, bool *skip)
{
	size_t first = index_find(&m->known, identifier);

	*skip = false;
	for (size_t i = first; index_is(&m->known, i, identifier); i++)
		*skip |= !bh_generation_imported(m->known.v[i]);
	for (size_t i = first; !*skip && index_is(&m->known, i, identifier); i++) {
		const struct bh_generation *g = m->known.v[i];
		int rc = bh_store_forget(m->c->cfg.store, identifier, g->row.gen);

		if (rc)
			return rc;
		(void)index_add(&m->old, g);
	}
	return 0;
}

static int import_row(void *ctx, const struct bh_origin *o)
{
	struct import *m = ctx;
	struct bh_origin row = *o;
	struct bh_position p;
	bool skip;
	int rc = replace_old(m, o->identifier, &skip);

	if (rc)
		return rc;
	if (skip) {
		m->in->skipped++;
		return 0;
	}
	row.gen = bh_rng_u64(m->c->cfg.rng);
	p = bh_position_of(&row, 0, 0);
	rc = bh_store_position(m->c->cfg.store, &p);
	if (!rc)
		rc = bh_origin_encode(&row, &m->fresh);
	m->in->imported += !rc;
	return rc;
}

/* Memory follows the commit. A row that finds no room there is read at the next start. */
static void remember(struct import *m)
{
	struct bh_positions *ps = &m->c->positions;
	struct bh_cur fresh = bh_cur_init(m->fresh.data, m->fresh.len);
	struct bh_origin row = {0};
	struct bh_position p;

	for (size_t i = 0; i < m->old.n; i++)
		bh_positions_forget(ps, m->old.v[i]->row.identifier, m->old.v[i]->row.gen);
	while (fresh.left) {
		int rc = bh_origin_decode(bh_cur_blob(&fresh), &row);

		p = bh_position_of(&row, 0, 0);
		if (rc || bh_positions_load(ps, &p)) {
			bh_warn(
			    m->c->cfg.log, COMPONENT, "imported rows count from the next start on");
			return;
		}
	}
}

static int import_in_transaction(struct import *m, const char *p, size_t n)
{
	struct bh_store *store = m->c->cfg.store;
	int rc = bh_store_begin(store);

	if (!rc)
		rc = bh_registry_parse(p, n, import_row, m, &m->in->file);
	if (!rc)
		rc = bh_store_meta_set(store, IMPORTED_KEY, 1);
	if (!rc)
		rc = bh_store_commit(store);
	if (rc)
		bh_store_rollback(store);
	return rc;
}

int bh_custody_import(struct bh_custody *c, const char *p, size_t n, struct bh_registry_import *in)
{
	struct import m = {.c = c, .in = in};
	int rc;

	*in = (struct bh_registry_import){0};
	if (c->drain_done)
		return BH_E_STATE;
	rc = index_make(&m.known, &c->positions);
	if (!rc)
		rc = index_room(&m.old, m.known.n);
	if (!rc)
		rc = import_in_transaction(&m, p, n);
	if (!rc) {
		remember(&m);
		c->registry_note[0] = '\0';
	}
	free(m.known.v);
	free(m.old.v);
	bh_buf_release(&m.fresh);
	return rc;
}

/* --- the first start
 * ------------------------------------------------------------------------------ */

static bool is_first(struct bh_custody *c)
{
	int64_t v = 0;

	return c->positions.n == c->positions.sources &&
	       bh_store_meta_get(c->cfg.store, IMPORTED_KEY, &v) == 0;
}

static void import_failed(struct bh_custody *c, const char *path, int rc,
    const struct bh_registry_import *in, const struct bh_err *err)
{
	if (rc == BH_E_FORMAT)
		(void)snprintf(c->registry_note, sizeof(c->registry_note),
		    "%.120s: byte %zu: %.80s", path, in->file.position, in->file.text);
	else
		(void)snprintf(c->registry_note, sizeof(c->registry_note), "%.200s",
		    err->text[0] ? err->text : bh_err_name(rc));
	bh_error(c->cfg.log, COMPONENT,
	    "%s; the registry begins empty, the file is tried again at the next start",
	    c->registry_note);
}

/* Whether there was a file, whatever became of it. */
static bool try_file(struct bh_custody *c, const char *dir)
{
	struct bh_buf path = BH_BUF_INIT, file = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_registry_import in = {0};
	int fd = -1, rc = bh_buf_printf(&path, "%s/" AGENT_FILE, dir);

	if (!rc)
		fd = open(path.data, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (!rc && fd < 0)
		rc = bh_err_set(&err, -errno, "%s", path.data);
	if (rc == -ENOENT || rc == -ENOTDIR) {
		bh_buf_release(&path);
		return false;
	}
	if (!rc)
		rc = bh_registry_read(fd, path.data, &file, &err);
	if (fd >= 0)
		(void)close(fd);
	if (!rc)
		rc = bh_custody_import(c, file.data ? file.data : "", file.len, &in);
	if (rc)
		import_failed(c, path.data ? path.data : dir, rc, &in, &err);
	else
		bh_info(c->cfg.log, COMPONENT,
		    "%s: version %d, %zu rows imported, %zu entries without a position ignored",
		    path.data, in.file.version, in.imported, in.file.ignored);
	bh_buf_release(&path);
	bh_buf_release(&file);
	return true;
}

void bh_custody_first_import(struct bh_custody *c)
{
	const char *const dirs[] = {
	    c->cfg.config->logs_run_path, c->cfg.config->run_path, AGENT_DIR};

	if (!is_first(c))
		return;
	for (size_t i = 0; i < BH_ARRAY_LEN(dirs); i++) {
		if (dirs[i][0] && try_file(c, dirs[i]))
			return;
	}
}

/* --- forget
 * --------------------------------------------------------------------------------------- */

static bool is_tailed(const struct bh_generation *g)
{
	return g->row.state < BH_ORIGIN_FINISHED && !bh_generation_imported(g);
}

int bh_custody_forget(struct bh_custody *c, struct bh_str identifier, bool logs_running, size_t *n)
{
	struct bh_store *store = c->cfg.store;
	struct index known;
	size_t first, i;
	int rc;

	*n = 0;
	if (c->drain_done)
		return BH_E_STATE;
	rc = index_make(&known, &c->positions);
	if (rc)
		return rc;
	first = index_find(&known, identifier);
	for (i = first; logs_running && index_is(&known, i, identifier); i++)
		rc = is_tailed(known.v[i]) ? BH_E_STATE : rc;
	if (!rc)
		rc = bh_store_begin(store);
	for (i = first; !rc && index_is(&known, i, identifier); i++)
		rc = bh_store_forget(store, identifier, known.v[i]->row.gen);
	if (!rc)
		rc = bh_store_commit(store);
	if (rc)
		bh_store_rollback(store);
	for (size_t at = first; !rc && at < i; at++, ++*n)
		bh_positions_forget(&c->positions, identifier, known.v[at]->row.gen);
	free(known.v);
	return rc;
}

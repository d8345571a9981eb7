#include "logs-agent/rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "logs-agent/generation.h"

void bh_rows_release(struct bh_rows *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->v[i].identifier);
		free(r->v[i].path);
	}
	free(r->v);
	*r = (struct bh_rows){NULL, 0, 0};
}

static uint64_t number(struct bh_str s)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	return v;
}

static struct bh_row *find(struct bh_rows *r, struct bh_str identifier, uint64_t gen)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->v[i].gen == gen && bh_str_eq(bh_str_from(r->v[i].identifier), identifier))
			return &r->v[i];
	}
	return NULL;
}

static int add(struct bh_rows *r, const struct bh_origin *o, struct bh_row **out)
{
	struct bh_row *row;

	if (r->n == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 64;
		struct bh_row *grown = reallocarray(r->v, cap, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		r->v = grown;
		r->cap = cap;
	}
	row = &r->v[r->n];
	*row = (struct bh_row){
	    .identifier = strndup(o->identifier.p, o->identifier.n),
	    .path = strndup(o->path.p ? o->path.p : "", o->path.n),
	    .gen = o->gen,
	};
	if (!row->identifier || !row->path) {
		free(row->identifier);
		free(row->path);
		return -ENOMEM;
	}
	r->n++;
	*out = row;
	return 0;
}

int bh_rows_put(struct bh_rows *r, const struct bh_origin *o, bool open)
{
	struct bh_row *row = find(r, o->identifier, o->gen);
	int rc = row ? 0 : add(r, o, &row);

	if (rc)
		return rc;
	row->dev = o->dev;
	row->ino = o->ino;
	row->offset = number(o->offset_last);
	row->marker_len = o->marker_len;
	row->marker_hash = o->marker_hash;
	row->ingestion_ns = o->ingestion_ns;
	row->state = o->state;
	row->open = open;
	return 0;
}

struct bh_row *bh_rows_find_file(struct bh_rows *r, uint64_t dev, uint64_t ino, int fd)
{
	for (size_t i = r->n; i-- > 0;) {
		struct bh_row *row = &r->v[i];

		/* The device number may change at a reboot: inode and content decide. */
		if (row->ino == ino && (row->dev == dev || row->marker_len == BH_MARKER_MAX) &&
		    bh_same_content(fd, row->offset, row->marker_len, row->marker_hash))
			return row;
	}
	return NULL;
}

bool bh_rows_know_identifier(const struct bh_rows *r, const char *identifier)
{
	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(r->v[i].identifier, identifier) == 0)
			return true;
	}
	return false;
}

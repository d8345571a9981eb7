#include "logs-agent/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "logs-agent/generation.h" /* bh_same_content */

#define FIRST_SLOTS 256
#define JOURNAL     "journald:"

static void free_row(struct bh_row *row)
{
	free(row->identifier);
	free(row->path);
	free(row->cursor);
	free(row->cursor_handed);
	free(row->fp_config);
	free(row);
}

void bh_rows_release(struct bh_rows *r)
{
	while (r->all) {
		struct bh_row *next = r->all->next_all;

		free_row(r->all);
		r->all = next;
	}
	free((void *)r->by_name);
	free((void *)r->by_ino);
	*r = (struct bh_rows){0};
}

static size_t name_slot(const struct bh_rows *r, struct bh_str identifier)
{
	return (size_t)XXH3_64bits(identifier.p, identifier.n) & r->mask;
}

static size_t ino_slot(const struct bh_rows *r, uint64_t ino)
{
	return (size_t)XXH3_64bits(&ino, sizeof(ino)) & r->mask;
}

static void link_name(struct bh_rows *r, struct bh_row *row)
{
	struct bh_row **slot = &r->by_name[name_slot(r, bh_str_from(row->identifier))];

	row->next_name = *slot;
	*slot = row;
}

static void link_ino(struct bh_rows *r, struct bh_row *row)
{
	struct bh_row **slot = &r->by_ino[ino_slot(r, row->ino)];

	row->next_ino = *slot;
	*slot = row;
}

static void unlink_ino(struct bh_rows *r, struct bh_row *row)
{
	struct bh_row **at = &r->by_ino[ino_slot(r, row->ino)];

	while (*at != row)
		at = &(*at)->next_ino;
	*at = row->next_ino;
}

static void unlink_name(struct bh_rows *r, struct bh_row *row)
{
	struct bh_row **at = &r->by_name[name_slot(r, bh_str_from(row->identifier))];

	while (*at != row)
		at = &(*at)->next_name;
	*at = row->next_name;
}

static int grow(struct bh_rows *r)
{
	size_t slots = r->by_name ? 2 * (r->mask + 1) : FIRST_SLOTS;
	struct bh_row **names = calloc(slots, sizeof(struct bh_row *));
	struct bh_row **inos = calloc(slots, sizeof(struct bh_row *));

	if (!names || !inos) {
		free((void *)names);
		free((void *)inos);
		return r->by_name ? 0 : -ENOMEM; /* longer chains, nothing else */
	}
	free((void *)r->by_name);
	free((void *)r->by_ino);
	r->by_name = names;
	r->by_ino = inos;
	r->mask = slots - 1;
	for (struct bh_row *row = r->all; row; row = row->next_all) {
		link_name(r, row);
		link_ino(r, row);
	}
	return 0;
}

static uint64_t number(struct bh_str s)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	return v;
}

static char *copy(struct bh_str s)
{
	return strndup(s.p ? s.p : "", s.n);
}

static struct bh_row *add(struct bh_rows *r, const struct bh_origin *o)
{
	struct bh_row *row;

	if ((!r->by_name || r->n > r->mask) && grow(r))
		return NULL;
	row = calloc(1, sizeof(*row));
	if (!row)
		return NULL;
	row->identifier = copy(o->identifier);
	row->path = copy(o->path);
	row->gen = o->gen;
	row->ino = o->ino;
	if (!row->identifier || !row->path) {
		free_row(row);
		return NULL;
	}
	row->next_all = r->all;
	if (r->all)
		r->all->prev_all = row;
	r->all = row;
	r->n++;
	link_name(r, row);
	link_ino(r, row);
	return row;
}

static bool starts_at_beginning(struct bh_str mode)
{
	return bh_str_eq(mode, BH_STR_LIT("beginning")) ||
	       bh_str_eq(mode, BH_STR_LIT("forceBeginning"));
}

static int set_text(char **to, struct bh_str text)
{
	char *fresh;

	if (*to && bh_str_eq(bh_str_from(*to), text))
		return 0;
	fresh = copy(text);
	if (!fresh)
		return -ENOMEM;
	free(*to);
	*to = fresh;
	return 0;
}

int bh_row_cursor_set(struct bh_row *row, const char *cursor)
{
	return set_text(&row->cursor, bh_str_from(cursor));
}

int bh_row_cursor_handed(struct bh_row *row)
{
	return row->cursor ? set_text(&row->cursor_handed, bh_str_from(row->cursor)) : 0;
}

/* Texts that may change: the path after a rename, the cursor of a journal. */
static int set_texts(struct bh_row *row, const struct bh_origin *o)
{
	int rc = set_text(&row->path, o->path);

	if (!rc)
		rc = set_text(&row->fp_config, o->fp_config);
	if (!rc && strncmp(row->identifier, JOURNAL, sizeof(JOURNAL) - 1) == 0)
		rc = set_text(&row->cursor, o->offset_last);
	return rc ? rc : bh_row_cursor_handed(row);
}

struct bh_row *bh_rows_put(struct bh_rows *r, const struct bh_origin *o, bool open)
{
	struct bh_row *row = NULL;

	if (r->by_name)
		row = r->by_name[name_slot(r, o->identifier)];
	while (
	    row && (row->gen != o->gen || !bh_str_eq(bh_str_from(row->identifier), o->identifier)))
		row = row->next_name;
	if (!row)
		row = add(r, o);
	if (!row || set_texts(row, o))
		return NULL;
	if (row->ino != o->ino) {
		unlink_ino(r, row);
		row->ino = o->ino;
		link_ino(r, row);
	}
	row->dev = o->dev;
	row->offset = row->handed = number(o->offset_last);
	row->marker_len = o->marker_len;
	row->marker_hash = o->marker_hash;
	row->fp_value = o->fp_value;
	row->last_size = o->last_size;
	row->ingestion_ns = o->ingestion_ns;
	row->state = o->state;
	row->from_beginning = starts_at_beginning(o->tailing_mode);
	row->open = open;
	return row;
}

void bh_rows_remove(struct bh_rows *r, struct bh_row *row)
{
	unlink_name(r, row);
	unlink_ino(r, row);
	if (row->prev_all)
		row->prev_all->next_all = row->next_all;
	else
		r->all = row->next_all;
	if (row->next_all)
		row->next_all->prev_all = row->prev_all;
	r->n--;
	free_row(row);
}

/* Of two rows that fit one file: a short marker fits much, a finished one is a leftover. */
static bool is_nearer(const struct bh_row *a, const struct bh_row *b)
{
	if (!b || (a->state == BH_ORIGIN_FINISHED) != (b->state == BH_ORIGIN_FINISHED))
		return !b || b->state == BH_ORIGIN_FINISHED;
	return a->offset > b->offset;
}

struct bh_row *bh_rows_of_file(const struct bh_rows *r, uint64_t dev, uint64_t ino, int fd)
{
	struct bh_row *row = r->by_ino ? r->by_ino[ino_slot(r, ino)] : NULL, *best = NULL;

	for (; row; row = row->next_ino) {
		/* The device number may change at a reboot: inode and content decide. */
		if (row->ino == ino && row->state != BH_ORIGIN_FORGOTTEN &&
		    (row->dev == dev || row->marker_len == BH_MARKER_MAX) && is_nearer(row, best) &&
		    bh_same_content(fd, row->offset, row->marker_len, row->marker_hash))
			best = row;
	}
	return best;
}

bool bh_rows_had_before(const struct bh_rows *r, uint64_t dev, uint64_t ino, uint64_t gen)
{
	const struct bh_row *row = r->by_ino ? r->by_ino[ino_slot(r, ino)] : NULL;

	while (row && (row->ino != ino || row->dev != dev || row->gen == gen))
		row = row->next_ino;
	return row != NULL;
}

bool bh_rows_know_inode(const struct bh_rows *r, uint64_t ino)
{
	const struct bh_row *row = r->by_ino ? r->by_ino[ino_slot(r, ino)] : NULL;

	while (row && row->ino != ino)
		row = row->next_ino;
	return row != NULL;
}

struct bh_row *bh_rows_next(
    const struct bh_rows *r, const char *identifier, const struct bh_row *row)
{
	struct bh_row *next = NULL;

	if (row)
		next = row->next_name;
	else if (r->by_name)
		next = r->by_name[name_slot(r, bh_str_from(identifier))];
	while (next && strcmp(next->identifier, identifier) != 0)
		next = next->next_name;
	return next;
}

void bh_row_origin(const struct bh_row *row, struct bh_origin *o, char first[24], char last[24])
{
	(void)snprintf(first, 24, "%" PRIu64, row->handed);
	(void)snprintf(last, 24, "%" PRIu64, row->offset);
	*o = (struct bh_origin){
	    .identifier = bh_str_from(row->identifier),
	    .gen = row->gen,
	    .path = bh_str_from(row->path),
	    .dev = row->dev,
	    .ino = row->ino,
	    .offset_first = bh_str_from(row->cursor ? row->cursor_handed : first),
	    .offset_last = bh_str_from(row->cursor ? row->cursor : last),
	    .marker_len = row->marker_len,
	    .marker_hash = row->marker_hash,
	    .fp_value = row->fp_value,
	    .fp_config = bh_str_from(row->fp_config),
	    .tailing_mode = bh_str_from(row->from_beginning ? "beginning" : ""),
	    .ingestion_ns = row->ingestion_ns,
	    .last_size = row->last_size,
	    .state = row->state,
	};
}

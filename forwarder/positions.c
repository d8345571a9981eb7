#include "forwarder/positions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/err.h"

#define FIRST_SLOTS 256

/* Values are owned copies in one allocation behind the struct. */
struct bh_part {
	struct bh_part *next;
	uint64_t ord;
	struct bh_origin o;
	enum bh_part_level level, staged;
	bool passed; /* safe has moved over it */
};

static struct bh_str *string_at(struct bh_origin *o, size_t i)
{
	struct bh_str *const all[] = {&o->identifier, &o->path, &o->offset_first, &o->offset_last,
	    &o->fp_config, &o->tailing_mode};

	return i < BH_ARRAY_LEN(all) ? all[i] : NULL;
}

static size_t strings_size(const struct bh_origin *o)
{
	struct bh_origin copy = *o;
	size_t n = 0;

	for (size_t i = 0; string_at(&copy, i); i++)
		n += string_at(&copy, i)->n;
	return n;
}

/* Copies o into dst with its strings at mem. */
static void copy_origin(struct bh_origin *dst, const struct bh_origin *o, char *mem)
{
	*dst = *o;
	for (size_t i = 0; string_at(dst, i); i++) {
		struct bh_str *s = string_at(dst, i);

		if (s->n)
			memcpy(mem, s->p, s->n);
		s->p = mem;
		mem += s->n;
	}
}

/* A row owns one block of strings, found again through its first one. */
static int set_row(struct bh_generation *g, const struct bh_origin *o)
{
	char *mem = malloc(strings_size(o) + 1);
	const char *old = g->row.identifier.p;

	if (!mem)
		return -ENOMEM;
	copy_origin(&g->row, o, mem);
	free((void *)(uintptr_t)old);
	return 0;
}

static int set_text(char **at, struct bh_str text)
{
	char *copy = strndup(text.p ? text.p : "", text.n);

	if (!copy)
		return -ENOMEM;
	free(*at);
	*at = copy;
	return 0;
}

static int set_tip(struct bh_generation *g, struct bh_str tip)
{
	return set_text(&g->tip, tip);
}

int bh_positions_init(struct bh_positions *ps)
{
	*ps = (struct bh_positions){.slots_n = FIRST_SLOTS};
	ps->slots = calloc(ps->slots_n, sizeof(struct bh_generation *));
	return ps->slots ? 0 : -ENOMEM;
}

static void free_generation(struct bh_generation *g)
{
	while (g->head) {
		struct bh_part *p = g->head;

		g->head = p->next;
		free(p);
	}
	free((void *)(uintptr_t)g->row.identifier.p);
	free(g->complete);
	free(g->tip);
	free(g);
}

void bh_positions_release(struct bh_positions *ps)
{
	for (size_t i = 0; ps->slots && i < ps->slots_n; i++) {
		while (ps->slots[i]) {
			struct bh_generation *g = ps->slots[i];

			ps->slots[i] = g->next;
			free_generation(g);
		}
	}
	free(ps->slots);
	*ps = (struct bh_positions){0};
}

static size_t slot_index(const struct bh_positions *ps, struct bh_str identifier, uint64_t gen)
{
	return (size_t)XXH3_64bits_withSeed(identifier.p, identifier.n, gen) & (ps->slots_n - 1);
}

static struct bh_generation *find(
    const struct bh_positions *ps, struct bh_str identifier, uint64_t gen)
{
	struct bh_generation *g = ps->slots[slot_index(ps, identifier, gen)];

	while (g && (g->row.gen != gen || !bh_str_eq(g->row.identifier, identifier)))
		g = g->next;
	return g;
}

static void grow(struct bh_positions *ps)
{
	size_t old_n = ps->slots_n;
	struct bh_generation **old = ps->slots;
	struct bh_generation **slots = calloc(old_n * 2, sizeof(struct bh_generation *));

	if (!slots)
		return; /* longer chains, nothing else */
	ps->slots = slots;
	ps->slots_n = old_n * 2;
	for (size_t i = 0; i < old_n; i++) {
		while (old[i]) {
			struct bh_generation *g = old[i];
			size_t at = slot_index(ps, g->row.identifier, g->row.gen);

			old[i] = g->next;
			g->next = ps->slots[at];
			ps->slots[at] = g;
		}
	}
	free(old);
}

static int insert(struct bh_positions *ps, const struct bh_position *p, struct bh_generation **out)
{
	struct bh_generation *g = calloc(1, sizeof(*g));
	size_t at;

	if (!g)
		return -ENOMEM;
	if (set_row(g, &p->row) || set_tip(g, p->row.offset_last) ||
	    set_text(&g->complete, p->complete)) {
		free_generation(g);
		return -ENOMEM;
	}
	if (ps->n >= ps->slots_n)
		grow(ps);
	g->safe_ord = p->safe_ord;
	g->delivered_ord = p->delivered_ord;
	g->complete_ord = p->complete_ord;
	at = slot_index(ps, g->row.identifier, g->row.gen);
	g->next = ps->slots[at];
	ps->slots[at] = g;
	ps->n++;
	ps->sources += bh_origin_is_source(g->row.identifier, NULL);
	*out = g;
	return 0;
}

int bh_positions_load(struct bh_positions *ps, const struct bh_position *p)
{
	struct bh_generation *g;

	return insert(ps, p, &g);
}

static int append(
    struct bh_generation *g, const struct bh_origin *o, uint64_t ord, struct bh_part **out)
{
	struct bh_part *p = malloc(sizeof(*p) + strings_size(o) + 1);

	if (!p)
		return -ENOMEM;
	*p = (struct bh_part){.ord = ord};
	copy_origin(&p->o, o, (char *)(p + 1));
	if (g->tail)
		g->tail->next = p;
	else
		g->head = p;
	g->tail = p;
	*out = p;
	return 0;
}

int bh_positions_load_part(struct bh_positions *ps, const struct bh_origin *o, uint64_t ord)
{
	struct bh_generation *g = find(ps, o->identifier, o->gen);
	struct bh_part *p;
	int rc;

	/* Complete for those that were reliable when it was. */
	if (!g || ord <= g->complete_ord)
		return 0;
	rc = append(g, o, ord, &p);
	if (rc)
		return rc;
	p->passed = true;
	p->level = ord <= g->delivered_ord ? BH_PART_DELIVERED : BH_PART_DURABLE;
	return 0;
}

int bh_positions_add(struct bh_positions *ps, const struct bh_origin *o, uint64_t ord)
{
	struct bh_generation *g = find(ps, o->identifier, o->gen);
	struct bh_part *p;
	int rc = 0;

	if (!g) {
		struct bh_position base = bh_position_of(o, 0, 0);

		base.row.offset_last = o->offset_first; /* nothing of this part is safe yet */
		rc = insert(ps, &base, &g);
	}
	if (rc)
		return rc;
	if (!bh_str_eq(bh_str_from(g->tip), o->offset_first)) {
		ps->gaps++;
		return BH_E_STATE;
	}
	rc = append(g, o, ord, &p);
	return rc ? rc : set_tip(g, o->offset_last);
}

static void mark(
    struct bh_positions *ps, struct bh_generation *g, uint64_t ord, enum bh_part_level level)
{
	for (struct bh_part *p = g->head; p && p->ord <= ord; p = p->next) {
		if (p->ord != ord)
			continue;
		p->staged = BH_MAX(p->staged, level);
		if (!g->staged) {
			g->staged = true;
			g->next_staged = ps->staged;
			ps->staged = g;
		}
	}
}

void bh_positions_stage(
    struct bh_positions *ps, struct bh_str origins, uint64_t ord, enum bh_part_level level)
{
	struct bh_origins_reader r;
	struct bh_origin o;

	if (bh_origins_begin(&r, origins.p, origins.n))
		return;
	while (bh_origins_next(&r, &o) == 1) {
		struct bh_generation *g = find(ps, o.identifier, o.gen);

		if (g)
			mark(ps, g, ord, level);
	}
}

static bool has(const struct bh_part *p, enum bh_part_level level)
{
	return p->level >= level || p->staged >= level;
}

/* The part whose end is the new safe; NULL when safe does not move. */
static const struct bh_part *safe_part(const struct bh_generation *g)
{
	const struct bh_part *last = NULL;

	for (const struct bh_part *p = g->head; p && has(p, BH_PART_DURABLE); p = p->next) {
		if (!p->passed)
			last = p;
	}
	return last;
}

static const struct bh_part *first_below(const struct bh_generation *g, enum bh_part_level level)
{
	const struct bh_part *p = g->head;

	while (p && has(p, level))
		p = p->next;
	return p;
}

static struct bh_position values(const struct bh_generation *g)
{
	const struct bh_part *safe = safe_part(g);
	const struct bh_part *open = first_below(g, BH_PART_DELIVERED);
	const struct bh_part *owed = first_below(g, BH_PART_COMPLETE);
	struct bh_position p = {.row = g->row, .safe_ord = g->safe_ord};

	if (safe) {
		p.row = safe->o;
		p.safe_ord = safe->ord;
	}
	p.row.offset_first = open ? open->o.offset_first : p.row.offset_last;
	/* The open part may lie beyond safe, and orders of other generations before it. */
	p.delivered_ord = open ? BH_MIN(open->ord - 1, p.safe_ord) : p.safe_ord;
	p.delivered_ord = BH_MAX(p.delivered_ord, g->delivered_ord);
	p.complete = owed ? owed->o.offset_first : p.row.offset_last;
	p.complete_ord = owed ? BH_MIN(owed->ord - 1, p.safe_ord) : p.safe_ord;
	p.complete_ord = BH_MAX(p.complete_ord, g->complete_ord);
	p.gone = !owed && p.row.state == BH_ORIGIN_FORGOTTEN;
	return p;
}

int bh_positions_staged(
    struct bh_positions *ps, int (*fn)(void *ctx, const struct bh_position *p), void *ctx)
{
	for (struct bh_generation *g = ps->staged; g; g = g->next_staged) {
		struct bh_position p = values(g);
		int rc = fn(ctx, &p);

		if (rc)
			return rc;
	}
	return 0;
}

static void take_out(struct bh_positions *ps, struct bh_generation *g)
{
	struct bh_generation **at = &ps->slots[slot_index(ps, g->row.identifier, g->row.gen)];

	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	ps->n--;
	ps->sources -= bh_origin_is_source(g->row.identifier, NULL);
	free_generation(g);
}

static void apply(struct bh_positions *ps, struct bh_generation *g)
{
	struct bh_position now = values(g);

	if (now.gone) {
		take_out(ps, g);
		return;
	}
	/* Written already: if memory is short the copy stays as it was and the next commit repairs
	 * it. */
	(void)set_text(&g->complete, now.complete);
	(void)set_row(g, &now.row);
	g->safe_ord = now.safe_ord;
	g->delivered_ord = now.delivered_ord;
	g->complete_ord = now.complete_ord;
	for (struct bh_part *p = g->head; p; p = p->next) {
		p->level = BH_MAX(p->level, p->staged);
		p->staged = BH_PART_OPEN;
	}
	for (struct bh_part *p = g->head; p && p->level >= BH_PART_DURABLE; p = p->next)
		p->passed = true;
	while (g->head && g->head->level == BH_PART_COMPLETE) {
		struct bh_part *p = g->head;

		g->head = p->next;
		if (!g->head)
			g->tail = NULL;
		free(p);
	}
}

void bh_positions_apply(struct bh_positions *ps)
{
	while (ps->staged) {
		struct bh_generation *g = ps->staged;

		ps->staged = g->next_staged;
		g->staged = false;
		apply(ps, g);
	}
}

void bh_positions_undo(struct bh_positions *ps)
{
	while (ps->staged) {
		struct bh_generation *g = ps->staged;

		ps->staged = g->next_staged;
		g->staged = false;
		for (struct bh_part *p = g->head; p; p = p->next)
			p->staged = BH_PART_OPEN;
	}
}

void bh_positions_rewind_tips(struct bh_positions *ps)
{
	for (size_t i = 0; i < ps->slots_n; i++) {
		for (struct bh_generation *g = ps->slots[i]; g; g = g->next)
			(void)set_tip(g, g->row.offset_last);
	}
}

int bh_positions_each(
    const struct bh_positions *ps, int (*fn)(void *ctx, const struct bh_generation *g), void *ctx)
{
	for (size_t i = 0; i < ps->slots_n; i++) {
		for (struct bh_generation *g = ps->slots[i]; g; g = g->next) {
			int rc = fn(ctx, g);

			if (rc)
				return rc;
		}
	}
	return 0;
}

void bh_positions_forget(struct bh_positions *ps, struct bh_str identifier, uint64_t gen)
{
	struct bh_generation *g = find(ps, identifier, gen);

	if (g)
		take_out(ps, g);
}

uint64_t bh_generation_outstanding(const struct bh_generation *g)
{
	uint64_t n = 0;

	for (const struct bh_part *p = g->head; p; p = p->next)
		n += p->level < BH_PART_COMPLETE;
	return n;
}

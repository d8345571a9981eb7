#include "tests/bench/load.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/rng.h"
#include "common/str.h"

#define TAG_POOL_P 0.11 /* probability of a new tag instead of one used before */

struct shape {
	const char *name;
	unsigned name_min, name_max;
	unsigned tags_min, tags_max;
	unsigned datagram_min, datagram_max;
	unsigned weights[6]; /* count gauge timer dist set hist */
	bool packs;
};

static const struct shape shapes[] = {
    {"statsd", 24, 56, 0, 0, 1432, 1432, {60, 20, 20, 0, 0, 0}, false},
    {"seed", 1, 200, 2, 50, 1, 8192, {100, 10, 0, 50, 0, 1}, true},
};

static const char *const types[] = {"c", "g", "ms", "d", "s", "h"};

struct contexts {
	struct bh_buf *heads; /* "name:" */
	struct bh_buf *tails; /* "|type[|@rate][|#tags]\n" */
	unsigned char *type;
	unsigned n;
};

static unsigned draw(struct bh_rng *rng, unsigned lo, unsigned hi)
{
	return lo + (unsigned)(bh_rng_u64(rng) % (hi - lo + 1));
}

static void word(struct bh_rng *rng, struct bh_buf *out, unsigned n)
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	for (unsigned i = 0; i < n; i++)
		(void)bh_buf_u8(out, (uint8_t)set[draw(rng, 0, sizeof(set) - 2)]);
}

static unsigned pick_type(struct bh_rng *rng, const unsigned weights[6])
{
	unsigned total = 0, at;

	for (size_t i = 0; i < 6; i++)
		total += weights[i];
	at = draw(rng, 0, total - 1);
	for (unsigned i = 0; i < 6; i++) {
		if (at < weights[i])
			return i;
		at -= weights[i];
	}
	return 0;
}

static void add_tags(struct bh_rng *rng, const struct shape *s, struct bh_buf *pool,
    unsigned *pool_n, struct bh_buf *out)
{
	unsigned n = s->tags_max ? draw(rng, s->tags_min, s->tags_max) : 0;

	for (unsigned i = 0; i < n; i++) {
		struct bh_buf *tag;

		if (*pool_n == 0 || (*pool_n < 4096 && bh_rng_range(rng, 0, 1) < TAG_POOL_P)) {
			tag = &pool[(*pool_n)++];
			word(rng, tag, draw(rng, 1, 20));
			(void)bh_buf_u8(tag, ':');
			word(rng, tag, draw(rng, 1, 129));
		} else {
			tag = &pool[draw(rng, 0, *pool_n - 1)];
		}
		(void)bh_buf_str(out, i ? "," : "|#");
		(void)bh_buf_append(out, tag->data, tag->len);
	}
}

static int make_contexts(struct contexts *c, const struct shape *s, struct bh_rng *rng, unsigned n)
{
	struct bh_buf *pool = calloc(4096, sizeof(*pool));
	unsigned pool_n = 0;

	*c = (struct contexts){
	    calloc(n, sizeof(*c->heads)), calloc(n, sizeof(*c->tails)), calloc(n, 1), n};
	if (!pool || !c->heads || !c->tails || !c->type) {
		free(pool);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < n; i++) {
		c->type[i] = (unsigned char)pick_type(rng, s->weights);
		word(rng, &c->heads[i], draw(rng, s->name_min, s->name_max));
		(void)bh_buf_u8(&c->heads[i], ':');
		(void)bh_buf_printf(&c->tails[i], "|%s", types[c->type[i]]);
		add_tags(rng, s, pool, &pool_n, &c->tails[i]);
		(void)bh_buf_u8(&c->tails[i], '\n');
	}
	for (unsigned i = 0; i < pool_n; i++)
		bh_buf_release(&pool[i]);
	free(pool);
	return 0;
}

static void release_contexts(struct contexts *c)
{
	for (unsigned i = 0; c->heads && c->tails && i < c->n; i++) {
		bh_buf_release(&c->heads[i]);
		bh_buf_release(&c->tails[i]);
	}
	free(c->heads);
	free(c->tails);
	free(c->type);
}

/* Returns what the line adds to the sum of counters. */
static uint64_t make_line(
    struct bh_rng *rng, const struct shape *s, const struct contexts *c, struct bh_buf *line)
{
	uint64_t sum = 0;
	unsigned i = draw(rng, 0, c->n - 1);
	unsigned values = s->packs && bh_rng_range(rng, 0, 1) < 0.08 ? draw(rng, 2, 32) : 1;

	bh_buf_clear(line);
	(void)bh_buf_append(line, c->heads[i].data, c->heads[i].len);
	for (unsigned k = 0; k < values; k++) {
		unsigned v = draw(rng, 1, 1000);

		(void)bh_buf_printf(line, k ? ":%u" : "%u", v);
		if (c->type[i] == 0)
			sum += v;
	}
	(void)bh_buf_append(line, c->tails[i].data, c->tails[i].len);
	return sum;
}

static int fill(struct bh_load *load, const struct shape *s, const struct contexts *c,
    struct bh_rng *rng, size_t bytes)
{
	struct bh_buf all = BH_BUF_INIT, line = BH_BUF_INIT;
	size_t cap = 0;
	int rc = 0;

	while (all.len < bytes && !rc) {
		size_t start = all.len;
		unsigned room = draw(rng, s->datagram_min, s->datagram_max);

		if (load->n + 2 > cap) {
			uint32_t *grown;

			cap = cap ? cap * 2 : 4096;
			grown = realloc(load->offsets, cap * sizeof(*grown));
			if (!grown) {
				rc = -ENOMEM;
				break;
			}
			load->offsets = grown;
		}
		/* Whole messages; one that alone is larger than the drawn size still goes out. */
		do {
			uint64_t sum = make_line(rng, s, c, &line);

			if (all.len > start && all.len - start + line.len > room)
				break;
			(void)bh_buf_append(&all, line.data, line.len);
			load->counter_sum += sum;
			load->lines++;
		} while (all.len - start < room);
		load->offsets[load->n++] = (uint32_t)start;
		load->offsets[load->n] = (uint32_t)all.len;
		rc = bh_buf_failed(&all) ? bh_buf_failed(&all) : bh_buf_failed(&line);
	}
	bh_buf_release(&line);
	load->bytes = bh_buf_detach(&all, &bytes);
	return rc;
}

int bh_load_make(
    struct bh_load *load, const char *name, unsigned contexts, unsigned megabytes, uint64_t seed)
{
	const struct shape *s = NULL;
	struct contexts c;
	struct bh_rng rng;
	int rc;

	*load = (struct bh_load){0};
	for (size_t i = 0; i < BH_ARRAY_LEN(shapes); i++) {
		if (strcmp(shapes[i].name, name) == 0)
			s = &shapes[i];
	}
	if (!s || contexts == 0)
		return -EINVAL;
	bh_rng_seed(&rng, seed);
	rc = make_contexts(&c, s, &rng, contexts);
	if (!rc)
		rc = fill(load, s, &c, &rng, (size_t)megabytes << 20);
	release_contexts(&c);
	return rc;
}

void bh_load_release(struct bh_load *load)
{
	free(load->bytes);
	free(load->offsets);
	*load = (struct bh_load){0};
}

#include "tests/bench/logs_seen.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct mark {
	uint64_t stream, number, ms;
};

int bh_seen_init(struct bh_seen *s)
{
	*s = (struct bh_seen){.ages = calloc(BH_SEEN_AGES + 1, sizeof(*s->ages))};
	return s->ages ? 0 : -ENOMEM;
}

void bh_seen_release(struct bh_seen *s)
{
	for (size_t i = 0; i < s->streams_n; i++)
		free(s->streams[i].bits);
	free(s->streams);
	free(s->ages);
	*s = (struct bh_seen){0};
}

/* Digits and the letter behind them. */
static const char *number(const char *p, const char *end, char behind, uint64_t *v)
{
	const char *start = p;

	*v = 0;
	while (p < end && *p >= '0' && *p <= '9' && p - start < 18)
		*v = *v * 10 + (uint64_t)(*p++ - '0');
	return p > start && p < end && *p == behind ? p + 1 : NULL;
}

/* p: behind the first '@'. NULL: not a mark. */
static const char *parse(const char *p, const char *end, struct mark *m)
{
	p = number(p, end, ':', &m->stream);
	p = p ? number(p, end, ':', &m->number) : NULL;
	p = p ? number(p, end, '@', &m->ms) : NULL;
	return p && m->stream < BH_SEEN_STREAMS && m->number < BH_SEEN_NUMBERS ? p : NULL;
}

static struct bh_seen_stream *stream_of(struct bh_seen *s, size_t i)
{
	if (i >= s->streams_n) {
		size_t n = BH_MAX(i + 1, 2 * s->streams_n);
		struct bh_seen_stream *grown = realloc(s->streams, n * sizeof(*grown));

		if (!grown)
			return NULL;
		memset(grown + s->streams_n, 0, (n - s->streams_n) * sizeof(*grown));
		s->streams = grown;
		s->streams_n = n;
	}
	return &s->streams[i];
}

static bool make_room(struct bh_seen_stream *t, uint64_t at)
{
	size_t bytes = BH_MAX((size_t)(at / 8 + 1), 2 * t->bytes);
	uint8_t *grown;

	if (at / 8 < t->bytes)
		return true;
	grown = realloc(t->bits, bytes);
	if (!grown)
		return false;
	memset(grown + t->bytes, 0, bytes - t->bytes);
	t->bits = grown;
	t->bytes = bytes;
	return true;
}

static int take(struct bh_seen *s, const struct mark *m, int64_t wall_ms)
{
	struct bh_seen_stream *t = stream_of(s, (size_t)m->stream);
	int64_t age = wall_ms - (int64_t)m->ms;
	uint8_t bit = (uint8_t)(1u << m->number % 8);

	if (!t || !make_room(t, m->number))
		return -ENOMEM;
	if (t->bits[m->number / 8] & bit) {
		s->duplicates++;
		return 0;
	}
	t->bits[m->number / 8] |= bit;
	t->end = BH_MAX(t->end, m->number + 1);
	s->unique++;
	s->last_new_ms = BH_MAX(s->last_new_ms, wall_ms);
	s->ages[age < 0 ? 0 : BH_MIN(age, BH_SEEN_AGES)]++;
	return 0;
}

int bh_seen_take(struct bh_seen *s, const char *p, size_t n, int64_t wall_ms)
{
	const char *end = p + n;
	int rc = 0;

	while (!rc && (p = memchr(p, '@', (size_t)(end - p)))) {
		struct mark m;
		const char *behind = parse(++p, end, &m);

		if (behind) {
			rc = take(s, &m, wall_ms);
			p = behind;
		}
	}
	return rc;
}

uint64_t bh_seen_gaps(const struct bh_seen *s)
{
	uint64_t all = 0;

	for (size_t i = 0; i < s->streams_n; i++)
		all += s->streams[i].end;
	return all - s->unique;
}

unsigned bh_seen_age(const struct bh_seen *s, double share)
{
	uint64_t want = (uint64_t)(share * (double)s->unique), below = 0;

	for (unsigned ms = 0; ms < BH_SEEN_AGES; ms++) {
		below += s->ages[ms];
		if (below >= want)
			return ms;
	}
	return BH_SEEN_AGES;
}

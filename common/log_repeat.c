#include "common/log_repeat.h"

#include <stdio.h>
#include <string.h>

#define FNV_START 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

static uint64_t fold(uint64_t hash, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		hash = (hash ^ *p) * FNV_PRIME;
	return hash;
}

static uint64_t hash_of(int level, const char *component, const char *text)
{
	uint64_t hash = fold((FNV_START ^ (uint64_t)level) * FNV_PRIME, component);

	return fold((hash ^ 1) * FNV_PRIME, text);
}

/* Held for as long as it takes to look through eight places. */
static void lock(struct bh_log_repeats *r)
{
	while (atomic_flag_test_and_set_explicit(&r->busy, memory_order_acquire))
		continue;
}

static void unlock(struct bh_log_repeats *r)
{
	atomic_flag_clear_explicit(&r->busy, memory_order_release);
}

/* The one with this hash, else the place of the one that may pass first. */
static struct bh_log_repeat *place_of(struct bh_log_repeats *r, uint64_t hash)
{
	struct bh_log_repeat *oldest = &r->v[0];

	for (int i = 0; i < BH_LOG_REPEATS; i++) {
		if (r->v[i].next_ns && r->v[i].hash == hash)
			return &r->v[i];
		if (r->v[i].next_ns < oldest->next_ns)
			oldest = &r->v[i];
	}
	return oldest;
}

bool bh_log_repeats_pass(struct bh_log_repeats *r, int level, const char *component,
    const char *text, int64_t now_ns, uint64_t *held)
{
	uint64_t hash = hash_of(level, component, text);
	struct bh_log_repeat *e;
	bool known, pass;

	*held = 0;
	lock(r);
	e = place_of(r, hash);
	known = e->next_ns && e->hash == hash;
	pass = !known || now_ns >= e->next_ns;
	if (!pass) {
		e->held++;
	} else {
		*held = known ? e->held : 0;
		*e = (struct bh_log_repeat){.hash = hash,
		    .next_ns = now_ns + BH_LOG_REPEAT_NS,
		    .level = level,
		    .component = component};
		(void)snprintf(e->text, sizeof(e->text), "%s", text);
	}
	unlock(r);
	return pass;
}

bool bh_log_repeats_due(struct bh_log_repeats *r, int64_t now_ns, struct bh_log_repeat *out)
{
	bool found = false;

	lock(r);
	for (int i = 0; i < BH_LOG_REPEATS && !found; i++) {
		struct bh_log_repeat *e = &r->v[i];

		if (!e->next_ns || !e->held || now_ns < e->next_ns)
			continue;
		*out = *e;
		*e = (struct bh_log_repeat){0};
		found = true;
	}
	unlock(r);
	return found;
}

#include "supervisor/deaths.h"

#include "common/attrs.h"
#include "supervisor/report.h"

void bh_deaths_add(struct bh_deaths *d, const struct bh_death *death)
{
	d->ring[d->n++ % BH_DEATHS_KEPT] = *death;
}

size_t bh_deaths_len(const struct bh_deaths *d)
{
	return (size_t)BH_MIN(d->n, (uint64_t)BH_DEATHS_KEPT);
}

const struct bh_death *bh_deaths_at(const struct bh_deaths *d, size_t i)
{
	return &d->ring[(d->n - bh_deaths_len(d) + i) % BH_DEATHS_KEPT];
}

void bh_deaths_json(const struct bh_deaths *d, struct bh_jsonw *w)
{
	char at[32];

	bh_jsonw_array(w, "deaths");
	for (size_t i = 0; i < bh_deaths_len(d); i++) {
		const struct bh_death *one = bh_deaths_at(d, i);

		bh_rfc3339(one->wall_ns, at);
		bh_jsonw_object(w, NULL);
		bh_jsonw_str(w, "at", at);
		bh_jsonw_i64(w, "pid", one->pid);
		bh_jsonw_str(w, "cause", bh_life_cause_name(one->cause));
		bh_jsonw_i64(w, "code", one->code);
		bh_jsonw_i64(w, "signal", one->signal);
		bh_jsonw_object_end(w);
	}
	bh_jsonw_array_end(w);
}

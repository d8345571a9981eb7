/*
 * How long an outage of a metrics intake can last before something is lost (spec/intake.md §13.5),
 * at the rate at which metrics came lately: of memory its destinations may use their own, and of
 * the spool a share as large as theirs in what comes.
 */
#include <stdio.h>
#include <string.h>

#include "forwarder/custody_internal.h"

/* Of all destinations at one intake: several keys are one domain outside. */
struct domain {
	struct bh_str name;
	uint64_t rate; /* thousandths of bytes per second */
	uint64_t memory;
	bool spools;
};

/* "https://host:port" of a URL; borrows. */
static struct bh_str domain_of(const char *url)
{
	const char *host = strstr(url, "://");
	size_t before = host ? (size_t)(host - url) + 3 : 0;

	return (struct bh_str){url, before + strcspn(url + before, "/")};
}

/* The one at the intake of the i-th destination; false: an earlier destination is at it too, or
 * nothing came for it. */
static bool sum_up(struct bh_custody *c, size_t i, struct domain *out)
{
	*out = (struct domain){.name = domain_of(c->dests[i].url)};
	for (size_t j = 0; j < c->dests_n; j++) {
		struct bh_dest *d = &c->dests[j];

		if (!bh_custody_is_for(d, false) || !bh_str_eq(domain_of(d->url), out->name))
			continue;
		if (j < i)
			return false;
		out->rate += bh_rate_milli(&d->rate, bh_mono_ns(c->cfg.loop->clock));
		out->memory += BH_MIN(d->limits.memory_bytes, UINT64_MAX / BH_CUSTODY_DESTS_MAX);
		out->spools |= d->spool_on;
	}
	return out->rate > 0;
}

/* Bytes that the rows of metrics can be: of the store as large as its disk lets it become. */
static uint64_t disk_for_metrics(struct bh_custody *c)
{
	struct bh_spool_limits limits;
	uint64_t disk = bh_store_disk_free(c->cfg.store);
	uint64_t ours = bh_store_used_bytes(c->cfg.store) + bh_store_free_bytes(c->cfg.store);

	bh_spool_limits(c->cfg.config, false, &limits);
	disk -= BH_MIN(disk, c->disk_reserve);
	disk = disk < UINT64_MAX - ours ? disk + ours : UINT64_MAX;
	return BH_MIN(BH_MIN(disk, (uint64_t)c->cfg.spool_max_bytes), limits.max_bytes);
}

static void say(struct bh_child *child, const struct domain *of, const char *what, uint64_t value)
{
	char name[BH_LEDGER_NAME_MAX + 1];

	(void)snprintf(name, sizeof(name), "retry_queue/%.*s/%s",
	    (int)BH_MIN(of->name.n, (size_t)150), of->name.p, what);
	bh_child_stat_number(child, name, value);
}

void bh_custody_capacity_stats(struct bh_custody *c, struct bh_child *child)
{
	struct domain of;
	uint64_t all = 0, disk = disk_for_metrics(c);

	for (size_t i = 0; i < c->dests_n; i++) {
		if (bh_custody_is_for(&c->dests[i], false) && sum_up(c, i, &of))
			all += of.spools ? of.rate : 0;
	}
	for (size_t i = 0; i < c->dests_n; i++) {
		double bytes;

		if (!bh_custody_is_for(&c->dests[i], false) || !sum_up(c, i, &of))
			continue;
		bytes = (double)of.memory;
		if (of.spools)
			bytes += (double)disk * (double)of.rate / (double)all;
		say(child, &of, "capacity_bytes", (uint64_t)bytes);
		say(child, &of, "bytes_per_sec", of.rate);
		say(child, &of, "capacity_secs", (uint64_t)(bytes * 1e3 / (double)of.rate));
	}
}

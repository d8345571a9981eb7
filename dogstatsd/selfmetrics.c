#include "dogstatsd/selfmetrics.h"

#include "common/version.h"

#define VERSION_TAG "version:" BH_AGENT_VERSION

void bh_selfmetrics_note(struct bh_notices *n, struct bh_str hostname, int64_t now)
{
	/* Without memory it is missing once; the next flush has it again. */
	(void)!bh_notices_own_check(n, BH_STR_LIT("datadog.agent.up"), hostname, now);
}

void bh_selfmetrics_output(struct bh_output *o, struct bh_str hostname, int64_t now)
{
	static const char packed[] = {"\0" VERSION_TAG};
	char tags[sizeof(packed)];
	struct bh_point point = {now, 1};
	struct bh_identity id = {
	    .name = BH_STR_LIT("datadog.agent.running"),
	    .host = hostname,
	};
	struct bh_series s = {
	    .id = &id,
	    .type = BH_SERIES_GAUGE,
	    .source_type = BH_STR_LIT("System"),
	    .points = &point,
	    .n = 1,
	};

	_Static_assert(sizeof(VERSION_TAG) - 1 < 128, "the packed length takes one byte");
	memcpy(tags, packed, sizeof(packed));
	tags[0] = sizeof(VERSION_TAG) - 1;
	id.tags = bh_tags_from_packed((struct bh_str){tags, sizeof(packed) - 1});
	bh_output_series(o, &s);
}

#include "dogstatsd/selfmetrics.h"

#include "common/version.h"
#include "proto/control.h"

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

/* "a:1,b:2" as packed tags (tags.h), which have to be in order: the sender's are. Returns the bytes
 * written; out has 2 more for each tag than the text. */
static size_t pack(const char *tags, char *out)
{
	size_t at = 0;

	while (*tags) {
		size_t n = strcspn(tags, ",");

		if (n >= 0x80)
			out[at++] = (char)(0x80 | (n & 0x7f));
		out[at++] = (char)(n >= 0x80 ? n >> 7 : n);
		memcpy(out + at, tags, n);
		at += n;
		tags += n + (tags[n] == ',');
	}
	return at;
}

static void put_figure(struct bh_output *o, const struct bh_figure *f, struct bh_str hostname,
    struct bh_point point, int64_t interval)
{
	char packed[3 * sizeof(f->tags)];
	struct bh_identity id = {.name = bh_str_from(f->name), .host = hostname};
	struct bh_series s = {
	    .id = &id,
	    .type = f->is_count ? BH_SERIES_COUNT : BH_SERIES_GAUGE,
	    .interval = f->is_count ? interval : 0,
	    .source_type = BH_STR_LIT("System"),
	    .points = &point,
	    .n = 1,
	};

	id.tags = bh_tags_from_packed((struct bh_str){packed, pack(f->tags, packed)});
	bh_output_series(o, &s);
}

void bh_selfmetrics_figures(struct bh_output *o, struct bh_str figures, struct bh_str hostname,
    int64_t now, int64_t interval)
{
	struct bh_cur in = bh_cur_init(figures.p, figures.n);
	struct bh_figure f;

	while (in.left && bh_figure_decode(&in, &f) == 0)
		put_figure(o, &f, hostname, (struct bh_point){now, f.value}, interval);
}

/*
 * The replacement text of a mask (spec/logs.md §9.2), read once: $1, ${1}, $name, ${name}, $$.
 */
#ifndef BH_LOGS_TEMPLATE_H
#define BH_LOGS_TEMPLATE_H

#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"
#include "logs-agent/pattern.h"

/* Reads templates; one for any number of them. */
struct bh_template_reader {
	struct bh_pattern *syntax;
	struct bh_pattern_scratch *scratch;
};

int bh_template_reader_init(struct bh_template_reader *r) BH_MUST_CHECK; /* -ENOMEM */
void bh_template_reader_release(struct bh_template_reader *r); /* harmless on a zeroed one */

/* Text, or the first of some groups that took part in the match. */
struct bh_template_part {
	size_t text, text_n;   /* in text */
	size_t group, group_n; /* in groups; 0 of them: it is text */
};

struct bh_template {
	struct bh_buf text;
	struct bh_template_part *parts; /* owned */
	size_t parts_n;
	uint32_t *groups; /* owned; numbers */
	size_t groups_n;
};

/* For matches of that pattern. Any text is a template. -ENOMEM; release in any case. */
int bh_template_init(struct bh_template *t, struct bh_str text, const struct bh_pattern *of,
    const struct bh_template_reader *r) BH_MUST_CHECK;
void bh_template_release(struct bh_template *t); /* harmless on a zeroed one */

/* Appends the replacement of the match in w. 0; -ENOMEM; BH_E_LIMIT when out has got longer than
 * max, by no more than one group or text. */
int bh_template_expand(const struct bh_template *t, const struct bh_pattern_walk *w, size_t max,
    struct bh_buf *out) BH_MUST_CHECK;

#endif

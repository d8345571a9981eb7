/*
 * The kinds of aggregator behind aggregator.h, and what they share. Each kind has a function for a
 * line and, if it can hold one, a function that emits what is held.
 */
#ifndef BH_LOGS_AGG_INTERNAL_H
#define BH_LOGS_AGG_INTERNAL_H

#include "logs-agent/aggregator.h"

/* What stands between joined lines: a backslash and an n, not a line feed (§7.3, §8.5). */
#define BH_JOINT BH_STR_LIT("\\n")

/* Hands a message on and takes its raw length off what is pending. The only caller of fn. */
int bh_agg_emit(struct bh_aggregator *a, const struct bh_message *m) BH_MUST_CHECK;

/* §7.2 for a line: trims, notes whether it continues in the next, sets markers. The content of *m
 * borrows from the line or from the thread's marker buffer. */
int bh_agg_single(
    struct bh_aggregator *a, const struct bh_held_line *l, struct bh_message *m) BH_MUST_CHECK;

/* Puts markers around m->content as `was` (continues another piece) and a->carry (is continued) ask
 * for; sets m->cut, and `tag` if such messages are tagged. */
int bh_agg_mark(
    struct bh_aggregator *a, bool was, unsigned tag, struct bh_message *m) BH_MUST_CHECK;

/* The label of a line, with the source's labeler. */
enum bh_line_label bh_agg_label(struct bh_aggregator *a, struct bh_str content);

int bh_agg_regex_line(struct bh_aggregator *a, const struct bh_line *line) BH_MUST_CHECK;
int bh_agg_regex_flush(struct bh_aggregator *a) BH_MUST_CHECK;

/* AUTO: JSON first, what leaves it is combined. */
int bh_agg_json_line(struct bh_aggregator *a, const struct bh_line *line) BH_MUST_CHECK;
int bh_agg_json_flush(struct bh_aggregator *a) BH_MUST_CHECK;
int bh_agg_combine_line(struct bh_aggregator *a, const struct bh_held_line *l) BH_MUST_CHECK;
int bh_agg_combine_flush(struct bh_aggregator *a) BH_MUST_CHECK;

int bh_agg_detect_line(struct bh_aggregator *a, const struct bh_line *line) BH_MUST_CHECK;
int bh_agg_detect_flush(struct bh_aggregator *a) BH_MUST_CHECK;

#endif

/*
 * Reading values out of a YAML tree of log configuration: where a finding is, what stops the object
 * that is being read, and the few kinds of values there are (spec/logs.md §2.2, §2.3).
 */
#ifndef BH_COMMON_CONFIG_READ_H
#define BH_COMMON_CONFIG_READ_H

#include "common/config_load.h"
#include "common/config_yaml.h"

/* One object (a source, the global rules) being read. Everything is borrowed. */
struct bh_reading {
	const char *file; /* or "environment DD_X" */
	bool whole;       /* file is all that is known of the place; nodes have no position */
	struct bh_findings *findings;
	/* What stops the object; "" = nothing. The first fault stays. */
	char fault[BH_ERR_TEXT_MAX];
	const struct bh_yaml *fault_at;
};

/* "file:line:col: text" as a warning. */
void bh_reading_warn(struct bh_reading *r, const struct bh_yaml *at, const char *fmt, ...)
    BH_PRINTF(3, 4);
/* The same as a mistake: something does not run, or is left out. */
void bh_reading_mistake(struct bh_reading *r, const struct bh_yaml *at, const char *fmt, ...)
    BH_PRINTF(3, 4);
void bh_reading_fault(struct bh_reading *r, const struct bh_yaml *at, const char *fmt, ...)
    BH_PRINTF(3, 4);
static inline bool bh_reading_failed(const struct bh_reading *r)
{
	return r->fault[0] != '\0';
}

/* Notes a mistake for each key of map that is none of these n, with the nearest of them. The last
 * `unused` of them are known and without effect. */
void bh_reading_keys(struct bh_reading *r, const struct bh_yaml *map, const char *const *known,
    size_t n, size_t unused);

/* The value of a key when it is there and not null; else NULL. */
const struct bh_yaml *bh_reading_get(const struct bh_yaml *map, const char *key);
/* The same as text; "" when it is not there or no plain value. */
const char *bh_reading_text(const struct bh_yaml *map, const char *key);

/* These leave *out alone when n is NULL, and set a fault that names n's key when it is of another
 * kind or out of range. */
void bh_reading_bool(struct bh_reading *r, const struct bh_yaml *n, bool *out);
void bh_reading_int(
    struct bh_reading *r, const struct bh_yaml *n, int64_t min, int64_t max, int64_t *out);
void bh_reading_share(struct bh_reading *r, const struct bh_yaml *n, double *out); /* 0 to 1 */
/* A list of texts, or one text split at commas (spec/logs.md §2.2). -ENOMEM, or BH_E_CONFIG after
 * the fault was set. */
int bh_reading_list(
    struct bh_reading *r, const struct bh_yaml *n, struct bh_strlist *out) BH_MUST_CHECK;

/* Sets *out to a copy. -ENOMEM. */
int bh_reading_copy(char **out, const char *text) BH_MUST_CHECK;

#endif

/* From the text of a value to a field of struct bh_config, by option type, with its range. */
#ifndef BH_COMMON_CONFIG_VALUE_H
#define BH_COMMON_CONFIG_VALUE_H

#include "common/config.h"

/* Sets one option from text; lists are split at blanks. BH_E_CONFIG with what would be accepted in
 * err (the value is not repeated for secrets); -ENOMEM. */
int bh_config_set(struct bh_config *cfg, const struct bh_option *o, const char *text,
    struct bh_err *err) BH_MUST_CHECK;
/* Appends one item to a list option; the first call after bh_config_clear_list starts anew. */
int bh_config_add_item(
    struct bh_config *cfg, const struct bh_option *o, const char *text) BH_MUST_CHECK;
/* A boolean in Go's words: 1 t true …; false leaves *out alone. */
bool bh_config_bool(const char *text, bool *out);
/* Milliseconds of a Go duration such as 1m30s, every number with its unit; NaN when it is none. */
double bh_config_go_duration(const char *text);
void bh_config_clear_list(struct bh_config *cfg, const struct bh_option *o);
/* The value as text that bh_config_set would read back; not for lists. */
int bh_config_print(
    const struct bh_config *cfg, const struct bh_option *o, struct bh_buf *out) BH_MUST_CHECK;

#endif

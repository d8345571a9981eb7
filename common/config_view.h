/*
 * The values of a configuration as people may see them: secrets masked, each with where it was set.
 * And what a configuration that is in use was, without its secrets, so that another one can be
 * compared with it later.
 */
#ifndef BH_COMMON_CONFIG_VIEW_H
#define BH_COMMON_CONFIG_VIEW_H

#include <stdint.h>

#include "common/config_load.h"

/* Appends the value as text: lists between brackets, handles as they are written, other secrets as
 * asterisks; of an API key the last five characters. */
int bh_config_show(
    const struct bh_config *cfg, const struct bh_option *o, struct bh_buf *out) BH_MUST_CHECK;

/* Owned; in the order of bh_options. */
struct bh_config_image {
	char **shown;    /* NULL for options without effect */
	uint64_t *marks; /* equal for equal values, with the same salt */
	uint64_t salt;
};

/* salt: not to be guessed, so that a mark tells nothing of a secret. -ENOMEM. */
int bh_config_image_take(
    struct bh_config_image *i, const struct bh_config *cfg, uint64_t salt) BH_MUST_CHECK;
void bh_config_image_release(struct bh_config_image *i);

#endif

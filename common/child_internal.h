/* What child.c and child_boot.c share. */
#ifndef BH_COMMON_CHILD_INTERNAL_H
#define BH_COMMON_CHILD_INTERNAL_H

#include "common/child.h"

/* Decodes the configuration that fd holds, a sealed file of the supervisor's; fd stays the
 * caller's. config has its defaults, and is to be released after an error too. */
int bh_child_read_config(struct bh_config *config, int fd, struct bh_err *err) BH_MUST_CHECK;

#endif

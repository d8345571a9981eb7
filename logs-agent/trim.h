/* White space at the ends of a message (spec/logs.md §6.5): ASCII and the Unicode spaces listed
 * there, where they are validly encoded. */
#ifndef BH_LOGS_TRIM_H
#define BH_LOGS_TRIM_H

#include "common/str.h"

/* s without white space at both ends; borrows from s. */
struct bh_str bh_trim(struct bh_str s);

#endif

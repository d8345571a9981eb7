/* Where the other executables of this installation are: beside the running one, in libexec/, or in
 * ../libexec/bulkhead/. */
#ifndef BH_COMMON_SIBLING_H
#define BH_COMMON_SIBLING_H

#include "common/attrs.h"
#include "common/err.h"

/* Path of bulkhead-NAME, owned by the caller. -ENOENT with both places in err; -ENOMEM. */
int bh_sibling_find(const char *name, char **path, struct bh_err *err) BH_MUST_CHECK;

#endif

/* Reads a file that an operator or the configuration names as the Agent's registry.json. */
#ifndef BH_FORWARDER_REGISTRY_FILE_H
#define BH_FORWARDER_REGISTRY_FILE_H

#include "common/attrs.h"
#include "common/buf.h"
#include "common/err.h"

/* Appends what fd holds from its beginning; name is for the error's text. -EINVAL when it is no
 * regular file, -EFBIG beyond BH_REGISTRY_FILE_MAX, other -errno. The descriptor stays open. */
int bh_registry_read(
    int fd, const char *name, struct bh_buf *out, struct bh_err *err) BH_MUST_CHECK;

#endif

/* One question to the supervisor's control socket and its answer. Blocking, with a deadline. */
#ifndef BH_CTL_CLIENT_H
#define BH_CTL_CLIENT_H

#include "common/attrs.h"
#include "common/buf.h"
#include "common/err.h"

/* Sends {"verb":"VERB"}, with "member":"value" unless member is NULL, and appends the answer
 * without its newline to out. Errors: -ENOENT and -ECONNREFUSED (nobody listens: it does not run),
 * -EACCES, -ETIMEDOUT, BH_E_CLOSED (no whole answer), other -errno; text in err. */
int bh_ctl_ask(const char *socket_path, const char *verb, const char *member, const char *value,
    int timeout_ms, struct bh_buf *out, struct bh_err *err) BH_MUST_CHECK;

#endif

/* One question to the supervisor's control socket and its answer. Blocking, with a deadline. */
#ifndef BH_CTL_CLIENT_H
#define BH_CTL_CLIENT_H

#include "common/attrs.h"
#include "common/buf.h"
#include "common/err.h"

/* "name":"value"; both without quotes, backslashes and control characters. */
struct bh_ctl_member {
	const char *name, *value;
};

/* Sends {"verb":"VERB"} with n members more, and appends the answer without its newline to out. A
 * descriptor that came with it is the caller's, in *fd; -1 when none did. Errors: -ENOENT and
 * -ECONNREFUSED (nobody listens: it does not run), -EACCES, -ETIMEDOUT, BH_E_CLOSED (no whole
 * answer), other -errno; text in err, and *fd is -1. */
int bh_ctl_ask(const char *socket_path, const char *verb, const struct bh_ctl_member *members,
    size_t n, int timeout_ms, struct bh_buf *out, int *fd, struct bh_err *err) BH_MUST_CHECK;

#endif

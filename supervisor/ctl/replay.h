/* bulkheadctl dogstatsd-replay: a capture's packets to the Unix datagram socket, spaced as they
 * came.
 */
#ifndef BH_CTL_REPLAY_H
#define BH_CTL_REPLAY_H

#include <stdint.h>

#include "common/attrs.h"
#include "common/err.h"

/* Sends the whole file; *packets counts. Errors with text: -errno of the file or the socket,
 * BH_E_FORMAT when it is no capture. */
int bh_replay(
    const char *file, const char *socket_path, uint64_t *packets, struct bh_err *err) BH_MUST_CHECK;

#endif

/* A listening TCP socket from the text "ADDRESS:PORT" or "[IPv6]:PORT". */
#ifndef BH_INTAKE_LISTEN_H
#define BH_INTAKE_LISTEN_H

#include <stddef.h>

#include "common/attrs.h"
#include "common/err.h"

#define BH_LISTEN_TEXT_MAX 80

/* Returns the descriptor, which the caller owns, and the bound address as text; or BH_E_FORMAT,
 * -errno with the cause in err. */
int bh_listen(const char *text, char *bound, size_t bound_size, struct bh_err *err) BH_MUST_CHECK;

#endif

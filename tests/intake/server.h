/*
 * The HTTP server of the local intake: one thread a connection (libmicrohttpd), no TLS.
 *
 * A request is decoded and recorded before it is answered 2xx; one that is answered with an error,
 * or aborted, leaves no record (mode "lost" is the exception it is named for). Paths below /_/ are
 * its own and know neither keys nor faults:
 *
 *   GET      /_/ping    {"ok":true}
 *   GET      /_/stats   counters, stats.h
 *   GET|POST /_/fault   ?key=value&… adds a rule (faults.h); ?clear=1 removes all
 */
#ifndef BH_INTAKE_SERVER_H
#define BH_INTAKE_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/err.h"
#include "tests/intake/faults.h"
#include "tests/intake/record.h"
#include "tests/intake/stats.h"

struct MHD_Daemon;

struct bh_server {
	struct bh_record *record; /* borrowed until stop */
	struct bh_stats *stats;   /* borrowed until stop */
	struct bh_faults faults;  /* may be filled before start */
	pthread_mutex_t fault_lock;
	size_t max_body;           /* bytes as sent, for every path; 0 = the service's limits */
	_Atomic uint64_t requests; /* numbers requests; order of arrival is all that matters */
	int stop_fd;               /* eventfd: wakes the threads a fault holds */
	struct MHD_Daemon *daemon;
};

void bh_server_init(struct bh_server *s, struct bh_record *record, struct bh_stats *stats);

/*
 * Parses "ADDRESS:PORT" or "[IPv6]:PORT", listens there and serves. bound receives the address
 * with the real port, for port 0. Errors with their cause in err: BH_E_FORMAT for the text, -errno
 * of bind and listen.
 */
int bh_server_start(struct bh_server *s, const char *listen, char *bound, size_t bound_size,
    struct bh_err *err) BH_MUST_CHECK;

/* Ends the server; returns when the last connection's thread is gone. */
void bh_server_stop(struct bh_server *s);

#endif

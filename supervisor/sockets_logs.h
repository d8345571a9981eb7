/*
 * The ports of log sources of type tcp and udp: bound once by the supervisor, kept open for its
 * life and inherited by each logs process, so that connections wait in the backlog and datagrams in
 * the receive buffer while it restarts (spec/logs.md §11).
 *
 * A port that cannot be had is left out with a note that names the source, the port, the cause and
 * the way out; the others stand. Sources with a fault, and all when the rules for all have one, get
 * none.
 */
#ifndef BH_SUPERVISOR_SOCKETS_LOGS_H
#define BH_SUPERVISOR_SOCKETS_LOGS_H

#include "common/attrs.h"
#include "common/child.h"
#include "common/config.h"
#include "supervisor/spawn.h"

/* The output of a command and the ring of the log come beside them. */
#define BH_LOG_SOCKETS_MAX  (BH_CHILD_FDS_MAX - 4)
#define BH_LOG_RCVBUF_BYTES (4 << 20) /* asked for a UDP socket */

struct bh_log_sockets {
	/* As the logs process inherits them: "logs-tcp:10514" (listening), "logs-udp:514"
	 * (SO_RXQ_OVFL set); non-blocking. Names and descriptors are owned. */
	struct bh_spawn_fd fds[BH_LOG_SOCKETS_MAX];
	char *names[BH_LOG_SOCKETS_MAX];
	struct bh_log_port {
		bool tcp;
		uint16_t port;
		char *host;          /* owned; bind_host */
	} ports[BH_LOG_SOCKETS_MAX]; /* what the configuration calls them */
	size_t n;
	struct bh_strlist notes;    /* ports that could not be had; plain sentences */
	struct bh_strlist warnings; /* a receive buffer smaller than asked for */
};

/* Opens the ports of all sources that run; none when logs are not enabled. Fails only when out of
 * memory; what was opened before stands. */
int bh_log_sockets_open(struct bh_log_sockets *s, const struct bh_config *cfg) BH_MUST_CHECK;
/* The same for another configuration: those that it has too stay as they are, the others are
 * closed, new ones opened; notes and warnings are those of now. *opened: at least one is new. */
int bh_log_sockets_update(
    struct bh_log_sockets *s, const struct bh_config *cfg, bool *opened) BH_MUST_CHECK;
void bh_log_sockets_release(struct bh_log_sockets *s);

#endif

/* Shared by inlet.c (all sockets), inlet_tcp.c and inlet_udp.c. */
#ifndef BH_LOGS_INLET_INTERNAL_H
#define BH_LOGS_INLET_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/log.h"
#include "common/loop.h"
#include "logs-agent/ends_cache.h"
#include "logs-agent/framer.h"
#include "logs-agent/inlet.h"
#include "logs-agent/ip_filter.h"
#include "logs-agent/lane.h"
#include "logs-agent/logs_internal.h"
#include "logs-agent/syslog_framer.h"

#define BH_INLET "sockets"

/* Connections of all sources, whatever they allow themselves. */
#define BH_CONNECTIONS_MAX 1024

/* A socket that is read: a connection, or that of a UDP source. */
struct bh_port {
	struct bh_watch watch;
	int fd; /* owned */
	struct bh_inlets *all;
	struct bh_port *prev, *next; /* while it waits for credit */
	bool waits;
	void (*read)(struct bh_port *p); /* one turn; may end the port */
};

/* What the two kinds of source have in common. */
struct bh_inlet {
	struct bh_inlets *all;
	struct bh_source *source;
	struct bh_ip_filter filter;
	bool leaving; /* its source is not configured any more */
	struct bh_ends_cache names;
};

struct bh_tcp;
struct bh_udp;
struct bh_udp_batch;

struct bh_inlets {
	struct bh_logs *logs;
	struct bh_tcp *tcp;
	struct bh_udp *udp;
	struct bh_udp_batch *batch; /* receive buffers of all UDP sources; NULL = there are none */
	char *buffer;               /* of all connections: frame_size bytes */
	size_t buffer_size;
	struct bh_port *first, *last; /* wait for credit */
	struct bh_lane *lanes;
	struct bh_timer held;
	struct bh_log_limit rejected_limit, truncated_limit, error_limit;
	unsigned connections, connections_max;
	uint64_t accepted, rejected, resets, datagrams, udp_rejected, udp_truncated,
	    udp_kernel_drops, read_errors;
	bool files_next, draining;
};

/* --- inlet.c --- */
/* Takes fd on success. Starts reading. -errno. */
int bh_port_open(
    struct bh_port *p, struct bh_inlets *all, int fd, void (*read)(struct bh_port *)) BH_MUST_CHECK;
void bh_port_close(struct bh_port *p); /* harmless when closed */
void bh_port_pause(struct bh_port *p); /* no events any more; the owner reads it */
/* A lane joins and leaves the others, for the timer of what is held. */
int bh_inlet_lane(
    struct bh_inlet *in, struct bh_lane *lane, const struct bh_ip *from) BH_MUST_CHECK;
void bh_inlet_lane_end(struct bh_inlets *all, struct bh_lane *lane);
/* Frames of the lane were taken: what it holds goes out after aggregation_timeout. */
void bh_inlet_fed(struct bh_inlets *all, struct bh_lane *lane);
void bh_inlet_flush(struct bh_lane *lane); /* errors are dealt with */
/* Filter and names of a source. -ENOMEM, BH_E_CONFIG. */
int bh_inlet_init(
    struct bh_inlet *in, struct bh_inlets *all, struct bh_source *source) BH_MUST_CHECK;
void bh_inlet_release(struct bh_inlet *in);
/* Whether a drain has room for more. */
bool bh_inlet_has_room(const struct bh_inlets *all);
int64_t bh_inlet_now(void); /* mono */

/* --- inlet_tcp.c --- Takes fd, also on failure. -ENOMEM, BH_E_CONFIG. */
/* connected: fd is no listener but the one connection there will be. */
int bh_tcp_add(
    struct bh_inlets *all, struct bh_source *source, int fd, bool connected) BH_MUST_CHECK;
void bh_tcp_start(struct bh_inlets *all);
void bh_tcp_stop(struct bh_inlets *all);  /* the drain begins */
bool bh_tcp_drain(struct bh_inlets *all); /* true: done */
void bh_tcp_free(struct bh_inlets *all);
bool bh_tcp_has(const struct bh_inlets *all, const struct bh_source *source);
/* As bh_inlets_leave(); the socket of an heir as bh_tcp_add() takes it. */
int bh_tcp_leave(
    struct bh_inlets *all, const struct bh_source *source, struct bh_source *heir) BH_MUST_CHECK;
void bh_tcp_go_on_leaving(struct bh_inlets *all);

/* --- inlet_udp.c --- the same */
int bh_udp_add(struct bh_inlets *all, struct bh_source *source, int fd) BH_MUST_CHECK;
void bh_udp_start(struct bh_inlets *all);
void bh_udp_stop(struct bh_inlets *all);
bool bh_udp_drain(struct bh_inlets *all);
void bh_udp_free(struct bh_inlets *all);
bool bh_udp_has(const struct bh_inlets *all, const struct bh_source *source);
int bh_udp_leave(
    struct bh_inlets *all, const struct bh_source *source, struct bh_source *heir) BH_MUST_CHECK;
void bh_udp_go_on_leaving(struct bh_inlets *all);
void bh_udp_update_drops(struct bh_inlets *all);

#endif

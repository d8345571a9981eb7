/*
 * The sockets clients send to: bound once by the supervisor, kept open for its life and inherited
 * by each dogstatsd child, so that a restart of the child loses nothing (spec/dogstatsd.md §2.1,
 * §2.2; spec/supervision.md §14).
 *
 * A listener that cannot be made is left out with a note that names the object, the cause and the
 * way out; the others stand.
 */
#ifndef BH_SUPERVISOR_SOCKETS_H
#define BH_SUPERVISOR_SOCKETS_H

#include <stdbool.h>
#include "common/attrs.h"
#include "common/config.h"
#include "supervisor/sockets_given.h"

#define BH_SOCKETS_MAX 5

enum bh_socket_kind {
	BH_SOCKET_UDP,
	BH_SOCKET_DATAGRAM, /* Unix */
	BH_SOCKET_STREAM,   /* Unix, listening */
	BH_SOCKET_FORWARD,  /* UDP, connected to statsd_forward_host */
};

struct bh_socket {
	char *name; /* "udp:127.0.0.1:8125", "udp:[::1]:8125", "uds:/run/x.sock",
		       "uds-stream:/run/y.sock", "forward:host:8125" */
	enum bh_socket_kind kind;
	int fd; /* non-blocking, SO_RXQ_OVFL set */
	char
	    *path; /* of a Unix socket of ours; NULL else, and where the service manager holds it */
};

struct bh_sockets {
	struct bh_socket v[BH_SOCKETS_MAX];
	size_t n;
	struct bh_strlist notes; /* what could not be made, and why; plain sentences */
	struct bh_given *given;  /* while they are opened; not owned */
};

/* Makes all listeners the configuration asks for; those that are among given (NULL: none) are taken
 * from there, the rest of given is closed. Fails only when out of memory. */
int bh_sockets_open(
    struct bh_sockets *s, const struct bh_config *cfg, struct bh_given *given) BH_MUST_CHECK;

/* Whether the configuration asks for a listener at all. */
bool bh_sockets_wanted(const struct bh_config *cfg);

/* Whether clients can send anything at all. */
bool bh_sockets_listening(const struct bh_sockets *s);

/* Ends the taking in for good: clients of the Unix sockets get EPIPE or are refused from here on,
 * what they sent before stays readable. (UDP has no such end: what arrives after the last read is
 * lost, as with any UDP server that stops.) A socket that the service manager holds stays open:
 * what is unread waits in it for the next start. */
void bh_sockets_close_intake(struct bh_sockets *s);

/* Whether a Unix datagram socket of ours still holds a datagram that nobody has read. */
bool bh_sockets_unread(const struct bh_sockets *s);

/* Closes all, and removes the Unix sockets' files unless somebody else receives there. */
void bh_sockets_release(struct bh_sockets *s);

#endif

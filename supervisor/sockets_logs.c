#include "supervisor/sockets_logs.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "supervisor/sockets_internal.h"

static bool is_tcp(const struct bh_log_source *src)
{
	return strcmp(src->type, "tcp") == 0;
}

static bool has_port(const struct bh_log_source *src)
{
	return !src->fault[0] && (is_tcp(src) || strcmp(src->type, "udp") == 0);
}

/* What can be done about the known causes; the words of the system for the others. */
static int refused(struct bh_log_sockets *s, const struct bh_log_source *src, int rc)
{
	static const struct {
		int rc;
		const char *text;
	} causes[] = {
	    {-EADDRINUSE,
		" is in use by another process (an agent, a syslog daemon?): stop it, or give the "
		"source another port"},
	    {-EACCES,
		": no permission; ports below 1024 need root or CAP_NET_BIND_SERVICE: give the "
		"source a higher one"},
	    {-EADDRNOTAVAIL, ": this host has no such address: correct bind_host"},
	};
	const char *text = NULL;

	for (size_t i = 0; i < BH_ARRAY_LEN(causes); i++) {
		if (causes[i].rc == rc)
			text = causes[i].text;
	}
	return bh_sockets_note(&s->notes, "log source %.200s: %s port %" PRIu16 "%s%.80s%s%s",
	    src->where, is_tcp(src) ? "TCP" : "UDP", src->port, src->bind_host[0] ? " of " : "",
	    src->bind_host, text ? text : ": ", text ? "" : bh_err_name(rc));
}

/* One address of the host; IPv4 first, as clients of a name such as localhost mostly use it. */
static int resolve(const char *host, union bh_address *a)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	int rc = EAI_NONAME;

	for (size_t i = 0; i < BH_ARRAY_LEN(families) && !list; i++) {
		hints.ai_family = families[i];
		rc = getaddrinfo(host, NULL, &hints, &list);
		if (rc)
			list = NULL;
	}
	if (!list)
		return rc;
	memcpy(a, list->ai_addr, BH_MIN(list->ai_addrlen, sizeof(*a)));
	freeaddrinfo(list);
	return 0;
}

static int bind_to(const union bh_address *a, bool tcp, int *out)
{
	bool any6 = a->any.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr);
	int fd = socket(
	    a->any.sa_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, v6only = !any6, rc;

	if (fd < 0)
		return -errno;
	if (a->any.sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)) < 0)
		goto fail;
	/* Connections of the process before us may linger: they are no reason to stay deaf. */
	if (tcp && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
		goto fail;
	if (!tcp)
		(void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
	if (bind(fd, &a->any, bh_address_len(a)) < 0 || (tcp && listen(fd, SOMAXCONN) < 0))
		goto fail;
	*out = fd;
	return 0;
fail:
	rc = -errno;
	(void)close(fd);
	return rc;
}

/* All addresses: both families by one socket, where the host has IPv6. */
static int bind_all(uint16_t port, bool tcp, int *fd)
{
	union bh_address a = {.v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT}};
	int rc;

	bh_address_set_port(&a, port);
	rc = bind_to(&a, tcp, fd);
	if (rc != -EAFNOSUPPORT && rc != -EADDRNOTAVAIL)
		return rc;
	a.v4 = (struct sockaddr_in){AF_INET, htons(port), {htonl(INADDR_ANY)}, {0}};
	return bind_to(&a, tcp, fd);
}

/* Beyond net.core.rmem_max with the right to, else up to it (spec/logs.md §11.2). */
static int enlarge(struct bh_log_sockets *s, const struct bh_log_source *src, int fd)
{
	int want = BH_LOG_RCVBUF_BYTES, got = 0;
	socklen_t n = sizeof(got);

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &want, sizeof(want)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof(want));
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &n) == 0 && got / 2 >= want)
		return 0; /* the kernel doubles what was asked */
	return bh_sockets_note(&s->warnings,
	    "log source %.200s: UDP port %" PRIu16 ": the receive buffer is %d bytes instead of "
	    "%d: raise net.core.rmem_max",
	    src->where, src->port, got / 2, want);
}

/* Takes fd. The name tells the port that was bound. */
static int keep(struct bh_log_sockets *s, const struct bh_log_source *src, int fd)
{
	bool tcp = is_tcp(src);
	union bh_address bound = {0};
	socklen_t n = sizeof(bound);
	char *name = NULL, *host = strdup(src->bind_host);

	(void)getsockname(fd, &bound.any, &n);
	if (!host ||
	    asprintf(&name, "logs-%s:%" PRIu16, tcp ? "tcp" : "udp", bh_address_port(&bound)) < 0) {
		free(host);
		(void)close(fd);
		return -ENOMEM;
	}
	s->names[s->n] = name;
	s->ports[s->n].tcp = tcp;
	s->ports[s->n].port = src->port;
	s->ports[s->n].host = host;
	s->fds[s->n++] = (struct bh_spawn_fd){.name = name, .fd = fd};
	return 0;
}

static int open_one(struct bh_log_sockets *s, const struct bh_log_source *src)
{
	union bh_address a = {0};
	bool tcp = is_tcp(src);
	int fd = -1, rc;

	if (s->n == BH_LOG_SOCKETS_MAX)
		return bh_sockets_note(&s->notes,
		    "log source %.200s: more than %d ports: leave some out", src->where,
		    BH_LOG_SOCKETS_MAX);
	if (src->bind_host[0]) {
		rc = resolve(src->bind_host, &a);
		if (rc)
			return bh_sockets_note(&s->notes,
			    "log source %.200s: bind_host \"%.80s\": %s: port %" PRIu16
			    " is not open; use an address of this host",
			    src->where, src->bind_host, gai_strerror(rc), src->port);
		bh_address_set_port(&a, src->port);
		rc = bind_to(&a, tcp, &fd);
	} else {
		rc = bind_all(src->port, tcp, &fd);
	}
	if (rc)
		return refused(s, src, rc);
	rc = keep(s, src, fd);
	return rc || tcp ? rc : enlarge(s, src, fd);
}

/* --- all of them --------------------------------------------------------------------------------
 */

static bool is_of(const struct bh_log_port *p, const struct bh_log_source *src)
{
	return p->tcp == is_tcp(src) && p->port == src->port &&
	       strcmp(p->host, src->bind_host) == 0;
}

static void close_one(struct bh_log_sockets *s, size_t i)
{
	(void)close(s->fds[i].fd);
	free(s->names[i]);
	free(s->ports[i].host);
}

/* Closes those that no source asks for; before[i]: source i has its socket already. */
static void close_others(struct bh_log_sockets *s, const struct bh_config *cfg, bool *before)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		size_t k = 0;

		while (k < cfg->log_sources_n && (before[k] || !has_port(&cfg->log_sources[k]) ||
						     !is_of(&s->ports[i], &cfg->log_sources[k])))
			k++;
		if (k == cfg->log_sources_n) {
			close_one(s, i);
			continue;
		}
		before[k] = true;
		s->fds[kept] = s->fds[i];
		s->names[kept] = s->names[i];
		s->ports[kept++] = s->ports[i];
	}
	s->n = kept;
}

static bool may_run(const struct bh_config *cfg)
{
	return cfg->logs_enabled && !cfg->log_rules_fault[0];
}

int bh_log_sockets_update(struct bh_log_sockets *s, const struct bh_config *cfg, bool *opened)
{
	bool *before = calloc(cfg->log_sources_n + 1, sizeof(*before));
	size_t had;
	int rc = 0;

	*opened = false;
	if (!before)
		return -ENOMEM;
	bh_strlist_release(&s->notes);
	bh_strlist_release(&s->warnings);
	close_others(s, cfg, before);
	had = s->n;
	for (size_t i = 0; i < cfg->log_sources_n && !rc && may_run(cfg); i++) {
		if (has_port(&cfg->log_sources[i]) && !before[i])
			rc = open_one(s, &cfg->log_sources[i]);
	}
	*opened = s->n > had;
	free(before);
	return rc;
}

int bh_log_sockets_open(struct bh_log_sockets *s, const struct bh_config *cfg)
{
	bool opened;

	*s = (struct bh_log_sockets){0};
	return bh_log_sockets_update(s, cfg, &opened);
}

void bh_log_sockets_release(struct bh_log_sockets *s)
{
	for (size_t i = 0; i < s->n; i++)
		close_one(s, i);
	bh_strlist_release(&s->notes);
	bh_strlist_release(&s->warnings);
	*s = (struct bh_log_sockets){0};
}

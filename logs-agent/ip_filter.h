/*
 * Who may send to a port (spec/logs.md §2.2, §11): addresses and prefixes of IPv4 and IPv6. A
 * sender that a dual-stack socket tells as IPv4-mapped is the IPv4 address, here and in tags; so
 * is a mapped address or prefix of a list. A prefix holds addresses of its own family only.
 */
#ifndef BH_LOGS_IP_FILTER_H
#define BH_LOGS_IP_FILTER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/attrs.h"
#include "common/config.h"

struct bh_ip {
	bool v6;
	uint8_t b[16]; /* IPv4: the first four, the others 0 */
};

#define BH_IP_TEXT INET6_ADDRSTRLEN

/* False, and the address is all zeros, when sa is of another family. */
bool bh_ip_from(const struct sockaddr_storage *sa, struct bh_ip *out);
bool bh_ip_eq(const struct bh_ip *a, const struct bh_ip *b);
/* As it is written: "10.0.0.1", "fe80::1"; without port and zone. */
void bh_ip_text(const struct bh_ip *ip, char out[BH_IP_TEXT]);

struct bh_ip_prefix {
	struct bh_ip ip;
	unsigned bits;
};

/* "10.0.0.1", "10.0.0.0/8", "fd00::/8"; bits behind the prefix do not matter. False: none of these.
 */
bool bh_ip_prefix_parse(const char *text, struct bh_ip_prefix *out);

struct bh_ip_list {
	struct bh_ip_prefix *v; /* owned */
	size_t n;
};

/* A zeroed filter lets all in. */
struct bh_ip_filter {
	struct bh_ip_list allowed; /* none: all */
	struct bh_ip_list denied;  /* wins */
};

/* The lists of a source. -ENOMEM; BH_E_CONFIG when an entry is not understood: the port must not be
 * served then. After an error there is nothing to release. */
int bh_ip_filter_init(struct bh_ip_filter *f, const struct bh_strlist *allowed,
    const struct bh_strlist *denied) BH_MUST_CHECK;
void bh_ip_filter_release(struct bh_ip_filter *f);
bool bh_ip_filter_admits(const struct bh_ip_filter *f, const struct bh_ip *ip);

#endif

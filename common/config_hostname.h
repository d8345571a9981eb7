/* The name this host gives to all it sends. */
#ifndef BH_COMMON_CONFIG_HOSTNAME_H
#define BH_COMMON_CONFIG_HOSTNAME_H

#include "common/config_load.h"

/* Labels of 1 to 63 letters, digits and inner hyphens (RFC 1123), at most 255 bytes in all. */
bool bh_hostname_valid(const char *s);
/* A name that every machine has, so that it names none. */
bool bh_hostname_is_local(const char *s);

/*
 * Fills cfg->hostname, which holds the option's value; where is the option's position. A value
 * that is no host name is an error. Without one, or with localhost, the kernel's name (own) counts;
 * when that is no better it is taken all the same, with a warning. own may be empty.
 */
void bh_config_resolve_hostname(
    struct bh_config *cfg, const char *where, const char *own, struct bh_findings *findings);

#endif

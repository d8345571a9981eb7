#include "common/config_hostname.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/config_finding.h"

#define NAME_MAX_BYTES  255
#define LABEL_MAX_BYTES 63

static bool valid_label(const char *p, size_t n)
{
	if (n == 0 || n > LABEL_MAX_BYTES || p[0] == '-' || p[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c >= 0x80 || (!isalnum(c) && c != '-'))
			return false;
	}
	return true;
}

bool bh_hostname_valid(const char *s)
{
	if (strlen(s) > NAME_MAX_BYTES)
		return false;
	for (;;) {
		size_t n = strcspn(s, ".");

		if (!valid_label(s, n))
			return false;
		if (s[n] == '\0')
			return true;
		s += n + 1;
	}
}

bool bh_hostname_is_local(const char *s)
{
	static const char *const names[] = {"localhost", "localhost.localdomain",
	    "localhost6.localdomain6", "ip6-localhost", "localhost4", "localhost6"};

	for (size_t i = 0; i < BH_ARRAY_LEN(names); i++) {
		if (strcasecmp(s, names[i]) == 0)
			return true;
	}
	return false;
}

static void take(struct bh_config *cfg, const char *name)
{
	char *copy = strdup(name);

	if (!copy)
		BH_BUG("out of memory while reading the configuration");
	free(cfg->hostname);
	cfg->hostname = copy;
}

void bh_config_resolve_hostname(
    struct bh_config *cfg, const char *where, const char *own, struct bh_findings *findings)
{
	const char *set = cfg->hostname;

	if (set[0] && !bh_hostname_valid(set)) {
		bh_finding_add(findings, BH_FINDING_ERROR,
		    "%s: hostname: \"%.100s\" is not a host name; letters, digits, hyphens and "
		    "dots are accepted (RFC 1123)",
		    where, set);
		return;
	}
	if (set[0] && !bh_hostname_is_local(set))
		return;
	if (bh_hostname_valid(own) && !bh_hostname_is_local(own)) {
		if (set[0])
			bh_finding_add(findings, BH_FINDING_WARNING,
			    "%s: hostname: \"%.100s\" names no host; \"%.100s\" is used", where,
			    set, own);
		take(cfg, own);
		return;
	}
	if (!set[0])
		take(cfg, own[0] ? own : "localhost");
	bh_finding_add(findings, BH_FINDING_WARNING,
	    "%s: hostname: this host calls itself \"%.100s\"; set hostname", where, cfg->hostname);
}

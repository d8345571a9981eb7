#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "forwarder/grants.h"

Test(forwarder_grants, the_port_of_an_address)
{
	static const struct {
		const char *url;
		unsigned fallback, port;
	} cases[] = {
	    {"", 443, 0},
	    {"https://app.datadoghq.com", 443, 443},
	    {"http://localhost", 443, 80},
	    {"http://localhost:8080/x:9", 443, 8080},
	    {"https://user:pa:ss@host:8443", 443, 8443},
	    {"agent-intake.logs.datadoghq.com:10516", 443, 10516},
	    {"host", 80, 80},
	    {"http://[::1]:8080", 443, 8080},
	    {"http://[::1]", 443, 80},
	    {"http://proxy", 1080, 1080},
	    {"https://proxy", 1080, 443},
	    {"socks5://proxy:1081", 1080, 1081},
	    {"http://host:99999", 443, 80},
	    {"http://host:0", 443, 80},
	    {"http://host:x", 443, 80},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++)
		cr_assert_eq(bh_url_port(cases[i].url, cases[i].fallback), cases[i].port, "%s",
		    cases[i].url);
}

static unsigned use_of(const struct bh_landlock_rules *r, const char *path)
{
	for (size_t i = 0; i < r->n; i++) {
		if (strcmp(r->v[i].path, path) == 0)
			return r->v[i].use;
	}
	return 0;
}

/* spec/supervision.md §12 */
Test(forwarder_grants, only_the_store_is_written_and_only_intakes_are_reached)
{
	struct bh_landlock_rules r = {0};
	struct bh_config cfg;

	bh_config_defaults(&cfg);
	free(cfg.dd_url);
	cfg.dd_url = strdup("http://127.0.0.1:18126");
	cr_assert_eq(bh_forwarder_grants(&cfg, true, &r), 0);
	cr_assert(use_of(&r, "/var/lib/bulkhead/store") & BH_USE_WRITE);
	cr_assert_eq(use_of(&r, "/run/bulkhead/link"), BH_USE_SOCKET);
	cr_assert_eq(use_of(&r, "/etc"), 0, "root's own files stay closed");
	cr_assert_eq(use_of(&r, "/etc/resolv.conf"), BH_USE_READ);
	for (size_t i = 0; i < r.n; i++)
		cr_assert(!(r.v[i].use & BH_USE_WRITE) ||
			      strcmp(r.v[i].path, "/var/lib/bulkhead/store") == 0,
		    "%s", r.v[i].path);
	cr_assert_eq(r.ports_n, 3);
	cr_assert_eq(r.ports[0], 443);
	cr_assert_eq(r.ports[1], 53);
	cr_assert_eq(r.ports[2], 18126);
	bh_landlock_release(&r);
	free(cfg.tls_ca_file);
	cfg.tls_ca_file = strdup("/srv/tls/ca.pem");
	cr_assert_eq(bh_forwarder_grants(&cfg, false, &r), 0);
	cr_assert_eq(use_of(&r, "/srv/tls"), BH_USE_READ, "certificates are renewed by renaming");
	bh_landlock_release(&r);
	bh_config_release(&cfg);
}

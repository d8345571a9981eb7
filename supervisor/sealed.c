#include "supervisor/sealed.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/config_logs.h"
#include "common/config_value.h"
#include "common/config_endpoints.h"
#include "supervisor/spawn.h"

/* Options of the forwarder that it takes over while it runs. */
static const char *const live_keys[] = {
    "api_key", "logs_config.api_key", "additional_endpoints", "logs_config.additional_endpoints"};

static int encode_sealed(const struct bh_config *cfg, enum bh_role role, struct bh_err *err)
{
	struct bh_buf bytes = BH_BUF_INIT;
	int rc = bh_config_encode(cfg, role, &bytes);

	if (!rc)
		rc = bh_spawn_seal("bulkhead-config", bytes.data, bytes.len);
	if (bytes.cap)
		explicit_bzero(bytes.data, bytes.cap);
	bh_buf_release(&bytes);
	return rc < 0 ? bh_err_set(err, rc, "hand the configuration to %s", bh_role_name(role))
		      : rc;
}

/* bytes: a copy for the role, of cfg or an earlier one. */
static int seal_with(struct bh_str bytes, const struct bh_config *cfg, enum bh_role role,
    const struct bh_secrets *secrets, struct bh_err *err)
{
	struct bh_config copy;
	int rc;

	bh_config_defaults(&copy);
	rc = bh_config_decode(&copy, bytes.p, bytes.n);
	if (rc)
		(void)bh_err_set(err, rc, "the configuration of %s", bh_role_name(role));
	else
		rc = bh_secrets_apply(cfg, 1u << role, secrets, &copy, err);
	if (!rc)
		rc = encode_sealed(&copy, role, err);
	bh_config_release(&copy);
	return rc;
}

int bh_sealed_make(const struct bh_config *cfg, enum bh_role role, const struct bh_secrets *secrets,
    struct bh_err *err)
{
	struct bh_buf bytes = BH_BUF_INIT;
	int rc = bh_config_encode(cfg, role, &bytes);

	if (rc)
		(void)bh_err_set(err, rc, "hand the configuration to %s", bh_role_name(role));
	else
		rc = seal_with(bh_buf_view(&bytes), cfg, role, secrets, err);
	if (bytes.cap)
		explicit_bzero(bytes.data, bytes.cap);
	bh_buf_release(&bytes);
	return rc;
}

static struct bh_str map(int fd)
{
	struct stat st;
	void *p = MAP_FAILED;

	if (fstat(fd, &st) == 0 && st.st_size > 0)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	return p == MAP_FAILED ? (struct bh_str){NULL, 0} : (struct bh_str){p, (size_t)st.st_size};
}

static void unmap(struct bh_str m)
{
	if (m.p)
		(void)munmap((void *)(uintptr_t)m.p, m.n);
}

int bh_sealed_renew(int fd, const struct bh_config *cfg, enum bh_role role,
    const struct bh_secrets *secrets, struct bh_err *err)
{
	struct bh_str bytes = map(fd);
	int rc = bytes.p ? seal_with(bytes, cfg, role, secrets, err)
			 : bh_err_set(err, BH_E_STATE, "the configuration of %s cannot be read",
			       bh_role_name(role));

	unmap(bytes);
	return rc;
}

static void drop_sources(struct bh_config *cfg)
{
	for (size_t i = 0; i < cfg->log_sources_n; i++)
		bh_log_source_release(&cfg->log_sources[i]);
	cfg->log_sources_n = 0;
}

static int drop_keys(struct bh_config *cfg)
{
	int rc = 0;

	for (size_t i = 0; i < bh_options_n; i++) {
		for (size_t k = 0; k < BH_ARRAY_LEN(live_keys) && !rc; k++) {
			if (strcmp(bh_options[i].key, live_keys[k]) == 0)
				rc = bh_config_set(cfg, &bh_options[i], "", NULL);
		}
	}
	for (size_t i = 0; i < cfg->endpoints_n && !rc; i++)
		rc = bh_endpoint_set_key(&cfg->endpoints[i], "-");
	return rc;
}

/* The same without what the role takes over while it runs. */
static int strip(struct bh_str whole, enum bh_role role, struct bh_buf *out)
{
	struct bh_config cfg;
	int rc;

	bh_config_defaults(&cfg);
	rc = bh_config_decode(&cfg, whole.p, whole.n);
	if (role == BH_ROLE_LOGS)
		drop_sources(&cfg);
	else if (!rc)
		rc = drop_keys(&cfg);
	if (!rc)
		rc = bh_config_encode(&cfg, role, out);
	bh_config_release(&cfg);
	return rc;
}

static bool same_but_live(struct bh_str a, struct bh_str b, enum bh_role role)
{
	struct bh_buf x = BH_BUF_INIT, y = BH_BUF_INIT;
	bool same = strip(a, role, &x) == 0 && strip(b, role, &y) == 0 &&
		    bh_str_eq(bh_buf_view(&x), bh_buf_view(&y));

	bh_buf_release(&x);
	bh_buf_release(&y);
	return same;
}

enum bh_sealed_diff bh_sealed_compare(int a, int b, enum bh_role role)
{
	struct bh_str x = map(a), y = map(b);
	enum bh_sealed_diff diff = BH_SEALED_OTHER;

	if (x.p && y.p && bh_str_eq(x, y))
		diff = BH_SEALED_SAME;
	else if (x.p && y.p && role != BH_ROLE_DOGSTATSD && same_but_live(x, y, role))
		diff = role == BH_ROLE_LOGS ? BH_SEALED_SOURCES : BH_SEALED_KEYS;
	unmap(x);
	unmap(y);
	return diff;
}

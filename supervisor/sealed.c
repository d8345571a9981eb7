#include "supervisor/sealed.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/config_logs.h"
#include "supervisor/spawn.h"

int bh_sealed_make(const struct bh_config *cfg, enum bh_role role)
{
	struct bh_buf bytes = BH_BUF_INIT;
	int rc = bh_config_encode(cfg, role, &bytes);

	if (!rc)
		rc = bh_spawn_seal("bulkhead-config", bytes.data, bytes.len);
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

/* The same without log sources. */
static int strip(struct bh_str whole, struct bh_buf *out)
{
	struct bh_config cfg;
	int rc;

	bh_config_defaults(&cfg);
	rc = bh_config_decode(&cfg, whole.p, whole.n);
	for (size_t i = 0; i < cfg.log_sources_n; i++)
		bh_log_source_release(&cfg.log_sources[i]);
	cfg.log_sources_n = 0;
	if (!rc)
		rc = bh_config_encode(&cfg, BH_ROLE_LOGS, out);
	bh_config_release(&cfg);
	return rc;
}

static bool same_without_sources(struct bh_str a, struct bh_str b)
{
	struct bh_buf x = BH_BUF_INIT, y = BH_BUF_INIT;
	bool same =
	    strip(a, &x) == 0 && strip(b, &y) == 0 && bh_str_eq(bh_buf_view(&x), bh_buf_view(&y));

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
	else if (x.p && y.p && role == BH_ROLE_LOGS && same_without_sources(x, y))
		diff = BH_SEALED_SOURCES;
	unmap(x);
	unmap(y);
	return diff;
}

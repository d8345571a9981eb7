/* How a child starts: what the environment, the descriptors and the configuration say. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/child_internal.h"
#include "common/procmem.h"
#include "common/sandbox_orders.h"

static int read_number(const char *name, int base, uint64_t max, uint64_t *out)
{
	const char *text = getenv(name);
	char *end = NULL;

	if (!text || !*text)
		return -EINVAL;
	errno = 0;
	*out = strtoull(text, &end, base);
	return errno || *end || *out > max ? -EINVAL : 0;
}

static int add_fd(struct bh_child *c, const char *name, size_t n, int fd)
{
	if (c->fds_n == BH_CHILD_FDS_MAX || fd < BH_CHILD_FD_FIRST)
		return BH_E_LIMIT;
	c->fds[c->fds_n].name = strndup(name, n);
	if (!c->fds[c->fds_n].name)
		return -ENOMEM;
	c->fds[c->fds_n++].fd = fd;
	return 0;
}

/* "name:num,name:num": a name may hold colons (addresses), the number stands behind the last one.
 */
static int read_fds(struct bh_child *c)
{
	const char *p = getenv("BULKHEAD_FDS");
	int rc = 0;

	while (p && *p && !rc) {
		const char *end = strchrnul(p, ',');
		const char *colon = memrchr(p, ':', (size_t)(end - p));
		char *stop = NULL;
		long fd;

		if (!colon || colon == p)
			return -EINVAL;
		fd = strtol(colon + 1, &stop, 10);
		if (stop != end || fd < 0 || fd > 65535)
			return -EINVAL;
		rc = add_fd(c, p, (size_t)(colon - p), (int)fd);
		p = *end ? end + 1 : end;
	}
	return rc;
}

/* Of dogstatsd, logs and forwarder. */
static int read_uids(struct bh_child *c)
{
	const char *p = getenv("BULKHEAD_UIDS");

	for (int i = 0; i < BH_ROLE__N; i++)
		c->uids[i] = (uid_t)-1;
	for (int i = BH_ROLE_DOGSTATSD; p && i < BH_ROLE__N; i++) {
		char *end = NULL;
		unsigned long long v = strtoull(p, &end, 10);

		if (end == p || v > UINT32_MAX || *end != (i + 1 < BH_ROLE__N ? ',' : '\0'))
			return -EINVAL;
		c->uids[i] = (uid_t)v;
		p = end + 1;
	}
	return 0;
}

static int read_rights(struct bh_child *c)
{
	const char *orders = getenv("BULKHEAD_RIGHTS");
	uint64_t started = 0;

	c->orders.hardening = BH_HARDENING_OFF;
	if (getenv("BULKHEAD_STARTED") && read_number("BULKHEAD_STARTED", 10, INT64_MAX, &started))
		return -EINVAL;
	c->run_started_ns = (int64_t)started;
	if (orders && bh_sandbox_orders_parse(orders, &c->orders))
		return -EINVAL;
	return read_uids(c);
}

int bh_child_read_config(struct bh_config *config, int fd, struct bh_err *err)
{
	struct stat st;
	void *map;
	int rc;

	if (fstat(fd, &st) < 0 || st.st_size <= 0)
		return bh_err_set(err, -EINVAL, "configuration descriptor %d", fd);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return bh_err_set(err, -errno, "map the configuration");
	rc = bh_config_decode(config, map, (size_t)st.st_size);
	(void)munmap(map, (size_t)st.st_size);
	if (rc)
		return bh_err_set(
		    err, BH_E_CONFIG, "the configuration handed over does not decode");
	return 0;
}

static bool started_by_supervisor(void)
{
	int type = 0;
	socklen_t n = sizeof(type);

	return getsockopt(BH_CHILD_FD_CONTROL, SOL_SOCKET, SO_TYPE, &type, &n) == 0 &&
	       type == SOCK_SEQPACKET;
}

/* Without it the lines are missing from bulkheadctl tail, nothing else. */
static void take_log_ring(struct bh_child *c)
{
	for (size_t i = 0; i < c->fds_n; i++) {
		struct bh_child_fd *f = &c->fds[i];

		if (strcmp(f->name, BH_LOG_RING_NAME) != 0)
			continue;
		c->log.ring = bh_log_ring_map(f->fd);
		(void)close(f->fd);
		f->fd = -1;
	}
}

int bh_child_boot(struct bh_child *c, enum bh_role role, int *exit_code, struct bh_err *err)
{
	uint64_t generation = 0;
	const char *drain;
	sigset_t all;
	int rc;

	memset(c, 0, sizeof(*c));
	c->role = role;
	c->control.fd = c->signals.fd = c->memory_fd = -1;
	c->loop.epoll_fd = -1;
	/* Before the first library call: nng's threads inherit the mask. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	bh_log_init(&c->log, &bh_clock_system, bh_role_name(role), STDERR_FILENO);
	c->log.form = bh_log_form_parse(getenv("BULKHEAD_LOG"));
	bh_config_defaults(&c->config);
	*exit_code = BH_EXIT_USAGE;
	if (!started_by_supervisor())
		return bh_err_set(err, BH_E_STATE,
		    "bulkhead-%s is started by \"bulkhead run\", not by hand", bh_role_name(role));
	*exit_code = BH_EXIT_INTERNAL;
	if (read_number("BULKHEAD_GENERATION", 10, UINT32_MAX, &generation) ||
	    read_number("BULKHEAD_RUN_ID", 16, UINT64_MAX, &c->run_id))
		return bh_err_set(
		    err, BH_E_STATE, "BULKHEAD_GENERATION or BULKHEAD_RUN_ID is missing");
	c->generation = (uint32_t)generation;
	drain = getenv("BULKHEAD_DRAIN");
	c->spool_only = drain && strcmp(drain, "spool-only") == 0;
	rc = read_fds(c);
	if (rc)
		return bh_err_set(err, rc, "BULKHEAD_FDS");
	rc = read_rights(c);
	if (rc)
		return bh_err_set(err, rc, "BULKHEAD_RIGHTS, _UIDS or _STARTED");
	c->memory_fd = bh_proc_open_self();
	take_log_ring(c);
	rc = bh_child_read_config(&c->config, BH_CHILD_FD_CONFIG, err);
	(void)close(BH_CHILD_FD_CONFIG);
	if (rc) {
		*exit_code = BH_EXIT_CONFIG;
		return rc;
	}
	if (bh_log_level_parse(c->config.log_level, &c->log.level))
		c->log.level = BH_LOG_INFO;
	rc = bh_loop_init(&c->loop, &bh_clock_system);
	return rc ? bh_err_set(err, rc, "epoll") : 0;
}

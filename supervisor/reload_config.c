#include "supervisor/reload_config.h"

#include <errno.h>
#include <string.h>

#include "common/config_value.h"
#include "common/str.h"

/* Sockets that are bound, files that are open, and processes that exist or not. */
static const char *const fixed[] = {
    "run_path",
    "bulkhead.run_dir",
    "log_file",
    "log_to_syslog",
    "syslog_uri",
    "bulkhead.log.target",
    "bulkhead.run.logs",
    "bulkhead.run.service",
    "bulkhead.run.source",
    "bulkhead.run.tags",
    "logs_enabled",
    "use_dogstatsd",
    "dogstatsd_port",
    "bind_host",
    "dogstatsd_non_local_traffic",
    "dogstatsd_so_rcvbuf",
    "dogstatsd_socket",
    "dogstatsd_stream_socket",
    "dogstatsd_origin_detection",
    "statsd_forward_host",
    "statsd_forward_port",
    "bulkhead.hardening",
    "bulkhead.user_dogstatsd",
    "bulkhead.user_logs",
    "bulkhead.user_forwarder",
    "bulkhead.group_ipc",
};

bool bh_reload_is_fixed(const char *key)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(fixed); i++) {
		if (strcmp(fixed[i], key) == 0)
			return true;
	}
	return false;
}

static const struct bh_option *option(const char *key)
{
	size_t i = 0;

	while (strcmp(bh_options[i].key, key) != 0)
		i++;
	return &bh_options[i];
}

static int differ(const struct bh_config *a, const struct bh_config *b, const struct bh_option *o,
    bool *different)
{
	struct bh_buf x = BH_BUF_INIT, y = BH_BUF_INIT;
	int rc = bh_config_print(a, o, &x);

	if (!rc)
		rc = bh_config_print(b, o, &y);
	*different = !rc && !bh_str_eq(bh_buf_view(&x), bh_buf_view(&y));
	bh_buf_release(&x);
	bh_buf_release(&y);
	return rc;
}

static size_t size_of(const struct bh_option *o)
{
	if (o->type == BH_OPT_BOOL)
		return sizeof(bool);
	if (o->type == BH_OPT_LIST)
		return sizeof(struct bh_strlist);
	return o->type == BH_OPT_STRING ? sizeof(char *) : sizeof(int64_t);
}

static void exchange(struct bh_config *a, struct bh_config *b, const struct bh_option *o)
{
	char kept[sizeof(struct bh_strlist)];
	char *x = (char *)a + o->offset, *y = (char *)b + o->offset;
	size_t n = size_of(o);

	memcpy(kept, x, n);
	memcpy(x, y, n);
	memcpy(y, kept, n);
}

int bh_reload_keep_fixed(struct bh_config *used, struct bh_config *next, struct bh_strlist *keys)
{
	bool different[BH_ARRAY_LEN(fixed)] = {false};
	int rc = 0;

	for (size_t i = 0; i < BH_ARRAY_LEN(fixed) && !rc; i++) {
		rc = differ(used, next, option(fixed[i]), &different[i]);
		if (different[i])
			rc = bh_strlist_add(keys, fixed[i], strlen(fixed[i]));
	}
	for (size_t i = 0; i < BH_ARRAY_LEN(fixed) && !rc; i++) {
		if (different[i])
			exchange(used, next, option(fixed[i]));
	}
	return rc;
}

#include "supervisor/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

int bh_capture_create(
    const struct bh_config *cfg, int64_t wall_s, struct bh_buf *path, struct bh_err *err)
{
	int fd, rc;

	if (cfg->dogstatsd_capture_path[0])
		rc = bh_buf_str(path, cfg->dogstatsd_capture_path);
	else
		rc = bh_buf_printf(path, "%s/dsd_capture", cfg->run_path);
	if (rc)
		return bh_err_set(err, rc, "capture");
	if (!cfg->dogstatsd_capture_path[0] && mkdir(path->data, 0755) < 0 && errno != EEXIST)
		return bh_err_set(err, -errno, "%s", path->data);
	rc = bh_buf_printf(path, "/datadog-capture-%" PRId64, wall_s);
	if (rc)
		return bh_err_set(err, rc, "capture");
	fd = open(path->data, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0660);
	return fd < 0 ? bh_err_set(err, -errno, "%s", path->data) : fd;
}

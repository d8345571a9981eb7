#include "supervisor/file_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/buf.h"

static int write_all(int fd, struct bh_str s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		s.p += n;
		s.n -= (size_t)n;
	}
	return 0;
}

int bh_file_replace(const char *dir, const char *name, struct bh_str content, mode_t mode)
{
	struct bh_buf path = BH_BUF_INIT, temp = BH_BUF_INIT;
	int fd = -1, rc;

	rc = bh_buf_printf(&path, "%s/%s", dir, name);
	if (!rc)
		rc = bh_buf_printf(&temp, "%s.new", path.data);
	if (rc)
		goto out;
	/* A leftover may be anything: it goes, and ours is made new. */
	if (unlink(temp.data) < 0 && errno != ENOENT) {
		rc = -errno;
		goto out;
	}
	fd = open(temp.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	rc = fd < 0 ? -errno : write_all(fd, content);
	if (!rc && rename(temp.data, path.data) < 0)
		rc = -errno;
	if (rc)
		(void)unlink(temp.data);
	if (fd >= 0)
		(void)close(fd);
out:
	bh_buf_release(&path);
	bh_buf_release(&temp);
	return rc;
}

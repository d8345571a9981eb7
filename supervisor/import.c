#include "supervisor/import.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check(int fd, const char *path, struct bh_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return bh_err_set(err, -errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return bh_err_set(err, -EINVAL, "%s is not a regular file", path);
	if (st.st_size > BH_IMPORT_BYTES_MAX)
		return bh_err_set(err, -EFBIG, "%s is larger than 64 MiB", path);
	return 0;
}

int bh_import_open(const char *name, size_t n, struct bh_err *err)
{
	char path[PATH_MAX];
	int fd, rc;

	if (n == 0 || n >= sizeof(path) || name[0] != '/' || memchr(name, '\0', n))
		return bh_err_set(err, -EINVAL, "the file is named by its absolute path");
	memcpy(path, name, n);
	path[n] = '\0';
	/* Without a wait for whoever should write to it, were it a pipe. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return bh_err_set(err, -errno, "%s", path);
	rc = check(fd, path, err);
	if (!rc)
		return fd;
	(void)close(fd);
	return rc;
}

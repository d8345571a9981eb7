#include "forwarder/registry_file.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "forwarder/registry_import.h"

#define CHUNK 65536

int bh_registry_read(int fd, const char *name, struct bh_buf *out, struct bh_err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return bh_err_set(err, -errno, "%s", name);
	if (!S_ISREG(st.st_mode))
		return bh_err_set(err, -EINVAL, "%s is not a regular file", name);
	for (;;) {
		int rc = bh_buf_reserve(out, CHUNK);
		ssize_t got = rc ? 0 : pread(fd, out->data + out->len, CHUNK, (off_t)out->len);

		if (rc)
			return bh_err_set(err, rc, "%s", name);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return bh_err_set(err, -errno, "%s", name);
		if (got == 0)
			return 0;
		out->len += (size_t)got;
		if (out->len > BH_REGISTRY_FILE_MAX)
			return bh_err_set(err, -EFBIG, "%s is larger than 64 MiB", name);
	}
}

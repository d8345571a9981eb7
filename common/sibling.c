#include "common/sibling.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int bh_sibling_find(const char *name, char **path, struct bh_err *err)
{
	static const char *const places[] = {"libexec", "../libexec/bulkhead"};
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return bh_err_set(err, -errno, "read /proc/self/exe");
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	for (size_t i = 0; i < BH_ARRAY_LEN(places); i++) {
		if (asprintf(path, "%s/%s/bulkhead-%s", self, places[i], name) < 0)
			return bh_err_set(err, -ENOMEM, "path of bulkhead-%s", name);
		if (access(*path, X_OK) == 0)
			return 0;
		free(*path);
		*path = NULL;
	}
	return bh_err_set(err, -ENOENT,
	    "bulkhead-%s is neither in %s/libexec nor in %s/../libexec/bulkhead: the installation "
	    "is incomplete",
	    name, self, self);
}

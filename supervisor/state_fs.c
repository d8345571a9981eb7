#include "supervisor/state_fs.h"

#include <linux/magic.h>
#include <stddef.h>
#include <sys/vfs.h>

const char *bh_state_fs_hint(long type)
{
	switch (type) {
	case TMPFS_MAGIC:
	case RAMFS_MAGIC:
		return "is in memory (tmpfs): the spool and the positions of log files are gone "
		       "after a restart of the machine; set it to a directory on a disk";
	case OVERLAYFS_SUPER_MAGIC:
		return "is in the layer of a container (overlay): the spool and the positions of "
		       "log files are gone with the container; mount a volume there";
	default:
		return NULL;
	}
}

const char *bh_state_fs_check(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) < 0 ? NULL : bh_state_fs_hint((long)fs.f_type);
}

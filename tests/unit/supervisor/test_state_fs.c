#include <criterion/criterion.h>

#include <linux/magic.h>
#include <string.h>

#include "common/attrs.h"
#include "supervisor/state_fs.h"

/* A state directory that forgets: spec/supervision.md §17 */

Test(state_fs, memory_and_layers_are_told_disks_are_not)
{
	static const struct {
		long type;
		const char *says; /* NULL = nothing */
	} cases[] = {
	    {TMPFS_MAGIC, "tmpfs"},
	    {RAMFS_MAGIC, "tmpfs"},
	    {OVERLAYFS_SUPER_MAGIC, "overlay"},
	    {EXT4_SUPER_MAGIC, NULL},
	    {BTRFS_SUPER_MAGIC, NULL},
	    {NFS_SUPER_MAGIC, NULL},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		const char *hint = bh_state_fs_hint(cases[i].type);

		if (cases[i].says)
			cr_expect(hint && strstr(hint, cases[i].says), "%#lx",
			    (unsigned long)cases[i].type);
		else
			cr_expect_null(hint, "%#lx", (unsigned long)cases[i].type);
	}
}

Test(state_fs, a_directory_is_asked)
{
	cr_expect_not_null(bh_state_fs_check("/dev/shm")); /* tmpfs wherever there is one */
	cr_expect_null(bh_state_fs_check("/nonexistent"));
	cr_expect_null(bh_state_fs_check("/proc"));
}

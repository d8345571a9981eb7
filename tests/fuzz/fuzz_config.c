/* Any file is a configuration or findings, and what was read survives the way to a child. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/config_load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void to_child_and_back(const struct bh_config *cfg)
{
	struct bh_config child = {0};
	struct bh_buf copy = BH_BUF_INIT;

	if (bh_config_encode(cfg, BH_ROLE_LOGS, &copy) ||
	    bh_config_decode(&child, copy.data, copy.len))
		abort();
	bh_config_release(&child);
	bh_buf_release(&copy);
}

static void decode_noise(const uint8_t *data, size_t size)
{
	struct bh_config child = {0};

	(void)!bh_config_decode(&child, data, size);
	bh_config_release(&child);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bh_findings findings = {0};
	struct bh_config cfg;
	char path[64];
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (bh_config_load(&cfg, path, NULL, &findings) == 0)
		to_child_and_back(&cfg);
	bh_config_release(&cfg);
	bh_findings_release(&findings);
	(void)close(fd);
	decode_noise(data, size);
	return 0;
}

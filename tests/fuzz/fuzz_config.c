/* Any file is a configuration, log sources or findings, and what was read survives the way to a
 * child. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/config_load.h"
#include "common/config_source.h"
#include "common/config_yaml.h"

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

/* As a file of conf.d, and as the JSON that variables hold. */
static void read_sources(const char *text)
{
	struct bh_findings findings = {0};
	struct bh_yaml *root = NULL;
	const struct bh_yaml *logs;
	struct bh_config cfg;
	char *env[3] = {NULL};

	if (asprintf(&env[0], "DD_LOGS_CONFIG_PROCESSING_RULES=%s", text) < 0 ||
	    asprintf(&env[1], "DD_LOGS_CONFIG_AUTO_MULTI_LINE_DETECTION_CUSTOM_SAMPLES=%s", text) <
		0)
		abort();
	(void)!bh_config_load(&cfg, "/nowhere", env, &findings);
	logs = bh_yaml_parse(text, "fuzz", &root, NULL) ? NULL : bh_yaml_get(root, "logs");
	for (const struct bh_yaml *e = logs ? logs->child : NULL; e; e = e->next) {
		if (bh_config_read_source(&cfg, e, "fuzz", &findings))
			abort();
	}
	to_child_and_back(&cfg);
	bh_config_release(&cfg);
	bh_findings_release(&findings);
	bh_yaml_free(root);
	free(env[0]);
	free(env[1]);
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
	char path[64], *text;
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
	text = strndup((const char *)data, size);
	if (!text)
		abort();
	read_sources(text);
	free(text);
	return 0;
}

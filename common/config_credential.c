#include "common/config_credential.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/config_finding.h"
#include "common/config_value.h"

#define VARIABLE "CREDENTIALS_DIRECTORY="
#define KEY_MAX  1024
#define BLANKS   " \t\r\n"

static const char *directory(char *const *environ_)
{
	for (; environ_ && *environ_; environ_++) {
		if (strncmp(*environ_, VARIABLE, strlen(VARIABLE)) == 0)
			return *environ_ + strlen(VARIABLE);
	}
	return "";
}

static const struct bh_option *api_key(void)
{
	size_t i = 0;

	while (strcmp(bh_options[i].key, "api_key") != 0)
		i++;
	return &bh_options[i];
}

/* The text of the file, NUL-terminated. 0 or -errno; -EFBIG when it does not fit. */
static int read_file(const char *path, char *text, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, cap);
	rc = n < 0 ? -errno : (size_t)n == cap ? -EFBIG : 0;
	text[rc ? 0 : n] = '\0';
	(void)close(fd);
	return rc;
}

void bh_config_read_credential(
    struct bh_config *cfg, char *const *environ_, struct bh_findings *findings)
{
	const char *dir = directory(environ_);
	struct bh_err err = BH_ERR_INIT;
	char path[4096], text[KEY_MAX], *key = text;
	int rc;

	if (cfg->api_key[0] || !*dir ||
	    (size_t)snprintf(path, sizeof(path), "%s/api_key", dir) >= sizeof(path))
		return;
	rc = read_file(path, text, sizeof(text));
	if (rc == -ENOENT)
		return;
	if (rc) {
		bh_finding_add(
		    findings, BH_FINDING_ERROR, "credential api_key, %s: %s", path, strerror(-rc));
		return;
	}
	key += strspn(key, BLANKS);
	key[strcspn(key, BLANKS)] = '\0';
	if (bh_config_set(cfg, api_key(), key, &err))
		bh_finding_add(
		    findings, BH_FINDING_ERROR, "credential api_key, %s: %s", path, err.text);
	explicit_bzero(text, sizeof(text));
}

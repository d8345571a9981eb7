#include "supervisor/own_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/str.h"

#define SYSLOG_SOCKET "/dev/log"
#define FILE_MODE     0640

enum bh_own_log bh_own_log_target(const struct bh_config *cfg)
{
	if (strcmp(cfg->log_target, "syslog") == 0)
		return BH_OWN_LOG_SYSLOG;
	if (strcmp(cfg->log_target, "file") == 0)
		return BH_OWN_LOG_FILE;
	if (cfg->log_target[0])
		return BH_OWN_LOG_STDERR;
	if (cfg->log_to_syslog)
		return BH_OWN_LOG_SYSLOG;
	return cfg->log_file[0] ? BH_OWN_LOG_FILE : BH_OWN_LOG_STDERR;
}

static int open_file(const char *path, struct bh_err *err)
{
	int fd;

	if (!path[0])
		return bh_err_set(
		    err, BH_E_CONFIG, "bulkhead.log.target is file: set log_file as well");
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, FILE_MODE);
	return fd >= 0 ? fd : bh_err_set(err, -errno, "log_file %s", path);
}

/* The path of the Agent's "unixgram:///dev/log", or of a plain one. NULL: another transport. */
static const char *socket_path(const char *uri)
{
	static const char *const schemes[] = {"unixgram://", "unix://"};

	if (!uri[0])
		return SYSLOG_SOCKET;
	for (size_t i = 0; i < BH_ARRAY_LEN(schemes); i++) {
		if (strncmp(uri, schemes[i], strlen(schemes[i])) == 0)
			uri += strlen(schemes[i]);
	}
	return uri[0] == '/' ? uri : NULL;
}

static int open_syslog(const char *uri, struct bh_err *err)
{
	static const struct timeval patience = {0, 20000};
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	const char *path = socket_path(uri);
	int fd, rc;

	if (!path || strlen(path) >= sizeof(sun.sun_path))
		return bh_err_set(err, BH_E_CONFIG,
		    "syslog_uri %.200s: only a Unix datagram socket, such as unixgram:///dev/log",
		    uri);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return bh_err_set(err, -errno, "socket for the system's log");
	/* A system log that stands still costs lines, not the agent's time. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	rc = bh_err_set(err, -errno, "the system's log %s", path);
	(void)close(fd);
	return rc;
}

int bh_own_log_open(const struct bh_config *cfg, struct bh_err *err)
{
	switch (bh_own_log_target(cfg)) {
	case BH_OWN_LOG_FILE:
		return open_file(cfg->log_file, err);
	case BH_OWN_LOG_SYSLOG:
		return open_syslog(cfg->syslog_uri, err);
	case BH_OWN_LOG_STDERR:
		break;
	}
	return STDERR_FILENO;
}

#include "dogstatsd/capture.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "common/err.h"
#include "proto/capture.h"

#define COMPONENT "capture"
#define PIECE     ((size_t)256 << 10)

void bh_capture_init(struct bh_capture *c, const struct bh_clock *clock, struct bh_log *log)
{
	*c = (struct bh_capture){.fd = -1, .clock = clock, .log = log};
}

/* 0 or -errno. */
static int write_pending(struct bh_capture *c)
{
	struct bh_str rest = bh_buf_view(&c->pending);

	while (rest.n) {
		ssize_t n = write(c->fd, rest.p, rest.n);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			rest = (struct bh_str){rest.p + n, rest.n - (size_t)n};
	}
	c->bytes += c->pending.len;
	bh_buf_clear(&c->pending);
	return 0;
}

static void close_file(struct bh_capture *c)
{
	(void)close(c->fd);
	c->fd = -1;
	bh_buf_release(&c->pending);
}

void bh_capture_start(struct bh_capture *c, int fd)
{
	bh_capture_stop(c);
	c->fd = fd;
	c->packets = c->bytes = 0;
	(void)bh_capture_put_head(&c->pending); /* failures show with the first packet */
}

void bh_capture_packet(struct bh_capture *c, struct bh_str packet, pid_t pid)
{
	int rc;

	if (packet.n == 0)
		return;
	rc = bh_capture_put_packet(&c->pending, bh_wall_ns(c->clock), pid, packet);
	c->packets++;
	if (!rc && c->pending.len >= PIECE)
		rc = write_pending(c);
	if (!rc && c->bytes >= BH_CAPTURE_FILE_MAX) {
		bh_warn(c->log, COMPONENT, "the file has reached its limit; the capture ends");
		bh_capture_stop(c);
	} else if (rc) {
		bh_error(c->log, COMPONENT,
		    "writing the file: %s; the capture ends without its last "
		    "packets",
		    bh_err_name(rc));
		close_file(c);
	}
}

void bh_capture_stop(struct bh_capture *c)
{
	int rc;

	if (c->fd < 0)
		return;
	rc = bh_capture_put_end(&c->pending);
	if (!rc)
		rc = write_pending(c);
	if (rc)
		bh_error(c->log, COMPONENT, "writing the end of the file: %s", bh_err_name(rc));
	else
		bh_info(c->log, COMPONENT, "the capture ends packets=%" PRIu64 " bytes=%" PRIu64,
		    c->packets, c->bytes);
	close_file(c);
}

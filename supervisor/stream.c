#include "supervisor/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/jsonw.h"
#include "supervisor/supervisor.h"

#define WAITING_BYTES \
	(256 << 10) /* that a slow reader may be behind; the kernel may allow less \
		     */

int bh_stream_pair(int ends[2])
{
	static const int bytes = WAITING_BYTES;
	int rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	/* Nothing goes towards the logs process, no descriptor either. */
	if (setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) == 0 &&
	    shutdown(ends[0], SHUT_WR) == 0)
		return 0;
	rc = -errno;
	(void)close(ends[0]);
	(void)close(ends[1]);
	return rc;
}

static void answer(struct bh_ctl_conn *c, int fd)
{
	struct bh_buf json = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_document(&w, &json);
	bh_jsonw_bool(&w, "stream", true);
	bh_jsonw_object_end(&w);
	bh_ctl_answer_fd(c, bh_buf_view(&json), fd);
	bh_buf_release(&json);
}

void bh_stream_take(struct bh_supervisor *s, struct bh_ctl_conn *conn)
{
	int ends[2];
	int rc = bh_stream_pair(ends);

	if (rc) {
		bh_ctl_answer_error(conn, bh_err_name(rc));
		return;
	}
	if (bh_kid_stream(&s->kids[BH_ROLE_LOGS], ends[1], &conn->filter)) {
		answer(conn, ends[0]);
	} else {
		(void)close(ends[0]);
		bh_ctl_answer_error(conn, s->kids[BH_ROLE_LOGS].enabled
					      ? "logs does not run"
					      : "logs is not configured: logs_enabled is off");
	}
	(void)close(ends[1]);
}

#include "supervisor/conn.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_NS (5 * BH_NS_PER_S)
#define ANSWER_NS  (10 * BH_NS_PER_S)
#define PART_MAX   8192 /* bytes of one read */

static void on_timeout(struct bh_timer *t)
{
	bh_conn_close(BH_CONTAINER(t, struct bh_conn, timer));
}

int bh_conn_open(struct bh_conn *c, struct bh_loop *loop, int fd, bh_watch_fn *fn)
{
	int rc = bh_loop_add_fd(loop, &c->watch, fd, BH_LOOP_READ, fn);

	if (rc)
		(void)close(fd);
	else
		bh_timer_in(loop, &c->timer, REQUEST_NS, on_timeout);
	return rc;
}

void bh_conn_close(struct bh_conn *c)
{
	bh_timer_cancel(&c->timer);
	bh_loop_close_fd(&c->watch);
	bh_buf_release(&c->in);
	bh_outgoing_release(&c->out);
	c->asked = c->answered = false;
}

bool bh_conn_read(struct bh_conn *c, size_t max)
{
	char part[PART_MAX];
	ssize_t n = recv(c->watch.fd, part, BH_MIN(max, sizeof(part)), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n > 0 && bh_buf_append(&c->in, part, (size_t)n) == 0)
		return true;
	bh_conn_close(c);
	return false;
}

void bh_conn_write(struct bh_conn *c)
{
	if (bh_outgoing_send(&c->out, c->watch.fd, 0) == 0)
		(void)bh_loop_mod_fd(&c->watch, BH_LOOP_WRITE);
	else
		bh_conn_close(c);
}

void bh_conn_answer(struct bh_conn *c)
{
	c->answered = true;
	if (bh_buf_failed(&c->out.bytes)) {
		bh_conn_close(c);
		return;
	}
	bh_timer_in(c->watch.loop, &c->timer, ANSWER_NS, on_timeout);
	bh_conn_write(c);
}

#include "supervisor/inquiry.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/jsonw.h"
#include "common/percent.h"
#include "supervisor/supervisor.h"

static enum bh_query_what question_of(enum bh_verb verb)
{
	if (verb == BH_VERB_DIAGNOSE)
		return BH_QUERY_DIAGNOSE;
	return verb == BH_VERB_SPOOL ? BH_QUERY_SPOOL : BH_QUERY_SPOOL_CHANGE;
}

/* stopped: there is nobody to ask, whoever asked may look by itself. */
static void answer(struct bh_ctl_conn *conn, bool stopped, int fd)
{
	struct bh_buf json = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_document(&w, &json);
	bh_jsonw_bool(&w, "stopped", stopped);
	bh_jsonw_object_end(&w);
	if (fd >= 0)
		bh_ctl_answer_fd(conn, bh_buf_view(&json), fd);
	else
		bh_ctl_answer(conn, bh_buf_view(&json));
	bh_buf_release(&json);
}

static void ask(struct bh_supervisor *s, struct bh_ctl_conn *conn, struct bh_str arg)
{
	struct bh_kid *forwarder = &s->kids[BH_ROLE_FORWARDER];
	struct bh_kid_query question = {
	    .id = ++s->inquiries, .what = question_of(conn->verb), .arg = arg};
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		bh_ctl_answer_error(conn, bh_err_name(-errno));
		return;
	}
	question.fd = ends[1];
	if (bh_kid_query(forwarder, &question)) {
		answer(conn, false, ends[0]);
	} else {
		(void)close(ends[0]);
		answer(conn, true, -1);
	}
	(void)close(ends[1]);
}

void bh_inquiry_take(struct bh_supervisor *s, struct bh_ctl_conn *conn)
{
	struct bh_buf arg = BH_BUF_INIT;

	if (bh_percent_decode(conn->arg, &arg))
		bh_ctl_answer_error(conn, "a % stands for a byte, %XX");
	else if (arg.len > BH_CTL_ARG_MAX)
		bh_ctl_answer_error(conn, "the argument is longer than 8192 bytes");
	else
		ask(s, conn, bh_buf_view(&arg));
	bh_buf_release(&arg);
}

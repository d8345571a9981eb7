#include "logs-agent/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/attrs.h"
#include "common/jsonw.h"

/* Control characters grow sixfold: this much of a message always fits a line. */
#define CONTENT_SURE ((size_t)16 << 10)

static void end(struct bh_stream_reader *t)
{
	struct bh_streams *s = t->all;

	bh_loop_close_fd(&t->watch);
	if (--s->n == 0)
		bh_buf_release(&s->line);
}

void bh_streams_init(struct bh_streams *s, struct bh_loop *loop)
{
	*s = (struct bh_streams){.loop = loop};
	for (size_t i = 0; i < BH_STREAMS_MAX; i++) {
		s->v[i].all = s;
		s->v[i].watch.fd = -1;
	}
}

void bh_streams_release(struct bh_streams *s)
{
	for (size_t i = 0; i < BH_STREAMS_MAX && s->n; i++) {
		if (s->v[i].watch.fd >= 0)
			end(&s->v[i]);
	}
	bh_buf_release(&s->line);
}

/* 0; -EAGAIN when there is no room; another -errno when the reader is gone. */
static int send_line(int fd, struct bh_str line)
{
	if (send(fd, line.p, line.n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	switch (errno) {
	case EAGAIN:
	case EINTR:
	case ENOBUFS:
	case ENOMEM:
	case EMSGSIZE: /* a kernel with smaller sockets: dropped, and counted */
		return -EAGAIN;
	default:
		return -errno;
	}
}

/* {"dropped":n} */
static int tell_dropped(const struct bh_stream_reader *t)
{
	struct bh_buf line = BH_BUF_INIT;
	int rc = bh_buf_printf(&line, "{\"dropped\":%llu}", (unsigned long long)t->dropped);

	if (!rc)
		rc = send_line(t->watch.fd, bh_buf_view(&line));
	else
		rc = -EAGAIN;
	bh_buf_release(&line);
	return rc;
}

static void drop(struct bh_stream_reader *t)
{
	if (t->dropped++ == 0)
		(void)bh_loop_mod_fd(&t->watch, BH_LOOP_WRITE);
}

static void on_stream(struct bh_watch *w, unsigned events)
{
	struct bh_stream_reader *t = BH_CONTAINER(w, struct bh_stream_reader, watch);
	int rc;

	if (events & BH_LOOP_HANGUP) {
		end(t);
		return;
	}
	if (!(events & BH_LOOP_WRITE) || t->dropped == 0)
		return;
	rc = tell_dropped(t);
	if (rc == -EAGAIN)
		return;
	if (rc) {
		end(t);
		return;
	}
	t->dropped = 0;
	(void)bh_loop_mod_fd(&t->watch, 0);
}

/* Why there will be nothing to see; the end of the descriptor says the rest. */
static void refuse(int fd, struct bh_str line)
{
	if (send_line(fd, line))
		(void)shutdown(fd, SHUT_RDWR);
	(void)close(fd);
}

void bh_stream_add(struct bh_streams *s, int fd, const struct bh_stream_filter *filter)
{
	struct bh_stream_reader *t = NULL;

	for (size_t i = 0; i < BH_STREAMS_MAX && !t; i++) {
		if (s->v[i].watch.fd < 0)
			t = &s->v[i];
	}
	if (!t) {
		refuse(
		    fd, BH_STR_LIT("{\"error\":\"too many streams are open already: at most 4\"}"));
		return;
	}
	*t = (struct bh_stream_reader){.all = s, .filter = *filter, .watch = {.fd = -1}};
	/* A reader that leaves is noticed although nothing is sent to it. */
	if (bh_loop_add_fd(s->loop, &t->watch, fd, 0, on_stream)) {
		t->watch.fd = -1;
		refuse(fd, BH_STR_LIT("{\"error\":\"the stream cannot be watched\"}"));
		return;
	}
	s->n++;
}

static bool is(struct bh_str name, const char *wanted)
{
	return !*wanted || bh_str_eq(name, bh_str_from(wanted));
}

static bool passes(const struct bh_stream_reader *t, const struct bh_stream_names *names)
{
	return t->watch.fd >= 0 && is(names->source, t->filter.source) &&
	       is(names->service, t->filter.service);
}

/* The first max bytes or some less, so that no character is cut in two. */
static struct bh_str shortened(struct bh_str s, size_t max)
{
	size_t n = BH_MIN(s.n, max);

	for (size_t back = 0; n < s.n && back < 3 && n && (s.p[n] & 0xc0) == 0x80; back++)
		n--;
	return (struct bh_str){s.p, n};
}

/* The object of a payload, with what is not in it put in front. */
static int put_line(struct bh_buf *out, const struct bh_stream_names *names,
    const struct bh_record *r, size_t content_max)
{
	struct bh_record shown = *r;
	struct bh_jsonw w;
	size_t at;
	int rc;

	bh_buf_clear(out);
	shown.content = shortened(r->content, content_max);
	bh_jsonw_init(&w, out);
	bh_jsonw_object(&w, NULL);
	bh_jsonw_bytes(&w, "integration", names->integration.p, names->integration.n);
	bh_jsonw_bytes(&w, "type", names->type.p, names->type.n);
	if (shown.content.n < r->content.n)
		bh_jsonw_u64(&w, "bytes_cut", r->content.n - shown.content.n);
	at = out->len;
	rc = bh_record_put(out, &shown);
	if (rc || bh_buf_failed(out))
		return rc ? rc : bh_buf_failed(out);
	out->data[at] = ','; /* its brace: the object is open already */
	return 0;
}

static bool make_line(
    struct bh_buf *out, const struct bh_stream_names *names, const struct bh_record *r)
{
	return (put_line(out, names, r, BH_STREAM_CONTENT_MAX) == 0 &&
		   out->len <= BH_STREAM_LINE_MAX) ||
	       (put_line(out, names, r, CONTENT_SURE) == 0 && out->len <= BH_STREAM_LINE_MAX);
}

void bh_stream_put(
    struct bh_streams *s, const struct bh_stream_names *names, const struct bh_record *r)
{
	enum { UNMADE, MADE, IMPOSSIBLE } line = UNMADE;

	for (size_t i = 0; i < BH_STREAMS_MAX; i++) {
		struct bh_stream_reader *t = &s->v[i];
		int rc;

		if (!passes(t, names))
			continue;
		if (t->dropped) {
			drop(t);
			continue;
		}
		if (line == UNMADE)
			line = make_line(&s->line, names, r) ? MADE : IMPOSSIBLE;
		rc = line == MADE ? send_line(t->watch.fd, bh_buf_view(&s->line)) : -EAGAIN;
		if (rc == -EAGAIN)
			drop(t);
		else if (rc)
			end(t);
	}
}

struct bh_str bh_stream_integration(const char *where)
{
	struct bh_str s = bh_str_from(where);
	size_t name = s.n, folder = 0;

	while (name && s.p[name - 1] != '/')
		name--;
	if (name) {
		folder = name - 1;
		while (folder && s.p[folder - 1] != '/')
			folder--;
		s.n = name - 1 - folder;
		s.p += folder;
		if (bh_str_ends(s, BH_STR_LIT(".d")) && s.n > 2 &&
		    !bh_str_eq(s, BH_STR_LIT("conf.d")))
			return (struct bh_str){s.p, s.n - 2};
	}
	s = bh_str_from(where + name);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' || s.p[i] == ':')
			s.n = i;
	}
	return s;
}

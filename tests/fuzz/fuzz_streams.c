/* Frames on a connection: whatever is sent, in whatever pieces, the ledger closes and memory stays
 * bounded. The first byte is the size of the pieces. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dogstatsd/streams.h"

#define FRAME_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct state {
	struct bh_loop loop;
	struct bh_sampler sampler;
	struct bh_late late;
	struct bh_notices notices;
	struct bh_ingest ingest;
	struct bh_streams streams;
};

static void readable(void *owner, struct bh_stream *c)
{
	struct state *s = owner;
	struct bh_bad_line bad = {{NULL, 0}, BH_PARSE_OK};

	if (!bh_stream_read(c, &s->ingest, 1000, &bad).ended && c->rest.len > 4 + FRAME_MAX)
		BH_BUG("more than one unfinished frame is kept");
}

static struct sockaddr_un address(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	/* an abstract name: nothing is left in the file system */
	(void)snprintf(sun.sun_path + 1, sizeof(sun.sun_path) - 1, "bh-fuzz-%d", (int)getpid());
	return sun;
}

static void open_state(struct state *s)
{
	struct bh_sampler_config sc = {.seed = 1, .hostname = {"h", 1}, .context_limit = 64};
	struct bh_streams_config cfg = {.loop = &s->loop,
	    .name = "uds-stream:fuzz",
	    .frame_max = FRAME_MAX,
	    .readable = readable,
	    .owner = s};
	struct sockaddr_un sun = address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(fd, 4) < 0 ||
	    bh_loop_init(&s->loop, &bh_clock_system) || bh_sampler_init(&s->sampler, &sc))
		BH_BUG("set up");
	bh_late_init(&s->late, &s->sampler.contexts.resolver, &bh_series_v2, 2048);
	bh_notices_init(&s->notices, &s->sampler.contexts.resolver);
	if (bh_ingest_init(&s->ingest, &s->sampler, &s->late, &s->notices, true) ||
	    bh_streams_init(&s->streams, fd, &cfg))
		BH_BUG("set up");
}

static void close_state(struct state *s)
{
	bh_streams_release(&s->streams);
	if (bh_ledger_gap(&s->streams.ledger))
		BH_BUG("the ledger does not close");
	bh_ingest_release(&s->ingest);
	bh_late_release(&s->late);
	bh_notices_release(&s->notices);
	bh_sampler_release(&s->sampler);
	bh_loop_release(&s->loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_un sun = address();
	struct state s = {.late = {.full = 0}};
	size_t piece;
	int client;

	if (size < 2)
		return 0;
	piece = *data++ + 1u;
	size--;
	open_state(&s);
	client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(client, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		BH_BUG("connect");
	while (size) {
		size_t n = size < piece ? size : piece;

		if (send(client, data, n, MSG_NOSIGNAL) < 0)
			break; /* it was sent away */
		data += n;
		size -= n;
		if (bh_loop_turn(&s.loop, 0))
			BH_BUG("loop");
	}
	(void)close(client);
	for (int i = 0; i < 3; i++)
		(void)!bh_loop_turn(&s.loop, 0);
	close_state(&s);
	return 0;
}

/* Any file is a capture or is refused; what was read can be written again and comes back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/capture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_and_read(const struct bh_captured *p)
{
	struct bh_capture_reader r;
	struct bh_captured back;
	struct bh_buf out = BH_BUF_INIT;

	if (bh_capture_put_head(&out) ||
	    bh_capture_put_packet(&out, p->wall_ns, p->pid, p->payload) || bh_capture_put_end(&out))
		abort();
	if (bh_capture_begin(&r, out.data, out.len) || bh_capture_next(&r, &back) != 1 ||
	    back.wall_ns != p->wall_ns || back.pid != (p->pid > 0 ? p->pid : 0) ||
	    back.payload.n != p->payload.n ||
	    (p->payload.n && memcmp(back.payload.p, p->payload.p, p->payload.n) != 0) ||
	    bh_capture_next(&r, &back) != 0)
		abort();
	bh_buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bh_capture_reader r;
	struct bh_captured p;

	if (bh_capture_begin(&r, data, size))
		return 0;
	while (bh_capture_next(&r, &p) == 1)
		write_and_read(&p);
	return 0;
}

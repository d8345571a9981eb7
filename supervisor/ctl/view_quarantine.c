#include <inttypes.h>

#include "supervisor/ctl/view.h"
#include "supervisor/ctl/view_json.h"

void bh_view_quarantine(const json_t *answer, struct bh_buf *out)
{
	uint64_t payloads = bh_json_count(answer, "payloads");

	if (payloads == 0) {
		bh_buf_str(out, "nothing was refused for good\n");
		return;
	}
	bh_buf_printf(out,
	    "%" PRIu64 " items in %" PRIu64 " payloads, %" PRIu64 " bytes, were refused for good\n"
	    "the log names the cause; once it is gone: bulkheadctl quarantine replay\n",
	    bh_json_count(answer, "items"), payloads, bh_json_count(answer, "bytes"));
}

void bh_view_replayed(const json_t *answer, struct bh_buf *out)
{
	bh_buf_printf(out, "%" PRIu64 " items are sent again\n", bh_json_count(answer, "replayed"));
}

/* Whatever decodes must encode, and encode to a message that decodes to the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bh_ctl_msg first, second;
	struct bh_buf out = BH_BUF_INIT;

	if (bh_ctl_decode(data, size, &first) == 0) {
		if (bh_ctl_encode(&first, &out) || bh_ctl_decode(out.data, out.len, &second))
			abort();
		if (first.type == BH_CTL_QUERY_PART || first.type == BH_CTL_QUERY_ARG ||
		    first.type == BH_CTL_LEDGER || first.type == BH_CTL_FIGURES) {
			if (!bh_str_eq(first.u.part, second.u.part))
				abort();
			first.u.part.p = second.u.part.p; /* each borrows from its own message */
		}
		if (memcmp(&first, &second, sizeof(first)) != 0)
			abort();
	}
	bh_buf_release(&out);
	return 0;
}

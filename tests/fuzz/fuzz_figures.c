/* What the supervisor sends to be kept and to be sent on: any bytes are rows or figures up to the
 * first that does not decode, and what was decoded has the bytes it came from. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/ledger.h"
#include "dogstatsd/ownfigures.h"
#include "proto/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_rows(struct bh_cur in)
{
	struct bh_buf out = BH_BUF_INIT;
	struct bh_ledger_row row, again;

	while (in.left && bh_ledger_row_decode(&in, &row) == 0) {
		struct bh_cur back;

		bh_buf_clear(&out);
		if (bh_ledger_row_encode(&row, &out))
			abort();
		back = bh_cur_init(out.data, out.len);
		if (bh_ledger_row_decode(&back, &again) || back.left || again.kind != row.kind ||
		    strcmp(again.name, row.name) != 0 ||
		    bh_ledger_gap(&again.l) != bh_ledger_gap(&row.l))
			abort();
	}
	bh_buf_release(&out);
}

static void read_figures(struct bh_str bytes)
{
	struct bh_own_figures own = {0};
	struct bh_buf first = BH_BUF_INIT, second = BH_BUF_INIT;

	bh_own_figures_take(&own, bytes);
	bh_own_figures_flush(&own, &first);
	/* What was flushed comes back the same; it was unique. */
	bh_own_figures_take(&own, bh_buf_view(&first));
	bh_own_figures_flush(&own, &second);
	if (first.len != second.len || (first.len && memcmp(first.data, second.data, first.len)))
		abort();
	bh_own_figures_release(&own);
	bh_buf_release(&first);
	bh_buf_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_rows(bh_cur_init(data, size));
	read_figures((struct bh_str){(const char *)data, size});
	return 0;
}

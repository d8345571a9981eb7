#include <string.h>

#include "common/attrs.h"
#include "common/ledger.h"
#include "supervisor/ctl/format.h"
#include "supervisor/ctl/view_json.h"

void bh_put_row_name(struct bh_buf *out, const json_t *row, size_t width)
{
	const char *kind = bh_json_text(row, "kind");
	struct bh_buf name = BH_BUF_INIT;

	/* Listeners and sources are told by their names alone. */
	if (strcmp(kind, "listener") == 0 || strcmp(kind, "source") == 0)
		kind = "";
	else if (strcmp(kind, "handover") == 0)
		kind = "hand-over ";
	else
		kind = "destination ";
	bh_buf_printf(&name, "%s %s%s", bh_json_text(row, "role"), kind, bh_json_text(row, "name"));
	bh_fmt_left(out, name.data ? name.data : "", width);
	bh_buf_release(&name);
}

const char *bh_reason_words(const char *reason)
{
	static const char *const words[BH_DROP__N] = {
	    [BH_DROP_PARSE_ERROR] = "parse error: malformed line",
	    [BH_DROP_UNTERMINATED] = "unterminated: last line without newline",
	    [BH_DROP_TRUNCATED] = "truncated: datagram longer than the buffer",
	    [BH_DROP_KERNEL] = "kernel: socket queue overflowed",
	    [BH_DROP_UNSUPPORTED] = "unsupported kind of line",
	    [BH_DROP_NONFINITE] = "not a finite number",
	    [BH_DROP_FILTERED] = "filtered by a rule",
	    [BH_DROP_CONTEXT_LIMIT] = "context limit: too many metrics at once",
	    [BH_DROP_EMPTY] = "empty line",
	    [BH_DROP_TOO_LARGE] = "too large for a payload",
	    [BH_DROP_QUEUE_FULL] = "queue full: forwarder too slow or down",
	    [BH_DROP_SPOOL_FULL] = "spool full",
	    [BH_DROP_DISK_FULL] = "disk full",
	    [BH_DROP_EXPIRED] = "expired in the spool",
	    [BH_DROP_CORRUPT] = "damaged in the spool",
	    [BH_DROP_REFUSED_400] = "refused by the intake: 400, not valid",
	    [BH_DROP_REFUSED_401] = "refused by the intake: 401, API key",
	    [BH_DROP_REFUSED_403] = "refused by the intake: 403, API key",
	    [BH_DROP_REFUSED_413] = "refused by the intake: 413, too large",
	    [BH_DROP_REFUSED_LINK] = "refused by the forwarder",
	    [BH_DROP_SHUTDOWN] = "given up at a stop",
	    [BH_DROP_GENERATION_LOST] = "file vanished before it was read",
	    [BH_DROP_NO_MEMORY] = "no memory for it",
	    [BH_DROP_UNPROVEN] = "unproven: a process that held it was killed",
	    [BH_DROP_INTERRUPTED] = "interrupted: read again if it did not arrive",
	    [BH_DROP_PURGED] = "bulkheadctl spool purge",
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(words); i++) {
		if (words[i] && strcmp(bh_drop_name((enum bh_drop)i), reason) == 0)
			return words[i];
	}
	return reason;
}

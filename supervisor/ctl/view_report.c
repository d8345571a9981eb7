#include <inttypes.h>
#include <string.h>

#include "supervisor/ctl/format.h"
#include "supervisor/ctl/view.h"
#include "supervisor/ctl/view_json.h"

static void put_role(struct bh_buf *out, const json_t *role)
{
	const char *name = bh_json_text(role, "name");
	json_t *dropped = json_object_get(role, "dropped"), *count;
	const char *reason;
	struct bh_buf doubt = BH_BUF_INIT;

	bh_buf_printf(out, "  %-10.10s %-12.12s", name, bh_json_text(role, "result"));
	bh_buf_printf(out, "%5.2f s", (double)bh_json_int(role, "ms") / 1000);
	if (strcmp(name, "forwarder") == 0)
		bh_buf_printf(out, "  delivered %" PRIu64 ", spooled %" PRIu64,
		    bh_json_count(role, "delivered"), bh_json_count(role, "spooled"));
	else
		bh_buf_printf(out, "  acknowledged %" PRIu64, bh_json_count(role, "durable"));
	if (bh_json_count(role, "left"))
		bh_buf_printf(out, ", left %" PRIu64, bh_json_count(role, "left"));
	bh_buf_u8(out, '\n');
	json_object_foreach(dropped, reason, count)
	{
		bh_buf_printf(out, "  %-10.10s dropped %" PRIu64 ": %s\n", name,
		    bh_json_count(dropped, reason), bh_reason_words(reason));
	}
	if (*bh_json_text(role, "doubt")) {
		bh_buf_printf(&doubt, "%s %s", name, bh_json_text(role, "doubt"));
		bh_fmt_wrap(out, "  ", doubt.data ? doubt.data : "");
	}
	bh_buf_release(&doubt);
}

void bh_view_report(const json_t *report, struct bh_buf *out)
{
	const json_t *roles = json_object_get(report, "roles"), *role;
	size_t i;

	bh_buf_printf(out, "drained in %.2f s, %s\n", (double)bh_json_int(report, "ms") / 1000,
	    json_is_true(json_object_get(report, "accounted")) ? "everything is accounted for"
							       : "not everything is accounted for");
	json_array_foreach(roles, i, role)
	{
		put_role(out, role);
	}
}

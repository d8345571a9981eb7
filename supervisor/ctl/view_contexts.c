#include <inttypes.h>

#include "supervisor/ctl/view.h"
#include "supervisor/ctl/view_json.h"

void bh_view_metrics(const json_t *answer, struct bh_buf *out)
{
	const json_t *one;
	size_t i;

	bh_buf_printf(out, "%12s  %-20s  %s\n", "COUNT", "LAST SEEN", "METRIC AND TAGS");
	json_array_foreach(json_object_get(answer, "metrics"), i, one)
	{
		bh_buf_printf(out, "%12" PRIu64 "  %-20s  %s %s\n", bh_json_count(one, "count"),
		    bh_json_text(one, "last_seen"), bh_json_text(one, "name"),
		    bh_json_text(one, "tags"));
	}
}

static void put_list(const json_t *list, const char *key, const char *count, struct bh_buf *out)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		bh_buf_printf(
		    out, "%12" PRIu64 "  %s\n", bh_json_count(one, count), bh_json_text(one, key));
	}
}

void bh_view_contexts(const json_t *answer, struct bh_buf *out)
{
	bh_buf_printf(out, "%12" PRIu64 "  contexts in all\n\n", bh_json_count(answer, "contexts"));
	bh_buf_printf(out, "%12s  %s\n", "CONTEXTS", "METRIC");
	put_list(json_object_get(answer, "names"), "name", "contexts", out);
	bh_buf_printf(out, "\n%12s  %s\n", "VALUES", "TAG KEY");
	put_list(json_object_get(answer, "tag_keys"), "key", "values", out);
}

void bh_view_senders(const json_t *answer, struct bh_buf *out)
{
	const json_t *one;
	size_t i;

	bh_buf_printf(out, "%12s  %-20s  %10s  %10s\n", "PACKETS", "LAST SEEN", "PID", "UID");
	json_array_foreach(json_object_get(answer, "senders"), i, one)
	{
		bh_buf_printf(out, "%12" PRIu64 "  %-20s  %10" PRIu64 "  %10" PRIu64 "\n",
		    bh_json_count(one, "packets"), bh_json_text(one, "last_seen"),
		    bh_json_count(one, "pid"), bh_json_count(one, "uid"));
	}
}

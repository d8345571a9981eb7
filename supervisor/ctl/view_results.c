#include "supervisor/ctl/view.h"
#include "supervisor/ctl/view_json.h"

void bh_view_results(const json_t *answer, struct bh_buf *out)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(answer, "results"), i, one)
	{
		if (json_is_true(json_object_get(one, "ok")))
			bh_buf_printf(out, "%s: %s\n", bh_json_text(one, "name"),
			    bh_json_text(one, "result"));
	}
}

void bh_view_reload(const json_t *answer, struct bh_buf *out)
{
	const json_t *keys = json_object_get(answer, "needs_start");
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(answer, "findings"), i, one)
	{
		bh_buf_printf(
		    out, "%s: %s\n", bh_json_text(one, "level"), bh_json_text(one, "text"));
	}
	if (!json_is_true(json_object_get(answer, "applied"))) {
		bh_buf_printf(out, "nothing changed: the old configuration acts\n");
		return;
	}
	bh_view_results(answer, out);
	json_array_foreach(keys, i, one)
	{
		bh_buf_printf(out, "%s: needs a start of bulkhead; the old value acts\n",
		    json_string_value(one));
	}
	if (json_array_size(json_object_get(answer, "results")) == 0 && json_array_size(keys) == 0)
		bh_buf_printf(out, "nothing changed\n");
}

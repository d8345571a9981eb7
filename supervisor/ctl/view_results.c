#include "supervisor/ctl/view.h"
#include "supervisor/ctl/view_json.h"

void bh_view_results(const json_t *answer, struct bh_buf *out)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(answer, "results"), i, one)
	{
		bool ok = json_is_true(json_object_get(one, "ok"));

		bh_buf_printf(out, ok ? "%s: %s\n" : "%s: ERROR (%s)\n", bh_json_text(one, "name"),
		    bh_json_text(one, "result"));
	}
}

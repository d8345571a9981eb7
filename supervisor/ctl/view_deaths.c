#include <inttypes.h>

#include "supervisor/ctl/format.h"
#include "supervisor/ctl/view.h"
#include "supervisor/ctl/view_json.h"

#define SHOWN 10 /* of each process; --json has them all */

static void put_death(struct bh_buf *out, const char *name, const json_t *death)
{
	int64_t sig = bh_json_int(death, "signal");

	bh_buf_printf(out, "  %-19.19s  %-10.10s pid %-7" PRId64 " %-14.14s",
	    bh_json_text(death, "at"), name, bh_json_int(death, "pid"),
	    bh_json_text(death, "cause"));
	bh_buf_printf(out, " %s %" PRId64 "\n", sig ? "signal" : "exit",
	    sig ? sig : bh_json_int(death, "code"));
}

void bh_view_deaths(const json_t *roles, struct bh_buf *out)
{
	bool head = false;
	const json_t *role;
	size_t i;

	json_array_foreach(roles, i, role)
	{
		const json_t *deaths = json_object_get(role, "deaths");
		size_t n = json_array_size(deaths);

		if (n && !head)
			bh_buf_str(out, "\nlast ends\n");
		head = head || n;
		for (size_t k = 0; k < n && k < SHOWN; k++)
			put_death(
			    out, bh_json_text(role, "name"), json_array_get(deaths, n - 1 - k));
		if (n > SHOWN)
			bh_buf_printf(out, "  %-19s  %-10.10s %zu more: --json has them\n", "",
			    bh_json_text(role, "name"), n - SHOWN);
	}
	if (!head)
		bh_buf_str(out, "\nlast ends: none\n");
}

void bh_view_health(const json_t *answer, struct bh_buf *out)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(answer, "components"), i, one)
	{
		struct bh_buf line = BH_BUF_INIT;

		bh_buf_printf(
		    &line, "%s: %s", bh_json_text(one, "name"), bh_json_text(one, "text"));
		bh_fmt_wrap(out, json_is_true(json_object_get(one, "healthy")) ? "PASS " : "FAIL ",
		    line.data ? line.data : "");
		bh_buf_release(&line);
	}
	bh_buf_printf(
	    out, "%s\n", json_is_true(json_object_get(answer, "healthy")) ? "PASS" : "FAIL");
}

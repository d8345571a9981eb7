/* top: what there is most of. */
#include <string.h>

#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/view.h"

int bh_ctl_run_top(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	static const struct bh_ctl_query queries[] = {
	    {.name = "contexts", .view = bh_view_contexts},
	    {.name = "senders", .view = bh_view_senders},
	};

	for (size_t i = 0; words[0] && i < BH_ARRAY_LEN(queries); i++) {
		if (strcmp(words[0], queries[i].name) == 0)
			return bh_ctl_ask_plain(o, &queries[i], words + 1);
	}
	return bh_ctl_usage("what: contexts or senders", command->name);
}

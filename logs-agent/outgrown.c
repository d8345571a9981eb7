/* Rights only shrink in a running process: what came into being since the start takes another one.
 */
#include <stdlib.h>

#include "logs-agent/logs_internal.h"

#define SETTLED_NS (5 * BH_NS_PER_S) /* of its life: no start follows the last one at once */

static bool confined(const struct bh_logs *l)
{
	return l->child->rights.landlock_abi != 0;
}

/* Whether rules made now would allow more than those in force. */
static bool more_now(const struct bh_logs *l, const struct bh_log_source *const *sources, size_t n)
{
	struct bh_grants now;
	bool more =
	    bh_grants_make(&now, sources, n, l->child->config.logs_enable_recursive_glob) == 0 &&
	    !bh_grants_cover(&l->grants, &now);

	bh_grants_release(&now);
	return more;
}

bool bh_outgrown_by(const struct bh_logs *l, const struct bh_config *next)
{
	const struct bh_log_source **sources;
	bool more;

	if (!confined(l))
		return false;
	sources = calloc(next->log_sources_n + 1, sizeof(const struct bh_log_source *));
	if (!sources)
		return true;
	for (size_t i = 0; i < next->log_sources_n; i++)
		sources[i] = &next->log_sources[i];
	more = more_now(l, sources, next->log_sources_n);
	free((void *)sources);
	return more;
}

static bool links_elsewhere(const struct bh_logs *l)
{
	const struct bh_log_source **sources =
	    calloc(l->sources_n + 1, sizeof(const struct bh_log_source *));
	bool more;

	if (!sources)
		return false;
	for (size_t i = 0; i < l->sources_n; i++)
		sources[i] = l->sources[i]->cfg;
	more = more_now(l, sources, l->sources_n);
	free((void *)sources);
	return more;
}

void bh_outgrown_check(struct bh_logs *l)
{
	int64_t age = bh_mono_ns(&bh_clock_system) - l->born_ns;

	if (!confined(l) || l->draining || age < SETTLED_NS)
		return;
	if (bh_grants_moved(&l->grants) || (l->denied && links_elsewhere(l)))
		bh_child_again(l->child);
}

#include "dogstatsd/naming.h"

#include <string.h>

int bh_naming_init(
    struct bh_naming *n, const struct bh_config *cfg, uint64_t seed, struct bh_err *mapper_err)
{
	const char *space = cfg->statsd_metric_namespace;
	int rc;

	*n = (struct bh_naming){
	    .copy_prefix = bh_str_from(cfg->histogram_copy_to_distribution_prefix)};
	rc = bh_mapper_new(&n->mapper, cfg->dogstatsd_mapper_profiles,
	    (size_t)cfg->dogstatsd_mapper_cache_size, seed, mapper_err);
	if (rc && rc != BH_E_CONFIG)
		return rc;
	(void)bh_buf_str(&n->space, space);
	if (*space && !bh_str_ends(bh_str_from(space), BH_STR_LIT(".")))
		(void)bh_buf_u8(&n->space, '.');
	rc = bh_buf_failed(&n->space);
	if (!rc)
		rc = bh_filter_init(
		    &n->exempt, &cfg->statsd_metric_namespace_blacklist, true, NULL, 0);
	if (!rc)
		rc = bh_filter_configured(&n->filter, cfg, NULL, 0);
	if (rc)
		bh_naming_release(n);
	return rc;
}

void bh_naming_release(struct bh_naming *n)
{
	bh_mapper_free(n->mapper);
	bh_buf_release(&n->space);
	bh_filter_release(&n->exempt);
	bh_filter_release(&n->filter);
	bh_buf_release(&n->name);
	*n = (struct bh_naming){.mapper = NULL};
}

enum bh_naming_verdict bh_naming_apply(struct bh_naming *n, struct bh_str *name, bool copy)
{
	bool spaced = n->space.len && !bh_filter_matches(&n->exempt, *name);

	bh_buf_clear(&n->name);
	if (copy)
		(void)bh_buf_append(&n->name, n->copy_prefix.p, n->copy_prefix.n);
	if (spaced)
		(void)bh_buf_append(&n->name, n->space.data, n->space.len);
	if (n->name.len) {
		(void)bh_buf_append(&n->name, name->p, name->n);
		if (bh_buf_failed(&n->name))
			return BH_NAME_NO_MEMORY;
		*name = bh_buf_view(&n->name);
	}
	return !copy && bh_filter_matches(&n->filter, *name) ? BH_NAME_FILTERED : BH_NAME_KEPT;
}

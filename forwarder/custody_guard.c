/* What custody does about the health of its store (spec/durability.md §10). */
#include <inttypes.h>
#include <stdio.h>

#include "forwarder/custody_internal.h"
#include "forwarder/registry_backup.h"
#include "forwarder/replace.h"

#define COMPONENT "custody"
#define BACKUP_NS (60 * BH_NS_PER_S)
/* Between looks for a file: doubled each time. Where only a start can open what lies there, the
 * longer one at once: it may fail again. */
#define LANDING_FIRST_NS (2 * BH_NS_PER_S)
#define LANDING_LAST_NS  (60 * BH_NS_PER_S)

void bh_custody_write_backup(struct bh_custody *c)
{
	int rc;

	if (bh_store_in_memory(c->cfg.store))
		return;
	rc = bh_backup_write(
	    bh_store_dir(c->cfg.store), &c->positions, bh_wall_ms(c->cfg.loop->clock));
	if (rc)
		bh_log_limited(c->cfg.log, &c->limit, BH_LOG_WARN, COMPONENT,
		    "write " BH_BACKUP_NAME ": %s", bh_err_name(rc));
	c->positions_moved = rc != 0;
}

void bh_custody_backup(struct bh_custody *c)
{
	if (c->positions_moved && !c->drain_done)
		bh_custody_write_backup(c);
}

static void on_backup(struct bh_timer *t)
{
	struct bh_custody *c = BH_CONTAINER(t, struct bh_custody, backup);

	bh_custody_backup(c);
	bh_timer_in(c->cfg.loop, t, BACKUP_NS, on_backup);
}

static void on_landing(struct bh_timer *t)
{
	struct bh_custody *c = BH_CONTAINER(t, struct bh_custody, landing);

	bh_custody_land(c);
	if (c->drain_done || !bh_store_in_memory(c->cfg.store))
		return;
	c->landing_ns = BH_MIN(2 * c->landing_ns, LANDING_LAST_NS);
	bh_timer_in(c->cfg.loop, t, c->landing_ns, on_landing);
}

/* The limit of before was measured on a disk that had no room. */
void bh_custody_land(struct bh_custody *c)
{
	struct bh_store *store = c->cfg.store;
	int64_t limit = bh_spool_max_bytes(c->cfg.config, bh_store_disk_free(store));
	int rc;

	if (c->drain_done || !bh_store_in_memory(store))
		return;
	rc = bh_store_land(store, limit);
	if (rc == BH_E_STATE && c->cfg.again)
		c->cfg.again(c->cfg.ctx);
	if (rc)
		return;
	bh_info(c->cfg.log, COMPONENT, "the store is a file now, in %s", bh_store_dir(store));
	c->cfg.spool_max_bytes = limit;
	c->disk_reserve = bh_spool_disk_reserve(c->cfg.config, bh_store_disk_total(store));
	bh_custody_set_full(c, false);
	c->positions_moved = true;
	bh_custody_backup(c);
}

/* The first backup at once: it is also what says, later, that there was a store. */
void bh_custody_guard_start(struct bh_custody *c)
{
	c->positions_moved = true;
	on_backup(&c->backup);
	if (!bh_store_in_memory(c->cfg.store))
		return;
	c->full = true; /* no rows: what the store says itself (replace.c) is in the log */
	c->landing_ns = bh_store_replaced(c->cfg.store) ? LANDING_LAST_NS : LANDING_FIRST_NS;
	bh_timer_in(c->cfg.loop, &c->landing, c->landing_ns, on_landing);
}

void bh_custody_guard_turn(struct bh_custody *c)
{
	const struct bh_store *store = c->cfg.store;

	if (c->leaving || c->drain_done || (!bh_store_damaged(store) && !bh_store_failed(store)))
		return;
	c->leaving = true;
	bh_error(c->cfg.log, COMPONENT, "%s",
	    bh_store_damaged(store)
		? "spool.db is damaged; leaving, the next start keeps it and salvages what it can"
		: "an operation on spool.db failed; leaving, the next start recovers");
	c->cfg.fatal(c->cfg.ctx, BH_EXIT_INTERNAL);
}

void bh_custody_store_stats(struct bh_custody *c, struct bh_child *child)
{
	const struct bh_replaced *r = bh_store_replaced(c->cfg.store);
	bool open = r && !bh_replace_acknowledged(c->cfg.store);
	int without = bh_store_without(c->cfg.store);
	uint64_t recounted = bh_store_recounted(c->cfg.store);

	bh_child_stat_number(child, "store.replaced", open);
	bh_child_stat_number(child, "store.in_memory", without != 0);
	bh_child_stat_number(child, "store.recounted", recounted);
	if (recounted)
		bh_child_stat_note(child, "store.recounted",
		    "the start found pending counts of %" PRIu64
		    " destinations that differed from their rows and mended them: nothing is lost, "
		    "but it is a bug, please report it",
		    recounted);
	if (without)
		bh_child_stat_note(child, "store.in_memory",
		    "degraded (in memory): no spool.db can be written in %.100s: %s; nothing is "
		    "spooled, a stop loses the positions of log files; tried again by itself",
		    bh_store_dir(c->cfg.store), bh_err_name(without));
	if (!open)
		return;
	bh_child_stat_number(child, "store.salvaged_rows", r->rows);
	bh_child_stat_number(child, "store.lost_rows", r->lost);
	bh_child_stat_number(child, "store.moved_back", r->moved_back);
	bh_child_stat_number(child, "store.bytes_back", r->bytes_back);
	bh_child_stat_note(child, "store", "degraded (store-replaced): %.140s%s", r->text,
	    without ? "" : "; see store/" BH_REPLACED_NOTE ", then bulkheadctl spool acknowledge");
}

int bh_custody_resume_lost(struct bh_custody *c, struct bh_resume_writer *w)
{
	struct bh_origin o = {.identifier = BH_STR_LIT(BH_ORIGIN_STORE_LOST), .gen = 1};
	const struct bh_replaced *r = bh_store_replaced(c->cfg.store);
	char at[24];

	if (!r || bh_replace_acknowledged(c->cfg.store))
		return 0;
	(void)snprintf(at, sizeof(at), "%" PRId64, r->lost_ms);
	o.offset_first = o.offset_last = bh_str_from(at);
	return bh_resume_add(w, &o);
}

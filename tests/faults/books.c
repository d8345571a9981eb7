#include "tests/faults/books.h"

#include "tests/faults/doubles.h"

void books_open(struct books *b, const struct bh_custody *c)
{
	for (size_t i = 0; i < c->dests_n; i++)
		b->found[i] = bh_custody_disk_size(&c->dests[i]);
}

static struct bh_buffer_count left_in(const struct bh_buffer *b, struct bh_buffer_count found)
{
	struct bh_buffer_count n = {found.events + b->received.events - b->sent.events,
	    found.bytes + b->received.bytes - b->sent.bytes};

	for (int r = 0; r < BH_DROP__N; r++) {
		n.events -= b->discarded[r].events;
		n.bytes -= b->discarded[r].bytes;
	}
	return n;
}

static void check_buffer(struct truth *t, const char *what, const struct bh_dest *d,
    struct bh_buffer_count left, struct bh_buffer_count size)
{
	if (left.events != size.events || left.bytes != size.bytes)
		wrong(t, "step %u: %s of %s holds %lld events, %lld bytes; counted %lld, %lld",
		    t->step, what, d->name, (long long)size.events, (long long)size.bytes,
		    (long long)left.events, (long long)left.bytes);
}

void books_check(const struct books *b, const struct bh_custody *c, struct truth *t)
{
	for (size_t i = 0; i < c->dests_n; i++) {
		const struct bh_dest *d = &c->dests[i];
		struct bh_ledger run = d->l,
				 kept = bh_kept_now(d->kept, d->row_items, d->mem_items);

		run.spooled = d->row_items;
		run.in_flight = d->mem_items;
		if (bh_ledger_gap(&run) || bh_ledger_gap(&kept))
			wrong(t, "step %u: the ledger of %s does not close: %lld, %lld", t->step,
			    d->name, (long long)bh_ledger_gap(&run),
			    (long long)bh_ledger_gap(&kept));
		check_buffer(t, "memory", d,
		    left_in(&d->mem_buffer, (struct bh_buffer_count){0, 0}),
		    bh_custody_memory_size(d));
		check_buffer(
		    t, "disk", d, left_in(&d->disk_buffer, b->found[i]), bh_custody_disk_size(d));
	}
}

#include "forwarder/receiver.h"

#define MASK_BITS 64

enum bh_hello_verdict bh_receiver_hello(struct bh_receiver *r, uint64_t epoch, uint32_t generation)
{
	if (r->epoch == epoch && epoch != 0) {
		r->generation = generation;
		return BH_HELLO_KNOWN;
	}
	/* generation 0: the mark came from the store of an earlier run, whose numbers mean nothing
	 * now */
	if (r->generation != 0 && generation <= r->generation)
		return BH_HELLO_STALE;
	return BH_HELLO_NEW;
}

void bh_receiver_adopt(struct bh_receiver *r, uint64_t epoch, uint32_t generation)
{
	*r = (struct bh_receiver){.epoch = epoch, .generation = generation};
}

bool bh_receiver_durable(const struct bh_receiver *r, uint64_t seq)
{
	if (seq <= r->base)
		return true;
	return seq - r->base <= MASK_BITS && (r->mask >> (seq - r->base - 1) & 1);
}

enum bh_data_verdict bh_receiver_data(struct bh_receiver *r, uint64_t epoch, uint64_t seq)
{
	if (epoch != r->epoch || epoch == 0)
		return BH_DATA_WRONG_EPOCH;
	if (seq <= r->rcvd)
		return BH_DATA_REPEAT;
	if (seq != r->rcvd + 1 || seq - r->base > MASK_BITS)
		return BH_DATA_GAP;
	r->rcvd = seq;
	return bh_receiver_durable(r, seq) ? BH_DATA_ACCEPT_REPEAT : BH_DATA_ACCEPT;
}

enum bh_data_verdict bh_receiver_unreadable(
    struct bh_receiver *r, uint64_t epoch, uint64_t seq, enum bh_refuse_cause cause)
{
	enum bh_data_verdict v;

	if (epoch != r->epoch || seq != r->rcvd + 1 || !bh_receiver_durable(r, r->refused))
		return BH_DATA_GAP;
	if (r->failed != seq)
		r->failures = 0;
	r->failed = seq;
	if (++r->failures < BH_RECEIVER_FAILURES)
		return BH_DATA_GAP;
	v = bh_receiver_data(r, epoch, seq);
	if (v == BH_DATA_ACCEPT) {
		r->refused = seq;
		r->cause = cause;
	}
	return v;
}

/* Behind so many seqs the producer cannot have it in its window any more. */
bool bh_receiver_refuses(const struct bh_receiver *r)
{
	return r->refused && bh_receiver_durable(r, r->refused) &&
	       r->base < r->refused + BH_LINK_WINDOW;
}

void bh_receiver_settle(struct bh_receiver *r, uint64_t seq)
{
	if (seq <= r->base || seq - r->base > MASK_BITS)
		return;
	r->mask |= (uint64_t)1 << (seq - r->base - 1);
	while (r->mask & 1) {
		r->mask >>= 1;
		r->base++;
	}
	if (r->rcvd < r->base)
		r->rcvd = r->base;
}

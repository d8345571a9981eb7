#include "forwarder/key.h"

#include <string.h>

static const char zeros[] = "00000000000000000000000000000000";

static const char *const names[] = {
    [BH_KEY_UNCHECKED] = "not checked yet",
    [BH_KEY_VALID] = "valid",
    [BH_KEY_INVALID] = "invalid",
    [BH_KEY_UNKNOWN] = "unable to validate",
};

const char *bh_key_state_name(enum bh_key_state state)
{
	return names[state];
}

void bh_key_init(struct bh_key *k, const char *text, int64_t every_ns, int64_t now_ns)
{
	size_t n = strlen(text);
	size_t shown = n > 2 * (size_t)BH_KEY_TAIL ? (size_t)BH_KEY_TAIL : 0;

	*k = (struct bh_key){.next_ns = now_ns, .since_ns = now_ns};
	k->every_ns = every_ns > 0 ? every_ns : BH_KEY_EVERY_NS;
	memcpy(k->tail, text + n - shown, shown);
	k->always_valid = strcmp(text, zeros) == 0;
	if (k->always_valid)
		k->state = BH_KEY_VALID;
}

void bh_key_replace(struct bh_key *k, const char *text, int64_t now_ns)
{
	bool asking = k->asking;

	bh_key_init(k, text, k->every_ns, now_ns);
	k->asking = k->stale_check = asking;
}

static bool may_ask_again(const struct bh_key *k, int64_t now_ns)
{
	return k->wanted && now_ns >= k->again_ns;
}

bool bh_key_ask(struct bh_key *k, int64_t now_ns)
{
	if (k->asking || k->always_valid || (now_ns < k->next_ns && !may_ask_again(k, now_ns)))
		return false;
	if (k->wanted)
		k->again_ns = now_ns + BH_KEY_ASK_NS;
	k->asking = true;
	k->wanted = false;
	k->asked_ns = now_ns;
	k->next_ns = now_ns + k->every_ns;
	return true;
}

int64_t bh_key_next(const struct bh_key *k)
{
	return k->wanted && k->again_ns < k->next_ns ? k->again_ns : k->next_ns;
}

bool bh_key_checked(struct bh_key *k, long status)
{
	bool was_valid = k->state == BH_KEY_VALID;

	k->asking = false;
	if (k->stale_check) {
		k->stale_check = false;
		return false;
	}
	if (status == 200) {
		k->state = BH_KEY_VALID;
		k->proven_ns = k->asked_ns;
		return !was_valid;
	}
	k->state = status == 403 ? BH_KEY_INVALID : BH_KEY_UNKNOWN;
	return false;
}

enum bh_key_refusal bh_key_refused(
    struct bh_key *k, struct bh_key_refusals *r, int64_t sent_ns, int64_t now_ns)
{
	bool proven;

	if (sent_ns < k->since_ns)
		return BH_KEY_STALE;
	if (r->first_ns < k->since_ns)
		*r = (struct bh_key_refusals){0, 0};
	if (k->refusals++ == 0)
		k->refused_since_ns = now_ns;
	if (r->first_ns == 0)
		r->first_ns = now_ns;
	/* Only a check made after the first refusal says that the payload is to blame, and only
	 * answers since then count: before, the key was. */
	proven = k->always_valid || (k->state == BH_KEY_VALID && k->proven_ns >= r->first_ns);
	if (!proven) {
		r->n = 0;
		k->wanted = true;
		return BH_KEY_WAIT;
	}
	return ++r->n >= BH_KEY_REFUSALS ? BH_KEY_DROP : BH_KEY_WAIT;
}

void bh_key_accepted(struct bh_key *k, int64_t sent_ns)
{
	if (sent_ns < k->since_ns)
		return;
	k->refusals = 0;
	/* What a payload proves needs no question; proven_ns stays, as it says when it was asked.
	 */
	if (!k->asking)
		k->state = BH_KEY_VALID;
}

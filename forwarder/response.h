/*
 * What an answer of the intake means: the tables of spec/intake.md §11.1 (metrics) and §11.2
 * (logs). They differ in 401, which is about the key for logs only. Redirects are not followed and
 * count as errors. Retry-After is heard where the sender is asked to slow down: 408 (logs), 429 and
 * 503; at most the longest pause of the destination.
 */
#ifndef BH_FORWARDER_RESPONSE_H
#define BH_FORWARDER_RESPONSE_H

#include "common/ledger.h"

enum bh_verdict {
	BH_VERDICT_TAKEN, /* delivered; the breaker recovers */
	BH_VERDICT_RETRY, /* stays, counts as an error */
	BH_VERDICT_KEY,   /* the same, within the budget of forwarder/key.h; then a drop */
	BH_VERDICT_SPLIT, /* too large: to be sent in parts, what cannot be cut is dropped; the
			     breaker recovers */
	BH_VERDICT_DROP,  /* given up for good; the breaker recovers */
};

struct bh_answer {
	enum bh_verdict verdict;
	enum bh_drop reason; /* KEY, SPLIT, DROP: of the drop it is or may become */
	bool slower;         /* its Retry-After counts */
};

/* status: HTTP status, or 0 when none was read (connect, DNS, TLS, reset, time-out).
 * A body that broke off behind a status counts by its status. */
struct bh_answer bh_response(long status, bool logs);

#endif

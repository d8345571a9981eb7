/*
 * What an answer of the intake means: the tables of spec/intake.md §11.1 (metrics) and §11.2
 * (logs), which agree on everything decided here: 401 and 403 wait for a valid key within the
 * bounds of the spool, redirects are not followed and count as errors. Splitting after 413 is not
 * done in this version.
 */
#ifndef BH_FORWARDER_RESPONSE_H
#define BH_FORWARDER_RESPONSE_H

#include "common/ledger.h"

enum bh_verdict {
	BH_VERDICT_TAKEN, /* delivered; the breaker recovers */
	BH_VERDICT_RETRY, /* stays, counts as an error */
	BH_VERDICT_DROP,  /* given up for good, with a reason */
};

struct bh_answer {
	enum bh_verdict verdict;
	enum bh_drop reason; /* DROP only */
};

/* status: HTTP status, or 0 when none was read (connect, DNS, TLS, reset, time-out).
 * A body that broke off behind a status counts by its status. */
struct bh_answer bh_response(long status);

#endif

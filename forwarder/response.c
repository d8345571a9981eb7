#include "forwarder/response.h"

struct bh_answer bh_response(long status, bool logs)
{
	struct bh_answer a = {BH_VERDICT_RETRY, BH_DROP_SHUTDOWN, false};

	if (status >= 200 && status < 300) {
		a.verdict = BH_VERDICT_TAKEN;
		return a;
	}
	switch (status) {
	case 400:
		a.verdict = BH_VERDICT_DROP;
		a.reason = BH_DROP_REFUSED_400;
		break;
	case 401:
		a.verdict = logs ? BH_VERDICT_KEY : BH_VERDICT_RETRY;
		a.reason = BH_DROP_REFUSED_401;
		break;
	case 403:
		a.verdict = BH_VERDICT_KEY;
		a.reason = BH_DROP_REFUSED_403;
		break;
	case 408:
		a.slower = logs;
		break;
	case 413:
		a.verdict = BH_VERDICT_SPLIT;
		a.reason = BH_DROP_REFUSED_413;
		break;
	case 429:
	case 503:
		a.slower = true;
		break;
	default:
		break;
	}
	return a;
}

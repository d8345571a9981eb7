#include "forwarder/response.h"

struct bh_answer bh_response(long status)
{
	if (status >= 200 && status < 300)
		return (struct bh_answer){BH_VERDICT_TAKEN, BH_DROP_PARSE_ERROR};
	if (status == 400)
		return (struct bh_answer){BH_VERDICT_DROP, BH_DROP_REFUSED_400};
	if (status == 413)
		return (struct bh_answer){BH_VERDICT_DROP, BH_DROP_REFUSED_413};
	return (struct bh_answer){BH_VERDICT_RETRY, BH_DROP_PARSE_ERROR};
}

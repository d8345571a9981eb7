/* The vectors of spec/intake.md §20, for what encodes them and for what decodes them. */
#ifndef BH_TESTS_UNIT_METRIC_VECTORS_H
#define BH_TESTS_UNIT_METRIC_VECTORS_H

#include <stdlib.h>

#include "common/buf.h"

static const char series_hex[] =
    "0a3f0a0a0a04686f737412026831120a706167652e76696577731a08656e763a70726f64"
    "220f090000000000000c401080e2cfaa062802400a4a060a04200a280a";
static const char sketch_hex[] =
    "0a530a036c6174120268312208656e763a70726f643a360880e2cfaa0610031900000000"
    "0000f03f21000000000000004029555555555555f53f3100000000000010403a04f414ce"
    "154202020142060a04200a280a1200";

/* The caller releases it. */
static inline struct bh_buf from_hex(const char *hex)
{
	struct bh_buf b = BH_BUF_INIT;

	for (; *hex; hex += 2) {
		char pair[3] = {hex[0], hex[1], 0};

		(void)bh_buf_u8(&b, (uint8_t)strtoul(pair, NULL, 16));
	}
	return b;
}

#endif

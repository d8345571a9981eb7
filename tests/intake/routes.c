#include "tests/intake/routes.h"

#include <string.h>

#include "tests/intake/decode_json.h"
#include "tests/intake/decode_series.h"

/* Columns are not decoded (spec/intake.md §6.3): what arrived is noted, with its size. */
static int decode_v3(struct bh_str body, struct bh_decoded *d, struct bh_err *err)
{
	json_t *record = json_pack("{s:s, s:I}", "kind", "series_v3", "bytes", (json_int_t)body.n);

	(void)err; /* the signature of a decoder; any bytes will do */
	json_array_append_new(d->records, record);
	return 0;
}

#define PROTOBUF "application/x-protobuf"
#define JSON     "application/json"
#define OK       "{\"status\":\"ok\"}"

/* What the service itself enforces; where that is not published, the Agent's own limits. A logs
 * body may be sent as it is or not compress at all, so its two limits are close. */
static const struct bh_route routes[] = {
    {"POST", "/api/v2/series", PROTOBUF, 202, "{\"errors\":[]}", 512000, 5242880, 0,
	bh_decode_series_v2},
    {"POST", "/api/intake/metrics/v3/series", PROTOBUF, 202, "{\"errors\":[]}", 512000, 5242880, 0,
	decode_v3},
    {"POST", "/api/v1/series", JSON, 202, OK, 3200000, 62914560, 0, bh_decode_series_v1},
    {"POST", "/api/beta/sketches", PROTOBUF, 202, OK, 3200000, 62914560, 0, bh_decode_sketches},
    {"POST", "/api/v1/check_run", JSON, 202, OK, 2621440, 4194304, 0, bh_decode_checks},
    {"POST", "/intake/", JSON, 202, OK, 2621440, 4194304, 0, bh_decode_intake},
    {"POST", "/api/v1/metadata", JSON, 202, OK, 2621440, 4194304, 0, bh_decode_metadata},
    {"POST", "/api/v2/logs", JSON, 202, "{}", 5242880, 5000000, 1000, bh_decode_logs},
    {"POST", "/v1/input", JSON, 200, "{}", 5242880, 5000000, 1000, bh_decode_logs},
    {"GET", "/api/v1/validate", NULL, 200, "{\"valid\":true}", 0, 0, 0, NULL},
};

const struct bh_route *bh_route_find(const char *method, const char *path, bool *known)
{
	*known = false;
	for (size_t i = 0; i < BH_ARRAY_LEN(routes); i++) {
		if (strcmp(routes[i].path, path) != 0)
			continue;
		*known = true;
		if (strcmp(routes[i].method, method) == 0)
			return &routes[i];
	}
	return NULL;
}

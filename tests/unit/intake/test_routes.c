#include <criterion/criterion.h>

#include "tests/intake/routes.h"

Test(routes, every_path_of_the_service_is_known)
{
	static const struct {
		const char *method;
		const char *path;
		unsigned status;
	} cases[] = {
	    {"POST", "/api/v2/series", 202},
	    {"POST", "/api/v1/series", 202},
	    {"POST", "/api/intake/metrics/v3/series", 202},
	    {"POST", "/api/beta/sketches", 202},
	    {"POST", "/api/v1/check_run", 202},
	    {"POST", "/intake/", 202},
	    {"POST", "/api/v1/metadata", 202},
	    {"GET", "/api/v1/validate", 200},
	    {"POST", "/api/v2/logs", 202},
	    {"POST", "/v1/input", 200},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		bool known = false;
		const struct bh_route *r = bh_route_find(cases[i].method, cases[i].path, &known);

		cr_assert_not_null(r, "%s", cases[i].path);
		cr_expect(known);
		cr_expect_eq(r->status, cases[i].status, "%s", cases[i].path);
	}
}

Test(routes, another_method_is_told_from_another_path)
{
	bool known = false;

	cr_expect_null(bh_route_find("GET", "/api/v2/logs", &known));
	cr_expect(known);
	cr_expect_null(bh_route_find("POST", "/intake", &known), "the slash is part of the path");
	cr_expect_not(known);
}

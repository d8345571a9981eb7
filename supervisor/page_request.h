/* What a client of the page asks for. Pure. */
#ifndef BH_SUPERVISOR_PAGE_REQUEST_H
#define BH_SUPERVISOR_PAGE_REQUEST_H

#include <stdbool.h>

#include "common/str.h"

enum bh_page_want {
	BH_PAGE_MORE,   /* the head of the request is not whole yet */
	BH_PAGE_GET,    /* the figures */
	BH_PAGE_HEAD,   /* the same without a body */
	BH_PAGE_BAD,    /* 400 */
	BH_PAGE_ABSENT, /* 404 */
	BH_PAGE_METHOD, /* 405 */
};

/* A request ends with its empty line; a body is not read. Lines may end with LF alone. */
enum bh_page_want bh_page_request(struct bh_str in);

#endif

#include "common/sandbox_orders.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum field { DROPPED, UID, GID, CAPS, NETWORK, GAPS, FIELDS };

static const struct {
	int base;
	uint64_t max;
} fields[FIELDS] = {
    [DROPPED] = {10, 1},
    [UID] = {10, UINT32_MAX},
    [GID] = {10, UINT32_MAX},
    [CAPS] = {16, UINT64_MAX},
    [NETWORK] = {10, 1},
    [GAPS] = {16, UINT32_MAX},
};

void bh_sandbox_orders_print(const struct bh_sandbox_orders *o, char out[BH_ORDERS_TEXT_MAX])
{
	(void)snprintf(out, BH_ORDERS_TEXT_MAX, "%s,%d,%u,%u,%" PRIx64 ",%d,%" PRIx32,
	    bh_hardening_name(o->hardening), o->dropped, (unsigned)o->uid, (unsigned)o->gid,
	    o->caps, o->own_network, o->gaps);
}

/* Digits up to the comma or the end. */
static int take(const char **p, enum field f, uint64_t *out)
{
	char *end = NULL;

	if (**p != ',' || !strchr("0123456789abcdef", (*p)[1]) || !(*p)[1])
		return BH_E_FORMAT;
	errno = 0;
	*out = strtoull(*p + 1, &end, fields[f].base);
	*p = end;
	return errno || *out > fields[f].max ? BH_E_FORMAT : 0;
}

int bh_sandbox_orders_parse(const char *text, struct bh_sandbox_orders *o)
{
	uint64_t v[FIELDS] = {0};
	const char *p = strchrnul(text, ',');
	char word[8];
	int rc;

	if ((size_t)(p - text) >= sizeof(word))
		return BH_E_FORMAT;
	memcpy(word, text, (size_t)(p - text));
	word[p - text] = '\0';
	rc = bh_hardening_parse(word, &o->hardening) ? BH_E_FORMAT : 0;
	for (int i = 0; i < FIELDS && !rc; i++)
		rc = take(&p, (enum field)i, &v[i]);
	if (rc || *p)
		return BH_E_FORMAT;
	o->dropped = v[DROPPED];
	o->uid = (uid_t)v[UID];
	o->gid = (gid_t)v[GID];
	o->caps = v[CAPS];
	o->own_network = v[NETWORK];
	o->gaps = (uint32_t)v[GAPS];
	return 0;
}

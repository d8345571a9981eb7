/* A row of the registry as members of a JSON object. Pure. */
#ifndef BH_SUPERVISOR_REGISTRY_VIEW_H
#define BH_SUPERVISOR_REGISTRY_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/jsonw.h"
#include "proto/origin.h"

/* Into the object that is open. Bytes are in the form of common/percent.h. Numbers of 64 bits that
 * only name something are text: readers of JSON may not hold them. open: parts not settled. */
void bh_registry_row_json(
    struct bh_jsonw *w, const struct bh_origin *o, bool imported, uint64_t open);

#endif

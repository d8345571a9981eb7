/*
 * The protobuf bodies: series v2 and sketches (spec/intake.md §6.1, §7).
 *
 * Both append to d->records and to its counters. A body the service would refuse, or whose parts
 * contradict each other, is BH_E_FORMAT with the cause in err: bytes that are no message, a string
 * that is not UTF-8, a series without a name, sketch keys that do not ascend or do not match their
 * counts. After an error d must be released without use.
 */
#ifndef BH_INTAKE_DECODE_SERIES_H
#define BH_INTAKE_DECODE_SERIES_H

#include "common/attrs.h"
#include "common/err.h"
#include "common/str.h"
#include "tests/intake/decoded.h"

int bh_decode_series_v2(struct bh_str body, struct bh_decoded *d, struct bh_err *err) BH_MUST_CHECK;
int bh_decode_sketches(struct bh_str body, struct bh_decoded *d, struct bh_err *err) BH_MUST_CHECK;

#endif

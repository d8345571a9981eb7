/*
 * The JSON bodies: series v1, service checks, events and metadata, logs (spec/intake.md §6.2, §8,
 * §9). All append to d->records and its counters. Text that is not JSON, or JSON of another shape,
 * is BH_E_FORMAT with the cause in err; after an error d must be released without use.
 */
#ifndef BH_INTAKE_DECODE_JSON_H
#define BH_INTAKE_DECODE_JSON_H

#include "common/attrs.h"
#include "common/err.h"
#include "common/str.h"
#include "tests/intake/decoded.h"

int bh_decode_series_v1(struct bh_str body, struct bh_decoded *d, struct bh_err *err) BH_MUST_CHECK;
int bh_decode_checks(struct bh_str body, struct bh_decoded *d, struct bh_err *err) BH_MUST_CHECK;
/* /intake/ carries events ("events" member) or host metadata. */
int bh_decode_intake(struct bh_str body, struct bh_decoded *d, struct bh_err *err) BH_MUST_CHECK;
int bh_decode_metadata(struct bh_str body, struct bh_decoded *d, struct bh_err *err) BH_MUST_CHECK;
/* An array of messages, one message, or the probe {} that stores nothing. */
int bh_decode_logs(struct bh_str body, struct bh_decoded *d, struct bh_err *err) BH_MUST_CHECK;

#endif

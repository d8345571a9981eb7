/*
 * What one request body holds, decoded: one JSON object a series, sketch, log message, event,
 * check or metadata document, and how many there were of each.
 */
#ifndef BH_INTAKE_DECODED_H
#define BH_INTAKE_DECODED_H

#include <stdint.h>

#include <jansson.h>

struct bh_decoded {
	json_t *records; /* owned array of objects, each with "kind"; NULL before _init */
	uint64_t series;
	uint64_t points;           /* of series and sketches */
	uint64_t nonfinite_points; /* left out: the service ignores them (spec/intake.md §6.1) */
	uint64_t sketches;
	uint64_t log_messages;
	uint64_t checks;
	uint64_t events;
	uint64_t metadata;
};

static inline void bh_decoded_init(struct bh_decoded *d)
{
	*d = (struct bh_decoded){.records = json_array()};
}

static inline void bh_decoded_release(struct bh_decoded *d)
{
	json_decref(d->records);
	d->records = NULL;
}

#endif

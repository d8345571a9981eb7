/* What the intake counts for /_/stats. Safe to call from several threads. */
#ifndef BH_INTAKE_STATS_H
#define BH_INTAKE_STATS_H

#include <pthread.h>
#include <stdint.h>

#include "common/attrs.h"
#include "tests/intake/decoded.h"
#include "tests/intake/faults.h"

struct bh_stats {
	pthread_mutex_t lock;
	json_t *requests;         /* owned: path → status → number */
	struct bh_decoded totals; /* of accepted bodies; .records stays NULL */
	uint64_t bytes;           /* body bytes as sent, whatever was answered */
	uint64_t decode_errors;   /* bodies answered 400 or 413 because of their content */
	uint64_t connections;     /* since the start */
	uint64_t connections_open;
	uint64_t faults[BH_FAULT_LOST + 1]; /* by mode; NONE counts delays alone */
};

int bh_stats_init(struct bh_stats *s) BH_MUST_CHECK; /* -ENOMEM */
void bh_stats_release(struct bh_stats *s);

void bh_stats_answered(struct bh_stats *s, const char *path, unsigned status, uint64_t bytes);
void bh_stats_accepted(struct bh_stats *s, const struct bh_decoded *d);
void bh_stats_decode_error(struct bh_stats *s);
void bh_stats_fault(struct bh_stats *s, enum bh_fault_mode mode);
void bh_stats_connection(struct bh_stats *s, int change); /* +1 opened, -1 closed */

/* The JSON text; the caller frees it with free(). NULL when memory is short. */
char *bh_stats_json(struct bh_stats *s);

#endif

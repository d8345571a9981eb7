/*
 * Pauses after errors (spec/intake.md §12.1) and the breaker that keeps one probe at a time
 * (§12.2), per destination. Pure: time and randomness are passed in.
 */
#ifndef BH_FORWARDER_BACKOFF_H
#define BH_FORWARDER_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "common/rng.h"

struct bh_backoff_config {
	double factor;       /* >= 2 */
	double base_s;       /* > 0 */
	double max_s;        /* >= base */
	int recovery;        /* steps down per success */
	bool recovery_reset; /* one success clears all */
};

enum bh_breaker {
	BH_BREAKER_OPEN,    /* send freely */
	BH_BREAKER_BLOCKED, /* nothing until until_ns */
	BH_BREAKER_PROBING, /* one request under way decides */
};

struct bh_backoff {
	struct bh_backoff_config cfg;
	enum bh_breaker state;
	int errors;
	int64_t until_ns;  /* mono, while BLOCKED */
	int64_t raised_ns; /* when errors grew last; 0 = never */
};

/* Unusable settings are replaced as §12.1 says; defaults: base and max of the class. */
void bh_backoff_init(struct bh_backoff *b, const struct bh_backoff_config *cfg,
    double default_base_s, double default_max_s);
/* Seconds to wait after `errors` errors in a row. */
double bh_backoff_pause(const struct bh_backoff *b, int errors, struct bh_rng *rng);
/* May a request be started now? A BLOCKED breaker whose time is over becomes PROBING with that
 * request. */
bool bh_backoff_may_send(struct bh_backoff *b, int64_t now_ns);
/* A request begun then, before the last error that counted, says nothing new (§12.2, §12.3): its
 * outcome is not to be told to this breaker. */
bool bh_backoff_is_old(const struct bh_backoff *b, int64_t sent_ns);
void bh_backoff_error(
    struct bh_backoff *b, int64_t now_ns, int64_t at_least_ns, struct bh_rng *rng);
void bh_backoff_success(struct bh_backoff *b, int64_t now_ns, struct bh_rng *rng);
/* The cause is gone: a pause ends now. */
void bh_backoff_hurry(struct bh_backoff *b, int64_t now_ns);
/* A probe was cancelled: the state is as before it. */
void bh_backoff_cancel(struct bh_backoff *b);

#endif

/*
 * Faults on request: which requests are failed, and how. A set of rules, asked in the order they
 * were given; the first that fires decides. A rule is written as key=value pairs joined by '&':
 *
 *   mode=status|reset|hang|lost   status: answer with `status` (also when only status= is given)
 *                                 reset: abort the connection while the body arrives
 *                                 hang: take the request, never answer
 *                                 lost: record the request, then abort instead of answering
 *   status=503          the answer's code, 200 to 599
 *   retry_after=N       seconds, sent as Retry-After with that answer
 *   latency_ms=N        wait before anything else is done with a complete request
 *   probability=0.3     1 when absent; drawn from a generator seeded with seed=N
 *   count=N             the rule ends after it fired N times
 *   path=/api/v2/logs   only requests whose path begins so
 *   above=N             only requests whose Content-Length is more than N bytes
 *   key=TAIL            only requests whose API key ends so
 *   seed=N              0 when absent: the same seed gives the same draws
 *
 * Plain data; the owner serializes access.
 */
#ifndef BH_INTAKE_FAULTS_H
#define BH_INTAKE_FAULTS_H

#include <stdint.h>

#include "common/attrs.h"
#include "common/err.h"
#include "common/rng.h"

#define BH_FAULT_RULES_MAX 32
#define BH_FAULT_PATH_MAX  64

enum bh_fault_mode {
	BH_FAULT_NONE, /* latency alone, or no rule fired */
	BH_FAULT_STATUS,
	BH_FAULT_RESET,
	BH_FAULT_HANG,
	BH_FAULT_LOST,
};

struct bh_fault {
	enum bh_fault_mode mode;
	unsigned status;      /* STATUS: the code */
	unsigned retry_after; /* seconds, 0 = no header */
	unsigned latency_ms;
	double probability;
	uint64_t above; /* bytes, 0 = any body */
	int64_t count;  /* firings left, -1 = without end */
	char path[BH_FAULT_PATH_MAX];
	char key[BH_FAULT_PATH_MAX];
	struct bh_rng rng;
};

struct bh_faults {
	struct bh_fault rules[BH_FAULT_RULES_MAX];
	size_t n;
};

void bh_fault_init(struct bh_fault *rule);
/* Sets one key. BH_E_FORMAT, with the key and the value in err, when either is unknown. */
int bh_fault_set(
    struct bh_fault *rule, const char *key, const char *value, struct bh_err *err) BH_MUST_CHECK;
/* A whole rule from text (values may be %XX-encoded). */
int bh_fault_parse(struct bh_fault *rule, const char *text, struct bh_err *err) BH_MUST_CHECK;

/* BH_E_LIMIT when there are too many rules already, BH_E_FORMAT for a rule that does nothing. */
int bh_faults_add(
    struct bh_faults *faults, const struct bh_fault *rule, struct bh_err *err) BH_MUST_CHECK;
void bh_faults_clear(struct bh_faults *faults);

/* Decides for one request with a body of so many bytes; *out is what to do with it (mode NONE and
 * latency 0: nothing). */
void bh_faults_draw(struct bh_faults *faults, const char *path, const char *key, uint64_t bytes,
    struct bh_fault *out);

const char *bh_fault_mode_name(enum bh_fault_mode mode);

#endif

/*
 * What was accepted, kept: one JSON line a record in a file, or on stdout; or a short line for
 * people. A record is written whole before bh_record_add() returns, so a client that got its 2xx
 * finds its data in the file. Safe to call from several threads.
 */
#ifndef BH_INTAKE_RECORD_H
#define BH_INTAKE_RECORD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/err.h"
#include "tests/intake/decoded.h"

struct bh_record {
	pthread_mutex_t lock;
	int fd; /* owned unless it is stdout; -1 = no JSON lines */
	bool owned;
	bool show; /* lines for people on stdout */
};

/*
 * path NULL: JSON lines go to stdout, unless show is set: then only the lines for people do.
 * An existing file is continued. Returns 0, or the error of open with the path in err.
 */
int bh_record_open(
    struct bh_record *r, const char *path, bool show, struct bh_err *err) BH_MUST_CHECK;
void bh_record_close(struct bh_record *r);

/*
 * Adds "req" and "key" (the last 5 characters of the API key) to each record of d and writes them.
 * All or nothing: after an error (the disk is full) the file is as it was before. -errno.
 */
int bh_record_add(struct bh_record *r, const struct bh_decoded *d, uint64_t req,
    const char *api_key) BH_MUST_CHECK;

/* The line for people: control characters and bytes that are not UTF-8 escaped, long text cut.
 * Nothing is appended for kinds that are not shown. */
void bh_record_show_line(const json_t *record, struct bh_buf *out);

#endif

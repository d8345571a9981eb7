/*
 * The whole of dogstatsd behind its sockets and before its link, for tests: datagrams in at a given
 * time, decoded payloads out as text, one line a series or sketch, sorted.
 *
 *   "name gauge host=h tags=a,b interval=10 1000:1.5 1010:2"
 *   "name sketch host=h tags=a 1000:cnt=2,min=1,max=2,avg=1.5,sum=3,bins=1338*1/1383*1"
 */
#ifndef BH_TESTS_DOGSTATSD_FIXTURE_H
#define BH_TESTS_DOGSTATSD_FIXTURE_H

#include "common/config.h"
#include "dogstatsd/ingest.h"
#include "dogstatsd/output.h"

struct fixture {
	struct bh_config cfg; /* only what dogstatsd reads; strings are literals */
	struct bh_naming naming;
	struct bh_err mapper_err;
	struct bh_sampler sampler;
	struct bh_late late;
	struct bh_notices notices;
	struct bh_ingest ingest;
	struct bh_hist_outputs hist;
	struct bh_filter hist_filter;
	struct bh_payload_writer writer;
	struct bh_output output;
	struct bh_ledger ledger;
	struct bh_bad_line bad;
	struct bh_payload *payloads; /* emitted, oldest first */
	struct bh_buf text;
};

/* Options as the Agent has them, hostname "h", no compression. Change cfg, then call open. */
void fixture_defaults(struct fixture *f);
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);

/* One datagram (a C string) at wall clock second now. */
void fixture_send(struct fixture *f, int64_t now, const char *datagram);
void fixture_send_bytes(struct fixture *f, int64_t now, struct bh_str datagram, unsigned flags);

/* Flushes and returns everything emitted as text, without our own metrics; valid until the next
 * call. */
const char *fixture_flush(struct fixture *f, int64_t now, bool all);
const char *fixture_flush_late(struct fixture *f);
/* The bodies of the events and service checks that wait, one a line. */
const char *fixture_flush_notices(struct fixture *f);

/* Text of payloads without compression; frees them. */
const char *fixture_text(struct fixture *f);

struct bh_strlist fixture_list(char **words, size_t n);

#endif

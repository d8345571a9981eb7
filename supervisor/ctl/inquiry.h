/*
 * Questions that the forwarder answers with lines of JSON over a socket of its own (spool,
 * diagnose). While it runs, the supervisor makes the socket. Else bulkheadctl starts
 * bulkhead-forwarder itself, with the caller's rights, for this one question: that program alone
 * knows the database and the network.
 */
#ifndef BH_CTL_INQUIRY_H
#define BH_CTL_INQUIRY_H

#include "supervisor/ctl/ctl.h"

struct bh_inquiry {
	const char *verb;    /* of the supervisor */
	const char *request; /* lines, as forwarder/spool_view.h has them; NULL = none */
	const char *offline; /* added to it when nobody runs; NULL = the question is for a forwarder
			      * that runs */
	int wait_s;          /* between two lines */
	/* Called for each line but the last. */
	void (*row)(void *ctx, const json_t *row);
	void *ctx;
};

/* BH_CTL_DONE: *end is the last line, the caller's; *fd a descriptor that came with it, the
 * caller's, or -1; *offline: nobody runs, the question was answered here. Else the exit status, all
 * said. */
int bh_ctl_inquire(const struct bh_ctl_options *o, const struct bh_inquiry *q, json_t **end,
    int *fd, bool *offline);

#endif

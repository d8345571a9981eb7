/*
 * What bulkheadctl asks the forwarder about its registry, spool and quarantine, or tells it to do
 * with them (proto/CONTROL.md QUERY 3 to 10). A list is a picture of the moment it was asked for,
 * sent a few hundred rows a turn, so that payloads do not wait for it.
 */
#ifndef BH_FORWARDER_QUESTIONS_H
#define BH_FORWARDER_QUESTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/child.h"
#include "forwarder/custody.h"
#include "forwarder/diagnose.h"
#include "forwarder/spool_session.h"

struct bh_questions {
	struct bh_child *child;                   /* borrowed */
	struct bh_custody *custody;               /* borrowed */
	const struct bh_transport *transport;     /* borrowed: it has the keys */
	const struct bh_endpoint_list *endpoints; /* borrowed, likewise */
	bool logs_running;                        /* as the supervisor says; kept by the owner */
	/* the list under way */
	uint32_t id;
	struct bh_buf rows;
	size_t sent; /* bytes of rows */
	struct bh_timer timer;
	struct bh_spool_session spool;
	struct bh_diagnose *diagnose; /* under way; NULL = none */
};

void bh_questions_take(struct bh_questions *q, const struct bh_child_query *query);
void bh_questions_release(struct bh_questions *q);

#endif

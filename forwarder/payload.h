/*
 * What one destination is owed of one content, in the forwarder's memory. Exactly one owner: the
 * destination list (or the custody's list of payloads without a destination) it hangs in. It leaves
 * memory when its end is committed, or when it is a committed spool row that nobody is sending:
 * then the row is the owner. Bytes are the content's, which all destinations share (content.h);
 * nothing that happens for one destination changes what another one gets.
 */
#ifndef BH_FORWARDER_PAYLOAD_H
#define BH_FORWARDER_PAYLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/ipc.h"
#include "forwarder/content.h"
#include "forwarder/key.h"
#include "forwarder/store.h"
#include "proto/link.h"

struct bh_cut;
struct bh_dest;

struct bh_payload {
	struct bh_payload *prev, *next; /* ascending by ord */
	struct bh_dest *dest;           /* NULL: positions only */
	struct bh_content *content;     /* held: bh_content_release */
	uint64_t ord;
	uint32_t items;
	size_t body_n;   /* bytes of bh_payload_body() */
	int64_t sent_ns; /* mono: the request began; while sending */
	char *spare;     /* body of what is left of one sent in parts; owned */
	bool want_row;   /* to be committed to the spool with the next group */
	bool row;        /* is a committed row */
	bool sending;
	bool uploaded;      /* while sending: all of the body is on its way */
	bool resting;       /* needs no body in memory (custody_lend.c) */
	bool too_large;     /* answered 413 whole: goes in parts from now on */
	struct bh_cut *cut; /* the parts, once there is memory for them; owned */
	uint64_t cut_bytes; /* of dest's share, while there is a cut */
	struct bh_key_refusals refusals;
	uint64_t keep_ord;     /* while settled: ord of its copy in the quarantine; 0 = none */
	long status;           /* while settled: of the answer that refused it */
	bool settled;          /* its end is known and will be committed with the next group */
	enum bh_store_end end; /* while settled */
	enum bh_drop reason;   /* while settled with an end other than TAKEN */
};

static inline struct bh_str bh_payload_body(const struct bh_payload *p)
{
	return (struct bh_str){p->spare ? p->spare : p->content->body.p, p->body_n};
}

#endif

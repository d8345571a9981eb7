/* A finished body on its way to the forwarder. One allocation; freed with free(). */
#ifndef BH_DOGSTATSD_PAYLOAD_H
#define BH_DOGSTATSD_PAYLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "proto/link.h"

struct bh_payload {
	struct bh_payload *next; /* of the queue it is in */
	enum bh_kind kind;
	enum bh_encoding encoding;
	uint32_t items;   /* points */
	uint64_t raw_len; /* bytes before compression */
	int64_t ts_ms;    /* encoding time, wall clock; set by who queues it */
	size_t len;
	char body[];
};

#endif

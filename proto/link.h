/*
 * Messages between a producer (dogstatsd, logs-agent) and the forwarder: proto/LINK.md is the
 * specification, this is its codec. Symmetric and strict: what encode writes decode accepts, and
 * nothing else; trailing bytes, unknown types, short messages and a wrong CRC are BH_E_FORMAT or
 * BH_E_CORRUPT, never a crash and never an allocation from a length on the wire.
 */
#ifndef BH_PROTO_LINK_H
#define BH_PROTO_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/str.h"

#define BH_LINK_MAGIC    0x6b6c6862u /* "bhlk" */
#define BH_LINK_VERSION  1
#define BH_LINK_HEAD     48                /* bytes */
#define BH_LINK_BODY_MAX ((size_t)8 << 20) /* largest body; producers check before sending */
#define BH_LINK_MSG_MAX  (BH_LINK_BODY_MAX + ((size_t)4 << 20)) /* head, origins, CRC on top */
#define BH_LINK_WINDOW   64 /* the mask has 64 bits: seqs outstanding at most */
/* As many as the mask allows: at a second of latency 10 MiB/s of short lines are 64 payloads under
 * way. The bytes bound what both ends keep in memory. */
#define BH_LINK_CREDIT_MSGS 63
#define BH_LINK_CREDIT_KIB  (12 * 1024)

enum bh_link_type {
	BH_LINK_HELLO = 1,
	BH_LINK_WELCOME = 2,
	BH_LINK_RESUME = 3,
	BH_LINK_DATA = 4,
	BH_LINK_ACK = 5,
	BH_LINK_REFUSE = 6,
	BH_LINK_STALE = 7,
	BH_LINK_FENCE = 8,
	BH_LINK_FENCE_ACK = 9,
};

/* What a body is; decides URL, headers and destination class. Stored in spool rows: never renumber.
 */
enum bh_kind {
	BH_KIND_LOGS = 1,      /* /api/v2/logs, JSON array */
	BH_KIND_SERIES_V2 = 2, /* /api/v2/series, protobuf */
	BH_KIND_SKETCHES = 3,  /* /api/beta/sketches, protobuf */
	BH_KIND_SERIES_V1 = 4,
	BH_KIND_CHECKS = 5,
	BH_KIND_EVENTS = 6,
	BH_KIND_METADATA = 7,
	BH_KIND__END,
};

enum bh_encoding {
	BH_ENC_IDENTITY = 0,
	BH_ENC_ZSTD = 1,
	BH_ENC_DEFLATE = 2,
	BH_ENC_GZIP = 3,
	BH_ENC__N
};

/* "", "zstd", "deflate", "gzip": the Content-Encoding, and spool.encoding in the store. */
const char *bh_encoding_name(enum bh_encoding e);
int bh_encoding_parse(struct bh_str name, enum bh_encoding *e) BH_MUST_CHECK;

enum bh_store_state { BH_STORE_OK = 0, BH_STORE_FULL = 1, BH_STORE_REPLACED = 2 };
enum bh_refuse_cause {
	BH_REFUSE_NONE = 0, /* not refused; never on the wire */
	BH_REFUSE_TOO_BIG = 1,
	BH_REFUSE_BAD_CRC = 2,
	BH_REFUSE_UNREADABLE = 3, /* kind, encoding, lengths or origins */
};

/* "too big", "bad checksum", "not readable". */
const char *bh_refuse_name(enum bh_refuse_cause cause);

struct bh_link_head {
	enum bh_link_type type;
	uint64_t epoch; /* random per start of the producer */
	uint64_t seq; /* DATA, REFUSE, FENCE, FENCE_ACK: 1, 2, 3 … within the epoch; WELCOME, ACK:
		       * the highest received in an unbroken run, so that a lost message shows */
	uint64_t base_seq;    /* WELCOME, ACK: everything up to here is durable */
	uint64_t mask;        /* WELCOME, ACK: bit i = base_seq + 1 + i is durable */
	uint32_t credit_msgs; /* WELCOME, ACK: payloads that may be outstanding */
	uint32_t credit_kib;  /* the same in KiB of bodies; one payload is always allowed */
};

struct bh_link_hello {
	uint8_t role;   /* enum bh_role */
	uint64_t token; /* run id: both sides were started by the same supervisor run */
	uint32_t
	    generation; /* supervisor's generation of this process; decides which epoch is newer */
};

struct bh_link_welcome {
	uint8_t store_id[16];
	uint64_t run_id;
	bool resume_follows; /* the epoch was new: RESUME messages come next */
};

/* DATA behind the head. Strings borrow: from the caller when encoding, from the message when
 * decoding. */
struct bh_link_data {
	enum bh_kind kind;
	enum bh_encoding encoding;
	uint32_t items;        /* points or messages; 0 = positions only, no body */
	uint64_t raw_len;      /* bytes before compression */
	int64_t first_ts_ms;   /* encoding time of the oldest item; 0 = none */
	int64_t last_ts_ms;    /* encoding time of the newest item (dd-message-timestamp) */
	struct bh_str origins; /* encoding of proto/origin.h, may be empty */
	struct bh_str body;
};

struct bh_link_msg {
	struct bh_link_head head;
	union {
		struct bh_link_hello hello;
		struct bh_link_welcome welcome;
		struct {
			struct bh_str rows; /* proto/origin.h encoding */
			bool last;
		} resume;
		struct bh_link_data data;
		struct {
			enum bh_store_state store;
		} ack;
		struct {
			enum bh_refuse_cause cause;
		} refuse;
	} u; /* STALE, FENCE, FENCE_ACK have no part of their own */
};

/* Appends one whole message (with its CRC for DATA). -ENOMEM, or BH_E_LIMIT when a part is too big.
 */
int bh_link_encode(const struct bh_link_msg *m, struct bh_buf *out) BH_MUST_CHECK;
/* Size bh_link_encode will append, for one exact allocation. */
size_t bh_link_encoded_size(const struct bh_link_msg *m);
/* Writes into exactly bh_link_encoded_size() bytes at p: no buffer in between (hot path). */
int bh_link_encode_into(const struct bh_link_msg *m, void *p, size_t n) BH_MUST_CHECK;

/* BH_E_FORMAT; BH_E_CORRUPT when a DATA's CRC is wrong; BH_E_LIMIT when a DATA's CRC is right and a
 * part of it is too big. For REFUSE the head is filled then (type 0: not even that), and with a
 * right CRC u.data.origins, when there is such a part. */
int bh_link_decode(const void *p, size_t n, struct bh_link_msg *m) BH_MUST_CHECK;

#endif

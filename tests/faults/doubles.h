/* The link and the network as custody sees them: tests' ends of forwarder/intake.h and transport.h.
 */
#ifndef BH_TESTS_DOUBLES_H
#define BH_TESTS_DOUBLES_H

#include "forwarder/custody.h"
#include "tests/faults/world.h"

struct bh_intake {
	struct truth *truth;
	struct bh_receiver receivers[BH_ROLE__N];
};

#define TRANSPORT_MAX 256

struct bh_transport {
	struct truth *truth;
	struct under_way {
		void *token;
		bool key;
		struct bh_str body; /* borrowed, or a copy once it was sent */
		const struct bh_http_lender *lender;
		char *sent; /* owned; NULL = not sent yet, or without a lender */
		bool failed;
		unsigned dest;
	} requests[TRANSPORT_MAX];
	size_t n;
};

struct bh_resume_writer {
	struct truth *truth;
	unsigned safe[WORLD_FILES];
};

static inline struct stream *stream_of(struct truth *t, enum bh_role role)
{
	return &t->streams[role == BH_ROLE_LOGS];
}

/* A named point: kills the process when its time has come. */
void point(struct truth *t, enum world_point at);
void wrong(struct truth *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What base and mask cover is acknowledged. */
void note_acked(struct truth *t, enum bh_role role, const struct bh_receiver *r);

/* The producer's window entry as a payload, for ops->data. *msg owns its bytes. */
void make_payload(
    enum bh_role role, const struct sent *s, struct bh_link_data *d, struct bh_ipc_msg **msg);
/* Bodies that are lent are sent and given back, some of them twice. */
void send_requests(struct bh_transport *t, struct bh_custody *c);
/* The intake of a destination answers its oldest n requests. */
void answer_requests(
    struct bh_transport *t, struct bh_custody *c, unsigned dest, size_t n, long status);
/* Of "f<file>p<part> … m<id> ": calls set for each. */
void each_line(struct truth *t, struct bh_str body, unsigned dest,
    void (*set)(struct truth *t, struct fate *f, unsigned dest));
/* The file of "file:/w/<n>"; WORLD_FILES = none of ours. */
unsigned file_of(struct bh_str identifier);
unsigned part_at(struct bh_str offset);
/* 0 of a primary's URL, 1 of WORLD_SECOND, 2 of WORLD_THIRD. */
unsigned dest_of(const char *url);

#endif

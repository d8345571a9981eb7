/*
 * Writing what comes in to a capture file (proto/capture.h), on request and for a while. The file
 * was opened by the supervisor. Packets are collected in memory and written in large pieces; a file
 * that cannot be written, or that has grown to its limit, ends the capture and nothing else.
 */
#ifndef BH_DOGSTATSD_CAPTURE_H
#define BH_DOGSTATSD_CAPTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"

#define BH_CAPTURE_FILE_MAX ((uint64_t)4 << 30)

struct bh_capture {
	int fd; /* owned; -1 = no capture */
	const struct bh_clock *clock;
	struct bh_log *log;
	struct bh_buf pending;
	uint64_t packets, bytes;
};

void bh_capture_init(struct bh_capture *c, const struct bh_clock *clock, struct bh_log *log);
/* Takes fd. A capture that is under way ends first. */
void bh_capture_start(struct bh_capture *c, int fd);
/* pid: of the sender; 0 = unknown. */
void bh_capture_packet(struct bh_capture *c, struct bh_str packet, pid_t pid);
/* Writes the end of the file and closes it. Harmless without a capture. */
void bh_capture_stop(struct bh_capture *c);

#endif

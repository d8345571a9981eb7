/*
 * One generation: the content of one file from its creation (or truncation) to its end, whatever
 * its name is at the moment (spec/logs.md §4). Holds the open descriptor, what has been read and
 * handed over, and what proves its identity.
 */
#ifndef BH_LOGS_GENERATION_H
#define BH_LOGS_GENERATION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/attrs.h"
#include "common/config.h"
#include "logs-agent/fingerprint.h"
#include "logs-agent/framer.h"
#include "logs-agent/trail.h"
#include "proto/origin.h"


struct bh_source;
struct bh_logs;

/* What a path resolves to. birth_ns: statx birth time, else modification time. */
struct bh_file_id {
	uint64_t dev, ino;
	int64_t size;
	int64_t birth_ns;
};

/* Follows links. -errno. Regular files only: -EINVAL for everything else. */
int bh_file_identify(const char *path, struct bh_file_id *id) BH_MUST_CHECK;

struct bh_generation {
	struct bh_generation *prev, *next; /* all generations, in reading order per path */
	struct bh_generation *before; /* read to its end once before this one begins; NULL = none */
	struct bh_logs *logs;
	struct bh_source *source;
	char *path;         /* as matched: identifier and tags come from it */
	char *identifier;   /* "file:" + path */
	struct bh_buf tail; /* the record's constant end */
	uint64_t gen, dev, ino;
	int fd;
	enum bh_origin_state state;
	uint64_t read_off;   /* bytes taken from the file */
	uint64_t done_off;   /* end of the last line consumed */
	uint64_t handed_off; /* end of the last part handed over: offset_first of the next */
	struct bh_window read_window, done_window;
	struct bh_framer framer;
	bool continues;       /* the frame before was cut */
	bool at_end;          /* the last read met end of file */
	bool read_once;       /* has been at its end once */
	bool dirty;           /* something to tell although no message carries it */
	bool batched;         /* has an origin in the open batch */
	int64_t last_byte_ns; /* mono */
	int64_t ingestion_ns; /* wall, last line read */
	uint64_t fp_value;    /* 0 = not valid yet */
	char fp_config[BH_FINGERPRINT_TEXT_MAX]; /* what fp_value was made with */
	int64_t birth_ns;
};

/* Opens path and checks that it is the file of id. Errors: -errno; -ESTALE when it is another file
 * by now. */
int bh_generation_open(struct bh_generation **out, struct bh_source *source,
    const char *identity_path, const char *open_path, const struct bh_file_id *id, uint64_t gen,
    uint64_t offset, const struct bh_config *cfg, const struct bh_log_source *src) BH_MUST_CHECK;
void bh_generation_free(struct bh_generation *g);

/* Does fd hold what a row describes: size >= offset, and the marker before it? */
bool bh_same_content(int fd, uint64_t offset, uint32_t marker_len, uint64_t marker_hash);

/* The present origin: part from handed_off to done_off. Offset texts are written to the two
 * buffers. */
void bh_generation_origin(const struct bh_generation *g, struct bh_origin *o, char first[24],
    char last[24], const char *mode);

enum bh_file_change { BH_FILE_SAME, BH_FILE_GREW, BH_FILE_TRUNCATED };
/* Looks at the descriptor: shorter than read, or grown over other content. */
enum bh_file_change bh_generation_look(struct bh_generation *g);

#endif

/*
 * One generation: the content of one file from its creation (or truncation) to its end, whatever
 * its name is at the moment (spec/logs.md §4). Holds the open descriptor, what has been read and
 * handed over, and what proves its identity.
 */
#ifndef BH_LOGS_GENERATION_H
#define BH_LOGS_GENERATION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "common/attrs.h"
#include "common/config.h"
#include "logs-agent/assembler.h"
#include "logs-agent/framer.h"
#include "logs-agent/record.h"
#include "logs-agent/trail.h"
#include "proto/origin.h"

struct bh_source;
struct bh_target;
struct bh_row;
struct bh_logs;

/* What a path resolves to. birth_ns: statx birth time, else modification time. */
struct bh_file_id {
	uint64_t dev, ino;
	int64_t size;
	int64_t birth_ns;
};

/* Follows links. -errno. Regular files only: -EINVAL for everything else. */
int bh_file_identify(const char *path, struct bh_file_id *id) BH_MUST_CHECK;
/* open() to read. A FIFO or device cannot hang the process: it is not waited for. -errno. */
int bh_file_open(const char *path) BH_MUST_CHECK;
/* By its name and its first bytes. */
bool bh_file_is_compressed(const char *path);

struct bh_generation {
	struct bh_generation *prev, *next; /* all generations */
	struct bh_generation *next_ready;  /* those with something to read, in turn */
	struct bh_generation *next_dirty;  /* those with something to tell */
	struct bh_generation *before; /* read to its end once before this one begins; NULL = none */
	struct bh_logs *logs;
	struct bh_source *source;
	struct bh_row *row;       /* of the registry; NULL until it is noted */
	struct bh_target *target; /* whose file it was when it was opened */
	char *identifier;         /* "file:" + the path it was first seen under */
	char *path;               /* where it is now, as far as known */
	struct bh_record_ends ends;
	uint64_t gen, dev, ino;
	int fd;
	enum bh_origin_state state;
	uint64_t read_off;   /* bytes taken from the file */
	uint64_t done_off;   /* end of the last message */
	uint64_t handed_off; /* end of the last part handed over: offset_first of the next */
	struct bh_window read_window;
	struct bh_trail trail; /* before done_off */
	struct bh_framer framer;
	struct bh_assembler assembler;
	bool broken;           /* a read failed */
	bool at_end;           /* the last read met end of file */
	bool read_once;        /* has been at its end once */
	bool dirty;            /* is in the list */
	bool batched;          /* the open batch carries a message of it */
	bool ready;            /* is in the list */
	bool after_truncation; /* it may begin with a hole (§4.5) */
	uint64_t last_batch;   /* number of the batch that carried its origin last */
	int64_t last_byte_ns;  /* mono */
	int64_t looked_ns;     /* mono, of the last poll */
	int64_t mtime_ns;      /* wall, of the file at the last look that compared its content */
	int64_t opened_ns;     /* wall */
	int64_t ingestion_ns;  /* wall, last line read */
	uint64_t fp_value;
};

/* Opens path and checks that it is the file of id, ready to be read from `from`. handed: end of
 * what the registry knows, < from when the bytes between are left out on purpose. identifier: of a
 * row, NULL = of the target. Errors: -errno; -ESTALE when it is another file, or has another
 * content, by now. */
struct bh_generation_start {
	struct bh_target *target;
	const char *open_path;
	const struct bh_file_id *id;
	const char *identifier;
	uint64_t gen, from, handed;
	/* What stood before `from` when that was noted; length 0 = nothing is known. It is looked
	 * at in the bytes that reading goes on from: a file may be written anew at any moment. */
	uint32_t marker_len;
	uint64_t marker_hash;
	enum bh_origin_state state;
};

int bh_generation_open(struct bh_generation **out, struct bh_logs *l,
    const struct bh_generation_start *how) BH_MUST_CHECK;
void bh_generation_free(struct bh_generation *g);

/* Goes on in another file with the same content, from done_off; what was read beyond is forgotten.
 * -errno: nothing has changed. */
int bh_generation_move(
    struct bh_generation *g, const char *path, const struct bh_file_id *id) BH_MUST_CHECK;

/* Bytes just read at read_off: through framer and assembler. 0, -ENOMEM, BH_E_LIMIT. */
int bh_generation_feed(struct bh_generation *g, const char *p, size_t n) BH_MUST_CHECK;
/* The unfinished line and what is held become messages: it is over. */
int bh_generation_end(struct bh_generation *g) BH_MUST_CHECK;
/* Bytes at the read position that are not content: they count as done. */
void bh_generation_skip(struct bh_generation *g, uint64_t to);

/* Does fd hold what a row describes: size >= offset, and the marker before it? */
bool bh_same_content(int fd, uint64_t offset, uint32_t marker_len, uint64_t marker_hash);
/* As soon as the head of the file is whole; it never changes afterwards (§4.2). */
void bh_generation_take_fingerprint(struct bh_generation *g);

/* The present origin: part from handed_off to done_off. Offset texts are written to the two
 * buffers. */
void bh_generation_origin(
    const struct bh_generation *g, struct bh_origin *o, char first[24], char last[24]);

enum bh_file_change { BH_FILE_SAME, BH_FILE_GREW, BH_FILE_TRUNCATED };
/* st: of the file now. */
enum bh_file_change bh_generation_look(struct bh_generation *g, const struct stat *st);

#endif

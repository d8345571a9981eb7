#include "logs-agent/generation.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/crc.h"
#include "logs-agent/container_path.h"
#include "logs-agent/logs_internal.h"
#include "logs-agent/read_at.h"
#include "logs-agent/rotation.h"

int bh_file_identify(const char *path, struct bh_file_id *id)
{
	struct statx st;

	if (statx(AT_FDCWD, path, 0, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
		return -errno;
	if (!S_ISREG(st.stx_mode))
		return -EINVAL;
	id->dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	id->ino = st.stx_ino;
	id->size = (int64_t)st.stx_size;
	if (st.stx_mask & STATX_BTIME)
		id->birth_ns = st.stx_btime.tv_sec * BH_NS_PER_S + st.stx_btime.tv_nsec;
	else
		id->birth_ns = st.stx_mtime.tv_sec * BH_NS_PER_S + st.stx_mtime.tv_nsec;
	return 0;
}

int bh_file_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

bool bh_file_is_compressed(const char *path)
{
	unsigned char head[8];
	bool yes = false;
	int fd;

	if (!bh_rotation_is_compressed_name(path))
		return false;
	fd = bh_file_open(path);
	if (fd >= 0) {
		ssize_t n = read(fd, head, sizeof(head));

		yes = n > 0 && bh_rotation_is_compressed(path, head, (size_t)n);
		(void)close(fd);
	}
	return yes;
}

bool bh_same_content(int fd, uint64_t offset, uint32_t marker_len, uint64_t marker_hash)
{
	char bytes[BH_MARKER_MAX];
	struct stat st;

	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < offset || marker_len > BH_MARKER_MAX ||
	    marker_len > offset)
		return false;
	if (marker_len == 0)
		return true;
	return bh_read_at(fd, bytes, marker_len, offset - marker_len) == marker_len &&
	       bh_crc64(0, bytes, marker_len) == marker_hash;
}

/* What stands before the offset, so that marker and look work from the first byte. */
static void set_offset(struct bh_generation *g, uint64_t offset)
{
	size_t n = (size_t)BH_MIN(offset, (uint64_t)BH_MARKER_MAX);

	g->read_off = g->done_off = offset;
	g->read_window.n = bh_read_at(g->fd, g->read_window.bytes, n, offset - n);
	bh_trail_release(&g->trail);
	g->trail = (struct bh_trail){.window = g->read_window};
}

/* Opens what id describes. */
static int open_checked(const char *path, const struct bh_file_id *id)
{
	int fd = bh_file_open(path);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == id->ino &&
	    st.st_dev == id->dev)
		return fd;
	(void)close(fd);
	return -ESTALE;
}

static int on_message(void *ctx, const struct bh_message *m)
{
	struct bh_generation *g = ctx;

	bool carried = bh_handover_message(g->logs, g->source, &g->ends, m);

	/* Only now: the message may have closed the batch before its own. */
	g->done_off += m->raw;
	bh_trail_done(&g->trail, m->raw);
	bh_handover_touch(g->logs, g, carried);
	bh_handover_after(g->logs);
	return 0;
}

static int on_frame(void *ctx, const struct bh_frame *frame)
{
	struct bh_generation *g = ctx;
	int rc;

	bh_trail_begin(&g->trail, frame->content, bh_frame_terminator(g->framer.unit, frame));
	rc = bh_assembler_frame(&g->assembler, frame, BH_STATUS_INFO);
	return rc ? rc : bh_trail_end(&g->trail);
}

/* Framer and assembler as for the first byte. */
static int start_decoding(struct bh_generation *g)
{
	bh_framer_release(&g->framer);
	bh_framer_init(&g->framer, bh_charset_unit(g->source->decoder.charset), g->source->limit);
	bh_assembler_release(&g->assembler);
	return bh_assembler_init(&g->assembler, g->source, &g->logs->work, on_message, g);
}

static int make_ends(struct bh_generation *g, const char *path)
{
	const struct bh_log_source *src = g->source->cfg;
	struct bh_buf tags = BH_BUF_INIT;
	int rc = bh_record_file_tags(&tags, path);
	struct bh_record_names names = {
	    .hostname = bh_str_from(g->logs->child->config.hostname),
	    .service = bh_str_from(src->service),
	    .source = bh_str_from(src->source),
	    .sourcecategory = bh_str_from(src->sourcecategory),
	    .tags = &src->tags,
	};

	if (!rc && (g->source->format == BH_FORMAT_DOCKER || g->source->format == BH_FORMAT_CRI))
		rc = bh_container_tags(&tags, bh_str_from(path));
	names.tailer_tags = bh_buf_view(&tags);
	if (!rc)
		rc = bh_record_ends_make(&g->ends, &names);
	bh_buf_release(&tags);
	return rc;
}

static int set_names(struct bh_generation *g, const struct bh_generation_start *how)
{
	int rc = 0;

	g->path = strdup(how->open_path);
	if (how->identifier)
		g->identifier = strdup(how->identifier);
	else if (asprintf(&g->identifier, "file:%s", how->target->path) < 0)
		g->identifier = NULL;
	if (!g->path || !g->identifier)
		rc = -ENOMEM;
	return rc ? rc : make_ends(g, how->target->path);
}

int bh_generation_open(
    struct bh_generation **out, struct bh_logs *l, const struct bh_generation_start *how)
{
	struct bh_generation *g = calloc(1, sizeof(*g));
	int rc;

	if (!g)
		return -ENOMEM;
	g->logs = l;
	g->target = how->target;
	g->target->open++;
	g->source = how->target->source;
	g->gen = how->gen;
	g->dev = how->id->dev;
	g->ino = how->id->ino;
	g->state = how->state;
	g->fd = open_checked(how->open_path, how->id);
	rc = g->fd < 0 ? g->fd : set_names(g, how);
	if (!rc)
		rc = start_decoding(g);
	if (rc) {
		bh_generation_free(g);
		return rc;
	}
	set_offset(g, how->from);
	g->handed_off = how->handed;
	if (!bh_window_has(&g->read_window, how->marker_len, how->marker_hash)) {
		bh_generation_free(g);
		return -ESTALE;
	}
	*out = g;
	return 0;
}

void bh_generation_free(struct bh_generation *g)
{
	if (!g)
		return;
	if (g->target)
		g->target->open--;
	if (g->fd >= 0)
		(void)close(g->fd);
	bh_framer_release(&g->framer);
	bh_assembler_release(&g->assembler);
	bh_record_ends_release(&g->ends);
	bh_trail_release(&g->trail);
	free(g->path);
	free(g->identifier);
	free(g);
}

int bh_generation_move(struct bh_generation *g, const char *path, const struct bh_file_id *id)
{
	int fd = open_checked(path, id), rc;
	char *copy = strdup(path);

	if (fd < 0 || !copy) {
		if (fd >= 0)
			(void)close(fd);
		free(copy);
		return fd < 0 ? fd : -ENOMEM;
	}
	(void)close(g->fd);
	g->fd = fd;
	free(g->path);
	g->path = copy;
	g->dev = id->dev;
	g->ino = id->ino;
	rc = start_decoding(g);
	set_offset(g, g->done_off);
	g->at_end = g->read_once = false;
	return rc;
}

int bh_generation_feed(struct bh_generation *g, const char *p, size_t n)
{
	bh_window_add(&g->read_window, p, n);
	g->read_off += n;
	return bh_framer_feed(&g->framer, p, n, on_frame, g);
}

int bh_generation_end(struct bh_generation *g)
{
	int rc = bh_framer_end(&g->framer, on_frame, g);

	return rc ? rc : bh_assembler_flush(&g->assembler);
}

void bh_generation_skip(struct bh_generation *g, uint64_t to)
{
	set_offset(g, to);
}

/* What the file holds at this moment: should it vanish, it is known how much of it was not read. */
static uint64_t size_now(const struct bh_generation *g)
{
	struct stat st;

	return fstat(g->fd, &st) == 0 ? BH_MAX((uint64_t)st.st_size, g->read_off) : g->read_off;
}

void bh_generation_origin(
    const struct bh_generation *g, struct bh_origin *o, char first[24], char last[24])
{
	struct bh_window before;

	bh_trail_window(&g->trail, &before);
	(void)snprintf(first, 24, "%" PRIu64, g->handed_off);
	(void)snprintf(last, 24, "%" PRIu64, g->done_off);
	*o = (struct bh_origin){
	    .identifier = bh_str_from(g->identifier),
	    .gen = g->gen,
	    .path = bh_str_from(g->path),
	    .dev = g->dev,
	    .ino = g->ino,
	    .offset_first = bh_str_from(first),
	    .offset_last = bh_str_from(last),
	    .marker_len = (uint32_t)before.n,
	    .marker_hash = bh_crc64(0, before.bytes, before.n),
	    .fp_value = g->fp_value,
	    .fp_config = bh_str_from(g->fp_value ? g->source->fp_config : ""),
	    .tailing_mode = bh_str_from(g->source->cfg->start_position),
	    .ingestion_ns = g->ingestion_ns,
	    .last_size = size_now(g),
	    .state = g->state,
	};
}

void bh_generation_take_fingerprint(struct bh_generation *g)
{
	/* A finished one may be so because its content went away under the descriptor. */
	if (!g->fp_value && g->read_off && g->state != BH_ORIGIN_FINISHED)
		g->fp_value = bh_fingerprint(g->fd, &g->source->cfg->fingerprint);
}

enum bh_file_change bh_generation_look(struct bh_generation *g, const struct stat *st)
{
	int64_t mtime = st->st_mtim.tv_sec * BH_NS_PER_S + st->st_mtim.tv_nsec;
	uint64_t size = (uint64_t)st->st_size;
	char bytes[BH_MARKER_MAX];
	size_t n = g->read_window.n;

	if (size < g->read_off)
		return BH_FILE_TRUNCATED;
	if (size == g->read_off && mtime == g->mtime_ns)
		return BH_FILE_SAME;
	/* Truncated and grown to our position or past it in between: what stood before it is not
	 * there any more. */
	if (bh_read_at(g->fd, bytes, n, g->read_off - n) != n ||
	    memcmp(bytes, g->read_window.bytes, n) != 0)
		return BH_FILE_TRUNCATED;
	/* The clock of files is coarse: a change that follows at once may bear the same time. */
	g->mtime_ns = bh_wall_ns(&bh_clock_system) - mtime < BH_NS_PER_S ? 0 : mtime;
	return size == g->read_off ? BH_FILE_SAME : BH_FILE_GREW;
}

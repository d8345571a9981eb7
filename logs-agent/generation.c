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
#include "logs-agent/fingerprint.h"
#include "logs-agent/read_at.h"
#include "logs-agent/record.h"

#define DEFAULT_LIMIT 900000

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

static int set_names(struct bh_generation *g, const char *path, const struct bh_config *cfg,
    const struct bh_log_source *src)
{
	g->path = strdup(path);
	if (!g->path || asprintf(&g->identifier, "file:%s", path) < 0) {
		g->identifier = NULL;
		return -ENOMEM;
	}
	return bh_record_tail(&g->tail, cfg->hostname, src, path);
}

/* The windows hold what stands before the offset, so that marker and look work from the first byte.
 */
static void set_offset(struct bh_generation *g, uint64_t offset)
{
	size_t n = (size_t)BH_MIN(offset, (uint64_t)BH_MARKER_MAX);

	g->read_off = g->done_off = g->handed_off = offset;
	g->read_window.n = bh_read_at(g->fd, g->read_window.bytes, n, offset - n);
	g->done_window = g->read_window;
}

int bh_generation_open(struct bh_generation **out, struct bh_source *source,
    const char *identity_path, const char *open_path, const struct bh_file_id *id, uint64_t gen,
    uint64_t offset, const struct bh_config *cfg, const struct bh_log_source *src)
{
	size_t limit = cfg->logs_max_message_size_bytes > 0
			   ? (size_t)cfg->logs_max_message_size_bytes
			   : DEFAULT_LIMIT;
	struct bh_generation *g = calloc(1, sizeof(*g));
	struct stat st;
	int rc;

	if (!g)
		return -ENOMEM;
	g->fd = open(open_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	rc = g->fd < 0 ? -errno : 0;
	if (!rc && (fstat(g->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_ino != id->ino ||
		       st.st_dev != id->dev))
		rc = -ESTALE;
	if (!rc)
		rc = set_names(g, identity_path, cfg, src);
	if (rc) {
		bh_generation_free(g);
		return rc;
	}
	g->source = source;
	g->gen = gen;
	g->dev = id->dev;
	g->ino = id->ino;
	g->birth_ns = id->birth_ns;
	bh_fingerprint_config_text(&bh_fingerprint_default, g->fp_config);
	bh_framer_init(&g->framer, BH_UNIT_BYTE, limit);
	set_offset(g, offset);
	g->dirty = true;
	*out = g;
	return 0;
}

void bh_generation_free(struct bh_generation *g)
{
	if (!g)
		return;
	if (g->fd >= 0)
		(void)close(g->fd);
	bh_framer_release(&g->framer);
	bh_buf_release(&g->tail);
	free(g->path);
	free(g->identifier);
	free(g);
}

void bh_generation_origin(const struct bh_generation *g, struct bh_origin *o, char first[24],
    char last[24], const char *mode)
{
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
	    .marker_len = (uint32_t)g->done_window.n,
	    .marker_hash = bh_crc64(0, g->done_window.bytes, g->done_window.n),
	    .fp_value = g->fp_value,
	    .fp_config = bh_str_from(g->fp_value ? g->fp_config : ""),
	    .tailing_mode = bh_str_from(mode),
	    .ingestion_ns = g->ingestion_ns,
	    .last_size = g->read_off,
	    .state = g->state,
	};
}

enum bh_file_change bh_generation_look(struct bh_generation *g)
{
	char bytes[BH_MARKER_MAX];
	size_t n = g->read_window.n;
	struct stat st;

	if (fstat(g->fd, &st) < 0)
		return BH_FILE_SAME;
	if ((uint64_t)st.st_size < g->read_off)
		return BH_FILE_TRUNCATED;
	if ((uint64_t)st.st_size == g->read_off)
		return BH_FILE_SAME;
	/* Truncated and grown past our position in between: what stood before it is not there any
	 * more. */
	if (bh_read_at(g->fd, bytes, n, g->read_off - n) != n ||
	    memcmp(bytes, g->read_window.bytes, n) != 0)
		return BH_FILE_TRUNCATED;
	return BH_FILE_GREW;
}

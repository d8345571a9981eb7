/* Where a file begins to be read: spec/logs.md §4.3, §16.5. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "logs-agent/logs_internal.h"

#define COMPONENT "start"
#define STEP_BACK ((size_t)256 << 10) /* how far an unfinished last line is looked for */

static bool mode_is(const struct bh_source *s, const char *mode)
{
	return strcmp(s->cfg->start_position, mode) == 0;
}

/* Forced modes act once per start of the product (§4.3, 1). */
bool bh_start_is_forced(const struct bh_logs *l, const struct bh_source *s, const char *mode)
{
	return l->child->generation <= 1 && !s->scanned && !s->late && mode_is(s, mode);
}

bool bh_start_at_end(const struct bh_source *s)
{
	return !mode_is(s, "beginning") && !mode_is(s, "forceBeginning");
}

/* The size, or what follows the last newline before it: the first message is whole then. In UTF-16
 * the newline is the one byte of its unit that is not zero. */
uint64_t bh_start_after_last_line(const struct bh_target *t, uint64_t size)
{
	enum bh_unit unit = bh_charset_unit(t->source->decoder.charset);
	uint64_t behind = unit == BH_UNIT_UTF16_LE ? 2 : 1;
	uint64_t from = size > STEP_BACK ? size - STEP_BACK : 0, at = size;
	int fd = bh_file_open(t->path);
	char *bytes = malloc(STEP_BACK);
	ssize_t n = 0;

	if (fd >= 0 && bytes)
		n = pread(fd, bytes, (size_t)(size - from), (off_t)from);
	if (n > 0) {
		const char *nl = memrchr(bytes, '\n', (size_t)n);

		if (nl)
			at = from + (uint64_t)(nl - bytes) + behind;
	}
	if (fd >= 0)
		(void)close(fd);
	free(bytes);
	return BH_MIN(at, size) - (unit == BH_UNIT_BYTE ? 0 : at % 2);
}

/* Of a file without a row, at a path of which nothing is known (§4.3, 4). */
uint64_t bh_start_offset(
    const struct bh_logs *l, const struct bh_target *t, const struct bh_file_id *id)
{
	const struct bh_source *s = t->source;

	if (bh_start_is_forced(l, s, "forceEnd"))
		return bh_start_after_last_line(t, (uint64_t)id->size);
	if (t->seen && bh_start_at_end(s))
		return t->first_size;
	if (s->scanned || !bh_start_at_end(s))
		return 0;
	/* Created while this process, or the whole agent, was away. */
	if (l->child->generation > 1 && !s->late && id->birth_ns > l->run_started_ns)
		return 0;
	if (s->last_scan_ns && id->birth_ns > s->last_scan_ns)
		return 0;
	if (!s->last_scan_ns && l->store_lost_ns && id->birth_ns > l->store_lost_ns)
		return 0;
	return bh_start_after_last_line(t, (uint64_t)id->size);
}

/* A file that may have been read before its position was lost: said in words, never in silence
 * (§16.5, 4). */
void bh_start_tell_lost(
    const struct bh_logs *l, struct bh_target *t, const struct bh_file_id *id, uint64_t from)
{
	struct bh_source *s = t->source;
	const char *slash;

	if (!l->store_lost_ns || s->scanned || s->last_scan_ns ||
	    (from == 0 && id->birth_ns > l->store_lost_ns))
		return;
	slash = strrchr(t->path, '/');
	s->lost_files++;
	(void)snprintf(s->lost, sizeof(s->lost),
	    "the store was lost: by start_position %.80s is read from %llu, %llu bytes %s; %u such"
	    " files",
	    slash ? slash + 1 : t->path, (unsigned long long)from,
	    (unsigned long long)(from ? from : (uint64_t)id->size),
	    from ? "are skipped" : "may be repeated", s->lost_files);
	bh_warn(&l->child->log, COMPONENT, "%s: %s", t->path, s->lost);
}

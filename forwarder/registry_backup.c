#include "forwarder/registry_backup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/err.h"
#include "common/jsonw.h"
#include "common/utf8.h"
#include "forwarder/registry_import.h"
#include "proto/fingerprint_text.h"

enum part { PART_LIVE, PART_OTHER, PART_SOURCE };

struct writer {
	struct bh_jsonw w;
	struct bh_buf *out;
	enum part part;
	char now[40];
};

static bool is_text(struct bh_str s)
{
	return !memchr(s.p ? s.p : "", '\0', s.n) &&
	       bh_utf8_valid_prefix(s.p ? s.p : "", s.n) == s.n;
}

static enum part part_of(const struct bh_origin *o)
{
	if (bh_origin_is_source(o->identifier, NULL))
		return PART_SOURCE;
	return o->state == BH_ORIGIN_LIVE && is_text(o->identifier) && is_text(o->path)
		   ? PART_LIVE
		   : PART_OTHER;
}

static void put_u64(struct bh_jsonw *w, const char *key, uint64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, v);
	bh_jsonw_str(w, key, text);
}

static void put_fingerprint(struct bh_jsonw *w, const struct bh_origin *o)
{
	struct bh_fingerprint_config cfg;

	if (!o->fp_value || !bh_fp_text_parse(o->fp_config, &cfg))
		return;
	bh_jsonw_object(w, "Fingerprint");
	bh_jsonw_u64(w, "Value", o->fp_value);
	bh_jsonw_object(w, "Config");
	bh_jsonw_str(w, "fingerprint_strategy", bh_fp_strategy_name(&cfg));
	bh_jsonw_u64(w, "count", (uint64_t)cfg.count);
	bh_jsonw_u64(w, "count_to_skip", (uint64_t)cfg.count_to_skip);
	bh_jsonw_u64(w, "max_bytes", (uint64_t)cfg.max_bytes);
	bh_jsonw_object_end(w);
	bh_jsonw_object_end(w);
}

static void put_bytes(struct bh_jsonw *w, const char *key, const char *hex_key, struct bh_str s)
{
	static const char digits[] = "0123456789abcdef";
	struct bh_buf hex = BH_BUF_INIT;

	if (is_text(s)) {
		bh_jsonw_bytes(w, key, s.p, s.n);
		return;
	}
	for (size_t i = 0; i < s.n; i++) {
		(void)bh_buf_u8(&hex, (uint8_t)digits[(unsigned char)s.p[i] >> 4]);
		(void)bh_buf_u8(&hex, (uint8_t)digits[(unsigned char)s.p[i] & 15]);
	}
	bh_jsonw_bytes(w, hex_key, hex.data, hex.len);
	bh_buf_release(&hex);
}

static void put_members(struct writer *b, const struct bh_generation *g)
{
	const struct bh_origin *o = &g->row;
	struct bh_str complete = bh_str_from(g->complete);
	struct bh_jsonw *w = &b->w;
	bool settled = bh_str_eq(complete, o->offset_last);

	bh_jsonw_str(w, "LastUpdated", b->now);
	bh_jsonw_bytes(w, "Offset", o->offset_first.p, o->offset_first.n);
	bh_jsonw_bytes(w, "TailingMode", o->tailing_mode.p, o->tailing_mode.n);
	bh_jsonw_i64(w, "IngestionTimestamp", o->ingestion_ns);
	put_fingerprint(w, o);
	bh_jsonw_bytes(w, "Complete", complete.p, complete.n);
	put_u64(w, "Generation", o->gen);
	put_bytes(w, "Path", "PathHex", o->path);
	put_u64(w, "Device", o->dev);
	put_u64(w, "Inode", o->ino);
	bh_jsonw_u64(w, "MarkerLength", settled ? o->marker_len : 0);
	put_u64(w, "MarkerHash", settled ? o->marker_hash : 0);
	put_u64(w, "LastSize", o->last_size);
	bh_jsonw_u64(w, "State", (uint64_t)o->state);
}

static int put_row(void *ctx, const struct bh_generation *g)
{
	struct writer *b = ctx;
	const struct bh_origin *o = &g->row;
	char key[BH_ORIGIN_STRING_MAX + 1];
	struct bh_str name = o->identifier;

	if (part_of(o) != b->part || o->state == BH_ORIGIN_FORGOTTEN || o->offset_first.n == 0)
		return bh_buf_failed(b->out);
	if (b->part == PART_SOURCE)
		(void)bh_origin_is_source(o->identifier, &name);
	(void)snprintf(key, sizeof(key), "%.*s", (int)BH_MIN(name.n, sizeof(key) - 1), name.p);
	if (b->part == PART_SOURCE) {
		bh_jsonw_bytes(&b->w, key, o->offset_last.p, o->offset_last.n);
		return 0;
	}
	bh_jsonw_object(&b->w, b->part == PART_LIVE ? key : NULL);
	if (b->part == PART_OTHER)
		put_bytes(&b->w, "Identifier", "IdentifierHex", o->identifier);
	put_members(b, g);
	bh_jsonw_object_end(&b->w);
	return bh_buf_failed(b->out);
}

static int put_part(struct writer *b, const struct bh_positions *ps, enum part part)
{
	b->part = part;
	return bh_positions_each(ps, put_row, b);
}

int bh_backup_encode(const struct bh_positions *ps, int64_t now_ms, struct bh_buf *out)
{
	struct writer b = {.out = out};
	time_t now = (time_t)(now_ms / 1000);
	struct tm tm;
	int rc;

	if (!gmtime_r(&now, &tm) || !strftime(b.now, sizeof(b.now), "%Y-%m-%dT%H:%M:%SZ", &tm))
		b.now[0] = '\0';
	bh_jsonw_init(&b.w, out);
	bh_jsonw_object(&b.w, NULL);
	bh_jsonw_u64(&b.w, "Version", 2);
	bh_jsonw_object(&b.w, "Registry");
	rc = put_part(&b, ps, PART_LIVE);
	bh_jsonw_object_end(&b.w);
	bh_jsonw_array(&b.w, "Generations");
	if (!rc)
		rc = put_part(&b, ps, PART_OTHER);
	bh_jsonw_array_end(&b.w);
	bh_jsonw_object(&b.w, "Sources");
	if (!rc)
		rc = put_part(&b, ps, PART_SOURCE);
	bh_jsonw_object_end(&b.w);
	bh_jsonw_object_end(&b.w);
	return rc ? rc : bh_buf_failed(out);
}

static int write_all(int fd, struct bh_str bytes)
{
	while (bytes.n) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			bytes = (struct bh_str){bytes.p + n, bytes.n - (size_t)n};
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static void sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)fsync(fd);
	(void)close(fd);
}

int bh_backup_save(const char *dir, const char *name, struct bh_str bytes)
{
	char path[PATH_MAX], tmp[PATH_MAX + 8];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd, rc;

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	(void)snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	rc = write_all(fd, bytes);
	(void)close(fd);
	if (!rc && rename(tmp, path) < 0)
		rc = -errno;
	if (rc)
		(void)unlink(tmp);
	else
		sync_dir(dir);
	return rc;
}

int bh_backup_write(const char *dir, const struct bh_positions *ps, int64_t now_ms)
{
	struct bh_buf text = BH_BUF_INIT;
	int rc = bh_backup_encode(ps, now_ms, &text);

	if (!rc)
		rc = bh_backup_save(dir, BH_BACKUP_NAME, bh_buf_view(&text));
	bh_buf_release(&text);
	return rc;
}

static int read_whole(const char *dir, struct bh_buf *out)
{
	char path[PATH_MAX];
	struct stat st;
	ssize_t n = 1;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, BH_BACKUP_NAME);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size > BH_REGISTRY_FILE_MAX ||
	    bh_buf_reserve(out, (size_t)st.st_size + 1))
		n = -1;
	while (n > 0 && out->len < (size_t)st.st_size) {
		n = read(fd, out->data + out->len, (size_t)st.st_size - out->len);
		out->len += n > 0 ? (size_t)n : 0;
	}
	(void)close(fd);
	return n < 0 ? -EIO : 0;
}

struct counted {
	int (*row)(void *ctx, const struct bh_origin *o);
	void *ctx;
	size_t n;
};

static int count_row(void *ctx, const struct bh_origin *o)
{
	struct counted *c = ctx;

	c->n++;
	return c->row(c->ctx, o);
}

int bh_backup_read(
    const char *dir, int (*row)(void *ctx, const struct bh_origin *o), void *ctx, size_t *n)
{
	struct counted c = {row, ctx, 0};
	struct bh_buf text = BH_BUF_INIT;
	struct bh_registry_file file;
	int rc = 0;

	if (read_whole(dir, &text) == 0)
		rc = bh_registry_parse(text.data, text.len, count_row, &c, &file);
	bh_buf_release(&text);
	*n = c.n;
	return rc == BH_E_FORMAT ? 0 : rc;
}

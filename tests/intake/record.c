#include "tests/intake/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define SHOW_TEXT_MAX 300 /* bytes of one message or tag list shown */

int bh_record_open(struct bh_record *r, const char *path, bool show, struct bh_err *err)
{
	*r = (struct bh_record){.fd = -1, .show = show};
	pthread_mutex_init(&r->lock, NULL);
	if (path) {
		r->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (r->fd < 0)
			return bh_err_set(err, -errno, "open %s", path);
		r->owned = true;
	} else if (!show) {
		r->fd = STDOUT_FILENO;
	}
	return 0;
}

void bh_record_close(struct bh_record *r)
{
	if (r->owned)
		close(r->fd);
	r->fd = -1;
	r->owned = false;
	pthread_mutex_destroy(&r->lock);
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

static int dump_to_buf(const char *p, size_t n, void *out)
{
	return bh_buf_append(out, p, n) ? -1 : 0;
}

/* Appends the escaped text; what the terminal could take for a command becomes \xNN. */
static void show_text(struct bh_buf *out, const char *s, size_t n)
{
	size_t shown = BH_MIN(n, (size_t)SHOW_TEXT_MAX);

	/* jansson holds valid UTF-8: never cut inside a character. */
	while (shown < n && shown > 0 && ((unsigned char)s[shown] & 0xC0) == 0x80)
		shown--;
	for (size_t i = 0; i < shown; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == 0xC2 && i + 1 < shown && (unsigned char)s[i + 1] < 0xA0)
			bh_buf_printf(out, "\\x%02x", (unsigned char)s[++i]);
		else if (c < 0x20 || c == 0x7F)
			bh_buf_printf(out, "\\x%02x", c);
		else
			bh_buf_u8(out, c);
	}
	if (shown < n)
		bh_buf_str(out, " …");
}

static void show_string(struct bh_buf *out, const json_t *v)
{
	if (json_is_string(v))
		show_text(out, json_string_value(v), json_string_length(v));
}

static void show_tags(struct bh_buf *out, const json_t *tags)
{
	size_t i;
	json_t *tag;

	json_array_foreach(tags, i, tag)
	{
		bh_buf_str(out, i ? "," : " #");
		show_string(out, tag);
	}
}

static void show_series(struct bh_buf *out, const json_t *s)
{
	const json_t *points = json_object_get(s, "points");
	size_t i;
	json_t *point;

	bh_buf_str(out, "metric  ");
	show_string(out, json_object_get(s, "metric"));
	json_array_foreach(points, i, point)
	{
		bh_buf_printf(
		    out, "%s%g", i ? ", " : " = ", json_number_value(json_array_get(point, 1)));
	}
	bh_buf_str(out, " (");
	show_string(out, json_object_get(s, "type"));
	bh_buf_str(out, ")");
	show_tags(out, json_object_get(s, "tags"));
	bh_buf_str(out, "\n");
}

static void show_sketch(struct bh_buf *out, const json_t *s)
{
	size_t i;
	json_t *g;

	json_array_foreach(json_object_get(s, "points"), i, g)
	{
		bh_buf_str(out, "metric  ");
		show_string(out, json_object_get(s, "metric"));
		bh_buf_printf(out, " = %lld samples, min %g, avg %g, max %g (distribution)",
		    (long long)json_integer_value(json_object_get(g, "cnt")),
		    json_number_value(json_object_get(g, "min")),
		    json_number_value(json_object_get(g, "avg")),
		    json_number_value(json_object_get(g, "max")));
		show_tags(out, json_object_get(s, "tags"));
		bh_buf_str(out, "\n");
	}
}

static void show_log(struct bh_buf *out, const json_t *l)
{
	bh_buf_str(out, "log     ");
	show_string(out, json_object_get(l, "service"));
	bh_buf_str(out, ": ");
	show_string(out, json_object_get(l, "message"));
	bh_buf_str(out, "\n");
}

static void show_titled(struct bh_buf *out, const char *head, const json_t *title)
{
	bh_buf_str(out, head);
	show_string(out, title);
	bh_buf_str(out, "\n");
}

void bh_record_show_line(const json_t *record, struct bh_buf *out)
{
	const char *kind = json_string_value(json_object_get(record, "kind"));

	if (!kind)
		return;
	if (!strcmp(kind, "series"))
		show_series(out, record);
	else if (!strcmp(kind, "sketch"))
		show_sketch(out, record);
	else if (!strcmp(kind, "log"))
		show_log(out, record);
	else if (!strcmp(kind, "event"))
		show_titled(out, "event   ", json_object_get(record, "msg_title"));
	else if (!strcmp(kind, "check"))
		show_titled(out, "check   ", json_object_get(record, "check"));
}

static int build(const struct bh_record *r, const struct bh_decoded *d, uint64_t req,
    const char *api_key, struct bh_buf *lines, struct bh_buf *shown)
{
	size_t n = strlen(api_key);
	const char *tail = n > 5 ? api_key + n - 5 : api_key;
	size_t i;
	json_t *record;

	json_array_foreach(d->records, i, record)
	{
		if (r->show)
			bh_record_show_line(record, shown);
		if (r->fd < 0)
			continue;
		json_object_set_new(record, "req", json_integer((json_int_t)req));
		json_object_set_new(record, "key", json_string(tail));
		if (json_dump_callback(
			record, dump_to_buf, lines, JSON_COMPACT | JSON_REAL_PRECISION(17)) < 0)
			return -ENOMEM;
		bh_buf_str(lines, "\n");
	}
	return bh_buf_failed(lines);
}

/* A half-written batch would be read as data the client was never told is accepted. */
static int write_lines(const struct bh_record *r, const struct bh_buf *lines)
{
	off_t before = r->owned ? lseek(r->fd, 0, SEEK_END) : -1;
	int rc = write_all(r->fd, lines->data, lines->len);

	if (rc && before >= 0 && ftruncate(r->fd, before) < 0)
		return -errno;
	return rc;
}

int bh_record_add(
    struct bh_record *r, const struct bh_decoded *d, uint64_t req, const char *api_key)
{
	struct bh_buf lines = BH_BUF_INIT;
	struct bh_buf shown = BH_BUF_INIT;
	int rc = build(r, d, req, api_key, &lines, &shown);

	pthread_mutex_lock(&r->lock);
	if (!rc && r->fd >= 0)
		rc = write_lines(r, &lines);
	/* The display is a courtesy: a closed terminal does not refuse data. */
	if (!rc && shown.len > 0)
		(void)!write_all(STDOUT_FILENO, shown.data, shown.len);
	pthread_mutex_unlock(&r->lock);
	bh_buf_release(&lines);
	bh_buf_release(&shown);
	return rc;
}

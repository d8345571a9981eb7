#include "supervisor/ctl/stream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/utf8.h"
#include "supervisor/ctl/view_json.h"

#define DATAGRAM_MAX ((size_t)160 << 10)

/* The character at p, which is whole and valid; *n: its bytes. */
static uint32_t character(const char *p, size_t *n)
{
	unsigned char c = (unsigned char)p[0];
	uint32_t v;

	*n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	v = *n == 1 ? c : c & (0x7fu >> *n);
	for (size_t i = 1; i < *n; i++)
		v = v << 6 | ((unsigned char)p[i] & 0x3fu);
	return v;
}

static bool is_harmless(uint32_t c)
{
	return c == '\t' || (c >= 0x20 && c < 0x7f) ||
	       (c >= 0xa0 && c != 0x061c && c != 0x200e && c != 0x200f &&
		   !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069));
}

void bh_stream_printable(struct bh_buf *out, const char *s, size_t n)
{
	const char *end = s + bh_utf8_valid_prefix(s, n); /* jansson lets nothing else through */
	const char *plain = s;

	while (s < end) {
		size_t len;
		uint32_t c = character(s, &len);

		s += len;
		if (is_harmless(c))
			continue;
		bh_buf_append(out, plain, (size_t)(s - plain) - len);
		plain = s;
		if (c == '\n' || c == '\r')
			bh_buf_str(out, c == '\n' ? "\\n" : "\\r");
		else
			bh_buf_printf(out, c < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)c);
	}
	bh_buf_append(out, plain, (size_t)(end - plain));
}

static void put_field(struct bh_buf *out, const char *label, const json_t *m, const char *key)
{
	const json_t *value = json_object_get(m, key);

	bh_buf_str(out, label);
	if (json_is_string(value))
		bh_stream_printable(out, json_string_value(value), json_string_length(value));
}

static void put_time(struct bh_buf *out, int64_t unix_ms)
{
	time_t at = (time_t)(unix_ms / 1000);
	char text[32] = "";
	struct tm tm;

	if (unix_ms < 0 || !gmtime_r(&at, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		return;
	bh_buf_printf(out, "%s.%03d +0000 UTC", text, (int)(unix_ms % 1000));
}

void bh_stream_line(const json_t *m, struct bh_buf *out)
{
	put_field(out, "Integration Name: ", m, "integration");
	put_field(out, " | Type: ", m, "type");
	put_field(out, " | Status: ", m, "status");
	bh_buf_str(out, " | Timestamp: ");
	put_time(out, bh_json_int(m, "timestamp"));
	put_field(out, " | Hostname: ", m, "hostname");
	put_field(out, " | Service: ", m, "service");
	put_field(out, " | Source: ", m, "ddsource");
	put_field(out, " | Tags: ", m, "ddtags");
	put_field(out, " | Message: ", m, "message");
	if (bh_json_count(m, "bytes_cut"))
		bh_buf_printf(
		    out, " [%llu bytes more]", (unsigned long long)bh_json_count(m, "bytes_cut"));
	bh_buf_u8(out, '\n');
}

/* The object again, so that nothing but JSON gets out. */
static int put_json(const json_t *object, struct bh_buf *out)
{
	char *text = json_dumps(object, JSON_COMPACT);
	int rc = text ? bh_buf_printf(out, "%s\n", text) : -ENOMEM;

	free(text);
	return rc;
}

static void put_dropped(const json_t *object)
{
	(void)fprintf(stderr,
	    "bulkheadctl: %llu messages not shown: they came faster than this could be written\n",
	    (unsigned long long)bh_json_count(object, "dropped"));
}

/* One datagram. Counts a message in *shown. */
static int take(const char *p, size_t n, const struct bh_stream_show *show, struct bh_buf *text,
    uint64_t *shown, struct bh_err *err)
{
	json_t *object = json_loadb(p, n, JSON_ALLOW_NUL, NULL);
	bool message = json_is_string(json_object_get(object, "message"));
	int rc = 0;

	bh_buf_clear(text);
	if (!object)
		rc = bh_err_set(err, BH_E_FORMAT, "the stream holds something else than JSON");
	else if (json_is_string(json_object_get(object, "error")))
		rc = bh_err_set(err, BH_E_STATE, "%s", bh_json_text(object, "error"));
	else if (show->json)
		rc = put_json(object, text);
	else if (message)
		bh_stream_line(object, text);
	else if (bh_json_count(object, "dropped"))
		put_dropped(object);
	if (!rc && bh_buf_failed(text))
		rc = bh_err_set(err, bh_buf_failed(text), "show a message");
	*shown += !rc && message;
	json_decref(object);
	if (!rc && text->len &&
	    (fwrite(text->data, 1, text->len, stdout) != text->len || fflush(stdout)))
		rc = bh_err_set(err, -errno, "write");
	return rc;
}

/* Waits until the end of the time. 1: something came. */
static int wait_for(int fd, int64_t end_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int64_t left = end_ms ? end_ms - bh_mono_ms(&bh_clock_system) : -1;
	int ready;

	if (end_ms && left <= 0)
		return 0;
	ready = poll(&p, 1, (int)left);
	return ready < 0 ? -errno : ready;
}

static int show_all(
    int fd, const struct bh_stream_show *show, struct bh_buf *in, struct bh_err *err)
{
	int64_t end_ms =
	    show->seconds ? bh_mono_ms(&bh_clock_system) + show->seconds * INT64_C(1000) : 0;
	struct bh_buf text = BH_BUF_INIT;
	uint64_t shown = 0;
	int rc = 0;

	while (!rc && (!show->count || shown < show->count)) {
		int ready = wait_for(fd, end_ms);
		ssize_t n;

		if (ready == -EINTR)
			continue;
		if (ready == 0)
			break;
		n = ready < 0 ? ready : recv(fd, in->data, DATAGRAM_MAX, 0);
		if (n < 0 && errno != EINTR)
			rc = bh_err_set(err, -errno, "read the stream");
		else if (n == 0)
			rc = bh_err_set(err, BH_E_CLOSED, "the logs process ended the stream");
		else if (n > 0)
			rc = take(in->data, (size_t)n, show, &text, &shown, err);
	}
	bh_buf_release(&text);
	return rc;
}

int bh_stream_show(int fd, const struct bh_stream_show *show, struct bh_err *err)
{
	struct bh_buf in = BH_BUF_INIT;
	int rc = bh_buf_reserve(&in, DATAGRAM_MAX);

	if (rc)
		(void)bh_err_set(err, rc, "read the stream");
	else
		rc = show_all(fd, show, &in, err);
	bh_buf_release(&in);
	(void)close(fd);
	return rc;
}

#include "logs-agent/docker.h"

#include <string.h>
#include <strings.h>

#include "logs-agent/json_scan.h"

enum field { LOG, STREAM, TIME, FIELDS, NONE = FIELDS };

struct object {
	struct bh_jtext v[FIELDS]; /* raw.p is NULL while absent */
};

static struct bh_jtext as_text(const char *s)
{
	struct bh_str raw = bh_str_from(s);

	return (struct bh_jtext){raw, raw.n};
}

static enum field field_of(struct bh_str key)
{
	static const char *const names[FIELDS] = {
	    [LOG] = "log", [STREAM] = "stream", [TIME] = "time"};

	for (int i = 0; i < FIELDS; i++) {
		if (strlen(names[i]) == key.n && strncasecmp(names[i], key.p, key.n) == 0)
			return (enum field)i;
	}
	return NONE;
}

/* Decodes into *text only what has escapes. */
static int plain(struct bh_jtext t, struct bh_buf *text, struct bh_str *out)
{
	int rc;

	*out = t.raw;
	if (t.escape == t.raw.n)
		return 0;
	bh_buf_clear(text);
	rc = bh_jtext_decode(t, text);
	*out = bh_buf_view(text);
	return rc;
}

/* One member. false: the line passes raw; *rc tells a failure of ours. */
static bool member(struct bh_jscan *s, struct bh_buf *text, struct object *o, int *rc)
{
	struct bh_jtext key, *value;
	struct bh_str name;
	enum field f;

	if (!bh_jscan_string(s, &key) || !bh_jscan_byte(s, ':'))
		return false;
	*rc = plain(key, text, &name);
	if (*rc)
		return false;
	f = field_of(name);
	bh_jscan_blank(s);
	if (f == NONE || (s->p < s->end && *s->p == 'n'))
		return bh_jscan_skip(s);
	value = &o->v[f];
	return bh_jscan_string(s, value);
}

static bool scan(struct bh_jscan *s, struct bh_buf *text, struct object *o, int *rc)
{
	if (!bh_jscan_byte(s, '{'))
		return false;
	if (!bh_jscan_byte(s, '}')) {
		do {
			if (!member(s, text, o, rc))
				return false;
		} while (bh_jscan_byte(s, ','));
		if (!bh_jscan_byte(s, '}'))
			return false;
	}
	bh_jscan_blank(s);
	return s->p == s->end;
}

/* Nearly every line ends in an escaped newline and has no other escape: nothing is copied then. */
static int put_content(struct bh_jtext log, struct bh_buf *text, struct bh_piece *out)
{
	struct bh_str *c = &out->content;
	int rc;

	if (log.raw.n >= 2 && log.escape == log.raw.n - 2 && log.raw.p[log.raw.n - 1] == 'n') {
		*c = (struct bh_str){log.raw.p, log.escape};
		return 0;
	}
	rc = plain(log, text, c);
	if (rc)
		return rc;
	if (c->n && c->p[c->n - 1] == '\n')
		c->n--;
	else
		out->partial = c->n > 0;
	return 0;
}

int bh_docker_parse(struct bh_buf *text, struct bh_str line, struct bh_piece *out)
{
	struct bh_jscan s = {line.p, line.n ? line.p + line.n : line.p};
	struct object o = {{as_text(""), as_text(""), as_text("")}};
	struct bh_str stream;
	int rc = 0;

	*out = bh_piece_raw(line);
	if (!scan(&s, text, &o, &rc))
		return rc;
	rc = plain(o.v[STREAM], text, &stream);
	if (rc)
		return rc;
	out->stream = bh_stream_from(stream);
	out->status = bh_stream_status(out->stream);
	return put_content(o.v[LOG], text, out);
}

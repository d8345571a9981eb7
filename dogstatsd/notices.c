#include "dogstatsd/notices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/jsonw.h"
#include "dogstatsd/sanitize.h"

void bh_notices_init(struct bh_notices *n, struct bh_resolver *resolver)
{
	*n = (struct bh_notices){.resolver = resolver};
}

void bh_notice_list_release(struct bh_notice_list *l)
{
	bh_buf_release(&l->bytes);
	free(l->v);
	*l = (struct bh_notice_list){.n = 0};
}

struct bh_notice_list bh_notices_take(struct bh_notice_list *l)
{
	struct bh_notice_list taken = *l;

	*l = (struct bh_notice_list){.n = 0};
	return taken;
}

void bh_notices_release(struct bh_notices *n)
{
	bh_notice_list_release(&n->events);
	bh_notice_list_release(&n->checks);
	bh_buf_release(&n->scratch);
}

/* --- one notice as JSON ------------------------------------------------------------------------
 */

/* Text with its invalid bytes replaced run by run; borrowed from the argument or from scratch. */
static struct bh_str clean(struct bh_notices *n, struct bh_str s)
{
	if (bh_text_is_valid(s))
		return s;
	bh_buf_clear(&n->scratch);
	return bh_text_sanitize(s, &n->scratch) ? (struct bh_str){"", 0} : bh_buf_view(&n->scratch);
}

/* Clean text with backslash n turned into a newline. */
static struct bh_str unescape(struct bh_notices *n, struct bh_str s)
{
	size_t to = 0;

	if (!memmem(s.p, s.n, "\\n", 2))
		return clean(n, s);
	bh_buf_clear(&n->scratch);
	if (bh_text_sanitize(s, &n->scratch))
		return (struct bh_str){"", 0};
	for (size_t i = 0; i < n->scratch.len; i++, to++) {
		const char *p = n->scratch.data + i;
		bool newline = p[0] == '\\' && i + 1 < n->scratch.len && p[1] == 'n';

		n->scratch.data[to] = (char)(newline ? '\n' : p[0]);
		i += newline;
	}
	n->scratch.len = to;
	return bh_buf_view(&n->scratch);
}

static void put_text(struct bh_jsonw *w, const char *key, struct bh_str s)
{
	bh_jsonw_bytes(w, key, s.p, s.n);
}

static void put_unless_empty(struct bh_jsonw *w, const char *key, struct bh_str s)
{
	if (s.n)
		put_text(w, key, s);
}

static void put_tags(struct bh_jsonw *w, struct bh_tags tags)
{
	struct bh_str tag;

	bh_jsonw_array(w, "tags");
	while (bh_tags_next(&tags, &tag))
		put_text(w, NULL, tag);
	bh_jsonw_array_end(w);
}

static void put_event(struct bh_notices *n, struct bh_jsonw *w, const struct bh_event *e,
    const struct bh_identity *id, int64_t now)
{
	bh_jsonw_object(w, NULL);
	put_text(w, "msg_title", unescape(n, e->title));
	put_text(w, "msg_text", unescape(n, e->text));
	bh_jsonw_i64(w, "timestamp", e->timestamp ? e->timestamp : now);
	put_text(w, "host", e->host.n ? clean(n, e->host) : id->host);
	bh_jsonw_str(w, "priority", e->priority);
	bh_jsonw_str(w, "alert_type", e->alert_type);
	if (id->tags.n)
		put_tags(w, id->tags);
	put_unless_empty(w, "aggregation_key", clean(n, e->key));
	put_unless_empty(w, "source_type_name", clean(n, e->source_type));
	bh_jsonw_object_end(w);
}

static void put_check(struct bh_notices *n, struct bh_jsonw *w, const struct bh_check *c,
    const struct bh_identity *id, int64_t now)
{
	bh_jsonw_object(w, NULL);
	put_text(w, "check", clean(n, c->name));
	put_text(w, "host_name", c->host.n ? clean(n, c->host) : id->host);
	bh_jsonw_i64(w, "timestamp", c->timestamp ? c->timestamp : now);
	bh_jsonw_i64(w, "status", c->status);
	put_text(w, "message", clean(n, c->message));
	put_tags(w, id->tags);
	bh_jsonw_object_end(w);
}

/* --- the lists ---------------------------------------------------------------------------------
 */

static int reserve(struct bh_notice_list *l)
{
	size_t cap = l->cap ? 2 * l->cap : 16;
	struct bh_notice *grown;

	if (l->n < l->cap)
		return 0;
	grown = realloc(l->v, cap * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	l->v = grown;
	l->cap = cap;
	return 0;
}

/* What was appended to the bytes since `at` becomes a notice, or is taken back. */
static int keep(struct bh_notices *n, struct bh_notice_list *l, size_t at, size_t source_n)
{
	int rc = bh_buf_failed(&l->bytes);

	if (rc) {
		l->bytes.len = at;
		l->bytes.failed = 0;
		return rc;
	}
	l->v[l->n++] = (struct bh_notice){
	    (uint32_t)at, (uint32_t)source_n, (uint32_t)(l->bytes.len - at - source_n)};
	n->received++;
	return 0;
}

static int begin(struct bh_notice_list *l)
{
	return l->bytes.len >= BH_NOTICES_BYTES ? BH_E_LIMIT : reserve(l);
}

int bh_notices_event(struct bh_notices *n, const struct bh_event *e, int64_t now)
{
	struct bh_notice_list *l = &n->events;
	struct bh_str source = e->source_type.n ? e->source_type : BH_STR_LIT("api");
	struct bh_identity id;
	struct bh_jsonw w;
	size_t at = l->bytes.len, source_n;
	int rc = begin(l);

	if (!rc)
		rc = bh_resolve_tags(n->resolver, e->tags, &id);
	if (rc)
		return rc;
	source = clean(n, source);
	source_n = source.n;
	(void)bh_buf_append(&l->bytes, source.p, source.n); /* failures show in keep() */
	bh_jsonw_init(&w, &l->bytes);
	put_event(n, &w, e, &id, now);
	return keep(n, l, at, source_n);
}

int bh_notices_check(struct bh_notices *n, const struct bh_check *c, int64_t now)
{
	struct bh_notice_list *l = &n->checks;
	struct bh_identity id;
	struct bh_jsonw w;
	size_t at = l->bytes.len;
	int rc = begin(l);

	if (!rc)
		rc = bh_resolve_tags(n->resolver, c->tags, &id);
	if (rc)
		return rc;
	bh_jsonw_init(&w, &l->bytes);
	put_check(n, &w, c, &id, now);
	return keep(n, l, at, 0);
}

int bh_notices_own_check(struct bh_notices *n, struct bh_str name, struct bh_str host, int64_t now)
{
	const struct bh_check check = {.name = name, .message = {"", 0}};
	const struct bh_identity id = {.host = host, .tags = {.n = 0}};
	struct bh_notice_list *l = &n->checks;
	struct bh_jsonw w;
	size_t at = l->bytes.len;
	int rc = reserve(l);

	if (rc)
		return rc;
	bh_jsonw_init(&w, &l->bytes);
	put_check(n, &w, &check, &id, now);
	return keep(n, l, at, 0);
}

/* --- payloads ----------------------------------------------------------------------------------
 */

static struct bh_str source_of(const struct bh_notice_list *l, const struct bh_notice *v)
{
	return (struct bh_str){l->bytes.data + v->at, v->source_n};
}

static struct bh_str json_of(const struct bh_notice_list *l, const struct bh_notice *v)
{
	return (struct bh_str){l->bytes.data + v->at + v->source_n, v->json_n};
}

/* Ascending sources; among equals the order of arrival. */
static int by_source(const void *va, const void *vb, void *list)
{
	const struct bh_notice *a = va, *b = vb;
	struct bh_str x = source_of(list, a), y = source_of(list, b);
	int d = memcmp(x.p, y.p, BH_MIN(x.n, y.n));

	if (d == 0)
		d = (x.n > y.n) - (x.n < y.n);
	return d ? d : (a->at > b->at) - (a->at < b->at);
}

void bh_notices_write_checks(const struct bh_notice_list *l, struct bh_payload_writer *w)
{
	const struct bh_joint joint = {BH_STR_LIT("["), BH_STR_LIT(",")};

	if (l->n == 0)
		return;
	bh_payload_writer_begin(w, BH_KIND_CHECKS, BH_STR_LIT("]"));
	for (size_t i = 0; i < l->n; i++)
		bh_payload_writer_add(w, joint, json_of(l, &l->v[i]), 1);
	bh_payload_writer_finish(w);
}

/* `before` and the head of a group: "source":[ */
static void group_head(struct bh_buf *out, const char *before, struct bh_str source)
{
	struct bh_jsonw w;

	bh_buf_clear(out);
	(void)bh_buf_str(out, before);
	bh_jsonw_init(&w, out);
	put_text(&w, NULL, source);
	(void)bh_buf_str(out, ":[");
}

void bh_notices_write_events(
    struct bh_notice_list *l, struct bh_payload_writer *w, struct bh_str hostname)
{
	struct bh_buf first = BH_BUF_INIT, next = BH_BUF_INIT, tail = BH_BUF_INIT;
	struct bh_str group = {NULL, 0};
	struct bh_jsonw tail_json;

	if (l->n == 0)
		return;
	qsort_r(l->v, l->n, sizeof(*l->v), by_source, l);
	(void)bh_buf_str(&tail, "]},\"internalHostname\":");
	bh_jsonw_init(&tail_json, &tail);
	put_text(&tail_json, NULL, hostname);
	(void)bh_buf_u8(&tail, '}');
	bh_payload_writer_begin(w, BH_KIND_EVENTS, bh_buf_view(&tail));
	for (size_t i = 0; i < l->n; i++) {
		struct bh_str source = source_of(l, &l->v[i]);
		bool same = group.p && bh_str_eq(source, group);
		struct bh_joint joint;

		if (!same) {
			group_head(&first, "{\"apiKey\":\"\",\"events\":{", source);
			group_head(&next, "],", source);
			group = source;
		}
		joint.first = bh_buf_view(&first);
		joint.next = same ? BH_STR_LIT(",") : bh_buf_view(&next);
		bh_payload_writer_add(w, joint, json_of(l, &l->v[i]), 1);
	}
	bh_payload_writer_finish(w);
	bh_buf_release(&first);
	bh_buf_release(&next);
	bh_buf_release(&tail);
}

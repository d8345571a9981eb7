#include "tests/faults/doubles.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forwarder/intake.h"
#include "forwarder/transport.h"

#define PART_BYTES 100U

void point(struct truth *t, enum world_point at)
{
	if (t->point == at && t->passage && --t->passage == 0)
		(void)raise(SIGKILL);
}

void wrong(struct truth *t, const char *fmt, ...)
{
	va_list ap;

	if (t->wrong[0])
		return;
	va_start(ap, fmt);
	(void)vsnprintf(t->wrong, sizeof(t->wrong), fmt, ap);
	va_end(ap);
}

/* --- text ----------------------------------------------------------------------------------------
 */

unsigned file_of(struct bh_str identifier)
{
	static const char prefix[] = "file:/w/";
	size_t n = sizeof(prefix) - 1;

	if (identifier.n != n + 1 || memcmp(identifier.p, prefix, n) != 0)
		return WORLD_FILES;
	return BH_MIN((unsigned)(identifier.p[n] - '0'), WORLD_FILES);
}

unsigned part_at(struct bh_str offset)
{
	unsigned v = 0;

	for (size_t i = 0; i < offset.n; i++)
		v = v * 10 + (unsigned)(offset.p[i] - '0');
	return v / PART_BYTES;
}

unsigned dest_of(const char *url)
{
	if (strncmp(url, WORLD_SECOND, sizeof(WORLD_SECOND) - 1) == 0)
		return 1;
	return strncmp(url, WORLD_THIRD, sizeof(WORLD_THIRD) - 1) == 0 ? 2 : 0;
}

static unsigned number(const char **p, const char *end)
{
	unsigned v = 0;

	while (*p < end && **p >= '0' && **p <= '9')
		v = v * 10 + (unsigned)(*(*p)++ - '0');
	return v;
}

void each_line(struct truth *t, struct bh_str body, unsigned dest,
    void (*set)(struct truth *t, struct fate *f, unsigned dest))
{
	const char *p = body.p, *end = body.p + body.n;

	while (p < end && (*p == 'f' || *p == 'm')) {
		char kind = *p++;
		unsigned a = number(&p, end), b = 0;

		if (kind == 'f' && p < end && *p++ == 'p')
			b = number(&p, end);
		if (kind == 'f' && a < WORLD_FILES && b <= WORLD_PARTS)
			set(t, &t->parts[a][b], dest);
		else if (kind == 'm' && a <= WORLD_METRICS)
			set(t, &t->metrics[a], dest);
		p++; /* the space */
	}
}

/* --- the link ------------------------------------------------------------------------------------
 */

static void put_origins(const struct sent *s, struct bh_buf *out)
{
	struct bh_origin v[WORLD_FILES];
	char texts[WORLD_FILES][3][24];
	size_t n = 0;

	for (unsigned f = 0; f < WORLD_FILES; f++) {
		if (!s->part[f])
			continue;
		(void)snprintf(texts[f][0], 24, "file:/w/%u", f);
		(void)snprintf(texts[f][1], 24, "%u", (s->part[f] - 1U) * PART_BYTES);
		(void)snprintf(texts[f][2], 24, "%u", s->part[f] * PART_BYTES);
		v[n++] = (struct bh_origin){.identifier = bh_str_from(texts[f][0]),
		    .path = bh_str_from(texts[f][0] + 5),
		    .gen = 77 + f,
		    .ino = 5 + f,
		    .offset_first = bh_str_from(texts[f][1]),
		    .offset_last = bh_str_from(texts[f][2]),
		    .marker_len = PART_BYTES,
		    .marker_hash = s->part[f]};
	}
	if (n && bh_origins_encode(v, n, out))
		abort();
}

/* A few bytes to some pages, so that rows differ in where they lie. */
static size_t padding(const struct sent *s)
{
	static const size_t sizes[] = {40, 3000, 20000, 700, 90000};

	return sizes[(s->part[0] + 2U * s->part[1] + s->metric) % BH_ARRAY_LEN(sizes)];
}

void make_payload(
    enum bh_role role, const struct sent *s, struct bh_link_data *d, struct bh_ipc_msg **msg)
{
	struct bh_buf b = BH_BUF_INIT, origins = BH_BUF_INIT;
	size_t n, at;
	char *p;

	for (unsigned f = 0; f < WORLD_FILES; f++) {
		if (s->part[f])
			(void)bh_buf_printf(&b, "f%up%u ", f, s->part[f]);
	}
	if (s->metric)
		(void)bh_buf_printf(&b, "m%u ", s->metric);
	for (n = padding(s); n > 0; n--)
		(void)bh_buf_append(&b, n % 61 ? "." : "-", 1);
	put_origins(s, &origins);
	at = b.len;
	if (bh_buf_failed(&b) || bh_ipc_msg_new(msg, b.len + origins.len))
		abort();
	p = bh_ipc_msg_data(*msg);
	memcpy(p, b.data, b.len);
	if (origins.len)
		memcpy(p + at, origins.data, origins.len);
	*d = (struct bh_link_data){
	    .kind = role == BH_ROLE_LOGS ? BH_KIND_LOGS : BH_KIND_SERIES_V2,
	    .encoding = BH_ENC_IDENTITY,
	    .items = 1U + (s->part[0] && s->part[1]),
	    .raw_len = at,
	    .body = {p, at},
	    .origins = {p + at, origins.len},
	};
	bh_buf_release(&b);
	bh_buf_release(&origins);
}

void note_acked(struct truth *t, enum bh_role role, const struct bh_receiver *r)
{
	struct stream *s = stream_of(t, role);

	if (r->epoch != s->epoch)
		return;
	for (uint64_t seq = 1; seq < s->next_seq; seq++) {
		struct sent *w = &s->window[seq];

		if (w->acked || !bh_receiver_durable(r, seq))
			continue;
		w->acked = true;
		if (w->unreadable && r->refused != seq)
			wrong(t, "seq %llu is durable, and was refused without a word",
			    (unsigned long long)seq);
		for (unsigned f = 0; f < WORLD_FILES; f++) {
			if (w->part[f])
				t->parts[f][w->part[f]].acked = 1;
		}
		if (w->metric)
			t->metrics[w->metric].acked = 1;
	}
}

struct bh_receiver *bh_intake_receiver(struct bh_intake *in, enum bh_role producer)
{
	return &in->receivers[producer];
}

void bh_intake_ack(
    struct bh_intake *in, enum bh_role producer, enum bh_store_state store, bool credit)
{
	struct stream *s = stream_of(in->truth, producer);

	in->truth->full += store == BH_STORE_FULL;
	s->credit = credit;
	if (in->receivers[producer].epoch != s->epoch)
		return;
	point(in->truth, POINT_AFTER_COMMIT_BEFORE_ACK);
	note_acked(in->truth, producer, &in->receivers[producer]);
}

void bh_intake_fence_ack(struct bh_intake *in, enum bh_role producer, uint64_t seq)
{
	const struct bh_receiver *r = &in->receivers[producer];

	if (r->base < seq)
		wrong(in->truth, "FENCE_ACK of %llu, base %llu", (unsigned long long)seq,
		    (unsigned long long)r->base);
}

int bh_resume_add(struct bh_resume_writer *w, const struct bh_origin *row)
{
	unsigned f = file_of(row->identifier);

	if (f < WORLD_FILES)
		w->safe[f] = part_at(row->offset_last);
	point(w->truth, POINT_IN_RESUME);
	return 0;
}

/* --- the network ---------------------------------------------------------------------------------
 */

int bh_transport_start(struct bh_transport *t, const struct bh_http_request *req, void *token)
{
	if (t->n == TRANSPORT_MAX)
		return BH_E_NET;
	t->requests[t->n++] = (struct under_way){
	    .token = token,
	    .key = req->check_key,
	    .body = req->body,
	    .lender = req->lender,
	    .dest = dest_of(req->url),
	};
	return 0;
}

void bh_transport_cancel_all(struct bh_transport *t)
{
	while (t->n)
		free(t->requests[--t->n].sent);
}

int bh_transport_set_key(struct bh_transport *t, unsigned key, const char *text)
{
	(void)t;
	(void)key;
	(void)text;
	return 0;
}

bool bh_transport_key_is(const struct bh_transport *t, unsigned key, const char *text)
{
	(void)t;
	(void)key;
	(void)text;
	return false;
}

/* The line before it has ended, unless there is none, or it is a metric. */
static void look_at_order(struct truth *t, const struct fate *f, unsigned dest)
{
	for (unsigned file = 0; file < WORLD_FILES; file++) {
		const struct fate *parts = t->parts[file];

		if (f > &parts[1] && f <= &parts[WORLD_PARTS] &&
		    !((f[-1].taken | f[-1].dropped) >> dest & 1))
			wrong(t, "I12: file %u part %td came before the one before it", file,
			    f - parts);
	}
}

static void take(struct truth *t, struct fate *f, unsigned dest)
{
	if (t->in_order)
		look_at_order(t, f, dest);
	t->repeats[dest] += f->taken >> dest & 1;
	t->open[dest]++;
	f->taken |= (uint8_t)(1U << dest);
}

static void drop(struct truth *t, struct fate *f, unsigned dest)
{
	(void)t;
	f->dropped |= (uint8_t)(1U << dest);
}

/* The connection was dead: what was given back is wanted once more. */
static void send_again(struct bh_transport *t, struct bh_custody *c, struct under_way *r)
{
	struct bh_str again = {NULL, 0};

	r->failed = !r->lender->lend(c, r->token, &again);
	if (r->failed)
		return;
	if (again.n != r->body.n || memcmp(again.p, r->sent, again.n) != 0)
		wrong(t->truth, "a body that was lent again is another one");
	r->lender->returned(c, r->token);
}

void send_requests(struct bh_transport *t, struct bh_custody *c)
{
	for (size_t i = 0; i < t->n; i++) {
		struct under_way *r = &t->requests[i];

		if (!r->lender || r->sent)
			continue;
		r->sent = malloc(r->body.n + 1);
		if (!r->sent)
			abort();
		memcpy(r->sent, r->body.p, r->body.n);
		r->body.p = r->sent;
		r->lender->returned(c, r->token);
		if (r->body.n % 3 == 0)
			send_again(t, c, r);
	}
}

void answer_requests(
    struct bh_transport *t, struct bh_custody *c, unsigned dest, size_t n, long status)
{
	send_requests(t, c);
	for (size_t at = 0; n > 0 && at < t->n;) {
		struct under_way r = t->requests[at];
		struct bh_http_result result = {.status = r.key ? 200 : status};

		if (r.dest != dest) {
			at++;
			continue;
		}
		n--;
		memmove(t->requests + at, t->requests + at + 1, (--t->n - at) * sizeof(r));
		if (r.failed)
			result.status = 0;
		else if (!r.key && status / 100 == 2)
			each_line(t->truth, r.body, dest, take);
		else if (!r.key && status == 400)
			each_line(t->truth, r.body, dest, drop);
		bh_custody_http_done(c, r.token, &result);
		free(r.sent);
		if (!r.failed && !r.key && status / 100 == 2)
			point(t->truth, POINT_AFTER_2XX_BEFORE_COMMIT);
	}
}

#include "forwarder/questions.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/err.h"
#include "forwarder/registry_file.h"

#define ROWS_PER_TURN 256

static void end(struct bh_questions *q, uint32_t id, const char *text)
{
	bh_child_row(q->child, id, BH_ROW_END, "", text, 0, 0);
}

/* --- rows
 * ----------------------------------------------------------------------------------------- */

struct picture {
	struct bh_buf *rows;
	struct bh_str identifier; /* empty = every one */
};

static int draw(void *ctx, const struct bh_generation *g)
{
	struct picture *p = ctx;
	uint64_t open = 0;
	int rc;

	if (bh_origin_is_source(g->row.identifier, NULL) ||
	    (p->identifier.n && !bh_str_eq(p->identifier, g->row.identifier)))
		return 0;
	rc = bh_origin_encode(&g->row, p->rows);
	if (rc)
		return rc;
	open = bh_generation_outstanding(g);
	(void)bh_buf_u8(p->rows, bh_generation_imported(g));
	return bh_buf_u64(p->rows, open);
}

static void drop_list(struct bh_questions *q)
{
	bh_timer_cancel(&q->timer);
	bh_buf_release(&q->rows);
	q->sent = 0;
}

static void send_rows(struct bh_timer *t)
{
	struct bh_questions *q = BH_CONTAINER(t, struct bh_questions, timer);
	struct bh_cur cur = bh_cur_init(q->rows.data + q->sent, q->rows.len - q->sent);

	for (int i = 0; i < ROWS_PER_TURN && cur.left; i++) {
		struct bh_str record = bh_cur_blob(&cur);
		bool imported = bh_cur_u8(&cur);
		uint64_t open = bh_cur_u64(&cur);

		bh_child_record(q->child, q->id, record);
		bh_child_row(
		    q->child, q->id, BH_ROW_REGISTRY, "", imported ? "imported" : "", open, 0);
	}
	q->sent = q->rows.len - cur.left;
	if (cur.left) {
		bh_timer_in(&q->child->loop, &q->timer, 0, send_rows);
		return;
	}
	end(q, q->id, "");
	drop_list(q);
}

static void list(struct bh_questions *q, const struct bh_child_query *query)
{
	struct picture p = {&q->rows, query->arg};
	int rc;

	drop_list(q); /* the supervisor asks again only when it gave up */
	q->id = query->id;
	rc = bh_positions_each(bh_custody_positions(q->custody), draw, &p);
	if (rc) {
		end(q, query->id, bh_err_name(rc));
		drop_list(q);
	} else if (q->rows.len == 0) {
		end(q, query->id, query->arg.n ? "the registry has no such identifier" : "");
	} else {
		send_rows(&q->timer);
	}
}

/* --- changes
 * -------------------------------------------------------------------------------------- */

static void forget(struct bh_questions *q, const struct bh_child_query *query)
{
	size_t n = 0;
	int rc = bh_custody_forget(q->custody, query->arg, q->logs_running, &n);

	if (rc == BH_E_STATE)
		end(q, query->id,
		    "the logs process tails it: take it out of the configuration, or stop logs "
		    "first");
	else if (rc)
		end(q, query->id, bh_err_name(rc));
	else if (n == 0)
		end(q, query->id, "the registry has no such identifier");
	if (rc || n == 0)
		return;
	bh_child_row(q->child, query->id, BH_ROW_COUNT, "forgotten", "", n, 0);
	end(q, query->id, "");
}

static void import_counts(struct bh_questions *q, uint32_t id, const struct bh_registry_import *in)
{
	bh_child_row(q->child, id, BH_ROW_COUNT, "version", "", (uint64_t)in->file.version, 0);
	bh_child_row(q->child, id, BH_ROW_COUNT, "imported", "", in->imported, 0);
	bh_child_row(q->child, id, BH_ROW_COUNT, "skipped", "", in->skipped, 0);
	bh_child_row(q->child, id, BH_ROW_COUNT, "ignored", "", in->file.ignored, 0);
	end(q, id, "");
}

static void import(struct bh_questions *q, const struct bh_child_query *query)
{
	struct bh_buf file = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	struct bh_registry_import in = {0};
	int rc = query->fd < 0 ? -EBADF : bh_registry_read(query->fd, "the file", &file, &err);
	char text[BH_CTL_TEXT_MAX + 1];

	if (!rc)
		rc = bh_custody_import(q->custody, file.data ? file.data : "", file.len, &in);
	bh_buf_release(&file);
	if (!rc) {
		import_counts(q, query->id, &in);
		return;
	}
	if (rc == BH_E_FORMAT)
		(void)snprintf(text, sizeof(text), "byte %zu: %s", in.file.position, in.file.text);
	else
		(void)snprintf(text, sizeof(text), "%.*s", BH_CTL_TEXT_MAX,
		    err.text[0] ? err.text : bh_err_name(rc));
	end(q, query->id, text);
}

static void quarantine(struct bh_questions *q, const struct bh_child_query *query)
{
	const struct bh_quarantine *kept = bh_custody_kept(q->custody);

	bh_child_row(q->child, query->id, BH_ROW_COUNT, "payloads", "", kept->rows, 0);
	bh_child_row(q->child, query->id, BH_ROW_COUNT, "items", "", kept->items, 0);
	bh_child_row(q->child, query->id, BH_ROW_COUNT, "bytes", "", kept->bytes, 0);
	end(q, query->id, "");
}

static void replay(struct bh_questions *q, const struct bh_child_query *query)
{
	const struct bh_spool_request all = {.verb = BH_SPOOL_REPLAY, .older_s = -1};
	struct bh_spool_walk again;
	int rc = bh_custody_replay(q->custody, &all, &again);

	bh_child_row(q->child, query->id, BH_ROW_COUNT, "replayed", "", again.items, 0);
	if (rc == -ENOSPC)
		end(q, query->id, "the spool is full: free disk space and ask again");
	else
		end(q, query->id, rc ? bh_err_name(rc) : "");
}

static void diagnose(struct bh_questions *q, const struct bh_child_query *query)
{
	struct bh_buf line = BH_BUF_INIT;
	const char *keys[BH_DESTS_CONFIGURED];
	int rc;

	for (unsigned i = 0; i < q->endpoints->keys_n; i++)
		keys[i] = bh_transport_key(q->transport, i);
	rc = query->fd < 0 ? 0
			   : bh_diagnose_start(
				 &q->diagnose, &q->child->config, q->endpoints, keys, query->fd);

	if (!rc)
		return;
	bh_spool_put_error(
	    rc == -EAGAIN ? "another diagnosis is under way: ask again" : bh_err_name(rc), &line);
	(void)!send(query->fd, line.data, line.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	bh_buf_release(&line);
}

void bh_questions_take(struct bh_questions *q, const struct bh_child_query *query)
{
	switch (query->what) {
	case BH_QUERY_REGISTRY:
		list(q, query);
		return;
	case BH_QUERY_FORGET:
		forget(q, query);
		return;
	case BH_QUERY_IMPORT:
		import(q, query);
		return;
	case BH_QUERY_QUARANTINE:
		quarantine(q, query);
		return;
	case BH_QUERY_REPLAY:
		replay(q, query);
		return;
	case BH_QUERY_SPOOL:
	case BH_QUERY_SPOOL_CHANGE:
		bh_spool_session_take(
		    &q->spool, query->arg, query->what == BH_QUERY_SPOOL_CHANGE, query->fd);
		return;
	case BH_QUERY_DIAGNOSE:
		diagnose(q, query);
		return;
	case BH_QUERY_METRICS:
	case BH_QUERY_CONTEXTS:
	case BH_QUERY_SENDERS:
		break;
	}
	end(q, query->id, "not a question to the forwarder");
}

void bh_questions_release(struct bh_questions *q)
{
	drop_list(q);
	bh_spool_session_end(&q->spool);
	bh_diagnose_stop(&q->diagnose);
}

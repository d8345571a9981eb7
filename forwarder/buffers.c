#include "forwarder/buffers.h"

#include <stdio.h>
#include <string.h>

void bh_buffer_in(struct bh_buffer *b, uint64_t events, uint64_t bytes)
{
	b->received.events += events;
	b->received.bytes += bytes;
}

void bh_buffer_out(struct bh_buffer *b, uint64_t events, uint64_t bytes)
{
	b->sent.events += events;
	b->sent.bytes += bytes;
}

void bh_buffer_lost(struct bh_buffer *b, enum bh_drop reason, uint64_t events, uint64_t bytes)
{
	b->discarded[reason].events += events;
	b->discarded[reason].bytes += bytes;
}

/* Bytes have one end: delivered, when some of it was. */
void bh_buffer_end(struct bh_buffer *b, bool logs, const struct bh_ledger *ends, uint64_t bytes)
{
	bool counted = ends->delivered > 0;

	if (counted)
		bh_buffer_out(b, bh_buffer_events(logs, ends->delivered, 1), bytes);
	for (int r = 0; r < BH_DROP__N; r++) {
		if (!ends->dropped[r] || (counted && !logs))
			continue;
		bh_buffer_lost(b, (enum bh_drop)r, bh_buffer_events(logs, ends->dropped[r], 1),
		    counted ? 0 : bytes);
		counted = true;
	}
}

void bh_buffer_add(struct bh_buffer *sum, const struct bh_buffer *b)
{
	bh_buffer_in(sum, b->received.events, b->received.bytes);
	bh_buffer_out(sum, b->sent.events, b->sent.bytes);
	for (int r = 0; r < BH_DROP__N; r++)
		bh_buffer_lost(sum, (enum bh_drop)r, b->discarded[r].events, b->discarded[r].bytes);
}

struct bh_str bh_buffer_host(const char *url)
{
	const char *p = strstr(url, "://");

	p = p ? p + 3 : url;
	if (*p == '[')
		return (struct bh_str){p, strcspn(p, "]") + (strchr(p, ']') != NULL)};
	return (struct bh_str){p, strcspn(p, ":/")};
}

static void stat_count(
    struct bh_child *child, const char *prefix, const char *what, const struct bh_buffer_count *n)
{
	char name[BH_LEDGER_NAME_MAX + 1];

	(void)snprintf(name, sizeof(name), "%s/%s_events", prefix, what);
	bh_child_stat_number(child, name, n->events);
	(void)snprintf(name, sizeof(name), "%s/%s_bytes", prefix, what);
	bh_child_stat_number(child, name, n->bytes);
}

void bh_buffer_stats(const struct bh_buffer *b, const char *name, struct bh_str host,
    struct bh_buffer_count size, struct bh_child *child)
{
	char prefix[BH_LEDGER_NAME_MAX - 60], what[48];

	(void)snprintf(prefix, sizeof(prefix), "buffer/%s:%.*s", name,
	    (int)BH_MIN(host.n, (size_t)100), host.p);
	stat_count(child, prefix, "size", &size);
	stat_count(child, prefix, "received", &b->received);
	stat_count(child, prefix, "sent", &b->sent);
	for (int r = 0; r < BH_DROP__N; r++) {
		if (!b->discarded[r].events)
			continue;
		(void)snprintf(what, sizeof(what), "%s/discarded", bh_drop_name((enum bh_drop)r));
		stat_count(child, prefix, what, &b->discarded[r]);
	}
}

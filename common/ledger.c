#include "common/ledger.h"

#include <string.h>

#include "common/err.h"

const char *bh_drop_name(enum bh_drop reason)
{
	static const char *const names[BH_DROP__N] = {
	    [BH_DROP_PARSE_ERROR] = "parse_error",
	    [BH_DROP_UNTERMINATED] = "unterminated",
	    [BH_DROP_TRUNCATED] = "truncated_datagram",
	    [BH_DROP_KERNEL] = "kernel",
	    [BH_DROP_UNSUPPORTED] = "unsupported",
	    [BH_DROP_NONFINITE] = "nonfinite",
	    [BH_DROP_FILTERED] = "filtered",
	    [BH_DROP_CONTEXT_LIMIT] = "context_limit",
	    [BH_DROP_EMPTY] = "empty",
	    [BH_DROP_TOO_LARGE] = "too_large",
	    [BH_DROP_QUEUE_FULL] = "queue_full",
	    [BH_DROP_SPOOL_FULL] = "spool_full",
	    [BH_DROP_DISK_FULL] = "disk_full",
	    [BH_DROP_EXPIRED] = "expired",
	    [BH_DROP_CORRUPT] = "corrupt",
	    [BH_DROP_REFUSED_400] = "status_400",
	    [BH_DROP_REFUSED_401] = "status_401",
	    [BH_DROP_REFUSED_403] = "status_403",
	    [BH_DROP_REFUSED_413] = "status_413",
	    [BH_DROP_REFUSED_LINK] = "refused_by_link",
	    [BH_DROP_SHUTDOWN] = "shutdown",
	    [BH_DROP_GENERATION_LOST] = "generation_lost",
	    [BH_DROP_NO_MEMORY] = "no_memory",
	    [BH_DROP_UNPROVEN] = "unproven",
	    [BH_DROP_INTERRUPTED] = "interrupted",
	    [BH_DROP_PURGED] = "purged",
	};

	return names[reason];
}

const char *bh_ledger_kind_name(enum bh_ledger_kind kind)
{
	static const char *const names[BH_LEDGER__N] = {
	    [BH_LEDGER_LISTENER] = "listener",
	    [BH_LEDGER_SOURCE] = "source",
	    [BH_LEDGER_HANDOVER] = "handover",
	    [BH_LEDGER_DESTINATION] = "destination",
	};

	return names[kind];
}

uint64_t bh_ledger_dropped(const struct bh_ledger *l)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < BH_DROP__N; i++)
		sum += l->dropped[i];
	return sum;
}

int64_t bh_ledger_gap(const struct bh_ledger *l)
{
	return (int64_t)(l->received -
			 (l->delivered + l->spooled + l->in_flight + bh_ledger_dropped(l)));
}

void bh_ledger_add(struct bh_ledger *sum, const struct bh_ledger *l)
{
	sum->received += l->received;
	sum->delivered += l->delivered;
	sum->spooled += l->spooled;
	sum->in_flight += l->in_flight;
	for (size_t i = 0; i < BH_DROP__N; i++)
		sum->dropped[i] += l->dropped[i];
}

void bh_ledger_row_set(struct bh_ledger_row *row, enum bh_ledger_kind kind, const char *name,
    size_t n, const struct bh_ledger *l)
{
	static const char gap[] = "...";
	const size_t head = BH_LEDGER_NAME_MAX / 2;
	const size_t tail = BH_LEDGER_NAME_MAX - head - (sizeof(gap) - 1);

	row->kind = kind;
	row->l = *l;
	if (n <= BH_LEDGER_NAME_MAX) {
		memcpy(row->name, name, n);
		row->name[n] = '\0';
		return;
	}
	memcpy(row->name, name, head);
	memcpy(row->name + head, gap, sizeof(gap) - 1);
	memcpy(row->name + head + sizeof(gap) - 1, name + n - tail, tail);
	row->name[BH_LEDGER_NAME_MAX] = '\0';
}

int bh_ledger_row_encode(const struct bh_ledger_row *row, struct bh_buf *out)
{
	size_t n = strlen(row->name);
	uint8_t reasons = 0;

	for (size_t i = 0; i < BH_DROP__N; i++)
		reasons = (uint8_t)(reasons + (row->l.dropped[i] != 0));
	(void)bh_buf_u8(out, (uint8_t)row->kind);
	(void)bh_buf_u8(out, (uint8_t)n);
	(void)bh_buf_append(out, row->name, n);
	(void)bh_buf_u64(out, row->l.received);
	(void)bh_buf_u64(out, row->l.delivered);
	(void)bh_buf_u64(out, row->l.spooled);
	(void)bh_buf_u64(out, row->l.in_flight);
	(void)bh_buf_u8(out, reasons);
	for (size_t i = 0; i < BH_DROP__N; i++) {
		if (!row->l.dropped[i])
			continue;
		(void)bh_buf_u8(out, (uint8_t)i);
		(void)bh_buf_u64(out, row->l.dropped[i]);
	}
	return bh_buf_failed(out);
}

int bh_ledger_row_decode(struct bh_cur *in, struct bh_ledger_row *row)
{
	uint8_t kind = bh_cur_u8(in);
	uint8_t n = bh_cur_u8(in);
	struct bh_str name = bh_cur_take(in, n);
	uint8_t reasons;

	memset(row, 0, sizeof(*row));
	if (in->failed || kind >= BH_LEDGER__N || n > BH_LEDGER_NAME_MAX)
		return BH_E_FORMAT;
	if (name.n && memchr(name.p, '\0', name.n))
		return BH_E_FORMAT;
	row->kind = (enum bh_ledger_kind)kind;
	if (name.n)
		memcpy(row->name, name.p, name.n);
	row->l.received = bh_cur_u64(in);
	row->l.delivered = bh_cur_u64(in);
	row->l.spooled = bh_cur_u64(in);
	row->l.in_flight = bh_cur_u64(in);
	reasons = bh_cur_u8(in);
	for (uint8_t i = 0; i < reasons && !in->failed; i++) {
		uint8_t reason = bh_cur_u8(in);
		uint64_t count = bh_cur_u64(in);

		if (reason >= BH_DROP__N)
			return BH_E_FORMAT;
		row->l.dropped[reason] = count;
	}
	return in->failed ? BH_E_FORMAT : 0;
}

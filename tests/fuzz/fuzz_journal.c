/* Any fields give one line of valid JSON within the bound, and MESSAGE put back unchanged gives the
 * same text. A value may be repeated, so that the bounds are reached with small inputs. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "logs-agent/journal_entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char empty[] = "";

static void add_repeated(
    struct bh_journal_entry *e, struct bh_str name, struct bh_str part, unsigned times)
{
	struct bh_buf value = BH_BUF_INIT;

	for (unsigned i = 0; i < times; i++)
		(void)bh_buf_append(&value, part.p, part.n);
	if (bh_buf_failed(&value) ||
	    bh_journal_entry_add(e, name, bh_buf_view(&value), name.n + value.len + 1))
		abort();
	bh_buf_release(&value);
}

/* Fields: a byte for the name's length (0: MESSAGE), two for the value's, one that says how often
 * the value is repeated, name, value. */
static void fill(struct bh_journal_entry *e, struct bh_cur *c)
{
	while (c->left && !c->failed) {
		uint8_t name_n = bh_cur_u8(c) % 32;
		uint16_t value_n = bh_cur_u16(c) % 512;
		uint8_t times = bh_cur_u8(c);
		struct bh_str name = bh_cur_take(c, name_n), value;

		value = bh_cur_take(c, value_n < c->left ? value_n : c->left);
		if (!name_n)
			name = BH_STR_LIT("MESSAGE");
		if (name.n && memchr(name.p, 0, name.n)) /* jansson takes no NUL in keys */
			continue;
		add_repeated(e, name, value, times < 250 ? times % 4u : times * 16u);
	}
}

static void check(const struct bh_journal_text *t, bool raw, struct bh_buf *again)
{
	json_t *j = json_loadb(t->content.p, t->content.n, JSON_ALLOW_NUL, NULL);

	if (!j || t->content.n > BH_JOURNAL_TEXT_MAX)
		abort();
	json_decref(j);
	for (size_t i = 0; i < t->content.n; i++) {
		if ((unsigned char)t->content.p[i] < 0x20)
			abort();
	}
	if (raw || !t->head.n)
		return;
	if (bh_journal_put_back(again, t, t->subject) || !bh_str_eq(bh_buf_view(again), t->content))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bh_cur c = bh_cur_init(data, size);
	uint8_t flags = bh_cur_u8(&c);
	struct bh_log_source src = {
	    .process_raw_message = flags & 1,
	    .container_mode = (flags & 2) != 0,
	    .default_application_name = empty,
	};
	size_t limit = flags & 4 ? BH_JOURNAL_TEXT_MAX * 2 : bh_cur_u16(&c);
	struct bh_journal_entry e = {0};
	struct bh_buf again = BH_BUF_INIT;
	struct bh_journal_text t;

	fill(&e, &c);
	(void)bh_journal_entry_excluded(&e, &src);
	if (bh_journal_entry_text(&e, &src, limit, &t))
		abort();
	check(&t, src.process_raw_message, &again);
	bh_journal_entry_release(&e);
	bh_buf_release(&again);
	return 0;
}

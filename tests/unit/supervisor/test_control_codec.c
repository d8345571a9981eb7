#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "proto/control.h"

static struct bh_ctl_msg message(enum bh_ctl_type type)
{
	struct bh_ctl_msg m;

	memset(&m, 0, sizeof(m));
	m.type = type;
	m.generation = 7;
	m.id = 42;
	return m;
}

static struct bh_ctl_msg drained(void)
{
	struct bh_ctl_msg m = message(BH_CTL_DRAIN_ACK);

	m.u.drained = (struct bh_ctl_drained){
	    true, 1, 2, 3, 4, 5, 2, {{BH_ROLE_DOGSTATSD, 11, 12}, {BH_ROLE_LOGS, UINT64_MAX, 14}}};
	return m;
}

static struct bh_ctl_msg ledger_row(void)
{
	struct bh_ctl_msg m = message(BH_CTL_STATS_REPLY);
	struct bh_ledger l = {.received = 10, .delivered = 4, .spooled = 3, .in_flight = 1};

	bh_ledger_drop(&l, BH_DROP_EMPTY, 2);
	m.u.stat.type = BH_STAT_LEDGER;
	bh_ledger_row_set(&m.u.stat.row, BH_LEDGER_SOURCE, "/var/log/x", 10, &l);
	return m;
}

static struct bh_ctl_msg stat(enum bh_stat_type type, const char *name, const char *text)
{
	struct bh_ctl_msg m = message(BH_CTL_STATS_REPLY);

	m.u.stat.type = type;
	(void)snprintf(m.u.stat.name, sizeof(m.u.stat.name), "%s", name);
	(void)snprintf(m.u.stat.text, sizeof(m.u.stat.text), "%s", text);
	if (type == BH_STAT_NUMBER)
		m.u.stat.number = 1ULL << 40;
	return m;
}

/* One of every message, with every field set. */
static size_t samples(struct bh_ctl_msg *m)
{
	size_t n = 0;

	m[n] = message(BH_CTL_HELLO);
	m[n].u.hello.role = BH_ROLE_LOGS;
	m[n++].u.hello.pid = 1234;
	m[n] = message(BH_CTL_READY);
	m[n++].u.rights = (struct bh_rights){.uid = 998,
	    .gid = 997,
	    .cap_effective = 1ULL << 2,
	    .cap_bounding = 1ULL << 40,
	    .no_new_privs = true,
	    .seccomp = 2,
	    .landlock_abi = 7,
	    .landlock_rules = 512,
	    .own_network = true,
	    .gaps = 1u << BH_GAP_UID};
	m[n++] = message(BH_CTL_AGAIN);
	m[n] = message(BH_CTL_HEARTBEAT);
	m[n++].u.heartbeat = (struct bh_ctl_heartbeat){1, 2, 3, true, false};
	m[n] = message(BH_CTL_DRAIN_PROGRESS);
	m[n++].u.heartbeat = (struct bh_ctl_heartbeat){UINT64_MAX, 0, 9, false, true};
	m[n++] = drained();
	m[n++] = ledger_row();
	m[n++] = stat(BH_STAT_NUMBER, "spool.rows", "");
	m[n++] = stat(BH_STAT_NOTE, "source./x", "permission denied");
	m[n++] = stat(BH_STAT_END, "", "");
	m[n] = message(BH_CTL_DRAIN);
	m[n].u.drain.deadline_ms = 10000;
	m[n++].u.drain.mode = BH_DRAIN_SPOOL_ONLY;
	m[n++] = message(BH_CTL_EXIT);
	m[n] = message(BH_CTL_PEER_STATE);
	m[n].u.peer.role = BH_ROLE_FORWARDER;
	m[n++].u.peer.running = true;
	m[n++] = message(BH_CTL_STATS);
	m[n] = message(BH_CTL_QUERY);
	m[n].u.query.what = BH_QUERY_CONTEXTS;
	m[n++].u.query.limit = 500;
	m[n] = message(BH_CTL_QUERY_ROW);
	m[n++].u.row = (struct bh_query_row){BH_ROW_METRIC, "a.b", "x:1 y", 7, -1};
	m[n] = message(BH_CTL_CAPTURE);
	m[n++].u.capture_seconds = 60;
	m[n++] = message(BH_CTL_STREAM);
	m[n] = message(BH_CTL_STREAM);
	m[n++].u.stream = (struct bh_stream_filter){"nginx", "web"};
	m[n++] = message(BH_CTL_RELOAD);
	m[n++] = message(BH_CTL_KEY_REFUSED);
	m[n++] = message(BH_CTL_LOG);
	m[n] = message(BH_CTL_RELOADED);
	m[n++].u.reloaded = (struct bh_ctl_reloaded){true, {1, 2, 3, UINT32_MAX}};
	m[n] = message(BH_CTL_QUERY_PART);
	m[n++].u.part = BH_STR_LIT("\0any\xff bytes");
	m[n] = message(BH_CTL_QUERY_ARG);
	m[n++].u.part = BH_STR_LIT("file:/var/log/x");
	m[n] = message(BH_CTL_LEDGER);
	m[n++].u.part = BH_STR_LIT("rows");
	m[n] = message(BH_CTL_FIGURES);
	m[n++].u.part = BH_STR_LIT("figures");
	m[n] = ledger_row();
	m[n++].u.stat.type = BH_STAT_KEPT;
	return n;
}

#define SAMPLES_MAX 28

/* Its content is all that is left of the message: any length but none will do. */
static bool is_part(const struct bh_ctl_msg *m)
{
	return m->type == BH_CTL_QUERY_PART || m->type == BH_CTL_QUERY_ARG ||
	       m->type == BH_CTL_LEDGER || m->type == BH_CTL_FIGURES;
}

Test(control_codec, every_message_comes_back_as_it_was)
{
	static struct bh_ctl_msg all[SAMPLES_MAX];
	struct bh_buf a = BH_BUF_INIT, b = BH_BUF_INIT;
	size_t n = samples(all);

	for (size_t i = 0; i < n; i++) {
		static struct bh_ctl_msg back;

		cr_assert_eq(bh_ctl_encode(&all[i], &a), 0);
		cr_assert_eq(bh_ctl_decode(a.data, a.len, &back), 0, "sample %zu", i);
		cr_assert_eq(bh_ctl_encode(&back, &b), 0);
		if (is_part(&back)) {
			cr_assert(bh_str_eq(back.u.part, all[i].u.part), "sample %zu", i);
			back.u.part.p = all[i].u.part.p; /* each borrows from its own message */
		}
		cr_assert_eq(memcmp(&back, &all[i], sizeof(back)), 0, "sample %zu", i);
		cr_assert(bh_str_eq(bh_buf_view(&a), bh_buf_view(&b)), "sample %zu", i);
	}
	bh_buf_release(&a);
	bh_buf_release(&b);
}

Test(control_codec, a_drain_ack_has_the_bytes_of_the_specification)
{
	static const unsigned char want[] = {5, 0, 3, 0, 7, 0, 0, 0, 42, 0, 0, 0, 76, 0, 0,
	    0, /* head */
	    1, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0,
	    0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 2, /* streams */ 1, 11, 0, 0, 0, 0, 0, 0, 0, 12, 0,
	    0, 0, 0, 0, 0, 0, 2, 255, 255, 255, 255, 255, 255, 255, 255, 14, 0, 0, 0, 0, 0, 0, 0};
	struct bh_ctl_msg m = drained();
	struct bh_buf a = BH_BUF_INIT;

	cr_assert_eq(bh_ctl_encode(&m, &a), 0);
	cr_assert_eq(a.len, sizeof(want));
	cr_assert_eq(memcmp(a.data, want, sizeof(want)), 0);
	bh_buf_release(&a);
}

Test(control_codec, a_message_that_is_cut_or_longer_is_refused)
{
	static struct bh_ctl_msg all[SAMPLES_MAX];
	struct bh_buf a = BH_BUF_INIT;
	size_t n = samples(all);

	for (size_t i = 0; i < n; i++) {
		static struct bh_ctl_msg back;

		cr_assert_eq(bh_ctl_encode(&all[i], &a), 0);
		for (size_t cut = 0; cut < a.len; cut++) {
			cr_assert_eq(bh_ctl_decode(a.data, cut, &back), BH_E_FORMAT,
			    "sample %zu cut at %zu", i, cut);
			if (cut >= BH_CTL_HEAD && (!is_part(&all[i]) || cut == BH_CTL_HEAD)) {
				/* also when the length field agrees with the cut */
				char head[BH_CTL_MSG_MAX];

				memcpy(head, a.data, cut);
				head[12] = (char)(cut - BH_CTL_HEAD);
				head[13] = (char)((cut - BH_CTL_HEAD) >> 8);
				cr_assert_eq(bh_ctl_decode(head, cut, &back), BH_E_FORMAT,
				    "sample %zu shortened to %zu", i, cut);
			}
		}
		cr_assert_eq(bh_buf_u8(&a, 0), 0);
		cr_assert_eq(bh_ctl_decode(a.data, a.len, &back), BH_E_FORMAT, "sample %zu + 1", i);
	}
	bh_buf_release(&a);
}

Test(control_codec, a_part_has_a_bound)
{
	static char bytes[BH_CTL_PART_MAX + 1];
	struct bh_ctl_msg m = message(BH_CTL_QUERY_PART), back;
	struct bh_buf a = BH_BUF_INIT;

	m.u.part = (struct bh_str){bytes, 0};
	cr_expect_eq(bh_ctl_encode(&m, &a), BH_E_LIMIT);
	m.u.part.n = BH_CTL_PART_MAX + 1;
	cr_expect_eq(bh_ctl_encode(&m, &a), BH_E_LIMIT);
	m.u.part.n = BH_CTL_PART_MAX;
	cr_assert_eq(bh_ctl_encode(&m, &a), 0);
	cr_expect_eq(bh_ctl_decode(a.data, a.len, &back), 0);
	cr_assert_eq(bh_buf_u8(&a, 0), 0);
	a.data[12]++;
	cr_expect_eq(bh_ctl_decode(a.data, a.len, &back), BH_E_FORMAT);
	bh_buf_release(&a);
}

Test(control_codec, figures_come_back_one_behind_the_other)
{
	static const struct bh_figure figures[] = {
	    {true, "bulkhead.a_total", "k:v,l:w", 7},
	    {false, "bulkhead.b", "", 0.125},
	};
	struct bh_buf bytes = BH_BUF_INIT;
	struct bh_figure back;
	struct bh_cur in;

	for (size_t i = 0; i < BH_ARRAY_LEN(figures); i++)
		cr_assert_eq(bh_figure_encode(&figures[i], &bytes), 0);
	in = bh_cur_init(bytes.data, bytes.len);
	for (size_t i = 0; i < BH_ARRAY_LEN(figures); i++) {
		cr_assert_eq(bh_figure_decode(&in, &back), 0);
		cr_assert_eq(back.is_count, figures[i].is_count);
		cr_assert_eq(back.value, figures[i].value);
		cr_assert_str_eq(back.name, figures[i].name);
		cr_assert_str_eq(back.tags, figures[i].tags);
	}
	cr_assert_eq(in.left, 0);
	for (size_t cut = 1; cut < 20; cut++) {
		in = bh_cur_init(bytes.data, cut);
		cr_assert_eq(bh_figure_decode(&in, &back), BH_E_FORMAT, "%zu bytes", cut);
	}
	bh_buf_release(&bytes);
}

Test(control_codec, figures_are_finite_and_not_negative)
{
	static const double values[] = {-1, -0.0, INFINITY, NAN};

	for (size_t i = 0; i < BH_ARRAY_LEN(values); i++) {
		struct bh_figure f = {.name = "a", .value = values[i]};
		struct bh_buf bytes = BH_BUF_INIT;
		struct bh_cur in;

		cr_assert_eq(bh_figure_encode(&f, &bytes), 0);
		in = bh_cur_init(bytes.data, bytes.len);
		cr_assert_eq(bh_figure_decode(&in, &f), BH_E_FORMAT, "%f", values[i]);
		bh_buf_release(&bytes);
	}
}

Test(control_codec, values_outside_their_range_are_refused)
{
	static const struct {
		enum bh_ctl_type type;
		size_t offset;
		unsigned char value;
	} cases[] = {
	    {BH_CTL_HELLO, 0, 99},          /* type */
	    {BH_CTL_HELLO, 2, 1},           /* version */
	    {BH_CTL_HELLO, 16, BH_ROLE__N}, /* role */
	    {BH_CTL_HEARTBEAT, 40, 2},      /* bool */
	    {BH_CTL_READY, 40, 8},          /* flags */
	    {BH_CTL_READY, 41, 3},          /* seccomp mode */
	    {BH_CTL_READY, 48, 1},          /* gaps */
	    {BH_CTL_DRAIN_ACK, 16, 2},      /* bool */
	    {BH_CTL_DRAIN_ACK, 57, 5},      /* streams */
	    {BH_CTL_DRAIN_ACK, 58, 200},    /* role of a stream */
	    {BH_CTL_STATS_REPLY, 16, 0},    /* stat type */
	    {BH_CTL_STATS_REPLY, 17, 77},   /* ledger kind */
	    {BH_CTL_DRAIN, 20, 4},          /* mode */
	    {BH_CTL_PEER_STATE, 16, 4},     /* role */
	    {BH_CTL_QUERY, 16, 11},         /* what */
	    {BH_CTL_QUERY_ROW, 16, 7},      /* kind */
	};
	static struct bh_ctl_msg all[SAMPLES_MAX], back;
	struct bh_buf a = BH_BUF_INIT;
	size_t n = samples(all);

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		size_t at = 0;

		while (at < n && all[at].type != cases[i].type)
			at++;
		cr_assert_eq(bh_ctl_encode(&all[at], &a), 0);
		cr_assert_eq(bh_ctl_decode(a.data, a.len, &back), 0);
		a.data[cases[i].offset] = (char)cases[i].value;
		cr_assert_eq(bh_ctl_decode(a.data, a.len, &back), BH_E_FORMAT, "case %zu", i);
	}
	bh_buf_release(&a);
}

Test(control_codec, control_characters_of_a_child_are_replaced)
{
	static struct bh_ctl_msg m, back;
	struct bh_buf a = BH_BUF_INIT;

	m = stat(BH_STAT_NOTE, "a\x1b[2J", "line\nbreak\x7f");
	cr_assert_eq(bh_ctl_encode(&m, &a), 0);
	cr_assert_eq(bh_ctl_decode(a.data, a.len, &back), 0);
	cr_assert_str_eq(back.u.stat.name, "a?[2J");
	cr_assert_str_eq(back.u.stat.text, "line?break?");
	bh_buf_release(&a);
}

Test(control_codec, a_name_of_a_stream_filter_is_bounded)
{
	static struct bh_ctl_msg m, back;
	struct bh_buf a = BH_BUF_INIT;

	m = message(BH_CTL_STREAM);
	memset(m.u.stream.source, 's', BH_STREAM_NAME_MAX);
	memset(m.u.stream.service, 'v', BH_STREAM_NAME_MAX);
	cr_assert_eq(bh_ctl_encode(&m, &a), 0);
	cr_assert_eq(a.len, BH_CTL_HEAD + 2 * (1 + BH_STREAM_NAME_MAX));
	cr_assert_eq(bh_ctl_decode(a.data, a.len, &back), 0);
	cr_assert_str_eq(back.u.stream.source, m.u.stream.source);
	cr_assert_str_eq(back.u.stream.service, m.u.stream.service);
	/* either of them a byte longer, in a message that agrees */
	cr_assert_eq(bh_buf_u8(&a, 'v'), 0);
	a.data[12]++;
	a.data[BH_CTL_HEAD + 1 + BH_STREAM_NAME_MAX]++;
	cr_assert_eq(bh_ctl_decode(a.data, a.len, &back), BH_E_FORMAT);
	a.data[BH_CTL_HEAD]++;
	a.data[BH_CTL_HEAD + 1 + BH_STREAM_NAME_MAX] = 's';
	a.data[BH_CTL_HEAD + 2 + BH_STREAM_NAME_MAX] = (char)BH_STREAM_NAME_MAX;
	cr_assert_eq(bh_ctl_decode(a.data, a.len, &back), BH_E_FORMAT);
	bh_buf_release(&a);
}

Test(control_codec, the_longest_ledger_row_fits_a_message)
{
	static struct bh_ctl_msg m;
	struct bh_ledger l;
	struct bh_buf a = BH_BUF_INIT;
	char name[400];

	memset(&l, 0xff, sizeof(l));
	memset(name, 'n', sizeof(name));
	m = message(BH_CTL_STATS_REPLY);
	m.u.stat.type = BH_STAT_LEDGER;
	bh_ledger_row_set(&m.u.stat.row, BH_LEDGER_SOURCE, name, sizeof(name), &l);
	cr_assert_eq(bh_ctl_encode(&m, &a), 0);
	cr_assert_leq(a.len, BH_CTL_MSG_MAX);
	bh_buf_release(&a);
}

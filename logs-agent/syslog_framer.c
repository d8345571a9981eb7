#include "logs-agent/syslog_framer.h"

#include <string.h>

#define KEEP ((size_t)16 << 10) /* of the rest's memory, for each of many connections */

/* Input that is not settled yet, and where frames go. */
struct feed {
	const char *p;
	size_t n;
	bh_frame_fn *fn;
	void *ctx;
};

void bh_syslog_framer_init(struct bh_syslog_framer *f, size_t limit)
{
	*f = (struct bh_syslog_framer){.limit = BH_MAX(BH_MIN(limit, BH_FRAMER_LIMIT_MAX), 1)};
}

void bh_syslog_framer_release(struct bh_syslog_framer *f)
{
	bh_buf_release(&f->rest);
}

size_t bh_syslog_framer_waiting(const struct bh_syslog_framer *f)
{
	return f->rest.len + f->digits_n + f->lead;
}

static void take(struct feed *in, size_t n)
{
	in->p += n;
	in->n -= n;
}

/* The rest and n more bytes are a frame; one that is whole in the input is not copied. terminator:
 * bytes behind them that belong to it. */
static int emit(struct bh_syslog_framer *f, struct feed *in, size_t n, size_t terminator, bool cut)
{
	struct bh_frame frame = {{in->p, n}, f->lead + f->rest.len + n + terminator, cut};
	int rc = 0;

	if (f->rest.len) {
		rc = bh_buf_append(&f->rest, in->p, n);
		frame.content = bh_buf_view(&f->rest);
	}
	f->lead = 0;
	if (!rc)
		rc = in->fn(in->ctx, &frame);
	take(in, n + terminator);
	bh_buf_clear(&f->rest);
	if (f->rest.cap > KEEP)
		bh_buf_release(&f->rest);
	return rc;
}

static int keep(struct bh_syslog_framer *f, struct feed *in, size_t n)
{
	int rc = bh_buf_append(&f->rest, in->p, n);

	take(in, n);
	return rc;
}

static int start(struct bh_syslog_framer *f, struct feed *in)
{
	bool count = in->p[0] >= '1' && in->p[0] <= '9';

	f->state = count ? BH_SYSLOG_COUNT : BH_SYSLOG_LINE;
	return 0;
}

static bool ends_line(char c)
{
	return c == '\n' || c == '\0';
}

static int line(struct bh_syslog_framer *f, struct feed *in)
{
	size_t room = f->limit - f->rest.len, n = 0;

	while (n < in->n && n <= room && !ends_line(in->p[n]))
		n++;
	if (n > room)
		return emit(f, in, room, 0, true);
	if (n == in->n)
		return keep(f, in, n);
	f->state = BH_SYSLOG_START;
	return emit(f, in, n, 1, false);
}

/* The digits were the beginning of an ordinary line. */
static int count_was_text(struct bh_syslog_framer *f, const struct feed *in)
{
	struct feed digits = {f->digits, f->digits_n, in->fn, in->ctx};
	int rc = 0;

	f->digits_n = 0;
	f->state = BH_SYSLOG_LINE;
	while (digits.n && !rc)
		rc = line(f, &digits);
	return rc;
}

static int count(struct bh_syslog_framer *f, struct feed *in)
{
	char c = in->p[0];

	if (c >= '0' && c <= '9' && f->digits_n < BH_SYSLOG_DIGITS) {
		f->digits[f->digits_n++] = c;
		take(in, 1);
		return 0;
	}
	if (c != ' ')
		return count_was_text(f, in);
	f->want = 0;
	for (size_t i = 0; i < f->digits_n; i++)
		f->want = f->want * 10 + (size_t)(f->digits[i] - '0');
	f->lead += f->digits_n + 1;
	f->digits_n = 0;
	f->state = BH_SYSLOG_COUNTED;
	take(in, 1);
	return 0;
}

static int counted(struct bh_syslog_framer *f, struct feed *in)
{
	size_t piece = BH_MIN(f->want, f->limit - f->rest.len);
	bool cut = piece < f->want;
	size_t n = BH_MIN(piece, in->n);

	f->want -= n;
	if (n < piece)
		return keep(f, in, n);
	if (!cut)
		f->state = BH_SYSLOG_BEHIND;
	return emit(f, in, n, 0, cut);
}

static int behind(struct bh_syslog_framer *f, struct feed *in)
{
	f->state = BH_SYSLOG_START;
	if (ends_line(in->p[0])) {
		f->lead++;
		take(in, 1);
	}
	return 0;
}

int bh_syslog_framer_feed(
    struct bh_syslog_framer *f, const char *p, size_t n, bh_frame_fn *fn, void *ctx)
{
	static int (*const step[])(struct bh_syslog_framer *, struct feed *) = {
	    [BH_SYSLOG_START] = start,
	    [BH_SYSLOG_COUNT] = count,
	    [BH_SYSLOG_COUNTED] = counted,
	    [BH_SYSLOG_BEHIND] = behind,
	    [BH_SYSLOG_LINE] = line,
	};
	struct feed in = {p, n, fn, ctx};
	int rc = 0;

	while (in.n && !rc)
		rc = step[f->state](f, &in);
	return rc;
}

int bh_syslog_framer_end(struct bh_syslog_framer *f, bh_frame_fn *fn, void *ctx)
{
	struct feed in = {"", 0, fn, ctx};
	int rc = f->digits_n ? count_was_text(f, &in) : 0;

	if (!rc && f->rest.len)
		rc = emit(f, &in, 0, 0, false);
	f->state = BH_SYSLOG_START;
	return rc;
}

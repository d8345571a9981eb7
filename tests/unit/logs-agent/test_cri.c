/* spec/logs.md §13.2. */
#include <criterion/criterion.h>

#include "common/attrs.h"
#include "logs-agent/cri.h"

#define T "2024-01-02T03:04:05.123456789Z "

Test(cri, lines_as_the_table_says)
{
	static const struct {
		const char *in, *content;
		enum bh_std_stream stream;
		enum bh_log_status status;
		bool partial;
	} rows[] = {
	    {T "stdout F hello world", "hello world", BH_STREAM_STDOUT, BH_STATUS_INFO, false},
	    {T "stderr F oops", "oops", BH_STREAM_STDERR, BH_STATUS_ERROR, false},
	    {T "stdout P half", "half", BH_STREAM_STDOUT, BH_STATUS_INFO, true},
	    {T "stderr P half", "half", BH_STREAM_STDERR, BH_STATUS_ERROR, true},
	    {T "stdout F:tag x", "x", BH_STREAM_STDOUT, BH_STATUS_INFO, false},
	    {T "stdout P:tag x", "x", BH_STREAM_STDOUT, BH_STATUS_INFO, false},
	    {T "stdout F  blanks  stay ", " blanks  stay ", BH_STREAM_STDOUT, BH_STATUS_INFO,
		false},
	    {T "stdout F ", "", BH_STREAM_STDOUT, BH_STATUS_INFO, false},
	    {T "stdout F", "", BH_STREAM_STDOUT, BH_STATUS_INFO, false},
	    {T "stdout P", "", BH_STREAM_STDOUT, BH_STATUS_INFO, true},
	    {T "other F x", "x", BH_STREAM_OTHER, BH_STATUS_INFO, false},
	    {T "other P x", "x", BH_STREAM_OTHER, BH_STATUS_INFO, true},
	    {T "stdout", T "stdout", BH_STREAM_OTHER, BH_STATUS_INFO, false},
	    {"word", "word", BH_STREAM_OTHER, BH_STATUS_INFO, false},
	    {"", "", BH_STREAM_OTHER, BH_STATUS_INFO, false},
	    /* Only single blanks separate. */
	    {"t  F x y", "x y", BH_STREAM_OTHER, BH_STATUS_INFO, false},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++) {
		struct bh_piece p = bh_cri_parse(bh_str_from(rows[i].in));

		cr_expect(bh_str_eq(p.content, bh_str_from(rows[i].content)), "%s", rows[i].in);
		cr_expect_eq(p.stream, rows[i].stream, "%s", rows[i].in);
		cr_expect_eq(p.status, rows[i].status, "%s", rows[i].in);
		cr_expect_eq(p.partial, rows[i].partial, "%s", rows[i].in);
	}
}

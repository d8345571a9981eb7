#include "dogstatsd/sanitize.h"

#include "common/utf8.h"

bool bh_text_is_valid(struct bh_str s)
{
	return bh_utf8_valid_prefix(s.p, s.n) == s.n;
}

int bh_text_sanitize(struct bh_str s, struct bh_buf *out)
{
	size_t i = 0, good;
	bool in_run = false;

	while (i < s.n) {
		good = bh_utf8_valid_prefix(s.p + i, s.n - i);
		if (good) {
			(void)bh_buf_append(out, s.p + i, good); /* checked at the end */
			in_run = false;
			i += good;
			continue;
		}
		if (!in_run)
			(void)bh_buf_append(out, "\xEF\xBF\xBD", 3);
		in_run = true;
		i++;
	}
	return bh_buf_failed(out);
}

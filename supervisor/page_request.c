#include "supervisor/page_request.h"

#include <string.h>

#include "common/attrs.h"

static bool is_whole(struct bh_str in)
{
	return memmem(in.p, in.n, "\r\n\r\n", 4) || memmem(in.p, in.n, "\n\n", 2);
}

static struct bh_str take_word(struct bh_str *line)
{
	const char *blank = line->n ? memchr(line->p, ' ', line->n) : NULL;
	size_t n = blank ? (size_t)(blank - line->p) : line->n;
	struct bh_str word = {line->p, n};

	n += blank != NULL;
	*line = (struct bh_str){line->p + n, line->n - n};
	return word;
}

static bool starts(struct bh_str s, const char *with)
{
	size_t n = strlen(with);

	return s.n >= n && memcmp(s.p, with, n) == 0;
}

/* A query changes nothing. */
static bool is_page(struct bh_str target)
{
	const char *mark = target.n ? memchr(target.p, '?', target.n) : NULL;

	if (mark)
		target.n = (size_t)(mark - target.p);
	return bh_str_eq(target, BH_STR_LIT("/metrics")) || bh_str_eq(target, BH_STR_LIT("/"));
}

enum bh_page_want bh_page_request(struct bh_str in)
{
	const char *end = in.n ? memchr(in.p, '\n', in.n) : NULL;
	struct bh_str line, method, target;

	if (!end)
		return BH_PAGE_MORE;
	line = (struct bh_str){in.p, (size_t)(end - in.p)};
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	method = take_word(&line);
	target = take_word(&line);
	if (!starts(line, "HTTP/1.") || !starts(target, "/"))
		return BH_PAGE_BAD;
	if (!is_whole(in))
		return BH_PAGE_MORE;
	if (!bh_str_eq(method, BH_STR_LIT("GET")) && !bh_str_eq(method, BH_STR_LIT("HEAD")))
		return BH_PAGE_METHOD;
	if (!is_page(target))
		return BH_PAGE_ABSENT;
	return bh_str_eq(method, BH_STR_LIT("GET")) ? BH_PAGE_GET : BH_PAGE_HEAD;
}

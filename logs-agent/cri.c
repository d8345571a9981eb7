#include "logs-agent/cri.h"

/* Cuts the part before the first blank off *rest; false and all of it when there is no blank. */
static bool cut(struct bh_str *rest, struct bh_str *part)
{
	const char *blank = rest->n ? memchr(rest->p, ' ', rest->n) : NULL;

	*part = *rest;
	if (!blank) {
		*rest = (struct bh_str){NULL, 0};
		return false;
	}
	part->n = (size_t)(blank - rest->p);
	rest->p = blank + 1;
	rest->n -= part->n + 1;
	return true;
}

struct bh_piece bh_cri_parse(struct bh_str line)
{
	struct bh_str rest = line, time, stream, flag;
	struct bh_piece p = bh_piece_raw(line);

	if (!cut(&rest, &time) || !cut(&rest, &stream))
		return p;
	(void)cut(&rest, &flag);
	p.content = rest;
	p.stream = bh_stream_from(stream);
	p.status = bh_stream_status(p.stream);
	p.partial = bh_str_eq(flag, BH_STR_LIT("P"));
	return p;
}

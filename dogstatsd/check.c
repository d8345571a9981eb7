#include "dogstatsd/check.h"

#include <string.h>

#include "dogstatsd/fields.h"
#include "dogstatsd/number.h"

#define PREFIX 4 /* "_sc|"; its last byte is not looked at */

static void take_field(struct bh_check *c, struct bh_str field)
{
	struct bh_str value;
	int64_t ts;

	switch (bh_field_kind(field, &value)) {
	case 'd':
		if (bh_parse_int(value.p, value.n, &ts))
			c->ignored++;
		else
			c->timestamp = ts;
		return;
	case 'h':
		c->host = value;
		return;
	case 'm':
		c->message = value;
		return;
	case '#':
		c->tags = value;
		return;
	default:
		return;
	}
}

static bool has_two_bars(struct bh_str line)
{
	const char *first = memchr(line.p, '|', line.n);

	return first && memchr(first + 1, '|', (size_t)(line.p + line.n - first - 1));
}

bool bh_parse_check(struct bh_str line, struct bh_check *c)
{
	struct bh_str rest, field;

	if (line.n < PREFIX || !has_two_bars(line))
		return false;
	*c = (struct bh_check){.status = -1};
	rest = (struct bh_str){line.p + PREFIX, line.n - PREFIX};
	if (!bh_fields_next(&rest, &c->name) || c->name.n == 0)
		return false;
	if (!bh_fields_next(&rest, &field) || field.n != 1 || field.p[0] < '0' || field.p[0] > '3')
		return false;
	c->status = field.p[0] - '0';
	while (bh_fields_next(&rest, &field))
		take_field(c, field);
	return true;
}

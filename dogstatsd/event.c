#include "dogstatsd/event.h"

#include <string.h>

#include "dogstatsd/fields.h"
#include "dogstatsd/number.h"

#define HEAD_MIN 7 /* "_e{1,1}" */

/* "_e{5,4}": what stands for the closing brace is not looked at. */
static bool parse_head(struct bh_str head, size_t *title_n, size_t *text_n)
{
	struct bh_str lengths = {head.p + 3, head.n - 4};
	const char *comma = memchr(lengths.p, ',', lengths.n);
	int64_t title, text;

	if (!comma || bh_parse_int(lengths.p, (size_t)(comma - lengths.p), &title) ||
	    bh_parse_int(comma + 1, (size_t)(lengths.p + lengths.n - comma - 1), &text) ||
	    title < 1 || text < 0)
		return false;
	*title_n = (size_t)title;
	*text_n = (size_t)text;
	return true;
}

/* One of the words, or NULL. */
static const char *word_of(struct bh_str value, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bh_str_eq(value, bh_str_from(words[i])))
			return words[i];
	}
	return NULL;
}

static void set_word(struct bh_event *e, const char **at, const char *word)
{
	if (word)
		*at = word;
	else
		e->ignored++;
}

static void take_field(struct bh_event *e, struct bh_str field)
{
	static const char *const priorities[] = {"normal", "low"};
	static const char *const alerts[] = {"error", "warning", "info", "success"};
	struct bh_str value;
	int64_t ts;

	switch (bh_field_kind(field, &value)) {
	case 'd':
		if (bh_parse_int(value.p, value.n, &ts))
			e->ignored++;
		else
			e->timestamp = ts;
		return;
	case 'h':
		e->host = value;
		return;
	case 'k':
		e->key = value;
		return;
	case 'p':
		set_word(e, &e->priority, word_of(value, priorities, BH_ARRAY_LEN(priorities)));
		return;
	case 's':
		e->source_type = value;
		return;
	case 't':
		set_word(e, &e->alert_type, word_of(value, alerts, BH_ARRAY_LEN(alerts)));
		return;
	case '#':
		e->tags = value;
		return;
	default:
		return;
	}
}

bool bh_parse_event(struct bh_str line, struct bh_event *e)
{
	const char *colon = memchr(line.p, ':', line.n);
	size_t title_n, text_n, body_n;
	struct bh_str rest, field;

	if (!colon || colon - line.p < HEAD_MIN ||
	    !parse_head((struct bh_str){line.p, (size_t)(colon - line.p)}, &title_n, &text_n))
		return false;
	body_n = (size_t)(line.p + line.n - colon - 1);
	/* Compared one by one: their sum may not fit a size_t. */
	if (title_n >= body_n || text_n > body_n - title_n - 1)
		return false;
	*e = (struct bh_event){
	    .title = {colon + 1, title_n},
	    .text = {colon + 1 + title_n + 1, text_n},
	    .priority = "normal",
	    .alert_type = "info",
	};
	rest.p = e->text.p + text_n;
	rest.n = body_n - title_n - 1 - text_n;
	while (bh_fields_next(&rest, &field))
		take_field(e, field);
	return true;
}

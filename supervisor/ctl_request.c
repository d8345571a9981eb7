#include "supervisor/ctl_request.h"

#include <stdbool.h>

#include "common/err.h"

const char *bh_verb_name(enum bh_verb verb)
{
	static const char *const names[BH_VERB__N] = {
	    [BH_VERB_STATUS] = "status",
	    [BH_VERB_LEDGER] = "ledger",
	    [BH_VERB_DRAIN] = "drain",
	    [BH_VERB_SHUTDOWN] = "shutdown",
	    [BH_VERB_VERSION] = "version",
	};

	return names[verb];
}

static void skip_space(struct bh_str *s)
{
	while (s->n && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r')) {
		s->p++;
		s->n--;
	}
}

static bool take_char(struct bh_str *s, char want)
{
	skip_space(s);
	if (!s->n || *s->p != want)
		return false;
	s->p++;
	s->n--;
	return true;
}

static bool take_string(struct bh_str *s, struct bh_str *out)
{
	if (!take_char(s, '"'))
		return false;
	out->p = s->p;
	while (s->n && *s->p != '"') {
		if (*s->p == '\\' || (unsigned char)*s->p < 0x20)
			return false;
		s->p++;
		s->n--;
	}
	out->n = (size_t)(s->p - out->p);
	return take_char(s, '"');
}

int bh_ctl_request_parse(struct bh_str line, enum bh_verb *verb)
{
	struct bh_str key, value;

	if (!take_char(&line, '{') || !take_string(&line, &key) || !take_char(&line, ':') ||
	    !take_string(&line, &value) || !take_char(&line, '}'))
		return BH_E_FORMAT;
	skip_space(&line);
	if (line.n || !bh_str_eq(key, BH_STR_LIT("verb")))
		return BH_E_FORMAT;
	for (int i = 0; i < BH_VERB__N; i++) {
		if (bh_str_eq(value, bh_str_from(bh_verb_name((enum bh_verb)i)))) {
			*verb = (enum bh_verb)i;
			return 0;
		}
	}
	return BH_E_STATE;
}

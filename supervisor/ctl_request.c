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
	    [BH_VERB_START] = "start",
	    [BH_VERB_STOP] = "stop",
	    [BH_VERB_RESTART] = "restart",
	    [BH_VERB_DOGSTATSD_STATS] = "dogstatsd-stats",
	    [BH_VERB_CONTEXTS] = "contexts",
	    [BH_VERB_SENDERS] = "senders",
	    [BH_VERB_CAPTURE] = "dogstatsd-capture",
	    [BH_VERB_REGISTRY] = "registry",
	    [BH_VERB_REGISTRY_SHOW] = "registry-show",
	    [BH_VERB_REGISTRY_FORGET] = "registry-forget",
	    [BH_VERB_REGISTRY_IMPORT] = "registry-import",
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

static int parse_verb(struct bh_str word, enum bh_verb *verb)
{
	for (int i = 0; i < BH_VERB__N; i++) {
		if (bh_str_eq(word, bh_str_from(bh_verb_name((enum bh_verb)i)))) {
			*verb = (enum bh_verb)i;
			return 0;
		}
	}
	return BH_E_STATE;
}

static int add_name(struct bh_str word, unsigned *roles)
{
	if (bh_str_eq(word, BH_STR_LIT("all"))) {
		for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++)
			*roles |= 1u << i;
		return 0;
	}
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (bh_str_eq(word, bh_str_from(bh_role_name((enum bh_role)i)))) {
			*roles |= 1u << i;
			return 0;
		}
	}
	return BH_E_LIMIT;
}

/* Names between blanks. */
static int parse_names(struct bh_str names, unsigned *roles)
{
	int rc = 0;

	skip_space(&names);
	while (names.n && !rc) {
		size_t n = 0;

		while (n < names.n && names.p[n] != ' ' && names.p[n] != '\t')
			n++;
		rc = add_name((struct bh_str){names.p, n}, roles);
		names = (struct bh_str){names.p + n, names.n - n};
		skip_space(&names);
	}
	return rc;
}

static int parse_seconds(struct bh_str text, uint32_t *seconds)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9' || *seconds > BH_CAPTURE_SECONDS_MAX)
			return BH_E_FORMAT;
		*seconds = *seconds * 10 + (uint32_t)(text.p[i] - '0');
	}
	return *seconds >= 1 && *seconds <= BH_CAPTURE_SECONDS_MAX ? 0 : BH_E_FORMAT;
}

/* The member a verb wants beside itself; NULL = none. */
static const char *member_of(enum bh_verb verb)
{
	static const char *const members[BH_VERB__N] = {
	    [BH_VERB_START] = "names",
	    [BH_VERB_STOP] = "names",
	    [BH_VERB_RESTART] = "names",
	    [BH_VERB_CAPTURE] = "seconds",
	    [BH_VERB_REGISTRY_SHOW] = "identifier",
	    [BH_VERB_REGISTRY_FORGET] = "identifier",
	    [BH_VERB_REGISTRY_IMPORT] = "file",
	};

	return members[verb];
}

/* "key":"value" */
static bool take_member(struct bh_str *s, struct bh_str *key, struct bh_str *value)
{
	return take_string(s, key) && take_char(s, ':') && take_string(s, value);
}

int bh_ctl_request_parse(struct bh_str line, struct bh_ctl_request *r)
{
	struct bh_str key, verb, value = {"", 0};
	const char *wanted;
	bool more;
	int rc;

	*r = (struct bh_ctl_request){.roles = 0};
	if (!take_char(&line, '{') || !take_member(&line, &key, &verb) ||
	    !bh_str_eq(key, BH_STR_LIT("verb")))
		return BH_E_FORMAT;
	more = take_char(&line, ',');
	if (more && !take_member(&line, &key, &value))
		return BH_E_FORMAT;
	if (!take_char(&line, '}'))
		return BH_E_FORMAT;
	skip_space(&line);
	if (line.n)
		return BH_E_FORMAT;
	rc = parse_verb(verb, &r->verb);
	if (rc)
		return more ? BH_E_FORMAT : rc;
	wanted = member_of(r->verb);
	if (more != (wanted != NULL) || (wanted && !bh_str_eq(key, bh_str_from(wanted))))
		return BH_E_FORMAT;
	if (r->verb == BH_VERB_CAPTURE)
		return parse_seconds(value, &r->seconds);
	if (wanted && strcmp(wanted, "names") != 0) {
		r->arg = value;
		return value.n ? 0 : BH_E_FORMAT;
	}
	rc = parse_names(value, &r->roles);
	return rc ? rc : wanted && !r->roles ? BH_E_FORMAT : 0;
}

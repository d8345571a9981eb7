#include "supervisor/ctl_request.h"

#include <assert.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "common/attrs.h"
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
	    [BH_VERB_STREAM_LOGS] = "stream-logs",
	    [BH_VERB_REGISTRY] = "registry",
	    [BH_VERB_REGISTRY_SHOW] = "registry-show",
	    [BH_VERB_REGISTRY_FORGET] = "registry-forget",
	    [BH_VERB_REGISTRY_IMPORT] = "registry-import",
	    [BH_VERB_QUARANTINE] = "quarantine",
	    [BH_VERB_QUARANTINE_REPLAY] = "quarantine-replay",
	    [BH_VERB_RELOAD] = "reload",
	    [BH_VERB_HEALTH] = "health",
	    [BH_VERB_LAST_STOP] = "last-stop",
	    [BH_VERB_EVENTS] = "events",
	    [BH_VERB_EVENTS_FOLLOW] = "events-follow",
	    [BH_VERB_SIGNAL] = "signal",
	    [BH_VERB_SECURITY] = "security",
	    [BH_VERB_SECURITY_TEST] = "security-test",
	    [BH_VERB_CONFIG_DIFF] = "config-diff",
	    [BH_VERB_REOPEN_LOGS] = "reopen-logs",
	    [BH_VERB_TAIL] = "tail",
	    [BH_VERB_SPOOL] = "spool",
	    [BH_VERB_SPOOL_PURGE] = "spool-purge",
	    [BH_VERB_SPOOL_REPLAY] = "spool-replay",
	    [BH_VERB_SPOOL_ACKNOWLEDGE] = "spool-acknowledge",
	    [BH_VERB_DIAGNOSE] = "diagnose",
	};

	return names[verb];
}

#define POSITION_DIGITS 19 /* of a number that 64 bits hold */

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

static int add_name(struct bh_str word, struct bh_ctl_request *r)
{
	enum bh_role first = r->verb == BH_VERB_TAIL ? BH_ROLE_SUPERVISOR : BH_ROLE_DOGSTATSD;

	if (bh_str_eq(word, BH_STR_LIT("all"))) {
		for (int i = first; i < BH_ROLE__N; i++)
			r->roles |= 1u << i;
		return 0;
	}
	for (int i = first; i < BH_ROLE__N; i++) {
		if (bh_str_eq(word, bh_str_from(bh_role_name((enum bh_role)i)))) {
			r->roles |= 1u << i;
			return 0;
		}
	}
	return BH_E_LIMIT;
}

/* --- members: each puts its value into the request --------------------------------------------
 */

typedef int member_fn(struct bh_str value, struct bh_ctl_request *r);

/* Names between blanks. */
static int parse_names(struct bh_str names, struct bh_ctl_request *r)
{
	int rc = 0;

	skip_space(&names);
	while (names.n && !rc) {
		size_t n = 0;

		while (n < names.n && names.p[n] != ' ' && names.p[n] != '\t')
			n++;
		rc = add_name((struct bh_str){names.p, n}, r);
		names = (struct bh_str){names.p + n, names.n - n};
		skip_space(&names);
	}
	return rc ? rc : r->roles ? 0 : BH_E_FORMAT;
}

static int parse_seconds(struct bh_str text, struct bh_ctl_request *r)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9' || r->seconds > BH_CAPTURE_SECONDS_MAX)
			return BH_E_FORMAT;
		r->seconds = r->seconds * 10 + (uint32_t)(text.p[i] - '0');
	}
	return r->seconds >= 1 && r->seconds <= BH_CAPTURE_SECONDS_MAX ? 0 : BH_E_FORMAT;
}

/* Of the control characters only DEL gets through take_string(). */
static int copy_name(struct bh_str text, char *out)
{
	if (text.n == 0 || text.n > BH_STREAM_NAME_MAX || memchr(text.p, 0x7f, text.n))
		return BH_E_FORMAT;
	memcpy(out, text.p, text.n);
	out[text.n] = '\0';
	return 0;
}

static int parse_source(struct bh_str text, struct bh_ctl_request *r)
{
	return copy_name(text, r->filter.source);
}

static int parse_service(struct bh_str text, struct bh_ctl_request *r)
{
	return copy_name(text, r->filter.service);
}

static int parse_signal(struct bh_str text, struct bh_ctl_request *r)
{
	static const struct {
		const char *name;
		int signo;
	} signals[] = {{"HUP", SIGHUP}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"QUIT", SIGQUIT},
	    {"KILL", SIGKILL}};

	for (size_t i = 0; i < BH_ARRAY_LEN(signals); i++) {
		if (bh_str_eq(text, bh_str_from(signals[i].name)))
			r->signo = signals[i].signo;
	}
	return r->signo ? 0 : BH_E_FORMAT;
}

/* A number for each role, between blanks. */
static int parse_from(struct bh_str text, struct bh_ctl_request *r)
{
	for (int i = 0; i < BH_ROLE__N; i++) {
		size_t digits = 0;

		skip_space(&text);
		for (; text.n && *text.p >= '0' && *text.p <= '9'; digits++) {
			if (digits == POSITION_DIGITS)
				return BH_E_FORMAT;
			r->from[i] = r->from[i] * 10 + (uint64_t)(*text.p - '0');
			text.p++;
			text.n--;
		}
		if (!digits)
			return BH_E_FORMAT;
	}
	return text.n ? BH_E_FORMAT : 0;
}

static int parse_arg(struct bh_str text, struct bh_ctl_request *r)
{
	r->arg = text;
	return text.n ? 0 : BH_E_FORMAT;
}

#define OF(verb)    (UINT64_C(1) << BH_VERB_##verb)
#define SPOOL_VERBS (OF(SPOOL) | OF(SPOOL_PURGE) | OF(SPOOL_REPLAY) | OF(SPOOL_ACKNOWLEDGE))
static_assert(BH_VERB__N <= 64, "a set of verbs is 64 bits");

#define NAMED (OF(START) | OF(STOP) | OF(RESTART) | OF(SIGNAL))

static const struct member {
	const char *key;
	uint64_t needed_by, taken_by; /* verbs */
	member_fn *parse;
} members[] = {
    {"names", NAMED, NAMED | OF(TAIL), parse_names},
    {"signal", OF(SIGNAL), OF(SIGNAL), parse_signal},
    {"from", 0, OF(TAIL), parse_from},
    {"seconds", OF(CAPTURE), OF(CAPTURE), parse_seconds},
    {"source", 0, OF(STREAM_LOGS), parse_source},
    {"service", 0, OF(STREAM_LOGS), parse_service},
    {"identifier", OF(REGISTRY_SHOW) | OF(REGISTRY_FORGET), OF(REGISTRY_SHOW) | OF(REGISTRY_FORGET),
	parse_arg},
    {"file", OF(REGISTRY_IMPORT), OF(REGISTRY_IMPORT), parse_arg},
    {"request", SPOOL_VERBS, SPOOL_VERBS, parse_arg},
};

/* "key":"value" */
static bool take_member(struct bh_str *s, struct bh_str *key, struct bh_str *value)
{
	return take_string(s, key) && take_char(s, ':') && take_string(s, value);
}

/* Notes the member in *seen, a bit for each of the table. */
static int parse_member(
    struct bh_str key, struct bh_str value, struct bh_ctl_request *r, unsigned *seen)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(members); i++) {
		const struct member *m = &members[i];

		if (!bh_str_eq(key, bh_str_from(m->key)))
			continue;
		if (!(m->taken_by & UINT64_C(1) << r->verb) || *seen & 1u << i)
			return BH_E_FORMAT;
		*seen |= 1u << i;
		return m->parse(value, r);
	}
	return BH_E_FORMAT;
}

static bool all_needed(enum bh_verb verb, unsigned seen)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(members); i++) {
		if (members[i].needed_by & UINT64_C(1) << verb && !(seen & 1u << i))
			return false;
	}
	return true;
}

/* Behind the last member: the brace, and nothing more. */
static bool take_end(struct bh_str *s)
{
	if (!take_char(s, '}'))
		return false;
	skip_space(s);
	return s->n == 0;
}

int bh_ctl_request_parse(struct bh_str line, struct bh_ctl_request *r)
{
	struct bh_str key, verb, value;
	unsigned seen = 0;
	int rc;

	*r = (struct bh_ctl_request){.roles = 0};
	if (!take_char(&line, '{') || !take_member(&line, &key, &verb) ||
	    !bh_str_eq(key, BH_STR_LIT("verb")))
		return BH_E_FORMAT;
	rc = parse_verb(verb, &r->verb);
	if (rc)
		return take_end(&line) ? rc : BH_E_FORMAT;
	while (take_char(&line, ',')) {
		int bad = take_member(&line, &key, &value) ? parse_member(key, value, r, &seen)
							   : BH_E_FORMAT;

		/* A line that is no request is worse than a name that is unknown. */
		if (bad == BH_E_FORMAT)
			return bad;
		rc = rc ? rc : bad;
	}
	if (!take_end(&line) || !all_needed(r->verb, seen))
		return BH_E_FORMAT;
	return rc;
}

/* diagnose: what is between the agent and each intake. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/inquiry.h"
#include "supervisor/ctl/view_json.h"

#define WAIT_S 90 /* the longest check, with a proxy that does not answer */

enum result { PASS, WARN, FAIL, SKIP, RESULTS };

static const char *const results[RESULTS] = {"pass", "warn", "fail", "skip"};

/* What belongs together; checks: the words of forwarder/diagnose.h. */
static const struct suite {
	const char *name, *checks[7], *help;
} suites[] = {
    {"connectivity", {"url", "dns", "tcp", "proxy", "tls", "http"},
	"the URL, name, connection, proxy, certificate and answer of each intake"},
    {"api-key", {"key"}, "each API key, asked of its intake"},
    {"clock", {"clock"}, "this host's clock against the intake's"},
    {"disk", {"disk"}, "room and rights below run_path"},
};

#define SUITES BH_ARRAY_LEN(suites)

struct seen {
	const struct bh_ctl_options *o;
	bool any;
	bool wanted[SUITES];
	unsigned n[SUITES][RESULTS];
};

/* One that is not known is the first's. */
static size_t suite_of(const char *check)
{
	for (size_t i = 0; i < SUITES; i++) {
		for (const char *const *c = suites[i].checks; *c; c++) {
			if (strcmp(*c, check) == 0)
				return i;
		}
	}
	return 0;
}

static enum result result_of(const json_t *r)
{
	for (int i = 0; i < RESULTS; i++) {
		if (strcmp(results[i], bh_json_text(r, "result")) == 0)
			return (enum result)i;
	}
	return SKIP;
}

static void put_json(const struct seen *s, const json_t *r, size_t suite)
{
	char *text = json_dumps(r, JSON_COMPACT); /* {"check":… */

	if (text)
		(void)printf("%s{\"suite\":\"%s\",%s", s->any ? "," : "{\"schema\":1,\"checks\":[",
		    suites[suite].name, text + 1);
	free(text);
}

static void row(void *ctx, const json_t *r)
{
	struct seen *s = ctx;
	size_t suite = suite_of(bh_json_text(r, "check"));
	enum result result = result_of(r);

	if (!s->wanted[suite])
		return;
	s->n[suite][result]++;
	if (s->o->json) {
		put_json(s, r, suite);
	} else if (s->o->verbose || result != PASS) {
		(void)printf("%-5s %-6s %s: %s\n", results[result], bh_json_text(r, "check"),
		    bh_json_text(r, "target"), bh_json_text(r, "detail"));
		if (*bh_json_text(r, "fix"))
			(void)printf("             %s\n", bh_json_text(r, "fix"));
	}
	s->any = true;
	(void)fflush(stdout);
}

static unsigned sum(const struct seen *s, enum result result)
{
	unsigned n = 0;

	for (size_t i = 0; i < SUITES; i++)
		n += s->n[i][result];
	return n;
}

static void put_end_json(const struct seen *s, bool offline)
{
	const char *between = "";

	(void)printf("%s],\"suites\":[", s->any ? "" : "{\"schema\":1,\"checks\":[");
	for (size_t i = 0; i < SUITES; i++) {
		const unsigned *n = s->n[i];

		if (!s->wanted[i])
			continue;
		(void)printf("%s{\"name\":\"%s\",\"passed\":%u,\"warnings\":%u,\"failed\":%u,"
			     "\"skipped\":%u}",
		    between, suites[i].name, n[PASS], n[WARN], n[FAIL], n[SKIP]);
		between = ",";
	}
	(void)printf("],\"failed\":%u,\"running\":%s}\n", sum(s, FAIL), offline ? "false" : "true");
}

static void put_end(const struct seen *s, bool offline)
{
	for (size_t i = 0; i < SUITES; i++) {
		const unsigned *n = s->n[i];

		if (s->wanted[i])
			(void)printf("%-13s %u passed, %u warnings, %u failed, %u skipped\n",
			    suites[i].name, n[PASS], n[WARN], n[FAIL], n[SKIP]);
	}
	(void)printf("%u checks failed%s\n", sum(s, FAIL),
	    offline ? "; the forwarder does not run, these are made from here" : "");
}

static int list(const struct bh_ctl_options *o, const struct seen *s)
{
	const char *between = "";

	if (o->json)
		(void)fputs("{\"schema\":1,\"suites\":[", stdout);
	for (size_t i = 0; i < SUITES; i++) {
		if (!s->wanted[i])
			continue;
		(void)printf(o->json ? "%s{\"name\":\"%s\",\"help\":\"%s\"}" : "%s%-13s %s\n",
		    o->json ? between : "", suites[i].name, suites[i].help);
		between = ",";
	}
	if (o->json)
		(void)puts("]}");
	return BH_CTL_DONE;
}

/* No word: all of them. false: *word names none. */
static bool select_suites(struct seen *s, char **words, const char **word)
{
	for (size_t i = 0; i < SUITES; i++)
		s->wanted[i] = !*words;
	for (; *words; words++) {
		size_t i = 0;

		while (i < SUITES && strcmp(suites[i].name, *words) != 0)
			i++;
		if (i == SUITES) {
			*word = *words;
			return false;
		}
		s->wanted[i] = true;
	}
	return true;
}

int bh_ctl_run_diagnose(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	struct seen s = {.o = o};
	const struct bh_inquiry q = {
	    .verb = "diagnose", .offline = "", .wait_s = WAIT_S, .row = row, .ctx = &s};
	const char *word = NULL;
	json_t *end = NULL;
	bool offline = false;
	int fd = -1, code;

	(void)command;
	if (!select_suites(&s, words, &word))
		return bh_ctl_usage("no such suite (diagnose --list names them)", word);
	if (o->list)
		return list(o, &s);
	code = bh_ctl_inquire(o, &q, &end, &fd, &offline);
	json_decref(end);
	if (fd >= 0)
		(void)close(fd);
	if (o->json && (s.any || !code))
		put_end_json(&s, offline);
	else if (!code)
		put_end(&s, offline);
	return code ? code : sum(&s, FAIL) ? BH_CTL_WRONG : BH_CTL_DONE;
}

/* Fills a manual page: copies standard input, and puts in what the program knows better than a page
 * written by hand, so that no option and no reason can be missing. A line that is one of these
 * words is replaced: @OPTIONS@ and @OPTIONS_OWN@ (common/config_options.c), @OPTIONS_UNUSED@,
 * @REASONS@ (common/ledger.h). @VERSION@ is replaced anywhere. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/ledger.h"
#include "common/version.h"
#include "supervisor/ctl/view_json.h"

#define OWN "bulkhead."

/* Text for roff: a minus that can be copied, no escape that was not meant. */
static void put(const char *text)
{
	for (; *text; text++) {
		if (*text == '-')
			(void)fputs("\\-", stdout);
		else if (*text == '\\')
			(void)fputs("\\e", stdout);
		else
			(void)putchar(*text);
	}
}

static const char *type_words(enum bh_option_type type)
{
	static const char *const words[] = {
	    [BH_OPT_STRING] = "text",
	    [BH_OPT_BOOL] = "true or false",
	    [BH_OPT_INT] = "whole number",
	    [BH_OPT_PORT] = "port number",
	    [BH_OPT_SECONDS] = "seconds",
	    [BH_OPT_DURATION] = "duration such as 90s or 1h30m, or seconds",
	    [BH_OPT_MILLI] = "number",
	    [BH_OPT_LIST] = "list, or words in one text",
	    [BH_OPT_JSON] = "structure; JSON in the environment",
	    [BH_OPT_SECRET] = "text; shown nowhere",
	    [BH_OPT_IGNORED] = "",
	};

	return words[type];
}

/* A bound as it would be written: stored units are thousandths for some types. */
static void put_bound(const struct bh_option *o, int64_t value)
{
	bool thousandths =
	    o->type == BH_OPT_SECONDS || o->type == BH_OPT_DURATION || o->type == BH_OPT_MILLI;
	char text[32];

	if (thousandths)
		(void)snprintf(text, sizeof(text), "%g", (double)value / 1000);
	else
		(void)snprintf(text, sizeof(text), "%" PRId64, value);
	put(text);
}

static void put_option(const struct bh_option *o)
{
	(void)fputs(".TP\n.B ", stdout);
	put(o->key);
	(void)fputs("\n", stdout);
	put(o->help);
	(void)fputs("\n.br\n", stdout);
	put(type_words(o->type));
	if ((o->min || o->max) && o->max != INT64_MAX) {
		(void)fputs(", ", stdout);
		put_bound(o, o->min);
		(void)fputs(" to ", stdout);
		put_bound(o, o->max);
	}
	if (*o->def) {
		(void)fputs("; default \\fI", stdout);
		put(o->def);
		(void)fputs("\\fR", stdout);
	}
	(void)putchar('\n');
	if (o->env && *o->env) {
		(void)fputs(".br\nenvironment:\n.B ", stdout);
		put(o->env);
		(void)putchar('\n');
	}
}

static bool is_own(const struct bh_option *o)
{
	return strncmp(o->key, OWN, strlen(OWN)) == 0;
}

static void put_options(bool own)
{
	for (size_t i = 0; i < bh_options_n; i++) {
		if (bh_options[i].type != BH_OPT_IGNORED && is_own(&bh_options[i]) == own)
			put_option(&bh_options[i]);
	}
}

static void put_agent_options(void)
{
	put_options(false);
}

static void put_own_options(void)
{
	put_options(true);
}

static void put_unused_options(void)
{
	const char *before = "";

	for (size_t i = 0; i < bh_options_n; i++) {
		if (bh_options[i].type != BH_OPT_IGNORED)
			continue;
		(void)fputs(before, stdout);
		put(bh_options[i].key);
		before = ",\n";
	}
	(void)fputs(".\n", stdout);
}

static void put_reasons(void)
{
	for (int i = 0; i < BH_DROP__N; i++) {
		const char *name = bh_drop_name((enum bh_drop)i);

		(void)fputs(".TP\n.B ", stdout);
		put(name);
		(void)putchar('\n');
		put(bh_reason_words(name));
		(void)putchar('\n');
	}
}

static const struct {
	const char *line;
	void (*put)(void);
} parts[] = {
    {"@OPTIONS@\n", put_agent_options},
    {"@OPTIONS_OWN@\n", put_own_options},
    {"@OPTIONS_UNUSED@\n", put_unused_options},
    {"@REASONS@\n", put_reasons},
};

static void put_line(const char *line)
{
	static const char version[] = "@VERSION@";
	const char *at;

	for (size_t i = 0; i < BH_ARRAY_LEN(parts); i++) {
		if (strcmp(line, parts[i].line) == 0) {
			parts[i].put();
			return;
		}
	}
	while ((at = strstr(line, version)) != NULL) {
		(void)printf("%.*s%s", (int)(at - line), line, BH_VERSION);
		line = at + strlen(version);
	}
	(void)fputs(line, stdout);
}

int main(void)
{
	char line[1024];

	while (fgets(line, sizeof(line), stdin))
		put_line(line);
	return ferror(stdin) || fflush(stdout) ? 1 : 0;
}

/* The command line of bulkheadctl: its options and the table of its verbs. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/jsonw.h"
#include "common/version.h"
#include "proto/control.h"
#include "supervisor/ctl/ctl.h"

/* Options that only some verbs take: the letters in their rows of the table below. */
#define STREAM_OPTIONS "SWdn"
#define CONFIG_OPTIONS "N"
#define STATUS_OPTIONS "v"
#define FOLLOW_OPTION  "f"
#define SPOOL_OPTIONS  "DKOy"
#define COMMON_OPTIONS "csjtqC"

static int help(const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words);

static const struct bh_ctl_command commands[] = {
    {"status", "[NAME...]",
	"state, pid, uptime and memory of each process; what waits,\nwhat was lost; -v also how "
	"they "
	"ended the last times",
	bh_ctl_run_status, NULL, STATUS_OPTIONS},
    {"health", NULL, "PASS or FAIL for each part and the whole; 1 when one fails", bh_ctl_run_query,
	&bh_ctl_health, NULL},
    {"pid", "[NAME...]", "process numbers, one a line: the supervisor's, or of these,\nor all",
	bh_ctl_run_pid, NULL, NULL},
    {"events", NULL,
	"what happened, one JSON object a line: states, ends, drops,\n"
	"gaps, drains, orders; -f goes on with what happens",
	bh_ctl_run_events, NULL, FOLLOW_OPTION},
    {"last-stop", NULL, "the report of the last drain, also when bulkhead does not run",
	bh_ctl_run_last_stop, NULL, NULL},
    {"signal", "SIGNAL NAME...", "HUP, USR1, USR2, QUIT or KILL to these processes, or all",
	bh_ctl_run_signal, NULL, NULL},
    {"ledger", NULL,
	"the balance of every listener, source and destination, also since\nthe installation; 1 "
	"when one is open",
	bh_ctl_run_query, &bh_ctl_ledger, NULL},
    {"start", "NAME...", "one or more of dogstatsd, logs, forwarder, or all", bh_ctl_run_query,
	&bh_ctl_start, NULL},
    {"stop", "NAME...", "the same; drains first", bh_ctl_run_query, &bh_ctl_stop, NULL},
    {"restart", "NAME...", "the same; drains first", bh_ctl_run_query, &bh_ctl_restart, NULL},
    {"reload", NULL,
	"reads the configuration again; what changed is applied, nothing\nelse notices",
	bh_ctl_run_query, &bh_ctl_reload, NULL},
    {"config", "check|show|diff",
	"what is wrong with the files (78 when something is); their values\nand where each was "
	"set, --non-default without the others; what a\nreload would change (1 when anything)",
	bh_ctl_run_config, NULL, CONFIG_OPTIONS},
    {"reopen-logs", NULL, "opens log_file again, after a rotation", bh_ctl_run_query,
	&bh_ctl_reopen_logs, NULL},
    {"tail", "[NAME...]",
	"the last lines of bulkhead's own log: of supervisor, dogstatsd,\nlogs, forwarder, or all; "
	"-f goes on with what comes",
	bh_ctl_run_tail, NULL, FOLLOW_OPTION},
    {"dogstatsd-stats", NULL, "the most frequent metrics: count, last seen, tags", bh_ctl_run_query,
	&bh_ctl_dogstatsd_stats, NULL},
    {"top", NULL,
	"live: rates, backlog, memory; keys sort and open rows. Into a\nfile or pipe: --count "
	"pictures, one a second",
	bh_ctl_run_top, NULL, "n"},
    {"top", "contexts|senders",
	"the names with the most contexts, the tag keys with the most\nvalues; the processes that "
	"send the most packets to the Unix\nsockets",
	bh_ctl_run_top, NULL, NULL},
    {"dogstatsd-capture", "[SECONDS]", "every packet to a file, for 60 seconds; prints its path",
	bh_ctl_run_capture, NULL, NULL},
    {"dogstatsd-replay", "FILE", "a capture's packets to dogstatsd_socket, spaced as they came",
	bh_ctl_run_replay, NULL, NULL},
    {"stream-logs", NULL,
	"log messages as they are taken, until Ctrl-C or one of\n--duration, --count; --source and "
	"--service select",
	bh_ctl_run_stream, NULL, STREAM_OPTIONS},
    {"registry", "[ls|export]",
	"where each log file stands: state, delivered, safe, size, path;\nor the same as the "
	"Agent's "
	"registry.json",
	bh_ctl_run_registry, NULL, NULL},
    {"registry", "show|forget IDENTIFIER",
	"everything about the rows of a file (file:/var/log/a.log);\ndeletes them",
	bh_ctl_run_registry, NULL, NULL},
    {"registry", "import FILE", "takes over the Agent's registry.json", bh_ctl_run_registry, NULL,
	NULL},
    {"quarantine", "[replay]", "what the intake refused for good; sends it again",
	bh_ctl_run_quarantine, NULL, NULL},
    {"security", NULL,
	"the rights in force in each process, and what is missing; with\n--self-test each tries "
	"what it may not do",
	bh_ctl_run_security, NULL, "T"},
    {"spool", "[ls|replay]", "what waits for delivery; sends it now, without further pauses",
	bh_ctl_run_spool, NULL, SPOOL_OPTIONS},
    {"spool", "show ID", "everything about one payload that waits", bh_ctl_run_spool, NULL,
	SPOOL_OPTIONS},
    {"spool", "replay ID", "sends one payload again that was refused for good", bh_ctl_run_spool,
	NULL, SPOOL_OPTIONS},
    {"spool", "purge [ID]", "gives up what waits, with --yes; it counts as dropped",
	bh_ctl_run_spool, NULL, SPOOL_OPTIONS},
    {"spool", "export|snapshot FILE",
	"what waits as lines of JSON, bodies included; the whole store as\na file for sqlite3",
	bh_ctl_run_spool, NULL, SPOOL_OPTIONS},
    {"diagnose", NULL,
	"looks for what is between the agent and each intake: names,\nconnections, certificates, "
	"key, "
	"clock, disk; 1 when something is",
	bh_ctl_run_diagnose, NULL, NULL},
    {"drain", NULL, "ordered drain; the supervisor stays, its children are stopped",
	bh_ctl_run_query, &bh_ctl_drain, NULL},
    {"shutdown", NULL, "ordered drain, then the end; prints the report", bh_ctl_run_query,
	&bh_ctl_shutdown, NULL},
    {"version", NULL, "versions of this program and of the supervisor that runs", bh_ctl_run_query,
	&bh_ctl_version, NULL},
    {"help", NULL, "this text", help, NULL, NULL},
};

static const char options_help[] =
    "\n"
    "  -c, --config FILE|DIR   datadog.yaml, or the directory that holds it\n"
    "  -s, --socket PATH       control socket (else run_dir/ctl.sock of the configuration)\n"
    "      --json              one JSON object instead of text\n"
    "      --timeout SECONDS   how long to wait for the answer\n"
    "  -q, --quiet             no text: the exit status tells\n"
    "  -v, --verbose           status: with a head line and the last ends\n"
    "  -f, --follow            events, tail: until Ctrl-C\n"
    "      --no-color          accepted: nothing is coloured\n"
    "      --source S, --service S   stream-logs: only messages with exactly this one\n"
    "      --duration SECONDS, --count N   stream-logs: end after so long, or so many messages;\n"
    "                          top: so many pictures\n"
    "      --self-test         security: try every forbidden act\n"
    "      --non-default       config show: only what is set somewhere\n"
    "      --destination D, --class logs|metrics, --older AGE   spool: only these payloads;\n"
    "                          an age is 90, 90s, 15m, 2h or 7d\n"
    "      --yes               spool purge: do it\n"
    "  -h, --help; --version\n";

#define HELP_COLUMN 18

static void print_command_help(const struct bh_ctl_command *c)
{
	int used = printf("  %s%s%s", c->name, c->args ? " " : "", c->args ? c->args : "");

	if (used >= HELP_COLUMN) {
		(void)putchar('\n');
		used = 0;
	}
	for (const char *line = c->help; line; used = 0) {
		size_t n = strcspn(line, "\n");

		(void)printf("%*s%.*s\n", HELP_COLUMN - used, "", (int)n, line);
		line = line[n] ? line + n + 1 : NULL;
	}
}

/* For programs; the completions of the shells are made from it (deploy/completion). */
static int help_json(const struct bh_ctl_options *o)
{
	struct bh_buf out = BH_BUF_INIT;
	struct bh_jsonw w;
	int code;

	bh_jsonw_document(&w, &out);
	bh_jsonw_array(&w, "verbs");
	for (size_t i = 0; i < BH_ARRAY_LEN(commands); i++) {
		bh_jsonw_object(&w, NULL);
		bh_jsonw_str(&w, "name", commands[i].name);
		bh_jsonw_str(&w, "args", commands[i].args);
		bh_jsonw_str(&w, "help", commands[i].help);
		bh_jsonw_object_end(&w);
	}
	bh_jsonw_array_end(&w);
	bh_jsonw_str(&w, "options", options_help);
	bh_jsonw_object_end(&w);
	(void)bh_buf_u8(&out, '\n');
	code = bh_buf_failed(&out) ? bh_ctl_fail(o, "out of memory", BH_CTL_WRONG) : BH_CTL_DONE;
	if (code == BH_CTL_DONE)
		bh_ctl_print(&out);
	bh_buf_release(&out);
	return code;
}

static int help(const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	(void)command;
	(void)words;
	if (o->json)
		return help_json(o);
	(void)fputs("usage: bulkheadctl [options] VERB\n\n", stdout);
	for (size_t i = 0; i < BH_ARRAY_LEN(commands); i++)
		print_command_help(&commands[i]);
	(void)fputs(options_help, stdout);
	return BH_CTL_DONE;
}

/* A whole number from 1 to max. */
static bool take_number(const char *text, long long max, long long *out)
{
	char *end = NULL;

	errno = 0;
	*out = strtoll(text, &end, 10);
	return !errno && end != text && !*end && *out >= 1 && *out <= max;
}

/* What a request can hold (supervisor/ctl_request.h). */
static bool is_name(const char *text)
{
	size_t n = strlen(text);

	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '"' || *p == '\\')
			return false;
	}
	return n >= 1 && n <= BH_STREAM_NAME_MAX;
}

/* -1: go on; else the exit status. */
static int take_stream_option(struct bh_ctl_options *o, int opt)
{
	long long seconds;

	switch (opt) {
	case 'd':
		if (!take_number(optarg, 86400, &seconds))
			return bh_ctl_usage("the duration is a number of seconds", optarg);
		o->duration_s = (long)seconds;
		return -1;
	case 'n':
		return take_number(optarg, INT64_MAX, &o->count)
			   ? -1
			   : bh_ctl_usage("a number of messages is wanted", optarg);
	default:
		if (!is_name(optarg))
			return bh_ctl_usage("is no name of a source or service", optarg);
		*(opt == 'S' ? &o->source : &o->service) = optarg;
		return -1;
	}
}

/* -1: go on; else the exit status. */
static int take_option(struct bh_ctl_options *o, int opt, char **argv)
{
	char *end = NULL;

	switch (opt) {
	case 'c':
		o->config = optarg;
		return -1;
	case 's':
		o->socket = optarg;
		return -1;
	case 'j':
		o->json = true;
		return -1;
	case 'N':
		o->non_default = true;
		return -1;
	case 't':
		o->timeout_s = strtol(optarg, &end, 10);
		return *end || o->timeout_s < 1 || o->timeout_s > 86400
			   ? bh_ctl_usage("the timeout is a number of seconds", optarg)
			   : -1;
	case 'q':
		o->quiet = true;
		return -1;
	case 'v':
		o->verbose = true;
		return -1;
	case 'T':
		o->self_test = true;
		return -1;
	case 'f':
		o->follow = true;
		return -1;
	case 'C':
		return -1;
	case 'h':
		return help(o, NULL, NULL);
	case 'V':
		(void)printf("bulkheadctl %s\n", BH_VERSION);
		return BH_CTL_DONE;
	case ':':
		return bh_ctl_usage("an argument is missing", argv[optind - 1]);
	case '?':
		return bh_ctl_usage("unknown option", argv[optind - 1]);
	case 'D':
		o->destination = optarg;
		return -1;
	case 'K':
		o->class = optarg;
		return -1;
	case 'O':
		o->older = optarg;
		return -1;
	case 'y':
		o->yes = true;
		return -1;
	default:
		return take_stream_option(o, opt);
	}
}

static const struct bh_ctl_command *find_command(const char *name)
{
	for (size_t i = 0; i < BH_ARRAY_LEN(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* Is there an option of another verb among those that were given? */
static bool is_foreign(const struct bh_ctl_command *command, const char *given)
{
	return given[strspn(given, command->options ? command->options : "")] != '\0';
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"socket", required_argument, NULL, 's'},
	    {"json", no_argument, NULL, 'j'},
	    {"timeout", required_argument, NULL, 't'},
	    {"quiet", no_argument, NULL, 'q'},
	    {"verbose", no_argument, NULL, 'v'},
	    {"follow", no_argument, NULL, 'f'},
	    {"no-color", no_argument, NULL, 'C'},
	    {"source", required_argument, NULL, 'S'},
	    {"service", required_argument, NULL, 'W'},
	    {"duration", required_argument, NULL, 'd'},
	    {"count", required_argument, NULL, 'n'},
	    {"self-test", no_argument, NULL, 'T'},
	    {"non-default", no_argument, NULL, 'N'},
	    {"destination", required_argument, NULL, 'D'},
	    {"class", required_argument, NULL, 'K'},
	    {"older", required_argument, NULL, 'O'},
	    {"yes", no_argument, NULL, 'y'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},
	    {NULL, 0, NULL, 0},
	};
	const struct bh_ctl_command *command;
	struct bh_ctl_options o = {0};
	char given[16] = ""; /* letters of options that only some verbs take */
	size_t given_n = 0;
	int opt, code;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":c:s:qvfh", options, NULL)) != -1) {
		code = take_option(&o, opt, argv);
		if (code >= 0)
			return code;
		if (!strchr(COMMON_OPTIONS, opt) && given_n < sizeof(given) - 1)
			given[given_n++] = (char)opt;
	}
	if (optind == argc)
		return bh_ctl_usage("a verb is missing", NULL);
	command = find_command(argv[optind]);
	if (!command)
		return bh_ctl_usage("unknown verb", argv[optind]);
	if (is_foreign(command, given))
		return bh_ctl_usage(
		    "takes none of the options that other verbs have", command->name);
	return command->run(&o, command, argv + optind + 1);
}

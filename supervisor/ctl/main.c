#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"
#include "common/config_load.h"
#include "common/jsonw.h"
#include "common/percent.h"
#include "common/version.h"
#include "proto/control.h"
#include "supervisor/ctl/client.h"
#include "supervisor/ctl/replay.h"
#include "supervisor/ctl/stream.h"
#include "supervisor/ctl/view.h"
#include "supervisor/ctl/view_json.h"

/* Exit statuses: spec/supervision.md §9.1. */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_WRONG = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_RUNNING = 3, /* status */
	EXIT_UNKNOWN = 4,     /* no answer, or insufficient privilege */
	EXIT_STOPPED = 7,     /* other verbs: there is nobody to ask */
};

#define RELOAD_WAIT_S 120 /* three processes, one after the other, each with its drain */

extern char **environ;

static const char usage[] =
    "usage: bulkheadctl [options] VERB\n"
    "\n"
    "  status      state, pid, uptime and memory of each process; what waits, what was lost\n"
    "  ledger      the balance of every listener, source and destination; 1 when one is open\n"
    "  start NAME… | stop NAME… | restart NAME…\n"
    "              one or more of dogstatsd, logs, forwarder, or all; a stop drains first\n"
    "  reload      reads the configuration again; what changed is applied, nothing else notices\n"
    "  dogstatsd-stats  the most frequent metrics: count, last seen, tags\n"
    "  top contexts     the names with the most contexts, the tag keys with the most values\n"
    "  top senders      the processes that send the most packets to the Unix sockets\n"
    "  dogstatsd-capture [SECONDS]   every packet to a file, for 60 seconds; prints its path\n"
    "  dogstatsd-replay FILE         a capture's packets to dogstatsd_socket, spaced as they came\n"
    "  stream-logs      log messages as they are taken, until Ctrl-C; the four options below\n"
    "  registry [ls]    where each log file stands: state, delivered, safe, size, path\n"
    "  registry show IDENTIFIER | forget IDENTIFIER\n"
    "                   everything about the rows of a file (file:/var/log/a.log); deletes them\n"
    "  registry import FILE | export\n"
    "                   takes over, or prints, the Agent's registry.json\n"
    "  quarantine       what the intake refused for good\n"
    "  quarantine replay\n"
    "                   sends it again\n"
    "  drain       ordered drain; the supervisor stays, its children are stopped\n"
    "  shutdown    ordered drain, then the end; prints the report\n"
    "  version     versions of this program and of the supervisor that runs\n"
    "  help        this text\n"
    "\n"
    "  -c, --config FILE|DIR   datadog.yaml, or the directory that holds it\n"
    "  -s, --socket PATH       control socket (else run_dir/ctl.sock of the configuration)\n"
    "      --json              one JSON object instead of text\n"
    "      --timeout SECONDS   how long to wait for the answer\n"
    "      --source S, --service S   stream-logs: only messages with exactly this one\n"
    "      --duration SECONDS, --count N   stream-logs: end after so long, or so many messages\n"
    "  -h, --help; --version\n";

struct options {
	const char *config;
	const char *socket;
	long timeout_s; /* 0 = by verb */
	bool json;
	bool stream; /* one of these was given */
	const char *source, *service;
	long duration_s;
	long long count;
};

struct verb {
	const char *name;
	bool drains;
	const char *member; /* what it takes beside itself; NULL = nothing */
	void (*view)(const json_t *answer, struct bh_buf *out); /* NULL: the answer is not shown */
	int (*verdict)(const json_t *answer);
	bool own_json; /* --json changes nothing: the view is JSON, of another form */
	int wait_s;    /* for the answer; 0 = 5 */
};

static int status_verdict(const json_t *answer)
{
	return bh_view_all_running(answer) ? EXIT_DONE : EXIT_NOT_RUNNING;
}

static int ledger_verdict(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "balanced")) ? EXIT_DONE : EXIT_WRONG;
}

static int report_verdict(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "accounted")) ? EXIT_DONE : EXIT_WRONG;
}

static int results_verdict(const json_t *answer)
{
	const json_t *results = json_object_get(answer, "results");
	const json_t *one;
	size_t i;

	json_array_foreach(results, i, one)
	{
		if (!json_is_true(json_object_get(one, "ok")))
			return EXIT_WRONG;
	}
	return json_is_array(results) ? EXIT_DONE : EXIT_WRONG;
}

static int reload_verdict(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "applied")) ? results_verdict(answer)
								: EXIT_WRONG;
}

static int version_verdict(const json_t *answer)
{
	return *bh_json_text(answer, "version") ? EXIT_DONE : EXIT_WRONG;
}

static void version_view(const json_t *answer, struct bh_buf *out)
{
	(void)bh_buf_printf(
	    out, "bulkheadctl %s\nbulkhead    %s\n", BH_VERSION, bh_json_text(answer, "version"));
}

static int answered_verdict(const json_t *answer)
{
	(void)answer;
	return EXIT_DONE;
}

static const struct verb top_verbs[] = {
    {.name = "contexts", .view = bh_view_contexts, .verdict = answered_verdict},
    {.name = "senders", .view = bh_view_senders, .verdict = answered_verdict},
};

static const struct verb verbs[] = {
    {.name = "status", .view = bh_view_status, .verdict = status_verdict},
    {.name = "ledger", .view = bh_view_ledger, .verdict = ledger_verdict},
    {.name = "drain", .drains = true, .view = bh_view_report, .verdict = report_verdict},
    {.name = "shutdown", .drains = true, .view = bh_view_report, .verdict = report_verdict},
    {.name = "version", .view = version_view, .verdict = version_verdict},
    {.name = "start", .member = "names", .view = bh_view_results, .verdict = results_verdict},
    {.name = "stop",
	.drains = true,
	.member = "names",
	.view = bh_view_results,
	.verdict = results_verdict},
    {.name = "restart",
	.drains = true,
	.member = "names",
	.view = bh_view_results,
	.verdict = results_verdict},
    {.name = "reload", .view = bh_view_reload, .verdict = reload_verdict, .wait_s = RELOAD_WAIT_S},
    {.name = "dogstatsd-stats", .view = bh_view_metrics, .verdict = answered_verdict},
};

static int wrong(const char *what, const char *word)
{
	(void)fprintf(stderr, "bulkheadctl: %s%s%s (bulkheadctl help lists what there is)\n",
	    word ? word : "", word ? ": " : "", what);
	return EXIT_USAGE;
}

static void print(const struct bh_buf *b)
{
	if (b->len)
		(void)fwrite(b->data, 1, b->len, stdout);
}

static void print_json_error(const char *text)
{
	struct bh_buf json = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_init(&w, &json);
	bh_jsonw_object(&w, NULL);
	bh_jsonw_u64(&w, "schema", 1);
	bh_jsonw_str(&w, "error", text);
	bh_jsonw_object_end(&w);
	(void)bh_buf_u8(&json, '\n');
	print(&json);
	bh_buf_release(&json);
}

static int fail(const struct options *o, const char *text, int code)
{
	if (o->json)
		print_json_error(text);
	(void)fprintf(stderr, "bulkheadctl: ERROR (%s)\n", text);
	return code;
}

static int cannot_ask(const struct options *o, const struct verb *v, int rc, const char *text)
{
	bool absent = rc == -ENOENT || rc == -ECONNREFUSED;

	if (absent && strcmp(v->name, "version") == 0) {
		(void)printf(o->json ? "{\"schema\":1,\"version\":null,\"bulkheadctl\":\"%s\"}\n"
				     : "bulkheadctl %s\nbulkhead    does not run\n",
		    BH_VERSION);
		return EXIT_DONE;
	}
	if (absent)
		return fail(
		    o, text, strcmp(v->name, "status") == 0 ? EXIT_NOT_RUNNING : EXIT_STOPPED);
	return fail(o, text, rc == BH_E_CLOSED ? EXIT_WRONG : EXIT_UNKNOWN);
}

static int show(const struct options *o, const struct verb *v, const struct bh_buf *answer)
{
	struct bh_buf text = BH_BUF_INIT;
	json_t *json = json_loadb(answer->data, answer->len, 0, NULL);
	int code;

	if (!json)
		return fail(o, "the answer is not JSON: another version runs?", EXIT_WRONG);
	if (json_object_get(json, "error")) {
		code = json_is_true(json_object_get(json, "denied")) ? EXIT_UNKNOWN : EXIT_WRONG;
		(void)fail(o, bh_json_text(json, "error"), code);
	} else {
		if (o->json && v->view && !v->own_json)
			(void)bh_buf_printf(&text, "%s\n", answer->data);
		else if (v->view)
			v->view(json, &text);
		print(&text);
		code = v->verdict(json);
	}
	bh_buf_release(&text);
	json_decref(json);
	return code;
}

static int timeout_ms(const struct options *o, const struct verb *v, const struct bh_config *cfg)
{
	if (o->timeout_s)
		return (int)(o->timeout_s * 1000);
	return v->drains ? (int)BH_MIN(bh_config_stop_budget_ms(cfg) + 5000, (int64_t)INT32_MAX)
			 : (v->wait_s ? v->wait_s : 5) * 1000;
}

/* *fd: a descriptor that came with the answer, or -1. */
static int ask_with(const struct options *o, const struct verb *v,
    const struct bh_ctl_member *members, size_t n, int *fd)
{
	struct bh_buf path = BH_BUF_INIT, answer = BH_BUF_INIT;
	struct bh_findings findings = {0};
	struct bh_err err = BH_ERR_INIT;
	struct bh_config cfg;
	int rc, code;

	/* A configuration that became wrong does not keep anybody from asking what runs. */
	if (bh_config_load(&cfg, o->config, environ, &findings)) {
		for (size_t i = 0; i < findings.n && !o->socket; i++) {
			if (findings.v[i].level == BH_FINDING_ERROR)
				(void)fprintf(stderr, "bulkheadctl: %s\n", findings.v[i].text);
		}
	}
	if (o->socket)
		rc = bh_buf_str(&path, o->socket);
	else
		rc = bh_buf_printf(&path, "%s/ctl.sock", cfg.run_dir);
	*fd = -1;
	if (rc)
		(void)bh_err_set(&err, rc, "path of the socket");
	else
		rc = bh_ctl_ask(
		    path.data, v->name, members, n, timeout_ms(o, v, &cfg), &answer, fd, &err);
	code = rc ? cannot_ask(o, v, rc, err.text) : show(o, v, &answer);
	bh_buf_release(&path);
	bh_buf_release(&answer);
	bh_findings_release(&findings);
	bh_config_release(&cfg);
	return code;
}

static int ask(const struct options *o, const struct verb *v, const char *names)
{
	const struct bh_ctl_member member = {v->member, names};
	int fd;
	int code = ask_with(o, v, &member, names ? 1 : 0, &fd);

	if (fd >= 0)
		(void)close(fd);
	return code;
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
static int take_stream_option(struct options *o, int opt)
{
	long long seconds;

	o->stream = true;
	switch (opt) {
	case 'd':
		if (!take_number(optarg, 86400, &seconds))
			return wrong("the duration is a number of seconds", optarg);
		o->duration_s = (long)seconds;
		return -1;
	case 'n':
		return take_number(optarg, INT64_MAX, &o->count)
			   ? -1
			   : wrong("a number of messages is wanted", optarg);
	default:
		if (!is_name(optarg))
			return wrong("is no name of a source or service", optarg);
		*(opt == 'S' ? &o->source : &o->service) = optarg;
		return -1;
	}
}

/* -1: go on; else the exit status. */
static int take_option(struct options *o, int opt, char **argv)
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
	case 't':
		o->timeout_s = strtol(optarg, &end, 10);
		return *end || o->timeout_s < 1 || o->timeout_s > 86400
			   ? wrong("the timeout is a number of seconds", optarg)
			   : -1;
	case 'S':
	case 'W':
	case 'd':
	case 'n':
		return take_stream_option(o, opt);
	case 'h':
		(void)fputs(usage, stdout);
		return EXIT_DONE;
	case 'V':
		(void)printf("bulkheadctl %s\n", BH_VERSION);
		return EXIT_DONE;
	case ':':
		return wrong("an argument is missing", argv[optind - 1]);
	default:
		return wrong("unknown option", argv[optind - 1]);
	}
}

/* Names are words; what else they may be the supervisor says. */
static bool join_names(char **words, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (; *words; words++) {
		int n = snprintf(out + len, cap - len, "%s%s", len ? " " : "", *words);

		if (n < 0 || (size_t)n >= cap - len || strpbrk(*words, "\"\\") || !**words)
			return false;
		len += (size_t)n;
	}
	return true;
}

static int run_verb(const struct options *o, const struct verb *v, char **words)
{
	char names[256];

	if (!v->member)
		return *words ? wrong("unexpected argument", *words) : ask(o, v, NULL);
	if (!*words)
		return wrong("needs the name of a process, or all", v->name);
	if (!join_names(words, names, sizeof(names)))
		return wrong("no such process: dogstatsd, logs, forwarder or all", v->name);
	return ask(o, v, names);
}

static void capture_view(const json_t *answer, struct bh_buf *out)
{
	bh_buf_printf(out, "%s\n", bh_json_text(answer, "path"));
}

static int capture(const struct options *o, char **words)
{
	static const struct verb v = {.name = "dogstatsd-capture",
	    .member = "seconds",
	    .view = capture_view,
	    .verdict = answered_verdict};
	static char minute[] = "60";

	if (words[0] && words[1])
		return wrong("unexpected argument", words[1]);
	if (words[0] && (!*words[0] || strspn(words[0], "0123456789") != strlen(words[0])))
		return wrong("a number of seconds is wanted", words[0]);
	return ask(o, &v, words[0] ? words[0] : minute);
}

static int replay(const struct options *o, char **words)
{
	struct bh_findings findings = {0};
	struct bh_err err = BH_ERR_INIT;
	struct bh_config cfg;
	uint64_t packets;
	int rc;

	if (!words[0] || words[1])
		return wrong("needs one file", "dogstatsd-replay");
	(void)!bh_config_load(&cfg, o->config, environ, &findings);
	rc = bh_replay(words[0], cfg.dogstatsd_socket, &packets, &err);
	bh_findings_release(&findings);
	bh_config_release(&cfg);
	if (rc)
		return fail(o, err.text, EXIT_WRONG);
	(void)printf(o->json ? "{\"schema\":1,\"packets\":%llu}\n" : "%llu packets\n",
	    (unsigned long long)packets);
	return EXIT_DONE;
}

static int stream_logs(const struct options *o, char **words)
{
	static const struct verb v = {.name = "stream-logs", .verdict = answered_verdict};
	const struct bh_stream_show what = {(uint32_t)o->duration_s, (uint64_t)o->count, o->json};
	struct bh_ctl_member members[2];
	struct bh_err err = BH_ERR_INIT;
	size_t n = 0;
	int fd, code;

	if (*words)
		return wrong("unexpected argument", *words);
	if (o->source)
		members[n++] = (struct bh_ctl_member){"source", o->source};
	if (o->service)
		members[n++] = (struct bh_ctl_member){"service", o->service};
	code = ask_with(o, &v, members, n, &fd);
	if (code == EXIT_DONE && fd < 0)
		return fail(o, "the answer came without a stream", EXIT_WRONG);
	if (fd >= 0 && code == EXIT_DONE)
		return bh_stream_show(fd, &what, &err) ? fail(o, err.text, EXIT_WRONG) : EXIT_DONE;
	if (fd >= 0)
		(void)close(fd);
	return code;
}

/* --- registry --- */

#define REGISTRY_WAIT_S 60 /* there may be many rows */

enum registry_word { REGISTRY_ALL, REGISTRY_IDENTIFIER, REGISTRY_FILE };

static const struct {
	const char *word;
	enum registry_word takes;
	struct verb verb;
} registry_verbs[] = {
    {"ls", REGISTRY_ALL,
	{.name = "registry",
	    .view = bh_view_registry,
	    .verdict = answered_verdict,
	    .wait_s = REGISTRY_WAIT_S}},
    {"export", REGISTRY_ALL,
	{.name = "registry",
	    .view = bh_view_registry_export,
	    .verdict = answered_verdict,
	    .own_json = true,
	    .wait_s = REGISTRY_WAIT_S}},
    {"show", REGISTRY_IDENTIFIER,
	{.name = "registry-show",
	    .member = "identifier",
	    .view = bh_view_registry_show,
	    .verdict = answered_verdict,
	    .wait_s = REGISTRY_WAIT_S}},
    {"forget", REGISTRY_IDENTIFIER,
	{.name = "registry-forget",
	    .member = "identifier",
	    .view = bh_view_registry_forget,
	    .verdict = answered_verdict,
	    .wait_s = REGISTRY_WAIT_S}},
    {"import", REGISTRY_FILE,
	{.name = "registry-import",
	    .member = "file",
	    .view = bh_view_registry_import,
	    .verdict = answered_verdict,
	    .wait_s = REGISTRY_WAIT_S}},
};

/* As it is listed, or as the shell gives it: a % that begins no escape stands for itself. */
static int put_identifier(const char *word, struct bh_buf *out)
{
	for (; *word; word++) {
		bool escape = word[0] == '%' && isxdigit((unsigned char)word[1]) &&
			      isxdigit((unsigned char)word[2]);
		size_t n = strcspn(word + 1, "%") + 1;

		if (escape) {
			(void)bh_buf_append(out, word, 3);
			word += 2;
			continue;
		}
		(void)bh_percent_encode((struct bh_str){word, n}, out);
		word += n - 1;
	}
	return bh_buf_failed(out);
}

/* The supervisor stands in another directory. */
static int put_file(const char *word, struct bh_buf *out)
{
	char here[PATH_MAX] = "";
	int rc = 0;

	if (*word != '/' && !getcwd(here, sizeof(here)))
		return -errno;
	if (*word != '/') {
		(void)bh_percent_encode(bh_str_from(here), out);
		rc = bh_buf_u8(out, '/');
	}
	(void)bh_percent_encode(bh_str_from(word), out);
	return rc ? rc : bh_buf_failed(out);
}

static int registry_ask(const struct options *o, size_t which, const char *word)
{
	struct bh_buf arg = BH_BUF_INIT;
	int code, rc = registry_verbs[which].takes == REGISTRY_FILE ? put_file(word, &arg)
								    : put_identifier(word, &arg);

	code = rc ? fail(o, bh_err_name(rc), EXIT_WRONG)
		  : ask(o, &registry_verbs[which].verb, arg.data);
	bh_buf_release(&arg);
	return code;
}

static int registry(const struct options *o, char **words)
{
	const char *word = words[0] ? words[0] : "ls";
	size_t i = 0;

	while (i < BH_ARRAY_LEN(registry_verbs) && strcmp(registry_verbs[i].word, word) != 0)
		i++;
	if (i == BH_ARRAY_LEN(registry_verbs))
		return wrong("ls, show, forget, import or export", word);
	words += words[0] != NULL;
	if (registry_verbs[i].takes == REGISTRY_ALL)
		return run_verb(o, &registry_verbs[i].verb, words);
	if (!words[0] || !*words[0])
		return wrong(registry_verbs[i].takes == REGISTRY_FILE ? "needs one file"
								      : "needs an identifier",
		    word);
	if (words[1])
		return wrong("unexpected argument", words[1]);
	return registry_ask(o, i, words[0]);
}

static int quarantine(const struct options *o, char **words)
{
	static const struct verb ls = {
	    .name = "quarantine", .view = bh_view_quarantine, .verdict = answered_verdict};
	static const struct verb again = {.name = "quarantine-replay",
	    .view = bh_view_replayed,
	    .verdict = answered_verdict,
	    .wait_s = REGISTRY_WAIT_S};

	if (words[0] && strcmp(words[0], "replay") == 0)
		return run_verb(o, &again, words + 1);
	return run_verb(o, &ls, words + (words[0] && strcmp(words[0], "ls") == 0));
}

static int top(const struct options *o, char **words)
{
	for (size_t i = 0; words[0] && i < BH_ARRAY_LEN(top_verbs); i++) {
		if (strcmp(words[0], top_verbs[i].name) == 0)
			return run_verb(o, &top_verbs[i], words + 1);
	}
	return wrong("what: contexts or senders", "top");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"socket", required_argument, NULL, 's'},
	    {"json", no_argument, NULL, 'j'},
	    {"timeout", required_argument, NULL, 't'},
	    {"source", required_argument, NULL, 'S'},
	    {"service", required_argument, NULL, 'W'},
	    {"duration", required_argument, NULL, 'd'},
	    {"count", required_argument, NULL, 'n'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},
	    {NULL, 0, NULL, 0},
	};
	struct options o = {0};
	int opt, code;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":c:s:h", options, NULL)) != -1) {
		code = take_option(&o, opt, argv);
		if (code >= 0)
			return code;
	}
	if (optind == argc)
		return wrong("a verb is missing", NULL);
	if (strcmp(argv[optind], "help") == 0) {
		(void)fputs(usage, stdout);
		return EXIT_DONE;
	}
	if (strcmp(argv[optind], "stream-logs") == 0)
		return stream_logs(&o, argv + optind + 1);
	if (o.stream)
		return wrong("--source, --service, --duration and --count are for stream-logs",
		    argv[optind]);
	if (strcmp(argv[optind], "dogstatsd-capture") == 0)
		return capture(&o, argv + optind + 1);
	if (strcmp(argv[optind], "dogstatsd-replay") == 0)
		return replay(&o, argv + optind + 1);
	if (strcmp(argv[optind], "top") == 0)
		return top(&o, argv + optind + 1);
	if (strcmp(argv[optind], "quarantine") == 0)
		return quarantine(&o, argv + optind + 1);
	if (strcmp(argv[optind], "registry") == 0)
		return registry(&o, argv + optind + 1);
	for (size_t i = 0; i < BH_ARRAY_LEN(verbs); i++) {
		if (strcmp(verbs[i].name, argv[optind]) == 0)
			return run_verb(&o, &verbs[i], argv + optind + 1);
	}
	return wrong("unknown verb", argv[optind]);
}

/*
 * bulkhead-intake: a local stand-in for Datadog's intakes. It takes what an agent sends, decodes
 * it, keeps it as JSON lines or shows it, and fails on request. For tests and demonstrations only:
 * no TLS, any API key will do.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/version.h"
#include "tests/intake/listen.h"
#include "tests/intake/server.h"

struct options {
	const char *listen;
	const char *data;
	bool show;
	size_t max_body;
};

static const char usage[] =
    "usage: bulkhead-intake --listen ADDRESS:PORT [--data FILE] [--show] [--max-body BYTES]\n"
    "                       [--fault RULE]...\n"
    "\n"
    "  --listen ADDRESS:PORT  127.0.0.1:PORT or [::1]:PORT; port 0 takes any free port\n"
    "  --data FILE            append what arrives as JSON lines (without it: on stdout)\n"
    "  --show                 print a short line for each metric and log message\n"
    "  --max-body BYTES       answer 413 above this (default: the service's limits)\n"
    "  --fault RULE           e.g. 'status=503&probability=0.3&path=/api/v2/logs'\n"
    "\n"
    "GET /_/stats shows counters; /_/fault?RULE adds a fault, /_/fault?clear=1 removes all.\n";

static int read_size(const char *text, size_t *out)
{
	char *end = NULL;
	unsigned long long v;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end != '\0' || v == 0 || v > BH_BUF_MAX)
		return BH_E_FORMAT;
	*out = (size_t)v;
	return 0;
}

static int add_fault(struct bh_server *server, const char *text, struct bh_err *err)
{
	struct bh_fault rule;
	int rc = bh_fault_parse(&rule, text, err);

	return rc ? rc : bh_faults_add(&server->faults, &rule, err);
}

/* 0, or BH_E_FORMAT with the cause in err; err without text = show the usage. */
static int read_options(
    int argc, char **argv, struct options *o, struct bh_server *server, struct bh_err *err)
{
	static const struct option longs[] = {
	    {"listen", required_argument, NULL, 'l'},
	    {"data", required_argument, NULL, 'd'},
	    {"show", no_argument, NULL, 's'},
	    {"max-body", required_argument, NULL, 'm'},
	    {"fault", required_argument, NULL, 'f'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (c == 'l')
			o->listen = optarg;
		else if (c == 'd')
			o->data = optarg;
		else if (c == 's')
			o->show = true;
		else if (c == 'm' && read_size(optarg, &o->max_body) < 0)
			return bh_err_set(err, BH_E_FORMAT, "--max-body %s", optarg);
		else if (c == 'f' && add_fault(server, optarg, err) < 0)
			return BH_E_FORMAT;
		else if (c == 'h' || c == 'V')
			return c;
		else if (c == '?')
			return bh_err_set(err, BH_E_FORMAT, "see --help");
	}
	if (optind < argc)
		return bh_err_set(err, BH_E_FORMAT, "unexpected argument %s", argv[optind]);
	if (!o->listen)
		return bh_err_set(err, BH_E_FORMAT, "--listen is missing; see --help");
	return 0;
}

/* Blocked before the first thread exists, so that only sigwait() below sees them. */
static void block_signals(sigset_t *stop)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	sigaction(SIGPIPE, &ignore, NULL);
	sigemptyset(stop);
	sigaddset(stop, SIGTERM);
	sigaddset(stop, SIGINT);
	sigprocmask(SIG_BLOCK, stop, NULL);
}

static int serve(
    struct bh_server *server, const struct options *o, const sigset_t *stop, struct bh_err *err)
{
	char bound[BH_LISTEN_TEXT_MAX];
	int signal_number = 0;
	int rc = bh_server_start(server, o->listen, bound, sizeof(bound), err);

	if (!rc) {
		printf("listening on %s\n", bound);
		fflush(stdout);
		sigwait(stop, &signal_number);
	}
	bh_server_stop(server);
	return rc;
}

int main(int argc, char **argv)
{
	struct options o = {0};
	struct bh_err err = BH_ERR_INIT;
	struct bh_server server;
	struct bh_record record;
	struct bh_stats stats;
	sigset_t stop;
	int rc;

	bh_server_init(&server, &record, &stats);
	rc = read_options(argc, argv, &o, &server, &err);
	if (rc > 0) {
		fputs(rc == 'h' ? usage : "bulkhead-intake " BH_VERSION "\n", stdout);
		return 0;
	}
	if (rc < 0) {
		fprintf(stderr, "bulkhead-intake: %s\n", err.text);
		return 2;
	}
	server.max_body = o.max_body;
	block_signals(&stop);
	rc = bh_stats_init(&stats);
	if (!rc)
		rc = bh_record_open(&record, o.data, o.show, &err);
	if (!rc) {
		rc = serve(&server, &o, &stop, &err);
		bh_record_close(&record);
		bh_stats_release(&stats);
	}
	if (rc)
		fprintf(stderr, "bulkhead-intake: %s\n", err.text);
	return rc ? 1 : 0;
}

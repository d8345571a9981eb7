#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/child.h"
#include "common/version.h"
#include "supervisor/supervisor.h"

static const char usage[] =
    "usage: bulkhead run [-c FILE|DIR]    run the agent in the foreground\n"
    "       bulkhead run [-c FILE|DIR] -- COMMAND [ARGUMENT...]\n"
    "                                     the agent, and beside it the command: when it ends, the\n"
    "                                     agent drains and exits with the command's status\n"
    "       bulkhead --version | --help\n"
    "\n"
    "  -c, --config FILE|DIR   datadog.yaml, or the directory that holds it\n"
    "                          (else /etc/bulkhead, then /etc/datadog-agent)\n"
    "\n"
    "Ask a running one with bulkheadctl. HUP, or bulkheadctl reload, reads the configuration "
    "again.\n";

static int wrong(const char *what, const char *word)
{
	(void)fprintf(
	    stderr, "bulkhead: %s%s%s\n%s", what, word ? ": " : "", word ? word : "", usage);
	return BH_EXIT_USAGE;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	const char *config = NULL;
	int opt;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:c:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			config = optarg;
			break;
		case 'h':
			(void)fputs(usage, stdout);
			return BH_EXIT_OK;
		case ':':
			return wrong("an argument is missing", argv[optind - 1]);
		default:
			return wrong("unknown option", argv[optind - 1]);
		}
	}
	if (strcmp(argv[optind - 1], "--") == 0)
		return argv[optind] ? bh_supervisor_run(config, argv + optind)
				    : wrong("a command is missing", "--");
	if (optind < argc)
		return wrong("unexpected argument (a command stands behind --)", argv[optind]);
	return bh_supervisor_run(config, NULL);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return wrong("a command is missing", NULL);
	if (strcmp(argv[1], "run") == 0)
		return run(argc - 1, argv + 1);
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
		(void)printf(
		    "bulkhead %s (stands in for Agent %s)\n", BH_VERSION, BH_AGENT_VERSION);
		return BH_EXIT_OK;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		(void)fputs(usage, stdout);
		return BH_EXIT_OK;
	}
	return wrong("unknown command", argv[1]);
}

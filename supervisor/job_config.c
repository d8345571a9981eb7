#include "supervisor/job_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/config_logs.h"
#include "supervisor/own_log.h"

const char *const bh_job_stream_names[2] = {"stdout", "stderr"};

static int set(char **text, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* Named as the user said, else after the command. */
static int fill(
    struct bh_log_source *s, const struct bh_config *cfg, const char *stream, const char *command)
{
	const char *name = base_name(command);
	int rc = set(&s->type, "run");

	rc = rc ? rc : set(&s->path, stream);
	rc = rc ? rc : set(&s->where, "the command");
	rc = rc ? rc : set(&s->service, cfg->run_service[0] ? cfg->run_service : name);
	rc = rc ? rc : set(&s->source, cfg->run_source[0] ? cfg->run_source : name);
	for (size_t i = 0; i < cfg->run_tags.n && !rc; i++)
		rc = bh_strlist_add(&s->tags, cfg->run_tags.v[i], strlen(cfg->run_tags.v[i]));
	return rc;
}

static int add_source(struct bh_config *cfg, const char *stream, const char *command)
{
	struct bh_log_source *grown =
	    reallocarray(cfg->log_sources, cfg->log_sources_n + 1, sizeof(*grown));
	struct bh_log_source *s;
	int rc;

	if (!grown)
		return -ENOMEM;
	cfg->log_sources = grown;
	s = &grown[cfg->log_sources_n];
	rc = bh_log_source_init(s);
	rc = rc ? rc : fill(s, cfg, stream, command);
	if (rc)
		bh_log_source_release(s);
	else
		cfg->log_sources_n++;
	return rc;
}

int bh_job_config(struct bh_config *cfg, const char *command)
{
	int rc = 0;

	if (bh_own_log_target(cfg) == BH_OWN_LOG_STDERR && strcasecmp(cfg->log_level, "info") == 0)
		rc = set(&cfg->log_level, "warn");
	for (size_t i = 0; i < BH_ARRAY_LEN(bh_job_stream_names) && !rc; i++) {
		if (cfg->logs_enabled && cfg->run_logs)
			rc = add_source(cfg, bh_job_stream_names[i], command);
	}
	return rc;
}

#include "logs-agent/source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_logs.h"

#define COMPONENT     "source"
#define DEFAULT_LIMIT 900000
#define MATCH_LIMIT   1000000 /* steps of a regex on one line */

static enum bh_source_type type_of(const char *word)
{
	if (strcmp(word, "tcp") == 0)
		return BH_SOURCE_TCP;
	if (strcmp(word, "udp") == 0)
		return BH_SOURCE_UDP;
	if (strcmp(word, "run") == 0)
		return BH_SOURCE_RUN;
	return strcmp(word, "journald") == 0 ? BH_SOURCE_JOURNALD : BH_SOURCE_FILE;
}

static enum bh_line_format format_of(const char *word)
{
	if (strcmp(word, "docker") == 0)
		return BH_FORMAT_DOCKER;
	if (strcmp(word, "cri") == 0)
		return BH_FORMAT_CRI;
	return strcmp(word, "syslog") == 0 ? BH_FORMAT_SYSLOG : BH_FORMAT_NONE;
}

/* With several multi_line rules the last one counts (§7.1). */
static struct bh_str multi_line_of(const struct bh_log_source *src)
{
	for (size_t i = src->rules_n; i-- > 0;) {
		if (src->rules[i].type == BH_RULE_MULTI_LINE)
			return bh_str_from(src->rules[i].pattern);
	}
	return (struct bh_str){NULL, 0};
}

/* §7.1: the first that applies. */
static enum bh_aggregation_kind kind_of(
    const struct bh_log_source *src, const struct bh_config *cfg)
{
	bool global =
	    cfg->logs_auto_multi_line_detection || cfg->logs_experimental_auto_multi_line_detection;

	if (multi_line_of(src).n)
		return BH_AGGREGATE_REGEX;
	if (src->auto_multi_line == BH_TRUE || (src->auto_multi_line == BH_UNSET && global))
		return BH_AGGREGATE_AUTO;
	return cfg->logs_auto_multi_line_detection_tagging ? BH_AGGREGATE_DETECT
							   : BH_AGGREGATE_SINGLE;
}

struct told {
	struct bh_source *source;
	struct bh_log *log;
};

static void sample_fault(void *ctx, const struct bh_log_sample *sample, const char *why)
{
	const struct told *t = ctx;

	bh_warn(t->log, COMPONENT, "%s: the sample %.80s is left out: %s", t->source->cfg->where,
	    sample->regex[0] ? sample->regex : sample->sample, why);
}

static int make_aggregation(
    struct bh_source *s, const struct bh_config *cfg, struct bh_log *log, struct bh_err *err)
{
	const struct bh_log_source *src = s->cfg;
	const struct bh_aggregation_options o = {
	    .kind = kind_of(src, cfg),
	    .limit = s->limit,
	    .tag_truncated = cfg->logs_tag_truncated_logs,
	    .tag_multi_line = cfg->logs_tag_multi_line_logs,
	    .regex = multi_line_of(src),
	    .match_limit = MATCH_LIMIT,
	    .label =
		{
		    .own = {src->samples, src->samples_n},
		    .global = {cfg->log_samples, cfg->log_samples_n},
		    .max_bytes = (size_t)cfg->logs_aml_tokenizer_max_input_bytes,
		    .time_threshold = (double)cfg->logs_aml_timestamp_threshold_milli / 1000,
		    .json = cfg->logs_aml_enable_json_detection,
		    .datetime = cfg->logs_aml_enable_datetime_detection,
		},
	    .json = cfg->logs_aml_enable_json_aggregation,
	    .tag_json = cfg->logs_aml_tag_aggregated_json,
	};
	struct told told = {s, log};

	return bh_aggregation_init(&s->aggregation, &o, sample_fault, &told, err);
}

/* Keeps a source from running. */
static void refuse(struct bh_source *s, struct bh_log *log, const char *why)
{
	s->runs = false;
	(void)snprintf(s->note, sizeof(s->note), "Error: %.200s", why);
	bh_error(log, COMPONENT, "%s: %s; this source is not collected", s->cfg->where, why);
}

static int compile(struct bh_source *s, const struct bh_config *cfg, struct bh_log *log)
{
	struct bh_err err = BH_ERR_INIT;
	enum bh_charset charset;
	int rc;

	if (!bh_charset_parse(s->cfg->encoding, &charset))
		bh_warn(log, COMPONENT, "%s: encoding %.40s is not known: read as utf-8",
		    s->cfg->where, s->cfg->encoding);
	rc = bh_decoder_init(&s->decoder, charset);
	if (rc && rc != -ENOMEM) {
		refuse(s, log, "this system's C library cannot decode its encoding");
		return 0;
	}
	if (!rc)
		rc = make_aggregation(s, cfg, log, &err);
	if (!rc && (cfg->log_rules_n || s->cfg->rules_n))
		rc = bh_ruleset_new(&s->rules, cfg->log_rules, cfg->log_rules_n, s->cfg->rules,
		    s->cfg->rules_n, &err);
	/* Most sources have no rule but one of multi_line: no call per message then. */
	if (!rc && s->rules && bh_ruleset_count(s->rules) == 0) {
		bh_ruleset_free(s->rules);
		s->rules = NULL;
	}
	if (rc && rc != -ENOMEM) {
		refuse(s, log, err.text);
		return 0;
	}
	return rc;
}

int bh_source_init(struct bh_source *s, const struct bh_log_source *src,
    const struct bh_config *cfg, struct bh_log *log)
{
	const char *fault = cfg->log_rules_fault[0] ? cfg->log_rules_fault : src->fault;

	*s = (struct bh_source){
	    .cfg = src,
	    .type = type_of(src->type),
	    .format = format_of(src->format),
	    .limit = cfg->logs_max_message_size_bytes > 0 ? (size_t)cfg->logs_max_message_size_bytes
							  : DEFAULT_LIMIT,
	    .runs = true,
	};
	bh_fp_text(&src->fingerprint, s->fp_config);
	if (fault[0]) {
		refuse(s, log, fault);
		return 0;
	}
	return compile(s, cfg, log);
}

void bh_source_release(struct bh_source *s)
{
	bh_decoder_release(&s->decoder);
	bh_aggregation_release(&s->aggregation);
	bh_ruleset_free(s->rules);
}

struct bh_source *bh_source_new(
    struct bh_log_source *src, const struct bh_config *cfg, struct bh_log *log)
{
	struct bh_source *s = calloc(1, sizeof(*s));
	struct bh_log_source *own = calloc(1, sizeof(*own));

	if (!s || !own || bh_source_init(s, src, cfg, log)) {
		if (s && own)
			bh_source_release(s);
		free(s);
		free(own);
		return NULL;
	}
	*own = *src;
	*src = (struct bh_log_source){0};
	s->own = own;
	s->cfg = own;
	return s;
}

void bh_source_free(struct bh_source *s)
{
	if (!s)
		return;
	bh_source_release(s);
	if (s->own)
		bh_log_source_release(s->own);
	free(s->own);
	free(s);
}

static void exchange(char **a, char **b)
{
	char *t = *a;

	*a = *b;
	*b = t;
}

void bh_source_moved(struct bh_source *s, struct bh_log_source *now)
{
	if (s->own->fault[0] && strstr(s->note, s->own->fault))
		(void)snprintf(s->note, sizeof(s->note), "Error: %.200s", now->fault);
	exchange(&s->own->where, &now->where);
	exchange(&s->own->fault, &now->fault);
}

#include "logs-agent/lane.h"

#include <stdio.h>
#include <string.h>

#include "logs-agent/logs_internal.h"
#include "logs-agent/syslog.h"

#define COMPONENT "sockets"

static int on_message(void *ctx, const struct bh_message *m)
{
	struct bh_lane *lane = ctx;

	(void)bh_handover_message(lane->logs, lane->source, &lane->who->ends, m);
	bh_handover_after(lane->logs);
	return 0;
}

static int start(struct bh_lane *lane)
{
	const struct bh_source *s = lane->source;
	bool is_error = s->type == BH_SOURCE_RUN && strcmp(s->cfg->path, "stderr") == 0;

	lane->continues = false;
	lane->status = is_error ? BH_STATUS_ERROR : BH_STATUS_INFO;
	return bh_assembler_init(
	    &lane->assembler, lane->source, &lane->logs->work, on_message, lane);
}

int bh_lane_init(struct bh_lane *lane, struct bh_logs *logs, struct bh_source *source,
    struct bh_ends_cache *names, const struct bh_ip *from)
{
	char text[BH_IP_TEXT];
	int rc;

	*lane = (struct bh_lane){.logs = logs, .source = source, .names = names};
	if (from && logs->child->config.logs_use_sourcehost_tag) {
		bh_ip_text(from, text);
		(void)snprintf(lane->tag, sizeof(lane->tag), "source_host:%s", text);
	}
	rc = bh_ends_cache_get(names, bh_str_from(lane->tag), BH_STR_LIT(""), &lane->who);
	if (!rc)
		rc = start(lane);
	if (rc)
		bh_lane_release(lane);
	return rc;
}

void bh_lane_release(struct bh_lane *lane)
{
	bh_assembler_release(&lane->assembler);
	bh_ends_cache_put(lane->names, lane->who);
	lane->who = NULL;
}

/* From now on the lines are those of app; what is held has the name it came with. */
static int rename_to(struct bh_lane *lane, struct bh_str app)
{
	struct bh_named_ends *who;
	int rc = bh_assembler_flush(&lane->assembler);

	if (!rc)
		rc = bh_ends_cache_get(lane->names, bh_str_from(lane->tag), app, &who);
	if (rc)
		return rc;
	bh_ends_cache_put(lane->names, lane->who);
	lane->who = who;
	return 0;
}

static int read_head(struct bh_lane *lane, struct bh_str frame)
{
	const struct bh_log_source *cfg = lane->source->cfg;
	struct bh_syslog s = bh_syslog_parse(frame);

	lane->status = s.status;
	if (s.app.n > BH_LANE_APP_MAX || (cfg->service[0] && cfg->source[0]))
		s.app.n = 0;
	return bh_str_eq(s.app, bh_named_ends_app(lane->who)) ? 0 : rename_to(lane, s.app);
}

int bh_lane_frame(void *ctx, const struct bh_frame *frame)
{
	struct bh_lane *lane = ctx;
	int rc = 0;

	if (lane->source->format == BH_FORMAT_SYSLOG) {
		/* Only the first piece of a frame that was cut has a head. */
		if (!lane->continues)
			rc = read_head(lane, frame->content);
		lane->continues = frame->cut;
	}
	return rc ? rc : bh_assembler_frame(&lane->assembler, frame, lane->status);
}

int bh_lane_flush(struct bh_lane *lane)
{
	return bh_assembler_flush(&lane->assembler);
}

bool bh_lane_holds(const struct bh_lane *lane)
{
	return bh_assembler_held(&lane->assembler) > 0;
}

void bh_lane_reset(struct bh_lane *lane, int error)
{
	struct bh_source *s = lane->source;

	bh_error(&lane->logs->child->log, COMPONENT, "%s: lines of %s are lost: %s", s->cfg->where,
	    lane->tag[0] ? lane->tag : "a sender", bh_err_name(error));
	s->l.received++;
	bh_ledger_drop(&s->l, BH_DROP_NO_MEMORY, 1);
	bh_assembler_release(&lane->assembler);
	/* What could fail here is memory for container formats, which no port has. */
	if (start(lane))
		bh_child_fail(lane->logs->child, BH_EXIT_INTERNAL);
}

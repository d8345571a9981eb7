#include "supervisor/config_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_check.h"
#include "common/jsonw.h"
#include "supervisor/reload_config.h"
#include "supervisor/supervisor.h"

#define COMPONENT "reload"

extern char **environ;

void bh_config_diff_note(struct bh_supervisor *s)
{
	if (bh_config_image_take(&s->image, &s->cfg, bh_rng_u64(&s->rng)))
		(void)fprintf(stderr, "bulkhead: out of memory for config diff\n");
}

void bh_config_diff_note_key(struct bh_supervisor *s)
{
	struct bh_config_image now = {NULL, NULL, 0};
	size_t i = 0;

	/* Plain, when it was looked up just now; empty, when it was wiped long ago. */
	if (!s->cfg.api_key[0] || !s->image.shown ||
	    bh_config_image_take(&now, &s->cfg, s->image.salt))
		return;
	while (strcmp(bh_options[i].key, "api_key") != 0)
		i++;
	free(s->image.shown[i]);
	s->image.shown[i] = now.shown[i];
	s->image.marks[i] = now.marks[i];
	now.shown[i] = NULL;
	bh_config_image_release(&now);
}

/* What becomes of a change at a reload. */
static void put_effect(const struct bh_option *o, struct bh_jsonw *w)
{
	char text[64] = "";
	size_t len = 0;

	if (bh_reload_is_fixed(o->key)) {
		bh_jsonw_str(w, "applies", "at a start of bulkhead only");
		return;
	}
	if (strcmp(o->key, "api_key") == 0) {
		bh_jsonw_str(w, "applies", "without a restart");
		return;
	}
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (o->roles & 1u << i)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
			    len ? ", " : "restarts ", bh_role_name((enum bh_role)i));
	}
	bh_jsonw_str(w, "applies", len ? text : "without a restart");
}

static void put_changes(
    const struct bh_config_image *used, const struct bh_config_image *next, struct bh_jsonw *w)
{
	bh_jsonw_array(w, "changes");
	for (size_t i = 0; i < bh_options_n; i++) {
		if (!used->shown[i] || used->marks[i] == next->marks[i])
			continue;
		bh_jsonw_object(w, NULL);
		bh_jsonw_str(w, "key", bh_options[i].key);
		bh_jsonw_str(w, "running", used->shown[i]);
		bh_jsonw_str(w, "files", next->shown[i]);
		put_effect(&bh_options[i], w);
		bh_jsonw_object_end(w);
	}
	bh_jsonw_array_end(w);
}

static int put_sources(
    const struct bh_config *used, const struct bh_config *next, struct bh_jsonw *w)
{
	const struct bh_log_source **old =
	    calloc(used->log_sources_n + 1, sizeof(const struct bh_log_source *));
	size_t *same = calloc(next->log_sources_n + 1, sizeof(*same));
	struct bh_sources_change c = {0};
	int rc = old && same ? 0 : BH_E_LIMIT;

	for (size_t i = 0; i < used->log_sources_n && !rc; i++)
		old[i] = &used->log_sources[i];
	if (!rc)
		rc = bh_log_sources_compare(
		    old, used->log_sources_n, next->log_sources, next->log_sources_n, same, &c);
	free(old);
	free(same);
	bh_jsonw_object(w, "sources");
	bh_jsonw_u64(w, "added", c.added);
	bh_jsonw_u64(w, "removed", c.removed);
	bh_jsonw_u64(w, "changed", c.changed);
	bh_jsonw_u64(w, "unchanged", c.unchanged);
	bh_jsonw_object_end(w);
	return rc;
}

static void put_findings(const struct bh_findings *f, struct bh_jsonw *w)
{
	bh_jsonw_array(w, "findings");
	for (size_t i = 0; i < f->n; i++) {
		bh_jsonw_object(w, NULL);
		bh_jsonw_str(w, "level", f->v[i].level == BH_FINDING_ERROR ? "error" : "warning");
		bh_jsonw_str(w, "text", f->v[i].text);
		bh_jsonw_object_end(w);
	}
	bh_jsonw_array_end(w);
}

void bh_config_diff_answer(struct bh_supervisor *s, struct bh_ctl_conn *conn)
{
	struct bh_config_image image = {NULL, NULL, 0};
	struct bh_findings findings = {0};
	struct bh_buf json = BH_BUF_INIT;
	struct bh_config_trace trace;
	struct bh_config next;
	struct bh_jsonw w;
	bool good = bh_config_load_traced(&next, s->config_path, environ, &findings, &trace) == 0;

	if (good)
		bh_config_check(&next, &trace, &findings);
	bh_config_trace_release(&trace);
	bh_jsonw_document(&w, &json);
	bh_jsonw_bool(&w, "valid", findings.errors == 0);
	put_findings(&findings, &w);
	good = s->image.shown && bh_config_image_take(&image, &next, s->image.salt) == 0;
	if (good) {
		put_changes(&s->image, &image, &w);
		good = put_sources(&s->cfg, &next, &w) == 0;
	}
	bh_jsonw_object_end(&w);
	if (good)
		bh_ctl_answer(conn, bh_buf_view(&json));
	else
		bh_ctl_answer_error(conn, "out of memory");
	bh_buf_release(&json);
	bh_config_image_release(&image);
	bh_findings_release(&findings);
	bh_config_release(&next);
}

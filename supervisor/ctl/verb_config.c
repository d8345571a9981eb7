/* config: what is wrong with the files, which values they give, and what a reload would change. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/child.h"
#include "common/config_check.h"
#include "common/config_view.h"
#include "common/jsonw.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/view_json.h"

#define VALUE_COLUMN 48

extern char **environ;

/* A configuration as the files and this environment give it. */
struct loaded {
	struct bh_config cfg;
	struct bh_findings findings;
	struct bh_config_trace trace;
};

static void load(const struct bh_ctl_options *o, struct loaded *l)
{
	memset(l, 0, sizeof(*l));
	if (bh_config_load_traced(&l->cfg, o->config, environ, &l->findings, &l->trace))
		return;
	bh_config_check(&l->cfg, &l->trace, &l->findings);
	bh_config_hint(&l->cfg, &l->trace, &l->findings);
}

static void release(struct loaded *l)
{
	bh_config_trace_release(&l->trace);
	bh_findings_release(&l->findings);
	bh_config_release(&l->cfg);
}

static bool is_wrong(const struct loaded *l)
{
	return l->findings.errors || l->findings.mistakes;
}

/* --- check ------------------------------------------------------------------------------------ */

static void put_findings(const struct bh_findings *f, struct bh_jsonw *w)
{
	bh_jsonw_array(w, "findings");
	for (size_t i = 0; i < f->n; i++) {
		const char *text = f->v[i].text;
		size_t n = bh_finding_place(text);

		bh_jsonw_object(w, NULL);
		bh_jsonw_str(w, "level", f->v[i].level == BH_FINDING_WARNING ? "warning" : "error");
		if (n)
			bh_jsonw_bytes(w, "place", text, n);
		bh_jsonw_str(w, "text", n ? text + n + 2 : text);
		bh_jsonw_object_end(w);
	}
	bh_jsonw_array_end(w);
}

static int check(const struct bh_ctl_options *o, const struct loaded *l)
{
	struct bh_buf out = BH_BUF_INIT;
	struct bh_jsonw w;

	if (o->json) {
		bh_jsonw_document(&w, &out);
		bh_jsonw_bool(&w, "valid", !is_wrong(l));
		put_findings(&l->findings, &w);
		bh_jsonw_object_end(&w);
		(void)bh_buf_u8(&out, '\n');
	} else if (bh_findings_print(&l->findings, &out)) {
		bh_buf_release(&out);
		return bh_ctl_fail(o, "out of memory", BH_CTL_WRONG);
	}
	bh_ctl_print(&out);
	bh_buf_release(&out);
	if (!o->json && !is_wrong(l))
		(void)puts("the configuration is good");
	return is_wrong(l) ? BH_EXIT_CONFIG : BH_CTL_DONE;
}

/* --- show ------------------------------------------------------------------------------------- */

/* Proxies have variables of their own, which no place is known of. */
static const char *place_of(const struct loaded *l, size_t i, const char *shown)
{
	const struct bh_option *o = &bh_options[i];

	if (l->trace.at && l->trace.at[i])
		return l->trace.at[i];
	if (o->env && !*o->env && *shown && strcmp(shown, "[]") != 0)
		return "environment";
	return "default";
}

static void show_one(const struct bh_ctl_options *o, const struct loaded *l, size_t i,
    struct bh_jsonw *w, struct bh_buf *out)
{
	struct bh_buf value = BH_BUF_INIT;
	const char *shown, *place;
	int n;

	shown = bh_config_show(&l->cfg, &bh_options[i], &value) || !value.len ? "" : value.data;
	place = place_of(l, i, shown);
	if (o->non_default && strcmp(place, "default") == 0) {
		bh_buf_release(&value);
		return;
	}
	if (o->json) {
		bh_jsonw_object(w, NULL);
		bh_jsonw_str(w, "key", bh_options[i].key);
		bh_jsonw_bytes(w, "value", shown, value.len);
		bh_jsonw_str(w, "from", place);
		bh_jsonw_object_end(w);
	} else {
		n = snprintf(NULL, 0, "%s: %s", bh_options[i].key, shown);
		(void)bh_buf_printf(out, "%s: %s%*s  # %s\n", bh_options[i].key, shown,
		    n < VALUE_COLUMN ? VALUE_COLUMN - n : 0, "", place);
	}
	bh_buf_release(&value);
}

static void show_sources(
    const struct bh_ctl_options *o, const struct loaded *l, struct bh_jsonw *w, struct bh_buf *out)
{
	for (size_t i = 0; i < l->cfg.log_sources_n; i++) {
		const struct bh_log_source *s = &l->cfg.log_sources[i];
		char name[4096];
		int n;

		bh_log_source_name(s, name, sizeof(name));
		if (o->json) {
			bh_jsonw_object(w, NULL);
			bh_jsonw_str(w, "type", s->type);
			bh_jsonw_str(w, "name", name);
			bh_jsonw_str(w, "from", s->where);
			bh_jsonw_str(w, "fault", s->fault);
			bh_jsonw_object_end(w);
			continue;
		}
		n = snprintf(NULL, 0, "logs %s %s%s", s->type, name, *s->fault ? " (off)" : "");
		(void)bh_buf_printf(out, "logs %s %s%s%*s  # %s\n", s->type, name,
		    *s->fault ? " (off)" : "", n < VALUE_COLUMN ? VALUE_COLUMN - n : 0, "",
		    s->where);
	}
}

static int show(const struct bh_ctl_options *o, const struct loaded *l)
{
	struct bh_buf out = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_init(&w, &out);
	if (o->json) {
		bh_jsonw_document(&w, &out);
		bh_jsonw_bool(&w, "valid", !is_wrong(l));
		bh_jsonw_array(&w, "options");
	}
	for (size_t i = 0; i < bh_options_n; i++) {
		if (bh_options[i].type != BH_OPT_IGNORED)
			show_one(o, l, i, &w, &out);
	}
	if (o->json) {
		bh_jsonw_array_end(&w);
		bh_jsonw_array(&w, "log_sources");
	}
	show_sources(o, l, &w, &out);
	if (o->json) {
		bh_jsonw_array_end(&w);
		bh_jsonw_object_end(&w);
		(void)bh_buf_u8(&out, '\n');
	}
	bh_ctl_print(&out);
	bh_buf_release(&out);
	if (is_wrong(l))
		(void)fputs("bulkheadctl: the configuration has mistakes: bulkheadctl config check "
			    "lists them\n",
		    stderr);
	return is_wrong(l) ? BH_EXIT_CONFIG : BH_CTL_DONE;
}

/* --- diff ------------------------------------------------------------------------------------- */

static bool sources_differ(const json_t *answer)
{
	const json_t *s = json_object_get(answer, "sources");

	return bh_json_count(s, "added") || bh_json_count(s, "removed") ||
	       bh_json_count(s, "changed");
}

static void diff_view(const json_t *answer, struct bh_buf *out)
{
	const json_t *changes = json_object_get(answer, "changes"), *one;
	const json_t *s = json_object_get(answer, "sources");
	size_t i;

	json_array_foreach(json_object_get(answer, "findings"), i, one)
	{
		bh_buf_printf(
		    out, "%s: %s\n", bh_json_text(one, "level"), bh_json_text(one, "text"));
	}
	json_array_foreach(changes, i, one)
	{
		bh_buf_printf(out, "%s: %s -> %s  # %s\n", bh_json_text(one, "key"),
		    bh_json_text(one, "running"), bh_json_text(one, "files"),
		    bh_json_text(one, "applies"));
	}
	if (sources_differ(answer))
		bh_buf_printf(out,
		    "log sources: %llu added, %llu removed, %llu changed, %llu unchanged\n",
		    (unsigned long long)bh_json_count(s, "added"),
		    (unsigned long long)bh_json_count(s, "removed"),
		    (unsigned long long)bh_json_count(s, "changed"),
		    (unsigned long long)bh_json_count(s, "unchanged"));
	if (!json_is_true(json_object_get(answer, "valid")))
		bh_buf_printf(out, "a reload changes nothing: the files have errors\n");
	else if (json_array_size(changes) == 0 && !sources_differ(answer))
		bh_buf_printf(out, "no difference\n");
}

static int diff_verdict(const json_t *answer)
{
	bool same = json_array_size(json_object_get(answer, "changes")) == 0 &&
		    !sources_differ(answer) && json_is_true(json_object_get(answer, "valid"));

	return same ? BH_CTL_DONE : BH_CTL_WRONG;
}

static const struct bh_ctl_query diff = {
    .name = "config-diff", .view = diff_view, .verdict = diff_verdict};

/* ---------------------------------------------------------------------------------------------- */

int bh_ctl_run_config(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	const char *word = words[0] ? words[0] : "show";
	struct loaded l;
	int code;

	if (words[0] && words[1])
		return bh_ctl_usage("unexpected argument", words[1]);
	if (o->non_default && strcmp(word, "show") != 0)
		return bh_ctl_usage("only show takes --non-default", command->name);
	if (strcmp(word, "diff") == 0)
		return bh_ctl_ask_plain(o, &diff, words + 1);
	if (strcmp(word, "check") != 0 && strcmp(word, "show") != 0)
		return bh_ctl_usage("check, show or diff", word);
	load(o, &l);
	code = strcmp(word, "check") == 0 ? check(o, &l) : show(o, &l);
	release(&l);
	return code;
}

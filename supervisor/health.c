#include "supervisor/health.h"

#include <stdio.h>
#include <string.h>

#include "common/jsonw.h"

#define LATE_NS (11 * BH_NS_PER_S) /* two heartbeats */
#define LINK_NS (4 * BH_NS_PER_S)  /* what it says of its link at first is no news */

struct verdict {
	bool healthy;
	char text[BH_ERR_TEXT_MAX + 64];
};

static void put(struct bh_jsonw *w, const char *name, const struct verdict *v, bool *all)
{
	bh_jsonw_object(w, NULL);
	bh_jsonw_str(w, "name", name);
	bh_jsonw_bool(w, "healthy", v->healthy);
	bh_jsonw_str(w, "text", v->text);
	bh_jsonw_object_end(w);
	*all &= v->healthy;
}

static void say(struct verdict *v, bool healthy, const char *text)
{
	v->healthy = healthy;
	(void)snprintf(v->text, sizeof(v->text), "%s", text);
}

static void judge_process(const struct bh_kid *k, int64_t mono_ns, struct verdict *v)
{
	const char *state = bh_life_state_name(k->life.state);
	const char *cause = bh_life_cause_name(k->life.last_cause);
	/* One that has just become ready has not said anything yet. */
	int64_t heard = BH_MAX(k->beat_ns, k->life.ready_ns);

	if (k->life.state != BH_LIFE_RUNNING) {
		v->healthy = false;
		(void)snprintf(v->text, sizeof(v->text), "%s%s%s%s%s", state,
		    *cause ? ", last end: " : "", cause, k->failure[0] ? ": " : "", k->failure);
	} else if (mono_ns - heard > LATE_NS) {
		say(v, false, "its heartbeat is late");
	} else if (k->beat.keys_refused) {
		say(v, false, "no API key is valid: correct api_key and reload, or enable the key");
	} else if (k->asked_id && !k->answered) {
		say(v, false, "runs, but did not answer in time");
	} else {
		say(v, true, "runs");
	}
}

static void judge_link(const struct bh_kid *k, const struct bh_kid *forwarder, struct verdict *v)
{
	if (k->life.state != BH_LIFE_RUNNING || forwarder->life.state != BH_LIFE_RUNNING)
		say(v, false, "one end does not run");
	else if (k->beat_ns - k->life.ready_ns > LINK_NS && !k->beat.link_up)
		say(v, false, "runs, but does not reach the forwarder");
	else
		say(v, true, "up");
}

void bh_health_json(const struct bh_status_view *view, struct bh_buf *out)
{
	const struct bh_kid *forwarder = &view->kids[BH_ROLE_FORWARDER];
	struct verdict v;
	struct bh_jsonw w;
	bool all = true;
	char name[32];

	bh_jsonw_document(&w, out);
	bh_jsonw_array(&w, "components");
	say(&v, strcmp(view->state, "RUNNING") == 0 || strcmp(view->state, "STARTING") == 0,
	    view->state);
	put(&w, "supervisor", &v, &all);
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		const struct bh_kid *k = &view->kids[i];

		if (!k->enabled)
			continue;
		judge_process(k, view->mono_ns, &v);
		put(&w, bh_role_name(k->role), &v, &all);
		if (k == forwarder)
			continue;
		(void)snprintf(name, sizeof(name), "link %s", bh_role_name(k->role));
		judge_link(k, forwarder, &v);
		put(&w, name, &v, &all);
	}
	bh_jsonw_array_end(&w);
	bh_jsonw_bool(&w, "healthy", all);
	bh_jsonw_object_end(&w);
}

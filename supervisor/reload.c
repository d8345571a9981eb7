#include "supervisor/reload.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/config_check.h"
#include "common/config_finding.h"
#include "common/jsonw.h"
#include "supervisor/config_answer.h"
#include "supervisor/key_watch.h"
#include "supervisor/reload_config.h"
#include "supervisor/sealed.h"
#include "supervisor/sockets_internal.h"
#include "supervisor/state_fs.h"
#include "supervisor/supervisor.h"

#define COMPONENT "reload"
#define LISTENERS "supervisor"
#define ANSWER_NS (5 * BH_NS_PER_S)

extern char **environ;

/* Out of memory costs a note of the status, nothing else: the log has it. */
static void keep(struct bh_supervisor *s, struct bh_strlist *list, const char *text)
{
	if (bh_strlist_add(list, text, strlen(text)))
		bh_warn(&s->log, COMPONENT, "out of memory for a note");
}

/* --- what is told -------------------------------------------------------------------------------
 */

static void tell(struct bh_supervisor *s, enum bh_role role, bool ok, const char *text)
{
	struct bh_reload_result *r = &s->reload.result[role];

	r->told = true;
	r->ok = ok;
	(void)snprintf(r->text, sizeof(r->text), "%s", text);
	bh_log_write(&s->log, ok ? BH_LOG_INFO : BH_LOG_ERROR, COMPONENT, "%s: %s",
	    bh_role_name(role), text);
}

void bh_reload_describe(const struct bh_sources_change *c, char *out, size_t cap)
{
	const struct {
		uint32_t n;
		const char *word;
	} parts[] = {
	    {c->added, "added"},
	    {c->removed, "removed"},
	    {c->changed, "changed"},
	    {c->unchanged, "unchanged"},
	};
	size_t len = 0;

	out[0] = '\0';
	if (!c->added && !c->removed && !c->changed)
		return;
	for (size_t i = 0; i < BH_ARRAY_LEN(parts) && len < cap; i++) {
		if (parts[i].n == 0)
			continue;
		len += (size_t)snprintf(out + len, cap - len, "%s%" PRIu32 "%s %s", len ? ", " : "",
		    parts[i].n,
		    len               ? ""
		    : parts[i].n == 1 ? " source"
				      : " sources",
		    parts[i].word);
	}
}

static void put_findings(const struct bh_reload *r, struct bh_jsonw *w)
{
	bh_jsonw_array(w, "findings");
	for (size_t i = 0; i < r->findings.n; i++) {
		bh_jsonw_object(w, NULL);
		bh_jsonw_str(
		    w, "level", r->findings.v[i].level == BH_FINDING_ERROR ? "error" : "warning");
		bh_jsonw_str(w, "text", r->findings.v[i].text);
		bh_jsonw_object_end(w);
	}
	bh_jsonw_array_end(w);
}

static void put_results(const struct bh_reload *r, struct bh_jsonw *w)
{
	bh_jsonw_array(w, "results");
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (!r->result[i].told)
			continue;
		bh_jsonw_object(w, NULL);
		bh_jsonw_str(w, "name", bh_role_name((enum bh_role)i));
		bh_jsonw_bool(w, "ok", r->result[i].ok);
		bh_jsonw_str(w, "result", r->result[i].text);
		bh_jsonw_object_end(w);
	}
	bh_jsonw_array_end(w);
	bh_jsonw_array(w, "needs_start");
	for (size_t i = 0; i < r->needs_start.n; i++)
		bh_jsonw_str(w, NULL, r->needs_start.v[i]);
	bh_jsonw_array_end(w);
}

static void answer(struct bh_supervisor *s)
{
	const struct bh_reload *r = &s->reload;
	struct bh_buf json = BH_BUF_INIT;
	struct bh_jsonw w;

	bh_jsonw_document(&w, &json);
	bh_jsonw_bool(&w, "applied", r->applied);
	put_findings(r, &w);
	put_results(r, &w);
	bh_jsonw_object_end(&w);
	for (size_t i = 0; i < BH_CTL_CONNS; i++) {
		struct bh_ctl_conn *c = &s->ctl.conn[i];

		if (bh_ctl_waits(c, BH_VERB_RELOAD) && c->round == r->round)
			bh_ctl_answer(c, bh_buf_view(&json));
	}
	bh_buf_release(&json);
}

static void log_outcome(struct bh_supervisor *s)
{
	const struct bh_reload *r = &s->reload;
	bool nothing = r->needs_start.n == 0;

	if (r->refresh && !r->applied) {
		bh_error(&s->log, COMPONENT, "the old secrets act on");
		return;
	}
	for (size_t i = 0; i < r->needs_start.n; i++)
		bh_warn(&s->log, COMPONENT, "%s: needs a start of bulkhead; the old value acts",
		    r->needs_start.v[i]);
	for (int i = 0; i < BH_ROLE__N; i++)
		nothing = nothing && !r->result[i].told;
	if (!r->applied)
		bh_error(&s->log, COMPONENT,
		    "the configuration has errors: nothing changed, the old one acts");
	else if (nothing)
		bh_log_write(&s->log, r->refresh ? BH_LOG_DEBUG : BH_LOG_INFO, COMPONENT, "%s",
		    "nothing changed");
}

/* --- ports and notes ----------------------------------------------------------------------------
 */

static void keep_all(struct bh_supervisor *s, struct bh_strlist *to, const struct bh_strlist *from)
{
	for (size_t i = 0; i < from->n; i++)
		keep(s, to, from->v[i]);
}

/* The status shows what is true of the configuration in use. */
static void renew_notes(struct bh_supervisor *s)
{
	const char *hint = bh_state_fs_check(s->cfg.run_path);

	bh_strlist_release(&s->notes);
	keep_all(s, &s->notes, &s->config_notes);
	keep_all(s, &s->notes, &s->sockets.notes);
	keep_all(s, &s->notes, &s->log_sockets.notes);
	keep_all(s, &s->notes, &s->log_sockets.warnings);
	if (hint && bh_sockets_note(&s->notes, "run_path %s %s", s->cfg.run_path, hint))
		bh_error(&s->log, COMPONENT, "out of memory for a note");
}

static bool has_text(const struct bh_strlist *l, const char *text)
{
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->v[i], text) == 0)
			return true;
	}
	return false;
}

/* Each once: what is still so at the next look is in the status. */
static void tell_ports(struct bh_supervisor *s, bool opened, const struct bh_strlist *before)
{
	const struct bh_log_sockets *l = &s->log_sockets;

	for (size_t i = 0; i < l->notes.n; i++) {
		if (!has_text(before, l->notes.v[i]))
			bh_error(&s->log, LISTENERS, "listener: %s", l->notes.v[i]);
	}
	for (size_t i = 0; opened && i < l->warnings.n; i++)
		bh_warn(&s->log, LISTENERS, "listener: %s", l->warnings.v[i]);
	for (size_t i = 0; opened && i < l->n; i++)
		bh_info(&s->log, LISTENERS, "listening on %s", l->fds[i].name);
}

bool bh_reload_ports(struct bh_supervisor *s)
{
	struct bh_strlist before = {0};
	bool opened = false;

	keep_all(s, &before, &s->log_sockets.notes);
	if (bh_log_sockets_update(&s->log_sockets, &s->cfg, &opened))
		bh_error(&s->log, COMPONENT, "out of memory for the ports of log sources");
	tell_ports(s, opened, &before);
	bh_strlist_release(&before);
	renew_notes(s);
	return opened;
}

/* --- processes ----------------------------------------------------------------------------------
 */

static void on_late(struct bh_timer *t);

/* Something in its configuration is new, and it has the new one for its next start. live: of the
 * kind it may take over while it runs. */
static void schedule(struct bh_supervisor *s, struct bh_kid *k, bool live)
{
	struct bh_reload *r = &s->reload;
	enum bh_life_state state = k->life.state;

	if (s->orders[k->role].what == BH_ORDER_STOP || state == BH_LIFE_STOPPED ||
	    state == BH_LIFE_EXITED) {
		tell(s, k->role, true, "is stopped; its next start takes the new configuration");
		return;
	}
	if (live && bh_kid_reload(k, r->id)) {
		r->asked |= 1u << k->role;
		bh_timer_in(&s->loop, &r->answer, ANSWER_NS, on_late);
		return;
	}
	r->todo |= 1u << k->role;
}

static void finish(struct bh_supervisor *s)
{
	struct bh_reload *r = &s->reload;

	r->active = false;
	bh_notify_send(&s->notify, "READY=1");
	log_outcome(s);
	answer(s);
	bh_supervisor_write_status(s);
	if (r->again) {
		r->again = false;
		bh_reload_ask(s, NULL);
	}
}

/* Of the one that is being restarted; false: it is not settled. */
static bool settled(struct bh_supervisor *s)
{
	const struct bh_reload *r = &s->reload;
	const struct bh_kid *k = &s->kids[r->now];
	enum bh_life_state state = k->life.state;

	if (s->orders[r->now].what != BH_ORDER_NONE || k->life.generation == r->generation)
		return false;
	if (state == BH_LIFE_RUNNING)
		tell(s, r->now, true, "restarted");
	else if (state == BH_LIFE_FATAL)
		tell(s, r->now, false, "does not start; its log says why");
	else if (state == BH_LIFE_STOPPED || state == BH_LIFE_EXITED)
		tell(s, r->now, false, "was stopped meanwhile");
	else if (state == BH_LIFE_BACKOFF && !k->life.alive)
		tell(s, r->now, false, "does not start; trying again");
	else
		return false;
	return true;
}

static void restart_next(struct bh_supervisor *s)
{
	struct bh_reload *r = &s->reload;
	enum bh_role role = BH_ROLE_DOGSTATSD;

	while (!(r->todo & 1u << role))
		role = (enum bh_role)(role + 1);
	r->todo &= ~(1u << role);
	r->now = role;
	r->generation = s->kids[role].life.generation;
	bh_orders_restart(s, role);
}

void bh_reload_pump(struct bh_supervisor *s)
{
	struct bh_reload *r = &s->reload;

	/* What a step does comes back here by way of the child's states. */
	if (!r->active || r->pumping || r->resolving || bh_stopping(s))
		return;
	r->pumping = true;
	/* One that ended comes back by itself, with the new configuration: now rather than later.
	 */
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (r->asked & 1u << i && s->kids[i].life.state != BH_LIFE_RUNNING) {
			r->asked &= ~(1u << i);
			r->todo |= 1u << i;
		}
	}
	while (!r->asked) {
		if (r->now != BH_ROLE_SUPERVISOR && !settled(s))
			break;
		r->now = BH_ROLE_SUPERVISOR;
		if (!r->todo)
			break;
		restart_next(s);
	}
	r->pumping = false;
	if (!r->asked && r->now == BH_ROLE_SUPERVISOR) {
		bh_timer_cancel(&r->answer);
		finish(s);
	}
}

void bh_reload_answered(
    struct bh_supervisor *s, enum bh_role role, uint32_t id, const struct bh_ctl_reloaded *a)
{
	struct bh_reload *r = &s->reload;
	char text[BH_RELOAD_TEXT_MAX] = "takes the new API key while it runs";

	if (!r->active || id != r->id || !(r->asked & 1u << role))
		return;
	r->asked &= ~(1u << role);
	if (!r->asked)
		bh_timer_cancel(&r->answer);
	if (role == BH_ROLE_LOGS)
		bh_reload_describe(&a->sources, text, sizeof(text));
	if (a->restart)
		r->todo |= 1u << role;
	else if (text[0])
		tell(s, role, true, text);
	bh_reload_pump(s);
}

static void on_late(struct bh_timer *t)
{
	struct bh_supervisor *s = BH_CONTAINER(t, struct bh_supervisor, reload.answer);

	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		if (s->reload.asked & 1u << i)
			bh_warn(&s->log, COMPONENT, "%s does not answer: it is restarted",
			    bh_role_name((enum bh_role)i));
	}
	s->reload.todo |= s->reload.asked;
	s->reload.asked = 0;
	bh_reload_pump(s);
}

/* --- the configuration --------------------------------------------------------------------------
 */

static void forget_last(struct bh_reload *r)
{
	bh_findings_release(&r->findings);
	r->findings = (struct bh_findings){0};
	bh_strlist_release(&r->needs_start);
	memset(r->result, 0, sizeof(r->result));
	r->todo = 0;
	r->now = BH_ROLE_SUPERVISOR;
	r->asked = 0;
	r->applied = r->refresh = false;
}

/* What is found out after the files were read, with nothing to point at. */
static void refuse(struct bh_supervisor *s, const char *text)
{
	bh_finding_add(&s->reload.findings, BH_FINDING_ERROR, "%s", text);
	bh_error(&s->log, COMPONENT, "%s", text);
}

static bool load(struct bh_supervisor *s, struct bh_config *next)
{
	struct bh_findings *f = &s->reload.findings;
	struct bh_config_trace trace;

	if (bh_config_load_traced(next, s->config_path, environ, f, &trace) == 0)
		bh_config_check(next, &trace, f);
	bh_config_trace_release(&trace);
	for (size_t i = 0; i < f->n; i++)
		bh_log_write(&s->log,
		    f->v[i].level == BH_FINDING_ERROR ? BH_LOG_ERROR : BH_LOG_WARN, COMPONENT, "%s",
		    f->v[i].text);
	return f->errors == 0;
}

/* One for each child that is configured, else -1. false: nothing was kept. */
static bool seal_all(struct bh_supervisor *s, const struct bh_config *next,
    const struct bh_secrets *secrets, int fds[BH_ROLE__N])
{
	struct bh_err err = BH_ERR_INIT;
	bool good = true;

	for (int i = 0; i < BH_ROLE__N; i++)
		fds[i] = -1;
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N && good; i++) {
		enum bh_role role = (enum bh_role)i;

		if (!s->kids[i].enabled)
			continue;
		fds[i] = next ? bh_sealed_make(next, role, secrets, &err)
			      : bh_sealed_renew(s->kids[i].config_fd, &s->cfg, role, secrets, &err);
		good = fds[i] >= 0;
	}
	if (!good)
		refuse(s, err.text);
	for (int i = 0; i < BH_ROLE__N && !good; i++) {
		if (fds[i] >= 0)
			(void)close(fds[i]);
	}
	return good;
}

/* fd moves into the child. */
static enum bh_sealed_diff give(struct bh_kid *k, int fd)
{
	enum bh_sealed_diff diff = bh_sealed_compare(k->config_fd, fd, k->role);

	(void)close(k->config_fd);
	k->config_fd = fd;
	return diff;
}

/* What is inherited comes with a start only: ports for the logs process. */
static void give_all(struct bh_supervisor *s, const int fds[BH_ROLE__N], bool opened)
{
	for (int i = BH_ROLE_DOGSTATSD; i < BH_ROLE__N; i++) {
		struct bh_kid *k = &s->kids[i];
		enum bh_sealed_diff diff = fds[i] >= 0 ? give(k, fds[i]) : BH_SEALED_SAME;
		bool ports = opened && i == BH_ROLE_LOGS;

		if (k->enabled && (diff != BH_SEALED_SAME || ports))
			schedule(
			    s, k, (diff == BH_SEALED_SOURCES || diff == BH_SEALED_KEYS) && !ports);
	}
}

/* next moves into s. */
static void use(struct bh_supervisor *s, struct bh_config *next)
{
	bh_config_release(&s->cfg);
	s->cfg = *next;
	bh_config_diff_note(s);
	if (bh_log_level_parse(s->cfg.log_level, &s->log.level))
		s->log.level = BH_LOG_INFO;
	bh_strlist_release(&s->config_notes);
	for (size_t i = 0; i < s->reload.findings.n; i++) {
		if (s->reload.findings.v[i].text)
			keep(s, &s->config_notes, s->reload.findings.v[i].text);
	}
}

/* --- the values of secrets, then the rest -----------------------------------------------------
 */

static bool apply(struct bh_supervisor *s, const struct bh_secrets *secrets)
{
	struct bh_reload *r = &s->reload;
	bool opened = false;
	int fds[BH_ROLE__N];

	if (!seal_all(s, r->refresh ? NULL : &r->next, secrets, fds))
		return false;
	if (!r->refresh) {
		use(s, &r->next);
		opened = bh_reload_ports(s);
	}
	give_all(s, fds, opened);
	return true;
}

static void on_resolved(
    struct bh_resolver *resolver, struct bh_secrets *secrets, const struct bh_err *err)
{
	struct bh_supervisor *s = BH_CONTAINER(resolver, struct bh_supervisor, reload.resolver);
	struct bh_reload *r = &s->reload;

	r->resolving = false;
	r->pumping = true;
	if (err)
		refuse(s, err->text);
	r->applied = !err && apply(s, secrets);
	if (r->applied && r->refresh)
		bh_config_diff_note_key(s);
	r->pumping = false;
	if (!r->applied && !r->refresh)
		bh_config_release(&r->next);
	bh_secrets_wipe_plain(&s->cfg);
	bh_key_watch_arm(s);
	bh_reload_pump(s);
}

static void begin(struct bh_supervisor *s, bool refresh)
{
	struct bh_reload *r = &s->reload;

	forget_last(r);
	r->active = true;
	r->refresh = refresh;
	r->round++;
	r->id = r->id == UINT32_MAX ? 1 : r->id + 1;
}

/* What the files of secrets are now is what is read now: the watch compares with it. */
static void resolve(struct bh_supervisor *s)
{
	struct bh_reload *r = &s->reload;

	r->resolving = true;
	bh_key_watch_note(s, r->refresh ? &s->cfg : &r->next);
	bh_resolver_start(&r->resolver, r->refresh ? &s->cfg : &r->next);
}

void bh_reload_ask(struct bh_supervisor *s, struct bh_ctl_conn *conn)
{
	struct bh_reload *r = &s->reload;

	if (bh_stopping(s)) {
		if (conn)
			bh_ctl_answer_error(conn, "everything is being stopped");
		return;
	}
	if (conn)
		conn->round = r->round + 1;
	if (r->active) {
		r->again = true;
		return;
	}
	begin(s, false);
	bh_info(&s->log, COMPONENT, "reading the configuration again");
	bh_notify_reloading(&s->notify);
	if (load(s, &r->next) && bh_reload_keep_fixed(&s->cfg, &r->next, &r->needs_start) == 0 &&
	    bh_wrap_config(s, &r->next) == 0) {
		resolve(s);
		return;
	}
	bh_config_release(&r->next);
	bh_reload_pump(s);
}

/* Of the configuration as it is written now. One with errors tells nothing. */
static void look_up_key(struct bh_supervisor *s)
{
	struct bh_findings findings = {0};
	struct bh_config now;

	if (bh_config_load(&now, s->config_path, environ, &findings) == 0 && now.api_key[0]) {
		char *old = s->cfg.api_key;

		s->cfg.api_key = now.api_key;
		now.api_key = old;
	}
	bh_config_release(&now);
	bh_findings_release(&findings);
}

void bh_reload_refresh(struct bh_supervisor *s, bool read_key)
{
	if (bh_stopping(s) || s->reload.active)
		return;
	begin(s, true);
	if (read_key)
		look_up_key(s);
	resolve(s);
}

void bh_reload_give_up(struct bh_supervisor *s)
{
	bh_timer_cancel(&s->reload.answer);
	if (s->reload.resolving) {
		bh_resolver_cancel(&s->reload.resolver);
		if (!s->reload.refresh)
			bh_config_release(&s->reload.next);
		s->reload.resolving = false;
	}
	s->reload.active = s->reload.again = false;
	for (size_t i = 0; i < BH_CTL_CONNS; i++) {
		struct bh_ctl_conn *c = &s->ctl.conn[i];

		if (bh_ctl_waits(c, BH_VERB_RELOAD))
			bh_ctl_answer_error(c, "everything is being stopped");
	}
}

void bh_reload_init(struct bh_supervisor *s)
{
	bh_resolver_init(&s->reload.resolver, &s->loop, on_resolved);
}

void bh_reload_release(struct bh_reload *r)
{
	if (r->resolving) {
		bh_resolver_cancel(&r->resolver);
		if (!r->refresh)
			bh_config_release(&r->next);
	}
	bh_timer_cancel(&r->answer);
	forget_last(r);
}

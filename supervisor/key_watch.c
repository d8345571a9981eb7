#include "supervisor/key_watch.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "common/secret.h"
#include "supervisor/supervisor.h"

#define COMPONENT "secrets"
#define LOOK_NS   (2 * BH_NS_PER_S)
#define REREAD_NS (60 * BH_NS_PER_S)

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

/* A file that is gone has its own mark: it may come back as it was. */
static uint64_t mark(uint64_t h, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return mix(h, 1);
	h = mix(h, (uint64_t)st.st_dev);
	h = mix(h, (uint64_t)st.st_ino);
	h = mix(h, (uint64_t)st.st_size);
	h = mix(h, (uint64_t)st.st_mtim.tv_sec);
	return mix(h, (uint64_t)st.st_mtim.tv_nsec);
}

static uint64_t look(const struct bh_config *cfg)
{
	bool has_command = cfg->secret_backend_command[0] != '\0';
	struct bh_secrets s = {NULL, 0};
	uint64_t h = 0;

	if (bh_secrets_collect(cfg, &s) == 0) {
		for (size_t i = 0; i < s.n; i++) {
			struct bh_err err = BH_ERR_INIT;
			char *path = NULL;

			if (bh_secret_path(s.v[i].handle, has_command,
				getenv("CREDENTIALS_DIRECTORY"), &path, &err) == 0 &&
			    path)
				h = mark(h ? h : 1, path);
			free(path);
		}
	}
	bh_secrets_release(&s);
	return h;
}

void bh_key_watch_note(struct bh_supervisor *s, const struct bh_config *cfg)
{
	s->key_watch.seen = look(cfg);
}

static void on_look(struct bh_timer *t)
{
	struct bh_supervisor *s = BH_CONTAINER(t, struct bh_supervisor, key_watch.look);
	uint64_t now = look(&s->cfg);

	bh_timer_in(&s->loop, t, LOOK_NS, on_look);
	if (now == s->key_watch.seen || bh_stopping(s) || s->reload.active)
		return;
	bh_info(&s->log, COMPONENT, "a file with a secret has changed: reading it");
	bh_reload_refresh(s, false);
}

static void on_refresh(struct bh_timer *t)
{
	struct bh_supervisor *s = BH_CONTAINER(t, struct bh_supervisor, key_watch.refresh);

	bh_timer_in(&s->loop, t, s->cfg.secret_refresh_interval_ms * BH_NS_PER_MS, on_refresh);
	bh_reload_refresh(s, false);
}

void bh_key_watch_arm(struct bh_supervisor *s)
{
	struct bh_key_watch *w = &s->key_watch;
	int64_t every_ns = s->cfg.secret_refresh_interval_ms * BH_NS_PER_MS;

	if (look(&s->cfg) == 0)
		bh_timer_cancel(&w->look);
	else if (!bh_timer_armed(&w->look))
		bh_timer_in(&s->loop, &w->look, LOOK_NS, on_look);
	/* A reload asks by itself: the interval counts from it. */
	if (every_ns == 0)
		bh_timer_cancel(&w->refresh);
	else
		bh_timer_in(&s->loop, &w->refresh, every_ns, on_refresh);
}

void bh_key_watch_refused(struct bh_supervisor *s)
{
	struct bh_key_watch *w = &s->key_watch;
	int64_t now = bh_mono_ns(s->loop.clock);
	int64_t least =
	    BH_MAX(s->cfg.secret_refresh_on_failure_minutes * 60 * BH_NS_PER_S, REREAD_NS);

	if (w->reread && now - w->reread_ns < least)
		return;
	w->reread = true;
	w->reread_ns = now;
	bh_info(&s->log, COMPONENT, "the API key is refused: looking whether there is another one");
	bh_reload_refresh(s, true);
}

void bh_key_watch_cancel(struct bh_key_watch *w)
{
	bh_timer_cancel(&w->look);
	bh_timer_cancel(&w->refresh);
}

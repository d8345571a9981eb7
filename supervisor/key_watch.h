/*
 * When secrets are read again without anybody asking (spec/intake.md §13.6):
 *
 *   - a file or credential with one of them is another one than before: looked at every 2 s, and
 *     not at all when there is none;
 *   - secret_refresh_interval has passed;
 *   - the forwarder says that its API key is refused: at most once a minute, or in
 *     secret_refresh_on_api_key_failure_interval minutes.
 */
#ifndef BH_SUPERVISOR_KEY_WATCH_H
#define BH_SUPERVISOR_KEY_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/loop.h"

struct bh_supervisor;

struct bh_key_watch {
	struct bh_timer look, refresh;
	uint64_t seen; /* what the files were when they were read last; 0 = there are none */
	bool reread;   /* after a refusal, at: */
	int64_t reread_ns;
};

/* The files cfg names, as they are now: those that are about to be read. */
void bh_key_watch_note(struct bh_supervisor *s, const struct bh_config *cfg);
/* The configuration in use is (or may be) another one. */
void bh_key_watch_arm(struct bh_supervisor *s);
void bh_key_watch_refused(struct bh_supervisor *s);
void bh_key_watch_cancel(struct bh_key_watch *w);

#endif

/* `bulkheadctl config diff`: what a reload would change now. Nothing is changed by the question,
 * and the program that knows secrets is not run: they are compared as they are written. */
#ifndef BH_SUPERVISOR_CONFIG_ANSWER_H
#define BH_SUPERVISOR_CONFIG_ANSWER_H

struct bh_supervisor;
struct bh_ctl_conn;

/* The configuration in use is s->cfg, its secrets not wiped yet. */
void bh_config_diff_note(struct bh_supervisor *s);
/* Of it only api_key, which was looked up again, is new. */
void bh_config_diff_note_key(struct bh_supervisor *s);
void bh_config_diff_answer(struct bh_supervisor *s, struct bh_ctl_conn *conn);

#endif

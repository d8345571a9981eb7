/* What this process says of itself: a ledger row and a sentence for each source, numbers by the
 * names of spec/logs.md §18. */
#ifndef BH_LOGS_FIGURES_H
#define BH_LOGS_FIGURES_H

struct bh_child;
struct bh_logs;

/* Gives all of it to the supervisor; brings counters of the kernel up to date first. */
void bh_figures_report(struct bh_logs *l, struct bh_child *c);
/* Looks at the buffers (intake.md §16.3): the end of a turn of the loop. ctx: struct bh_logs. */
void bh_figures_turn_end(void *ctx);

#endif

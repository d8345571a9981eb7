#include "tests/faults/scripts.h"

#include "common/attrs.h"

static const struct step outages[] = {
    {HELLO, 0, 0},
    /* From memory, without a row. */
    {LOGS, 4, 0},
    {METRICS, 2, 0},
    {TURN, 1, 0},
    {ANSWER, 4, 200},
    {TURN, 1, 0},
    {WAIT, 25, 0},
    {ANSWER, 9, 200},
    {TURN, 1, 0},
    /* The intake fails: rows, more of them behind it. */
    {LOGS, 6, 0},
    {METRICS, 3, 0},
    {TURN, 1, 0},
    {ANSWER, 3, 503},
    {TURN, 1, 0},
    {LOGS, 5, 0},
    {TURN, 1, 0},
    {WAIT, 1100, 0}, /* idle: a checkpoint */
    /* It is back: rows go, positions follow. */
    {WAIT, 9000, 0},
    {ANSWER, 1, 200},
    {TURN, 1, 0},
    {ANSWER, 3, 200},
    {TURN, 1, 0},
    {ANSWER, 4, 200},
    {TURN, 1, 0},
    /* One is refused for good, and goes to the quarantine. */
    {ANSWER, 1, 400},
    {TURN, 1, 0},
    {WAIT, 30, 0},
    {ANSWER, 9, 200},
    {TURN, 2, 0},
    {VACUUM, 1, 0},
    /* A new logs process while its window is full and nothing is answered. */
    {LOGS, 7, 0},
    {TURN, 1, 0},
    {ANSWER, 2, 200},
    {EPOCH, 0, 0},
    {TURN, 1, 0},
    {LOGS, 3, 0},
    {METRICS, 2, 0},
    {FENCE, 0, 0},
    {TURN, 2, 0},
    {ANSWER, 9, 200},
    {TURN, 1, 0},
    {RELIEVE, 0, 0},
    {LOGS, 3, 0},
    {WAIT, 6000, 0}, /* longer than spool_after */
    {TURN, 1, 0},
    {ANSWER, 9, 200},
    {TURN, 1, 0},
    {WAIT, 1100, 0},
    /* The second outage. */
    {LOGS, 3, 0},
    {TURN, 1, 0},
    {ANSWER, 2, 503},
    {TURN, 1, 0},
    {LOGS, 2, 0},
    {TURN, 1, 0},
    {WAIT, 9000, 0},
    {ANSWER, 1, 200},
    {TURN, 1, 0},
    {ANSWER, 9, 200},
    {TURN, 1, 0},
    /* One in the middle of others cannot be read. */
    {LOGS, 2, 0},
    {UNREADABLE, 1, 0},
    {LOGS, 1, 0},
    {TURN, 1, 0},
    {ANSWER, 2, 200},
    {WAIT, 25, 0},
    {ANSWER, 9, 200},
    {WAIT, 25, 0},
};

/* Rows grow old between two looks of a minute, and newer ones want their room. */
static const struct step ages[] = {
    {HELLO, 0, 0},
    {LOGS, 6, 0},
    {TURN, 1, 0},
    {ANSWER, 9, 503},
    {TURN, 1, 0},
    {WAIT, 9000, 0},
    {ANSWER, 9, 503},
    {TURN, 1, 0},
    {WAIT, 9000, 0},
    /* The oldest waits in memory from here on. */
    {ANSWER, 9, 403},
    {TURN, 1, 0},
    {LOGS, 6, 0},
    {TURN, 2, 0},
};

/* Much of the file is free: what keeps it, and what does not. */
static const struct step idles[] = {
    {HELLO, 0, 0},
    {LOGS, 3, 0},
    {TURN, 1, 0},
    {ANSWER, 9, 503},
    {TURN, 1, 0},
    {WAIT, 59000, 0},
    {TURN, 2, 0},
    {LOOK, 0, 0},
    {LOGS, 1, 0},
    {TURN, 1, 0},
    {WAIT, 59000, 0},
    {TURN, 2, 0},
    {LOOK, 1, 0},
    {ANSWER, 1, 200},
    {TURN, 1, 0},
    {WAIT, 1100, 0},
    {LOOK, 2, 0},
    {WAIT, 50, 0},
    {LOOK, 3, 0},
    {ANSWER, 9, 503},
    {LOGS, 1, 0},
    {TURN, 1, 0},
    {WAIT, 1100, 0},
    {LOOK, 4, 0},
};

static const struct script scripts[] = {
    [WORLD_OUTAGES] = {outages, BH_ARRAY_LEN(outages)},
    [WORLD_IDLES] = {idles, BH_ARRAY_LEN(idles)},
    [WORLD_AGES] = {ages, BH_ARRAY_LEN(ages)},
};

const struct script *script_of(enum world_script which)
{
	return &scripts[which];
}

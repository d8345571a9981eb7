/*
 * How many requests one destination has under way at once (spec/intake.md §14.1: adaptive).
 *
 * Far away intakes need many, thin links few: there more requests only make each of them slower,
 * until they all run out of time. So the number follows what it brings. It doubles while the bytes
 * taken per second grow with it (by four, when they doubled too), goes back by one step and rests
 * when answers only take longer, falls by half while they are quick, and to the least at the first
 * error. The rest is twice as long after each step that was in vain, or that errors came of.
 *
 * A round is twice as long as an answer takes: once until a new number shows, and once to measure.
 * Rounds in which places stayed empty say nothing: there was nothing to send.
 *
 * Pure: times are CLOCK_MONOTONIC in ns, passed in.
 */
#ifndef BH_FORWARDER_PACE_H
#define BH_FORWARDER_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define BH_PACE_MAX 256 /* requests under way, of one destination */

struct bh_pace {
	unsigned least, most, slots;
	unsigned before;    /* slots before the last step up; 0 = none is on trial */
	double rate_before; /* bytes/s with these */
	double took_before; /* ns an answer took with these */
	double answer_ns;   /* how long answers take, a moving mean */
	int64_t rest_ns, rest_until_ns;
	int64_t begun_ns;       /* of the round; 0 = none */
	int64_t measured_ns;    /* from then on; 0 = not yet */
	bool starving;          /* places stay empty: there is nothing to send */
	unsigned answers, idle; /* while measured; idle: while starving */
	double took_ns;         /* of all answers */
	uint64_t bytes;
};

/* least = most: the number is fixed. 1 <= least <= most. */
void bh_pace_init(struct bh_pace *p, unsigned least, unsigned most);
/* Everything that may be sent is under way: so many requests. */
void bh_pace_filled(struct bh_pace *p, unsigned under_way);
/* A body of so many bytes was taken. */
void bh_pace_taken(struct bh_pace *p, int64_t sent_ns, int64_t now_ns, uint64_t bytes);
/* Refused for now, or no answer. */
void bh_pace_failed(struct bh_pace *p, int64_t now_ns);
/* Answers come so late that what waits for one should hold little memory. */
bool bh_pace_is_slow(const struct bh_pace *p);

#endif

/*
 * What the receiving double keeps "durably": a file mapped by it and read by
 * tests/crash/test_link.py, which knows this layout. A SIGKILL loses nothing that was stored in it.
 */
#ifndef BH_TESTS_LINKPEER_STATE_H
#define BH_TESTS_LINKPEER_STATE_H

#include <stdint.h>

#define LINKPEER_NUMBERS (1u << 22)

struct linkpeer_mark {
	uint64_t epoch, base, mask;
	uint64_t next;           /* every number below it is durable */
	uint64_t refused, cause; /* the last seq that was refused */
};

struct linkpeer_state {
	uint64_t current; /* which of the two marks counts: moved by one store, after the other */
	struct linkpeer_mark marks[2];
	uint8_t counts[LINKPEER_NUMBERS]; /* how often a number became durable */
};

/* Maps path, creating it. NULL with errno. */
struct linkpeer_state *linkpeer_map(const char *path);

/* The two doubles; they return the exit status of the process. unreadable: every so many numbers
 * one is sent in a way that cannot be read; 0 = none is. */
int linkpeer_receive(const char *run_dir, struct linkpeer_state *state);
int linkpeer_send(const char *run_dir, uint32_t generation, uint64_t until, uint64_t unreadable);

#endif

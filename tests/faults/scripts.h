/* What happens to the forwarder of world.c, step by step. */
#ifndef BH_TESTS_SCRIPTS_H
#define BH_TESTS_SCRIPTS_H

#include <stddef.h>

#include "tests/faults/world.h"

enum verb {
	HELLO,
	LOGS,
	UNREADABLE,
	METRICS,
	TURN,
	ANSWER,
	WAIT,
	EPOCH,
	FENCE,
	VACUUM,
	RELIEVE,
	LOOK
};

struct step {
	enum verb verb;
	unsigned n;
	long status;
};

struct script {
	const struct step *v;
	size_t n;
};

const struct script *script_of(enum world_script which);

#endif

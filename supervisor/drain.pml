/*
 * The ordered drain (drain.c, spec/supervision.md §5) with its three children, in Promela: `make
 * model` runs it through spin. Every interleaving of up to CRASHES crashes, of children that are
 * absent or still starting, and of deadlines that pass at any moment is walked.
 *
 * What must hold, whatever happens:
 *   - "ok" for a producer means that each of its payloads is durable;
 *   - "ok" for the forwarder means that it holds nothing that is not;
 *   - the forwarder is told to drain only when no producer's result is open;
 *   - the drain ends; without crashes it ends with "ok" for all and without any deadline.
 *
 * Switches: CRASHES=n (2), NO_DEADLINES (time never helps). Two faults to see that the model can
 * fail: ACK_EARLY (the forwarder acknowledges what it only holds), FORWARDER_FIRST (order).
 *
 * The link is a set of payloads in each direction: those sent and not taken, the acknowledgements
 * sent and not read. A forwarder's end empties the first and may empty the second, as a broken
 * connection does.
 */

#ifndef CRASHES
#define CRASHES 2
#endif

#ifndef LOGS_ALL
#define LOGS_ALL 1
#endif

#define DOGSTATSD 0
#define LOGS      1
#define FORWARDER 2

/* The payloads of a producer, one bit each: two of dogstatsd, one of logs (3 = two here too: six
 * times the states, nothing new). */
#define ALL(p) ((p) == LOGS -> LOGS_ALL : 3)

mtype = { PRODUCERS, PRODUCERS_EXIT, LAST, LAST_EXIT, DONE };              /* phases */
mtype = { NOT_RUNNING, PENDING, OK, TIMEOUT, CRASHED };                    /* results */

mtype phase = PRODUCERS;
mtype result[3];
byte crashes;
byte restarts; /* of the forwarder */
byte epoch;    /* of the forwarder: a producer that sees another one sends again */

/* A child as the supervisor sees it, and what it was told. */
bool alive[3];
bool ready[3];
bool drain[3];
bool acked[3];
bool leave[3];
bool kill[3];

/* The link and the store. */
byte sent[2];    /* on the way to the forwarder */
byte answered[2]; /* acknowledgements on the way back */
byte memory[2];  /* the forwarder holds it, nothing else does but its producer */
byte durable[2]; /* committed or delivered */

inline end_forwarder()
{
	alive[FORWARDER] = false;
	ready[FORWARDER] = false;
	sent[DOGSTATSD] = 0;
	sent[LOGS] = 0;
	memory[DOGSTATSD] = 0;
	memory[LOGS] = 0;
	if
	:: answered[DOGSTATSD] = 0
	:: skip
	fi;
	if
	:: answered[LOGS] = 0
	:: skip
	fi
}

proctype producer(byte me)
{
	byte known = 0; /* acknowledged */
	byte given = 0; /* sent in this epoch */
	byte seen = epoch;

	if
	:: ready[me] /* it runs, and holds payloads */
	:: !ready[me] ->
		known = ALL(me); /* it is starting, and has nothing yet */
		durable[me] = ALL(me);
		if
		:: ready[me] = true
		:: skip
		fi
	fi;
	do
	:: atomic { crashes < CRASHES -> crashes++; alive[me] = false; ready[me] = false; break }
	:: atomic { kill[me] -> alive[me] = false; ready[me] = false; break }
	:: atomic { leave[me] -> alive[me] = false; ready[me] = false; break }
	:: atomic { seen != epoch -> seen = epoch; given = known }
	:: atomic { alive[FORWARDER] && seen == epoch && !(given & 1) ->
		 given = given | 1; sent[me] = sent[me] | 1 }
	:: atomic { alive[FORWARDER] && seen == epoch && (ALL(me) & 2) && !(given & 2) ->
		 given = given | 2; sent[me] = sent[me] | 2 }
	:: atomic { answered[me] != 0 -> known = known | answered[me]; given = given | known; answered[me] = 0 }
	:: atomic { drain[me] && !acked[me] && known == ALL(me) -> acked[me] = true }
	od
}

/* One payload of a producer reaches the disk or its destination. */
inline settle(p, one)
{
	memory[p] = memory[p] & (ALL(p) - one);
	durable[p] = durable[p] | one;
	answered[p] = answered[p] | one
}

proctype forwarder()
{
	byte p;

	if
	:: ready[FORWARDER]
	:: !ready[FORWARDER] -> ready[FORWARDER] = true
	fi;
	do
	:: atomic { crashes < CRASHES -> crashes++; end_forwarder(); break }
	:: atomic { kill[FORWARDER] -> end_forwarder(); break }
	:: atomic { leave[FORWARDER] -> end_forwarder(); break }
	:: atomic {
		(sent[DOGSTATSD] | sent[LOGS]) != 0 ->
		if
		:: sent[DOGSTATSD] != 0 -> p = DOGSTATSD
		:: sent[LOGS] != 0 -> p = LOGS
		fi;
		/* What is durable already came twice: it is answered again. */
		answered[p] = answered[p] | (sent[p] & durable[p]);
		memory[p] = memory[p] | (sent[p] & (ALL(p) - durable[p]));
#ifdef ACK_EARLY
		answered[p] = answered[p] | sent[p];
#endif
		sent[p] = 0
	   }
	:: atomic { memory[DOGSTATSD] & 1 -> settle(DOGSTATSD, 1) }
	:: atomic { memory[DOGSTATSD] & 2 -> settle(DOGSTATSD, 2) }
	:: atomic { memory[LOGS] & 1 -> settle(LOGS, 1) }
	:: atomic { memory[LOGS] & 2 -> settle(LOGS, 2) }
	:: atomic {
		drain[FORWARDER] && !acked[FORWARDER] && memory[DOGSTATSD] == 0 &&
		memory[LOGS] == 0 && sent[DOGSTATSD] == 0 && sent[LOGS] == 0 ->
		acked[FORWARDER] = true
	   }
	od
}

#define OPEN(c) (result[c] == PENDING)

/* What a child says is read before its end is noticed: the channel keeps the order. */
inline look(c)
{
	if
	:: result[c] == PENDING && acked[c] ->
		result[c] = OK;
		leave[c] = true;
		if
		:: c == FORWARDER -> assert(memory[DOGSTATSD] == 0 && memory[LOGS] == 0)
		:: c != FORWARDER -> assert(durable[c] == ALL(c))
		fi
	:: result[c] == PENDING && !acked[c] && !alive[c] -> result[c] = CRASHED
	:: result[c] == PENDING && !acked[c] && alive[c] && ready[c] && !drain[c] ->
		assert(c != FORWARDER || !OPEN(DOGSTATSD) && !OPEN(LOGS));
		drain[c] = true
	:: result[c] == NOT_RUNNING && alive[c] && ready[c] && !leave[c] && !kill[c] ->
		result[c] = PENDING /* it became READY before it was told to leave */
	:: result[c] == NOT_RUNNING && alive[c] && !leave[c] && !kill[c] -> leave[c] = true
	fi
}

#define CAN_LOOK(c) \
	(result[c] == PENDING && (acked[c] || !alive[c] || (ready[c] && !drain[c])) || \
	 result[c] == NOT_RUNNING && alive[c] && !leave[c] && !kill[c])

inline start_forwarder()
{
	restarts++;
	epoch++;
	alive[FORWARDER] = true;
	ready[FORWARDER] = false;
	drain[FORWARDER] = false;
	leave[FORWARDER] = false;
	kill[FORWARDER] = false;
	acked[FORWARDER] = false;
	result[FORWARDER] = PENDING;
	run forwarder()
}

#define CAN_KILL(c) \
	(alive[c] && !kill[c] && (result[c] != OK || phase == PRODUCERS_EXIT || phase == LAST_EXIT))

/* A phase's time is over, whenever that may be. */
inline deadline(c)
{
	kill[c] = true;
	if
	:: OPEN(c) -> result[c] = TIMEOUT
	:: else -> skip
	fi
}

active proctype supervisor()
{
	byte i;

	atomic {
		/* Any child may be away, or on its way, when the stop comes. */
		for (i : 0 .. 2) {
			if
			:: alive[i] = true; ready[i] = true; result[i] = PENDING
			:: alive[i] = true; result[i] = NOT_RUNNING
			:: result[i] = NOT_RUNNING
			fi
		}
		if
		:: alive[DOGSTATSD] -> run producer(DOGSTATSD)
		:: else -> skip
		fi;
		if
		:: alive[LOGS] -> run producer(LOGS)
		:: else -> skip
		fi;
		if
		:: alive[FORWARDER] -> run forwarder()
		:: else -> skip
		fi
	}
#ifdef FORWARDER_FIRST
	phase = LAST;
	do
	:: atomic { CAN_LOOK(FORWARDER) -> look(FORWARDER) }
	:: atomic { !OPEN(FORWARDER) -> break }
	od;
	phase = PRODUCERS;
#endif
	do
	:: atomic { CAN_LOOK(DOGSTATSD) -> look(DOGSTATSD) }
	:: atomic { CAN_LOOK(LOGS) -> look(LOGS) }
	:: atomic {
		!alive[FORWARDER] && restarts == 0 && (OPEN(DOGSTATSD) || OPEN(LOGS)) ->
		start_forwarder()
	   }
#ifndef NO_DEADLINES
	:: atomic { CAN_KILL(DOGSTATSD) -> deadline(DOGSTATSD) }
	:: atomic { CAN_KILL(LOGS) -> deadline(LOGS) }
#endif
	:: atomic {
		!OPEN(DOGSTATSD) && !OPEN(LOGS) && !CAN_LOOK(DOGSTATSD) && !CAN_LOOK(LOGS) ->
		phase = PRODUCERS_EXIT; break
	   }
	od;
	do
#ifndef NO_DEADLINES
	:: atomic { CAN_KILL(DOGSTATSD) -> deadline(DOGSTATSD) }
	:: atomic { CAN_KILL(LOGS) -> deadline(LOGS) }
#endif
	:: atomic { !alive[DOGSTATSD] && !alive[LOGS] -> phase = LAST; break }
	od;
	assert(!OPEN(DOGSTATSD) && !OPEN(LOGS) && !alive[DOGSTATSD] && !alive[LOGS]);
	do
	:: atomic { CAN_LOOK(FORWARDER) -> look(FORWARDER) }
#ifndef NO_DEADLINES
	:: atomic { CAN_KILL(FORWARDER) -> deadline(FORWARDER) }
#endif
	:: atomic { !OPEN(FORWARDER) && !CAN_LOOK(FORWARDER) -> phase = LAST_EXIT; break }
	od;
	do
#ifndef NO_DEADLINES
	:: atomic { CAN_KILL(FORWARDER) -> deadline(FORWARDER) }
#endif
	:: atomic { !alive[FORWARDER] -> phase = DONE; break }
	od;
	assert(result[DOGSTATSD] != OK || durable[DOGSTATSD] == ALL(DOGSTATSD));
	assert(result[LOGS] != OK || durable[LOGS] == ALL(LOGS));
	assert(crashes > 0 || result[FORWARDER] == OK || result[FORWARDER] == NOT_RUNNING ||
	       result[FORWARDER] == TIMEOUT)
#ifdef NO_DEADLINES
	for (i : 0 .. 2) {
		assert(crashes > 0 || result[i] == OK || result[i] == NOT_RUNNING)
	}
#endif
}

ltl ends { <> (phase == DONE) }

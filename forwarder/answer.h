/*
 * bulkhead-forwarder as bulkheadctl starts it when no forwarder runs: one question, with the rights
 * of who asks, then the end. Descriptor 0 is a configuration as a forwarder gets it, 1 a socket for
 * the answer, in the lines of spool_session.h and diagnose.h; the request is the argument. The
 * database is opened to be read only, but for a purge and a replay of what was refused
 * (spool_change.h), and not while a live process has it.
 */
#ifndef BH_FORWARDER_ANSWER_H
#define BH_FORWARDER_ANSWER_H

/* The exit status: 0 when a last line was written. */
int bh_answer(const char *request);

#endif

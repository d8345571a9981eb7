/*
 * Custody: what the forwarder owes for every payload it accepted, from the link's message to the
 * committed end (spec/durability.md §1, §4–§8, §14; DESIGN §3, §4).
 *
 * A payload is owed to each destination of its class (endpoints.h), and each goes its own way from
 * here; bytes, ack and positions are the content's (content.h):
 *
 *   taken ──▶ memory ──2xx──▶ settled ──COMMIT──▶ gone (acknowledged)
 *               │ destination failing or owing rows, spool_after, fence, drain
 *               ▼
 *           want_row ──COMMIT──▶ row (acknowledged) ──claim, 2xx──▶ settled ──COMMIT──▶ gone
 *
 * The ack goes out when each reliable destination is in one of the last two states. A reliable one
 * that is behind others while the producer's window is half full gets its rows at once: it may not
 * slow the others down. Where there can be no row (no spool for the class; a full one, for
 * metrics), what a failing destination is owed then is dropped for it, counted.
 *
 * Group commit: everything that changed in one turn of the loop is one transaction (T1, T2, T3
 * together); positions-only groups wait up to 20 ms for company. Memory follows COMMIT, never leads
 * it; acknowledgements are sent after it. An I/O error ends the process (70): recovery at the next
 * start decides. A full disk is a state: T1 waits (or drops by policy), T2 goes on.
 */
#ifndef BH_FORWARDER_CUSTODY_H
#define BH_FORWARDER_CUSTODY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/child.h"
#include "forwarder/endpoints.h"
#include "forwarder/intake.h"
#include "forwarder/positions.h"
#include "forwarder/quarantine.h"
#include "forwarder/registry_import.h"
#include "forwarder/store.h"
#include "forwarder/transport.h"

struct bh_custody;

struct bh_custody_config {
	struct bh_loop *loop;
	struct bh_log *log;
	struct bh_rng *rng;
	const struct bh_config *config;           /* borrowed for life */
	const struct bh_endpoint_list *endpoints; /* borrowed until bh_custody_new returns */
	struct bh_store *store;                   /* borrowed until bh_custody_free */
	int64_t spool_max_bytes;
	bool spool_only; /* started during a drain: no network at all */
	/* The process cannot go on: exit with this status. */
	void (*fatal)(void *ctx, int exit_code);
	/* A drain has ended (once). left: items in no durable place. */
	void (*drained)(void *ctx, uint64_t left);
	/* An intake refuses the API key; again each minute, while it does. */
	void (*key_refused)(void *ctx);
	void *ctx;
};

/* Loads registry and spool index; makes the destinations. */
int bh_custody_new(
    struct bh_custody **out, const struct bh_custody_config *cfg, struct bh_err *err) BH_MUST_CHECK;
void bh_custody_free(struct bh_custody *c);
/* Intake and transport are made with the custody as their context, then handed to it (borrowed). */
void bh_custody_connect(
    struct bh_custody *c, struct bh_intake *intake, struct bh_transport *transport);

extern const struct bh_intake_ops bh_custody_intake_ops; /* ctx: struct bh_custody */
void bh_custody_http_done(void *ctx, void *token, const struct bh_http_result *result);

/* Another API key: what is sent from now on carries it, and what waited because of the old one
 * waits no longer. Requests under way keep theirs; when it is refused they are sent again.
 * BH_E_CONFIG: it does not fit into a header; the old one acts on. */
int bh_custody_key_replace(struct bh_custody *c, unsigned index, const char *text) BH_MUST_CHECK;

/* Is every key invalid, as far as is known? Then nothing can be delivered (§13.6). */
bool bh_custody_keys_refused(const struct bh_custody *c);

/* End of every turn of the loop: commit, acknowledge, send. */
void bh_custody_turn_end(void *ctx);

/* FULL: goes on delivering until nothing is left, a destination fails or the deadline; then
 * everything else is committed. FAST and SPOOL_ONLY: committed at once. */
void bh_custody_drain(struct bh_custody *c, int64_t deadline_ns, enum bh_drain_mode mode);

/* The registry on request (spec/logs.md §16.3); custody_registry.c. */
struct bh_registry_import {
	size_t imported, skipped; /* skipped: the identifier is known, not by an import alone */
	struct bh_registry_file file;
};
/* The rows of a registry.json, in one transaction: all or none. They count from the next start of
 * the logs process on. 0; BH_E_FORMAT: in->file says what and where; BH_E_STATE after a drain;
 * -ENOMEM; the store's errors. */
int bh_custody_import(
    struct bh_custody *c, const char *p, size_t n, struct bh_registry_import *in) BH_MUST_CHECK;
/* At a start: when there is no row and none was ever imported, the Agent's file, if there is one.
 * A fault is logged and shown, and the file is tried again at the next start. */
void bh_custody_first_import(struct bh_custody *c);
/* Deletes the rows of an identifier; *n of them. BH_E_STATE: logs_running, and that process tails
 * one of them, or a drain is over; the store's errors. */
int bh_custody_forget(
    struct bh_custody *c, struct bh_str identifier, bool logs_running, size_t *n) BH_MUST_CHECK;
/* Sends the payloads of the quarantine that the request means again, in their order; *again counts
 * them. What has not become a row of the spool stays there. BH_E_STATE after a drain, -ENOSPC: the
 * spool is full; the store's errors. */
int bh_custody_replay(struct bh_custody *c, const struct bh_spool_request *r,
    struct bh_spool_walk *again) BH_MUST_CHECK;
/* What is there now; valid as long as the custody. */
const struct bh_quarantine *bh_custody_kept(const struct bh_custody *c);
const struct bh_positions *bh_custody_positions(const struct bh_custody *c);
/* Ordered end: the registry's backup beside the database. */
void bh_custody_write_backup(struct bh_custody *c);

/* Rows of producers to be kept (LEDGER). */
void bh_custody_keep_rows(struct bh_custody *c, struct bh_str rows);
/* Rows, numbers and notes for status and ledger. */
void bh_custody_stats(struct bh_custody *c, struct bh_child *child);
void bh_custody_totals(const struct bh_custody *c, struct bh_ctl_drained *d);
void bh_custody_pending(const struct bh_custody *c, uint64_t *items, uint64_t *bytes);

#endif

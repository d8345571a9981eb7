/*
 * From the fields of a journal entry to the text that is sent (spec/logs.md §12):
 *
 *   {"journald":{<fields but MESSAGE, sorted by name>},"message":"<MESSAGE>"}
 *
 * Without blanks; without MESSAGE only {"journald":{…}}. Of a field that is repeated the last value
 * counts. Values are strings; < > & U+2028 U+2029 are escaped, what is not UTF-8 becomes U+FFFD
 * byte by byte, so that any fields give one line of valid JSON.
 *
 * Bounds. An entry may hold a thousand fields of 768 MiB each; of these are kept
 *   - MESSAGE up to BH_JOURNAL_TEXT_MAX bytes;
 *   - BH_JOURNAL_FIELDS_MAX other fields: those of up to BH_JOURNAL_SMALL bytes always, so that
 *     none of the fields that select an entry is pushed out, larger ones while there is room within
 *     BH_JOURNAL_KEPT_MAX.
 * The text is never longer than BH_JOURNAL_TEXT_MAX: MESSAGE is cut to leave BH_JOURNAL_ROOM for
 * the fields, then the largest fields are left out. The number of fields left out for either reason
 * stands in the text as "bulkhead_fields_left_out":"<n>", behind the other fields.
 *
 * Pure but for its memory, which is reused; what a large entry took goes back at the next clear.
 */
#ifndef BH_LOGS_JOURNAL_ENTRY_H
#define BH_LOGS_JOURNAL_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/config.h"
#include "common/str.h"
#include "logs-agent/message.h"

#define BH_JOURNAL_TEXT_MAX   ((size_t)1 << 20)
#define BH_JOURNAL_ROOM       ((size_t)64 << 10)
#define BH_JOURNAL_KEPT_MAX   ((size_t)4 << 20)
#define BH_JOURNAL_SMALL      ((size_t)1 << 10)
#define BH_JOURNAL_FIELDS_MAX 2048

struct bh_journal_field {
	size_t at; /* in bytes: the name, then the value */
	size_t name_n, value_n;
	size_t cost; /* length in the text, once it had to be measured */
};

/* A zeroed struct is an entry without fields. */
struct bh_journal_entry {
	struct bh_buf bytes;
	struct bh_journal_field *fields; /* owned, in the order of the calls */
	uint16_t *order;                 /* owned: those to write, sorted by name */
	size_t fields_n, fields_cap, order_n;
	struct bh_buf message; /* the last MESSAGE, or its beginning */
	bool has_message, message_cut;
	size_t left_out;
	uint64_t raw; /* bytes of all fields, also of those left out */
	struct bh_buf escaped, text;
};

void bh_journal_entry_release(struct bh_journal_entry *e);
void bh_journal_entry_clear(struct bh_journal_entry *e);

/* Copies a field. raw: its bytes in the journal. 0 also when it is left out; -ENOMEM. */
int bh_journal_entry_add(
    struct bh_journal_entry *e, struct bh_str name, struct bh_str value, size_t raw) BH_MUST_CHECK;

/* Counts a field that could not be read. */
void bh_journal_entry_lost(struct bh_journal_entry *e);

/*
 * Whether exclude_units, exclude_user_units or exclude_matches of the source drop the entry. A unit
 * list asks for _SYSTEMD_USER_UNIT in entries that have it, else for _SYSTEMD_UNIT; "*" means every
 * unit, so what belongs to none (the kernel's entries) stays. A value too large to be kept matches
 * nothing.
 */
bool bh_journal_entry_excluded(const struct bh_journal_entry *e, const struct bh_log_source *src);

/* Everything is borrowed from the entry until it is changed, and from the source. */
struct bh_journal_text {
	struct bh_str content; /* the JSON text */
	/*
	 * What the rules work on: content, or with process_raw_message off MESSAGE alone, trimmed,
	 * cut to the limit, with the marker. Empty: the entry is not sent, but its raw length
	 * counts.
	 */
	struct bh_str subject;
	struct bh_str head;        /* content up to the text of MESSAGE; for put_back */
	enum bh_log_status status; /* of PRIORITY, else info */
	struct bh_str name;        /* for service and ddsource where the source gives none */
	bool cut;                  /* MESSAGE was longer than the limit */
	size_t left_out;           /* fields */
	uint64_t raw;
};

/*
 * Makes the text. limit: of MESSAGE in bytes (max_message_size_bytes), 0 is taken as 1; the cut
 * spares the character it falls into, BH_TRUNCATED is appended and the rest is dropped, because the
 * position of an entry cannot be split.
 * Of the source: process_raw_message, container_mode, default_application_name.
 * -ENOMEM.
 */
int bh_journal_entry_text(struct bh_journal_entry *e, const struct bh_log_source *src, size_t limit,
    struct bh_journal_text *out) BH_MUST_CHECK;

/* process_raw_message off: appends to out the content with subject, as the rules left it, in the
 * place of MESSAGE. Not limited again. -ENOMEM or BH_E_LIMIT. */
int bh_journal_put_back(
    struct bh_buf *out, const struct bh_journal_text *t, struct bh_str subject) BH_MUST_CHECK;

#endif

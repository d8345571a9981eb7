/*
 * The inside of a JSON string as journal entries have it (spec/logs.md §12, §10.4): as in a log
 * record, and `<`, `>`, `&`, U+2028, U+2029 as \u003c and so on, because rules that were written
 * for the Agent see that text. Each byte that is not UTF-8 becomes U+FFFD. Pure.
 */
#ifndef BH_LOGS_JOURNAL_JSON_H
#define BH_LOGS_JOURNAL_JSON_H

#include <stddef.h>

#include "common/buf.h"
#include "common/str.h"

/* Appends at most max bytes and never a part of a character or of an escape. Returns how many bytes
 * of s went in; all of them when max is SIZE_MAX. The buffer remembers an error. */
size_t bh_journal_json_put(struct bh_buf *out, struct bh_str s, size_t max);

/* What bh_journal_json_put would append without a limit. */
size_t bh_journal_json_length(struct bh_str s);

/* The largest place up to `at` that does not split a character; `at` itself when what stands there
 * is not UTF-8, or the character is the first. at <= s.n. */
size_t bh_journal_json_boundary(struct bh_str s, size_t at);

#endif

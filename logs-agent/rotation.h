/*
 * Names of rotated files, as text alone (spec/logs.md §3.3, §4.4, §4.5). `app.log` rotates to
 * `app.log` + separator + stamp, or `app` + separator + stamp + `.log`; separator one of . - _; a
 * stamp begins with a digit and holds only digits and . - _ : T.
 */
#ifndef BH_LOGS_ROTATION_H
#define BH_LOGS_ROTATION_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a file `name` is a rotated `base`; both without directory. */
bool bh_rotation_is_name(const char *base, const char *name);

/* Whether `name` may be a copy of `base` that a rotation or a backup tool made: a rotated name, or
 * base + .old, .bak, .copy, .orig or ~. */
bool bh_rotation_is_copy_name(const char *base, const char *name);

/* The names that a rotated `name` may have come from, one a call: *at is 0 at first. False when
 * there are no more; base is cut off at cap - 1 bytes never: such a name is left out. */
bool bh_rotation_next_base(const char *name, size_t *at, char *base, size_t cap);

/* Whether the name ends as one of a compressed file: .gz .bz2 .xz .zst .zip. */
bool bh_rotation_is_compressed_name(const char *name);
/* Whether the first n bytes are those of such a file: name and content must agree. */
bool bh_rotation_is_compressed(const char *name, const unsigned char *head, size_t n);

#endif

/*
 * The Agent's registry.json, versions 0, 1 and 2, as rows (spec/logs.md §16.2, §16.3). Pure: bytes
 * in, rows out.
 *
 * A row has identifier, path (of "file:" ones), offset_first = offset_last, tailing mode, ingestion
 * time and fingerprint; generation, device and inode are 0 and there is no marker: the file does
 * not know them. Identifiers of other kinds ("docker:…", "journald:…") become rows as well.
 * A backup of ours (registry_backup.h) is such a file too and says these; its sources come as rows
 * as well, and the position of an entry is its "Complete" in place of its "Offset".
 *
 * An entry is ignored, and counted, when it says no position: an empty offset, one of a file that
 * is no number, members of another type, a name longer than a row holds. The rest of the file
 * counts nevertheless.
 */
#ifndef BH_FORWARDER_REGISTRY_IMPORT_H
#define BH_FORWARDER_REGISTRY_IMPORT_H

#include <stddef.h>

#include "common/attrs.h"
#include "proto/origin.h"

#define BH_REGISTRY_ROWS_MAX 200000             /* more entries than that are ignored */
#define BH_REGISTRY_FILE_MAX ((size_t)64 << 20) /* bytes of a file that is worth reading */

struct bh_registry_file {
	int version;     /* 0, 1, 2; -1 = not known */
	size_t ignored;  /* entries that became no row */
	size_t position; /* of a fault: bytes from the beginning of the file */
	char text[160];  /* of a fault: what is wrong there; printable */
};

/* Calls row for each entry, in no order; its strings are borrowed until it returns. Nothing is
 * called before the whole file is understood. 0; BH_E_FORMAT with position and text in *out;
 * -ENOMEM; the first value other than 0 that row returns. */
int bh_registry_parse(const char *p, size_t n, int (*row)(void *ctx, const struct bh_origin *o),
    void *ctx, struct bh_registry_file *out) BH_MUST_CHECK;

#endif

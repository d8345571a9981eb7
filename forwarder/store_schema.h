/* Settings, schema and migrations of spool.db (spec/durability.md §2, §3). */
#ifndef BH_FORWARDER_STORE_SCHEMA_H
#define BH_FORWARDER_STORE_SCHEMA_H

#include <sqlite3.h>

#include "common/attrs.h"

/* Applies the settings in their order and reads them back; creates the schema in an empty file;
 * migrates. 0; BH_E_CORRUPT for a foreign or damaged file; BH_E_LIMIT for a version newer than
 * ours; others as bh_store_error(). */
int bh_store_prepare_file(sqlite3 *db) BH_MUST_CHECK;

/* Maps a result code of SQLite to the codes of store.h. */
int bh_store_error(int sqlite_code);

#endif

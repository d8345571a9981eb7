/* The store's file as somebody else would change it, while no store has it open. */
#ifndef BH_TESTS_BY_HAND_H
#define BH_TESTS_BY_HAND_H

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>

static inline void change_by_hand(const char *dir, const char *sql)
{
	char path[64];
	sqlite3 *db = NULL;

	(void)snprintf(path, sizeof(path), "%s/spool.db", dir);
	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
	cr_assert_eq(sqlite3_close(db), SQLITE_OK);
}

#endif

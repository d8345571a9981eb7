/* A test's own folder goes with all in it; links are removed, not followed. 0, or -1 with errno.
 * In a header, as each folder of tests is a program of its own. */
#ifndef BH_TESTS_UNIT_REMOVE_TREE_H
#define BH_TESTS_UNIT_REMOVE_TREE_H

#include <ftw.h>
#include <stdio.h>

static inline int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	(void)st;
	(void)flag;
	(void)at;
	return remove(path);
}

static inline int remove_inside(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	return at->level > 0 ? remove_entry(path, st, flag, at) : 0;
}

/* What is in it, and not the folder. */
static inline int empty_tree(const char *root)
{
	return nftw(root, remove_inside, 8, FTW_DEPTH | FTW_PHYS);
}

static inline int remove_tree(const char *root)
{
	return nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

#endif

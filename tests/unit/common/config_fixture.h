/*
 * A configuration in a folder of its own: written, loaded, and what was found looked at. Every test
 * is a process of its own, so one of each is enough.
 */
#ifndef BH_TESTS_CONFIG_FIXTURE_H
#define BH_TESTS_CONFIG_FIXTURE_H

#include "common/config_load.h"

extern char dir[64];
extern struct bh_config cfg;
extern struct bh_findings findings;

/* For a TestSuite: an empty folder and the defaults; everything gone again. */
void config_start(void);
void config_stop(void);

/* Writes dir/name, with the folders before it. */
void put(const char *name, const char *text);
void put_bytes(const char *name, const void *p, size_t n);
/* Loads what is in the folder, with this environment or none. */
int load_env(char *const *env);
int load(const char *yaml);
/* The text of a finding; "(none)" when there are not so many. */
const char *finding(size_t i);
/* The i-th finding is `where` below dir and says `what`. */
void assert_finding(size_t i, enum bh_finding_level level, const char *where, const char *what);
const struct bh_option *option(const char *key);

#endif

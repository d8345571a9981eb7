/*
 * A YAML file as a small tree with positions. An alias becomes a copy of what it names, at the
 * place of the alias; copies count as nodes, so that a few lines cannot grow without bound. Merge
 * keys (<<) are keys like others.
 */
#ifndef BH_COMMON_CONFIG_YAML_H
#define BH_COMMON_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/err.h"

enum bh_yaml_type { BH_YAML_SCALAR, BH_YAML_SEQ, BH_YAML_MAP };

struct bh_yaml {
	enum bh_yaml_type type;
	int line, col; /* from 1 */
	char *text;    /* SCALAR: NUL-terminated */
	int plain;     /* SCALAR without quotes */
	char *key;     /* when it is a value of a MAP; NULL else */
	int key_line, key_col;
	struct bh_yaml *child; /* SEQ, MAP: first entry */
	struct bh_yaml *next;
};

#define BH_YAML_DEPTH_MAX   32
#define BH_YAML_NODES_MAX   100000
#define BH_YAML_MAP_MAX     4096 /* entries of one map */
#define BH_YAML_ANCHORS_MAX 256
#define BH_YAML_FILE_MAX    ((off_t)4 << 20)

/* Reads one document. *root is NULL for an empty file. Errors carry "path:line:col: cause"; an
 * unreadable file is -errno with its path. Freed by bh_yaml_free. */
int bh_yaml_load(const char *path, struct bh_yaml **root, struct bh_err *err) BH_MUST_CHECK;
/* The same of a text, of which JSON is the usual case: its pairs of \u escapes for one character
 * are read as such. name stands in errors for the path. */
int bh_yaml_parse(
    const char *text, const char *name, struct bh_yaml **root, struct bh_err *err) BH_MUST_CHECK;
void bh_yaml_free(struct bh_yaml *n);
/* Appends the tree as JSON, plain values as strings. -ENOMEM, or BH_E_LIMIT when it is too deep. */
int bh_yaml_json(const struct bh_yaml *n, struct bh_buf *out) BH_MUST_CHECK;
/* An empty plain value, ~ or null: as if the key were not there. */
bool bh_yaml_is_null(const struct bh_yaml *n);
/* Value of a key of a MAP; NULL when it is not there. */
const struct bh_yaml *bh_yaml_get(const struct bh_yaml *map, const char *key);

#endif

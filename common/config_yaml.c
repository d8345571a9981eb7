#include "common/config_yaml.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <yaml.h>

struct reader {
	yaml_parser_t parser;
	const char *path;
	struct bh_err *err;
	size_t nodes;
	int depth;
};

void bh_yaml_free(struct bh_yaml *n)
{
	while (n) {
		struct bh_yaml *next = n->next;

		bh_yaml_free(n->child); /* as deep as BH_YAML_DEPTH_MAX */
		free(n->text);
		free(n->key);
		free(n);
		n = next;
	}
}

const struct bh_yaml *bh_yaml_get(const struct bh_yaml *map, const char *key)
{
	if (!map || map->type != BH_YAML_MAP)
		return NULL;
	for (const struct bh_yaml *n = map->child; n; n = n->next) {
		if (n->key && strcmp(n->key, key) == 0)
			return n;
	}
	return NULL;
}

static int fail_at(struct reader *r, yaml_mark_t mark, const char *what)
{
	return bh_err_set(
	    r->err, BH_E_CONFIG, "%s:%zu:%zu: %s", r->path, mark.line + 1, mark.column + 1, what);
}

static int next_event(struct reader *r, yaml_event_t *event)
{
	const char *what;

	if (yaml_parser_parse(&r->parser, event))
		return 0;
	what = r->parser.problem ? r->parser.problem : "not YAML";
	return fail_at(r, r->parser.problem_mark, what);
}

static struct bh_yaml *new_node(struct reader *r, enum bh_yaml_type type, yaml_mark_t mark)
{
	struct bh_yaml *n;

	if (++r->nodes > BH_YAML_NODES_MAX)
		return NULL;
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->type = type;
	n->line = (int)mark.line + 1;
	n->col = (int)mark.column + 1;
	return n;
}

static int read_node(struct reader *r, yaml_event_t *event, struct bh_yaml **out);

/* Entries up to the end event. Keys of a map are plain text. */
static int read_children(struct reader *r, struct bh_yaml *parent, yaml_event_type_t end)
{
	struct bh_yaml **tail = &parent->child;
	bool map = parent->type == BH_YAML_MAP;

	if (++r->depth > BH_YAML_DEPTH_MAX)
		return fail_at(r, r->parser.mark, "nested too deeply");
	for (;;) {
		struct bh_yaml *key = NULL, *value = NULL;
		yaml_event_t event;
		int rc = next_event(r, &event);

		if (rc)
			return rc;
		if (event.type == end) {
			yaml_event_delete(&event);
			break;
		}
		rc = read_node(r, &event, map ? &key : &value);
		if (!rc && map && key->type != BH_YAML_SCALAR)
			rc = fail_at(r, r->parser.mark, "a key must be plain text");
		if (!rc && map) {
			rc = next_event(r, &event);
			if (!rc)
				rc = read_node(r, &event, &value);
		}
		if (!rc && key) {
			value->key = key->text;
			value->key_line = key->line;
			value->key_col = key->col;
			key->text = NULL;
		}
		bh_yaml_free(key);
		if (rc) {
			bh_yaml_free(value);
			return rc;
		}
		*tail = value;
		tail = &value->next;
	}
	r->depth--;
	return 0;
}

/* Takes the event. */
static int read_node(struct reader *r, yaml_event_t *event, struct bh_yaml **out)
{
	yaml_mark_t mark = event->start_mark;
	enum bh_yaml_type type = BH_YAML_SCALAR;
	struct bh_yaml *n;
	int rc = 0;

	if (event->type == YAML_ALIAS_EVENT) {
		yaml_event_delete(event);
		return fail_at(r, mark, "aliases are not supported; write the value out");
	}
	if (event->type == YAML_SEQUENCE_START_EVENT)
		type = BH_YAML_SEQ;
	else if (event->type == YAML_MAPPING_START_EVENT)
		type = BH_YAML_MAP;
	n = new_node(r, type, mark);
	if (n && type == BH_YAML_SCALAR) {
		n->text =
		    strndup((const char *)event->data.scalar.value, event->data.scalar.length);
		n->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	}
	yaml_event_delete(event);
	if (!n || (type == BH_YAML_SCALAR && !n->text)) {
		bh_yaml_free(n);
		return fail_at(r, mark, "too large");
	}
	if (type != BH_YAML_SCALAR)
		rc = read_children(
		    r, n, type == BH_YAML_SEQ ? YAML_SEQUENCE_END_EVENT : YAML_MAPPING_END_EVENT);
	if (rc) {
		bh_yaml_free(n);
		return rc;
	}
	*out = n;
	return 0;
}

static int read_document(struct reader *r, struct bh_yaml **root)
{
	bool document = false;

	for (;;) {
		yaml_event_t event;
		int rc = next_event(r, &event);

		if (rc)
			return rc;
		switch (event.type) {
		case YAML_STREAM_START_EVENT:
			yaml_event_delete(&event);
			break;
		case YAML_DOCUMENT_START_EVENT:
			yaml_event_delete(&event);
			if (document)
				return fail_at(r, r->parser.mark, "one document is enough");
			document = true;
			rc = next_event(r, &event);
			if (!rc)
				rc = read_node(r, &event, root);
			if (rc)
				return rc;
			break;
		case YAML_STREAM_END_EVENT:
			yaml_event_delete(&event);
			return 0;
		default:
			yaml_event_delete(&event);
			break;
		}
	}
}

int bh_yaml_load(const char *path, struct bh_yaml **root, struct bh_err *err)
{
	struct reader r = {.path = path, .err = err};
	FILE *f = fopen(path, "re");
	struct stat st;
	int rc;

	*root = NULL;
	if (!f)
		return bh_err_set(err, -errno, "%s", path);
	if (fstat(fileno(f), &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > BH_YAML_FILE_MAX) {
		(void)fclose(f);
		return bh_err_set(
		    err, BH_E_CONFIG, "%s: not a regular file of at most 4 MiB", path);
	}
	if (!yaml_parser_initialize(&r.parser)) {
		(void)fclose(f);
		return bh_err_set(err, -ENOMEM, "%s", path);
	}
	yaml_parser_set_input_file(&r.parser, f);
	rc = read_document(&r, root);
	yaml_parser_delete(&r.parser);
	(void)fclose(f);
	if (rc) {
		bh_yaml_free(*root);
		*root = NULL;
	}
	return rc;
}

#include "common/config_yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <yaml.h>

#include "common/jsonw.h"

struct anchor {
	char *name;
	const struct bh_yaml *node; /* borrowed from the tree */
};

struct reader {
	yaml_parser_t parser;
	const char *path;
	FILE *file; /* NULL: a text */
	struct bh_err *err;
	size_t nodes;
	int depth;
	struct anchor anchors[BH_YAML_ANCHORS_MAX];
	size_t anchors_n;
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

static int put_json(struct bh_jsonw *w, const struct bh_yaml *n, const char *key, int depth)
{
	bool map = n->type == BH_YAML_MAP;
	int rc = 0;

	if (n->type == BH_YAML_SCALAR) {
		bh_jsonw_str(w, key, n->text);
		return 0;
	}
	if (depth == BH_JSONW_DEPTH - 1)
		return BH_E_LIMIT;
	if (map)
		bh_jsonw_object(w, key);
	else
		bh_jsonw_array(w, key);
	for (const struct bh_yaml *c = n->child; c && !rc; c = c->next)
		rc = put_json(w, c, map ? c->key : NULL, depth + 1);
	if (map)
		bh_jsonw_object_end(w);
	else
		bh_jsonw_array_end(w);
	return rc;
}

int bh_yaml_json(const struct bh_yaml *n, struct bh_buf *out)
{
	struct bh_jsonw w;
	int rc;

	bh_jsonw_init(&w, out);
	rc = put_json(&w, n, NULL, 0);
	return rc ? rc : bh_buf_failed(out);
}

bool bh_yaml_is_null(const struct bh_yaml *n)
{
	return n->type == BH_YAML_SCALAR && n->plain &&
	       (!*n->text || strcmp(n->text, "~") == 0 || strcasecmp(n->text, "null") == 0);
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

/* libyaml's words, and what they mean to somebody who writes a configuration. context: the mistake
 * is where the thing that was being read begins, not where it was noticed. */
static const struct {
	const char *problem, *said;
	bool context;
} words[] = {
    {"found character that cannot start any token",
	"a tab, @, ` or % cannot begin anything; indent with blanks, quote the value", false},
    {"found unexpected end of stream", "a quote that begins here is not closed", true},
    {"did not find expected ',' or ']'",
	"a [ that begins here is not closed, or a comma is missing", true},
    {"did not find expected ',' or '}'",
	"a { that begins here is not closed, or a comma is missing", true},
    {"did not find expected node content", "a value is missing before this, or a ] or }", false},
    {"mapping values are not allowed in this context",
	"a colon is not expected here; quote the value, or correct the indentation", false},
    {"did not find expected key", "not in line with the keys above; correct the indentation",
	false},
    {"did not find expected '-' indicator",
	"not in line with the items above; correct the indentation", false},
    {"could not find expected ':'", "a key without a colon behind it", true},
    {"found unknown escape character",
	"no such escape between double quotes; use single quotes, or \\\\ for a backslash", false},
    {"found incompatible YAML document", "only YAML 1.1 and 1.2 are read; leave %YAML out", false},
};

/* The reader of bytes knows an offset only. */
static yaml_mark_t mark_of_offset(const struct reader *r)
{
	yaml_mark_t mark = {0, 0, 0};
	int c;

	if (!r->file || fseek(r->file, 0, SEEK_SET) < 0)
		return mark;
	for (size_t i = 0; i < r->parser.problem_offset && (c = getc(r->file)) != EOF; i++) {
		mark.column = c == '\n' ? 0 : mark.column + 1;
		mark.line += c == '\n';
	}
	return mark;
}

static int not_yaml(struct reader *r)
{
	const char *problem = r->parser.problem ? r->parser.problem : "not YAML";

	if (r->parser.error == YAML_READER_ERROR)
		return fail_at(r, mark_of_offset(r),
		    strstr(problem, "control")
			? "a control character; remove it"
			: "not UTF-8; save the file as UTF-8, without NUL bytes");
	for (size_t i = 0; i < BH_ARRAY_LEN(words); i++) {
		if (strcmp(words[i].problem, problem) == 0)
			return fail_at(r,
			    words[i].context ? r->parser.context_mark : r->parser.problem_mark,
			    words[i].said);
	}
	return fail_at(r, r->parser.problem_mark, problem);
}

static int next_event(struct reader *r, yaml_event_t *event)
{
	return yaml_parser_parse(&r->parser, event) ? 0 : not_yaml(r);
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

static const struct bh_yaml *find_anchor(const struct reader *r, const char *name)
{
	for (size_t i = r->anchors_n; i > 0; i--) { /* the latest of a name counts */
		if (strcmp(r->anchors[i - 1].name, name) == 0)
			return r->anchors[i - 1].node;
	}
	return NULL;
}

/* Takes the name. A node is known by it once it is complete: no alias can contain itself. */
static int add_anchor(struct reader *r, char *name, const struct bh_yaml *n, yaml_mark_t mark)
{
	if (r->anchors_n == BH_YAML_ANCHORS_MAX) {
		free(name);
		return fail_at(r, mark, "too many anchors");
	}
	r->anchors[r->anchors_n++] = (struct anchor){name, n};
	return 0;
}

static int copy_node(
    struct reader *r, const struct bh_yaml *n, yaml_mark_t mark, int depth, struct bh_yaml **out)
{
	struct bh_yaml *copy = new_node(r, n->type, mark);
	struct bh_yaml **tail;
	int rc = 0;

	if (!copy)
		return fail_at(r, mark, "too large");
	*out = copy;
	if (depth > BH_YAML_DEPTH_MAX)
		return fail_at(r, mark, "nested too deeply; 32 levels are read");
	copy->plain = n->plain;
	copy->text = n->text ? strdup(n->text) : NULL;
	if (n->text && !copy->text)
		return fail_at(r, mark, "too large");
	tail = &copy->child;
	for (const struct bh_yaml *child = n->child; child && !rc; child = child->next) {
		rc = copy_node(r, child, mark, depth + 1, tail);
		if (!*tail)
			break;
		if (child->key) {
			(*tail)->key = strdup(child->key);
			(*tail)->key_line = copy->line;
			(*tail)->key_col = copy->col;
			if (!(*tail)->key)
				return fail_at(r, mark, "too large");
		}
		tail = &(*tail)->next;
	}
	return rc;
}

/* Takes the event. */
static int read_alias(struct reader *r, yaml_event_t *event, struct bh_yaml **out)
{
	yaml_mark_t mark = event->start_mark;
	const struct bh_yaml *n = find_anchor(r, (const char *)event->data.alias.anchor);
	int rc;

	yaml_event_delete(event);
	if (!n)
		return fail_at(r, mark,
		    "alias of an anchor that is not there; write &NAME in front of what it stands "
		    "for");
	rc = copy_node(r, n, mark, r->depth + 1, out);
	if (rc) {
		bh_yaml_free(*out);
		*out = NULL;
	}
	return rc;
}

static const char *anchor_of(const yaml_event_t *event)
{
	if (event->type == YAML_SCALAR_EVENT)
		return (const char *)event->data.scalar.anchor;
	if (event->type == YAML_SEQUENCE_START_EVENT)
		return (const char *)event->data.sequence_start.anchor;
	return (const char *)event->data.mapping_start.anchor;
}

/* Text of a scalar. A NUL, which YAML can write as an escape, would cut it unseen. */
static int read_text(struct reader *r, const yaml_event_t *event, struct bh_yaml *n)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;

	if (len && memchr(text, '\0', len))
		return fail_at(
		    r, event->start_mark, "a value may not contain a NUL byte; remove it");
	n->text = strndup(text, len);
	n->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	return n->text ? 0 : fail_at(r, event->start_mark, "too large");
}

static int read_node(struct reader *r, yaml_event_t *event, struct bh_yaml **out);

/* The key of the next entry, as a node of its own. Takes the event. */
static int read_key(struct reader *r, yaml_event_t *event, struct bh_yaml **key)
{
	yaml_mark_t mark = event->start_mark;

	if (event->type != YAML_SCALAR_EVENT || anchor_of(event)) {
		yaml_event_delete(event);
		return fail_at(r, mark, "a key must be plain text");
	}
	return read_node(r, event, key);
}

/* Entries up to the end event. Keys of a map are plain text. */
static int read_children(struct reader *r, struct bh_yaml *parent, yaml_event_type_t end)
{
	struct bh_yaml **tail = &parent->child;
	bool map = parent->type == BH_YAML_MAP;
	size_t entries = 0;

	if (++r->depth > BH_YAML_DEPTH_MAX)
		return fail_at(r, r->parser.mark, "nested too deeply; 32 levels are read");
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
		rc = map ? read_key(r, &event, &key) : read_node(r, &event, &value);
		if (!rc && map && ++entries > BH_YAML_MAP_MAX)
			rc = fail_at(r, r->parser.mark, "too many keys in one map");
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
	char *anchor = NULL;
	struct bh_yaml *n;
	int rc = 0;

	if (event->type == YAML_ALIAS_EVENT)
		return read_alias(r, event, out);
	if (event->type == YAML_SEQUENCE_START_EVENT)
		type = BH_YAML_SEQ;
	else if (event->type == YAML_MAPPING_START_EVENT)
		type = BH_YAML_MAP;
	n = new_node(r, type, mark);
	if (!n)
		rc = fail_at(r, mark, "too large");
	else if (type == BH_YAML_SCALAR)
		rc = read_text(r, event, n);
	if (!rc && anchor_of(event)) {
		anchor = strdup(anchor_of(event));
		rc = anchor ? 0 : fail_at(r, mark, "too large");
	}
	yaml_event_delete(event);
	if (!rc && type != BH_YAML_SCALAR)
		rc = read_children(
		    r, n, type == BH_YAML_SEQ ? YAML_SEQUENCE_END_EVENT : YAML_MAPPING_END_EVENT);
	if (rc)
		free(anchor);
	else if (anchor)
		rc = add_anchor(r, anchor, n, mark);
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
				return fail_at(
				    r, r->parser.mark, "a second document; remove the ---");
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

/* Not blocking: somebody may have put a FIFO there. */
static int open_file(const char *path, FILE **f, struct bh_err *err)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return bh_err_set(err, -errno, "%s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > BH_YAML_FILE_MAX) {
		(void)close(fd);
		return bh_err_set(err, BH_E_CONFIG, "%s: %s", path,
		    S_ISDIR(st.st_mode) ? "a directory, not a file"
					: "not a regular file of at most 4 MiB");
	}
	/* Whoever may change it says what the agent does, and to whom the key goes. */
	if (st.st_mode & S_IWOTH) {
		(void)close(fd);
		return bh_err_set(
		    err, BH_E_CONFIG, "%s may be written by everybody: chmod o-w %s", path, path);
	}
	*f = fdopen(fd, "r");
	if (*f)
		return 0;
	(void)close(fd);
	return bh_err_set(err, -ENOMEM, "%s", path);
}

static int read_all(struct reader *r, struct bh_yaml **root)
{
	int rc = read_document(r, root);

	for (size_t i = 0; i < r->anchors_n; i++)
		free(r->anchors[i].name);
	if (rc) {
		bh_yaml_free(*root);
		*root = NULL;
	}
	return rc;
}

int bh_yaml_load(const char *path, struct bh_yaml **root, struct bh_err *err)
{
	struct reader r = {.path = path, .err = err};
	FILE *f = NULL;
	int rc;

	*root = NULL;
	rc = open_file(path, &f, err);
	if (rc)
		return rc;
	if (!yaml_parser_initialize(&r.parser)) {
		(void)fclose(f);
		return bh_err_set(err, -ENOMEM, "%s", path);
	}
	r.file = f;
	yaml_parser_set_input_file(&r.parser, f);
	rc = read_all(&r, root);
	yaml_parser_delete(&r.parser);
	(void)fclose(f);
	return rc;
}

/* The value of \uXXXX at p; 0 when it is none. */
static unsigned long unit_at(const char *p)
{
	char digits[5] = "";

	if (p[0] != '\\' || p[1] != 'u' || strspn(p + 2, "0123456789abcdefABCDEF") < 4)
		return 0;
	memcpy(digits, p + 2, 4);
	return strtoul(digits, NULL, 16);
}

/* JSON writes a character beyond the first 65536 as two escapes, YAML as one of its own: rewritten
 * in place, for it is shorter. */
static void join_surrogates(char *text)
{
	char *to = text;

	for (const char *p = text; *p;) {
		unsigned long high = unit_at(p), low = high ? unit_at(p + 6) : 0;

		if (high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
			char escape[11];

			(void)snprintf(escape, sizeof(escape), "\\U%08lx",
			    0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
			memcpy(to, escape, 10);
			to += 10;
			p += 12;
			continue;
		}
		if (*p == '\\' && p[1])
			*to++ = *p++; /* what is escaped here begins no escape */
		*to++ = *p++;
	}
	*to = '\0';
}

int bh_yaml_parse(const char *text, const char *name, struct bh_yaml **root, struct bh_err *err)
{
	struct reader r = {.path = name, .err = err};
	char *copy = strdup(text);
	int rc;

	*root = NULL;
	if (!copy || !yaml_parser_initialize(&r.parser)) {
		free(copy);
		return bh_err_set(err, -ENOMEM, "%s", name);
	}
	join_surrogates(copy);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)copy, strlen(copy));
	rc = read_all(&r, root);
	yaml_parser_delete(&r.parser);
	free(copy);
	return rc;
}

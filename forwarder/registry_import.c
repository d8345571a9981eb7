#include "forwarder/registry_import.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/buf.h"
#include "common/err.h"
#include "proto/fingerprint_text.h"

#define FILE_WORD "file:"
#define MODE_MAX  64

static int fault(struct bh_registry_file *out, size_t position, const char *text)
{
	int n = snprintf(out->text, sizeof(out->text), "%s", text);

	out->position = position;
	/* jansson quotes what it read. */
	for (int i = 0; i < n && out->text[i]; i++) {
		if ((unsigned char)out->text[i] < 0x20 || (unsigned char)out->text[i] >= 0x7f)
			out->text[i] = '?';
	}
	return BH_E_FORMAT;
}

/* --- text ---------------------------------------------------------------------------------------
 */

/* Behind the string that begins at `at` with its quote; n when it does not end. */
static size_t string_end(const char *p, size_t n, size_t at)
{
	for (size_t i = at + 1; i < n; i++) {
		if (p[i] == '\\')
			i++;
		else if (p[i] == '"')
			return i + 1;
	}
	return n;
}

/* Decimal digits up to 2^64 - 1. */
static bool take_u64(const char *p, size_t n, uint64_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned digit = (unsigned char)p[i] - (unsigned)'0';

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	return n > 0;
}

static size_t number_end(const char *p, size_t n, size_t at)
{
	while (at < n &&
	       (isalnum((unsigned char)p[at]) || p[at] == '+' || p[at] == '-' || p[at] == '.'))
		at++;
	return at;
}

/*
 * Copies the text with quotes around each number that only an unsigned 64-bit integer holds:
 * jansson's are signed. Stops when `stop` bytes are written; returns how many were read by then.
 */
static size_t quote_large(const char *p, size_t n, struct bh_buf *out, size_t stop)
{
	size_t i = 0;

	while (i < n && out->len < stop) {
		bool word = isalnum((unsigned char)p[i]) || p[i] == '-';
		size_t end = p[i] == '"' ? string_end(p, n, i) : word ? number_end(p, n, i) : i + 1;
		uint64_t v = 0;
		bool large = word && take_u64(p + i, end - i, &v) && v > INT64_MAX;

		end = BH_MAX(BH_MIN(end, n), i + 1);
		if (large)
			(void)bh_buf_u8(out, '"');
		else
			end = BH_MIN(end, i + (stop - out->len));
		(void)bh_buf_append(out, p + i, end - i);
		if (large)
			(void)bh_buf_u8(out, '"');
		if (bh_buf_failed(out))
			return i;
		i = end;
	}
	return i;
}

/* Where in the file that is what stands at `at` of the copy. */
static size_t position_of(const char *p, size_t n, size_t at)
{
	struct bh_buf copy = BH_BUF_INIT;
	size_t i = quote_large(p, n, &copy, at);

	bh_buf_release(&copy);
	return i;
}

/* Where the value of a member of the outermost object begins, in text that is JSON. The last one
 * of a name counts. 0 when there is none. */
static size_t value_at(const char *p, size_t n, const char *key)
{
	size_t at = 0, end;
	int depth = 0;

	for (size_t i = 0; i < n; i = end) {
		end = p[i] == '"' ? string_end(p, n, i) : i + 1;
		depth += (p[i] == '{' || p[i] == '[') - (p[i] == '}' || p[i] == ']');
		if (p[i] != '"' || depth != 1 ||
		    !bh_str_eq((struct bh_str){p + i + 1, end - i - 2}, bh_str_from(key)))
			continue;
		while (end < n && isspace((unsigned char)p[end]))
			end++;
		if (end == n || p[end] != ':')
			continue;
		for (end++; end < n && isspace((unsigned char)p[end]);)
			end++;
		at = end;
	}
	return at;
}

/* --- entries ------------------------------------------------------------------------------------
 */

struct parse {
	int (*row)(void *ctx, const struct bh_origin *o);
	void *ctx;
	struct bh_registry_file *out;
	size_t rows;
	struct bh_buf path; /* of an entry that names it in hex */
};

static struct bh_str text_of(const json_t *entry, const char *key)
{
	const json_t *s = json_object_get(entry, key);

	return (struct bh_str){json_string_value(s), json_string_length(s)};
}

static uint32_t small(const json_t *o, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(o, key));

	return (uint32_t)BH_MIN(BH_MAX(v, 0), (json_int_t)UINT32_MAX);
}

/* A fingerprint without a configuration can be compared with nothing. */
static void take_fingerprint(const json_t *entry, struct bh_origin *o, char text[BH_FP_TEXT_MAX])
{
	const json_t *fp = json_object_get(entry, "Fingerprint");
	const json_t *value = json_object_get(fp, "Value");
	const json_t *config = json_object_get(fp, "Config");
	struct bh_str large = {json_string_value(value), json_string_length(value)};
	struct bh_fingerprint_config cfg = {.count = small(config, "count"),
	    .count_to_skip = small(config, "count_to_skip"),
	    .max_bytes = small(config, "max_bytes")};
	uint64_t v = 0;

	if (json_is_integer(value) && json_integer_value(value) > 0)
		v = (uint64_t)json_integer_value(value);
	else if (large.n && !take_u64(large.p, large.n, &v))
		v = 0;
	if (v == 0 || !bh_fp_strategy_parse(text_of(config, "fingerprint_strategy"), &cfg) ||
	    cfg.strategy == BH_FP_DISABLED)
		return;
	bh_fp_text(&cfg, text);
	o->fp_value = v;
	o->fp_config = bh_str_from(text);
}

/* Version 1: a positive offset, else the time of a source that has no offsets. */
static struct bh_str offset_1(const json_t *entry, char room[24])
{
	json_int_t v = json_integer_value(json_object_get(entry, "Offset"));

	if (v <= 0)
		return text_of(entry, "Timestamp");
	(void)snprintf(room, 24, "%" PRId64, (int64_t)v);
	return bh_str_from(room);
}

static struct bh_str offset_0(const json_t *entry, char room[24])
{
	const json_t *v = json_object_get(entry, "Offset");

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return (struct bh_str){NULL, 0};
	(void)snprintf(room, 24, "%" PRId64, (int64_t)json_integer_value(v));
	return bh_str_from(room);
}

/* A number, or its digits in a text: jansson's own integers end at 2^63. */
static uint64_t u64_of(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	struct bh_str text = {json_string_value(v), json_string_length(v)};
	uint64_t n = 0;

	if (json_is_integer(v))
		return (uint64_t)BH_MAX(json_integer_value(v), 0);
	return text.n && take_u64(text.p, text.n, &n) ? n : 0;
}

static bool unhex(struct bh_str hex, struct bh_buf *out)
{
	bh_buf_clear(out);
	for (size_t i = 0; i + 1 < hex.n; i += 2) {
		char pair[3] = {hex.p[i], hex.p[i + 1], '\0'};

		if (!isxdigit((unsigned char)pair[0]) || !isxdigit((unsigned char)pair[1]))
			return false;
		(void)bh_buf_u8(out, (uint8_t)strtoul(pair, NULL, 16));
	}
	return hex.n && hex.n % 2 == 0 && !bh_buf_failed(out);
}

/* What a backup of ours says beyond the Agent's format (registry_backup.h). */
static void take_own(struct parse *ps, const json_t *entry, struct bh_origin *o)
{
	uint32_t state = small(entry, "State");

	if (!json_object_get(entry, "Generation"))
		return;
	/* The other destinations are owed what comes after it, and the spool is gone. */
	if (text_of(entry, "Complete").n)
		o->offset_last = text_of(entry, "Complete");
	o->gen = u64_of(entry, "Generation");
	o->dev = u64_of(entry, "Device");
	o->ino = u64_of(entry, "Inode");
	o->marker_len = small(entry, "MarkerLength");
	o->marker_hash = u64_of(entry, "MarkerHash");
	o->last_size = u64_of(entry, "LastSize");
	o->state = state <= BH_ORIGIN_FINISHED ? (enum bh_origin_state)state : BH_ORIGIN_LIVE;
	if (text_of(entry, "Path").n && text_of(entry, "Path").n <= BH_ORIGIN_STRING_MAX)
		o->path = text_of(entry, "Path");
	else if (unhex(text_of(entry, "PathHex"), &ps->path))
		o->path = bh_buf_view(&ps->path);
}

/* The producer writes the same number the same way, so that its first part connects. */
static bool plain_number(struct bh_origin *o, char room[24])
{
	uint64_t v;

	if (!take_u64(o->offset_last.p, o->offset_last.n, &v) || v > INT64_MAX)
		return false;
	(void)snprintf(room, 24, "%" PRIu64, v);
	o->offset_last = bh_str_from(room);
	return true;
}

static bool usable(struct bh_origin *o, char room[24])
{
	if (!o->identifier.n || !o->offset_last.n || bh_origin_is_source(o->identifier, NULL) ||
	    o->identifier.n > BH_ORIGIN_STRING_MAX || o->offset_last.n > BH_ORIGIN_STRING_MAX)
		return false;
	if (!bh_str_starts(o->identifier, BH_STR_LIT(FILE_WORD)))
		return true;
	return o->path.n && plain_number(o, room);
}

static int take_entry(struct parse *ps, struct bh_str identifier, const json_t *entry)
{
	const struct bh_str word = BH_STR_LIT(FILE_WORD);
	char room[24], fp[BH_FP_TEXT_MAX];
	struct bh_origin o = {.identifier = identifier};

	if (bh_str_starts(identifier, word))
		o.path = (struct bh_str){identifier.p + word.n, identifier.n - word.n};
	o.offset_last = ps->out->version == 2   ? text_of(entry, "Offset")
			: ps->out->version == 1 ? offset_1(entry, room)
						: offset_0(entry, room);
	if (ps->out->version == 2) {
		o.tailing_mode = text_of(entry, "TailingMode");
		if (o.tailing_mode.n > MODE_MAX)
			o.tailing_mode = (struct bh_str){NULL, 0};
		o.ingestion_ns = json_integer_value(json_object_get(entry, "IngestionTimestamp"));
		take_fingerprint(entry, &o, fp);
		take_own(ps, entry, &o);
	}
	if (ps->rows >= BH_REGISTRY_ROWS_MAX || !usable(&o, room)) {
		ps->out->ignored++;
		return 0;
	}
	o.offset_first = o.offset_last;
	ps->rows++;
	return ps->row(ps->ctx, &o);
}

/* Version 0 knows files alone, by their bare paths. */
static int take_bare(struct parse *ps, struct bh_buf *name, struct bh_str path, const json_t *entry)
{
	bh_buf_clear(name);
	(void)bh_buf_str(name, FILE_WORD);
	(void)bh_buf_append(name, path.p, path.n);
	return bh_buf_failed(name) ? -ENOMEM : take_entry(ps, bh_buf_view(name), entry);
}

static int take_entries(struct parse *ps, json_t *registry)
{
	struct bh_buf name = BH_BUF_INIT;
	const char *key;
	json_t *entry;
	int rc = 0;

	json_object_foreach(registry, key, entry)
	{
		struct bh_str identifier = bh_str_from(key);

		rc = ps->out->version == 0 ? take_bare(ps, &name, identifier, entry)
					   : take_entry(ps, identifier, entry);
		if (rc)
			break;
	}
	bh_buf_release(&name);
	return rc;
}

/* Generations that are not at their path any more, and names that are no text. */
static int take_generations(struct parse *ps, const json_t *list)
{
	struct bh_buf name = BH_BUF_INIT;
	size_t i;
	json_t *entry;
	int rc = 0;

	json_array_foreach(list, i, entry)
	{
		struct bh_str identifier = text_of(entry, "Identifier");

		if (unhex(text_of(entry, "IdentifierHex"), &name))
			identifier = bh_buf_view(&name);
		rc = take_entry(ps, identifier, entry);
		if (rc)
			break;
	}
	bh_buf_release(&name);
	return rc;
}

static int take_sources(struct parse *ps, json_t *sources)
{
	struct bh_buf name = BH_BUF_INIT;
	const char *key;
	json_t *at;
	int rc = 0;

	json_object_foreach(sources, key, at)
	{
		struct bh_origin o = {.gen = BH_ORIGIN_SOURCE_GEN};

		bh_buf_clear(&name);
		(void)bh_buf_printf(&name, "source:%s", key);
		o.identifier = bh_buf_view(&name);
		o.offset_first = o.offset_last =
		    (struct bh_str){json_string_value(at), json_string_length(at)};
		if (!bh_buf_failed(&name) && bh_origin_is_source(o.identifier, NULL) &&
		    o.offset_last.n)
			rc = ps->row(ps->ctx, &o);
		if (rc)
			break;
	}
	bh_buf_release(&name);
	return rc;
}

static int take_file(struct parse *ps, const char *p, size_t n, const json_t *root)
{
	const json_t *version = json_object_get(root, "Version");
	json_t *registry = json_object_get(root, "Registry");
	int rc = 0;

	if (!json_is_object(root))
		return fault(ps->out, 0, "not an object");
	if (!version)
		return fault(ps->out, 0, "there is no Version");
	if (!json_is_integer(version) || json_integer_value(version) < 0 ||
	    json_integer_value(version) > 2)
		return fault(ps->out, value_at(p, n, "Version"), "a Version other than 0, 1 or 2");
	if (registry && !json_is_object(registry) && !json_is_null(registry))
		return fault(ps->out, value_at(p, n, "Registry"), "Registry is not an object");
	ps->out->version = (int)json_integer_value(version);
	if (json_is_object(registry))
		rc = take_entries(ps, registry);
	if (!rc && ps->out->version == 2)
		rc = take_generations(ps, json_object_get(root, "Generations"));
	if (!rc && ps->out->version == 2)
		rc = take_sources(ps, json_object_get(root, "Sources"));
	return rc;
}

int bh_registry_parse(const char *p, size_t n, int (*row)(void *ctx, const struct bh_origin *o),
    void *ctx, struct bh_registry_file *out)
{
	struct parse ps = {.row = row, .ctx = ctx, .out = out};
	struct bh_buf copy = BH_BUF_INIT;
	json_error_t error;
	json_t *root;
	int rc;

	*out = (struct bh_registry_file){.version = -1};
	(void)quote_large(p, n, &copy, SIZE_MAX);
	rc = bh_buf_failed(&copy);
	if (rc) {
		bh_buf_release(&copy);
		return rc;
	}
	root = json_loadb(copy.data ? copy.data : "", copy.len, 0, &error);
	bh_buf_release(&copy);
	if (!root && json_error_code(&error) == json_error_out_of_memory)
		return -ENOMEM;
	if (!root)
		return fault(out, position_of(p, n, (size_t)BH_MAX(error.position, 0)), error.text);
	rc = take_file(&ps, p, n, root);
	bh_buf_release(&ps.path);
	json_decref(root);
	return rc;
}

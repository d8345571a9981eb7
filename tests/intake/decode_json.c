#include "tests/intake/decode_json.h"

#include <errno.h>
#include <string.h>

static int load(struct bh_str body, json_t **root, struct bh_err *err)
{
	json_error_t at;

	/* A NUL in a message is legal as \u0000 (spec/intake.md §9). */
	*root = json_loadb(body.p ? body.p : "", body.n, JSON_ALLOW_NUL, &at);
	if (*root)
		return 0;
	return bh_err_set(err, BH_E_FORMAT, "line %d, column %d: %s", at.line, at.column, at.text);
}

/* Copies the members of object into a new record of that kind and appends it. */
static int append(struct bh_decoded *d, const char *kind, json_t *object, struct bh_err *err)
{
	json_t *record = json_pack("{s:s}", "kind", kind);

	/* Only what is missing: a client's own "kind" must not pass for ours. */
	if (!record || json_object_update_missing(record, object) < 0 ||
	    json_array_append(d->records, record) < 0) {
		json_decref(record);
		return bh_err_set(err, -ENOMEM, "record");
	}
	json_decref(record);
	return 0;
}

static bool is_string_list(const json_t *v)
{
	size_t i;
	json_t *item;

	if (!json_is_array(v))
		return false;
	json_array_foreach(v, i, item)
	{
		if (!json_is_string(item))
			return false;
	}
	return true;
}

static bool is_series_type(const char *type)
{
	return !strcmp(type, "gauge") || !strcmp(type, "rate") || !strcmp(type, "count");
}

/* NULL when the series is as spec/intake.md §6.2 says, else what is wrong. */
static const char *series_fault(const json_t *s)
{
	const char *metric = json_string_value(json_object_get(s, "metric"));
	const char *type = json_string_value(json_object_get(s, "type"));
	const json_t *tags = json_object_get(s, "tags");
	const json_t *points = json_object_get(s, "points");
	size_t i;
	json_t *point;

	if (!metric || !*metric)
		return "no metric name";
	if (type && !is_series_type(type))
		return "unknown type";
	if (tags && !is_string_list(tags))
		return "tags is not an array of strings";
	if (!json_is_array(points))
		return "points is not an array";
	json_array_foreach(points, i, point)
	{
		if (json_array_size(point) != 2 || !json_is_integer(json_array_get(point, 0)) ||
		    !json_is_number(json_array_get(point, 1)))
			return "a point is not [integer seconds, number]";
	}
	return NULL;
}

int bh_decode_series_v1(struct bh_str body, struct bh_decoded *d, struct bh_err *err)
{
	json_t *root = NULL;
	json_t *item;
	size_t i;
	int rc = load(body, &root, err);

	if (!rc && !json_is_array(json_object_get(root, "series")))
		rc = bh_err_set(err, BH_E_FORMAT, "no array \"series\"");
	if (rc)
		goto out;
	json_array_foreach(json_object_get(root, "series"), i, item)
	{
		const char *fault = series_fault(item);

		rc = fault ? bh_err_set(err, BH_E_FORMAT, "series %zu: %s", i, fault)
			   : append(d, "series", item, err);
		if (rc)
			goto out;
		d->series++;
		d->points += json_array_size(json_object_get(item, "points"));
	}
out:
	json_decref(root);
	return rc;
}

static const char *check_fault(const json_t *c)
{
	const json_t *status = json_object_get(c, "status");

	if (!json_is_string(json_object_get(c, "check")))
		return "no name";
	if (!json_is_integer(status) || json_integer_value(status) < 0 ||
	    json_integer_value(status) > 3)
		return "status is not 0 to 3";
	return NULL;
}

int bh_decode_checks(struct bh_str body, struct bh_decoded *d, struct bh_err *err)
{
	json_t *root = NULL;
	json_t *item;
	size_t i;
	int rc = load(body, &root, err);

	if (!rc && !json_is_array(root))
		rc = bh_err_set(err, BH_E_FORMAT, "body is not an array");
	if (rc)
		goto out;
	json_array_foreach(root, i, item)
	{
		const char *fault = check_fault(item);

		rc = fault ? bh_err_set(err, BH_E_FORMAT, "check %zu: %s", i, fault)
			   : append(d, "check", item, err);
		if (rc)
			goto out;
		d->checks++;
	}
out:
	json_decref(root);
	return rc;
}

static int add_events(const char *source, json_t *list, struct bh_decoded *d, struct bh_err *err)
{
	json_t *item;
	size_t i;

	if (!json_is_array(list))
		return bh_err_set(err, BH_E_FORMAT, "events of \"%s\" are not an array", source);
	json_array_foreach(list, i, item)
	{
		int rc;

		if (!json_is_string(json_object_get(item, "msg_title")) ||
		    !json_is_string(json_object_get(item, "msg_text")))
			return bh_err_set(
			    err, BH_E_FORMAT, "event %zu of \"%s\": no title or text", i, source);
		json_object_set_new(item, "source", json_string(source));
		rc = append(d, "event", item, err);
		if (rc)
			return rc;
		d->events++;
	}
	return 0;
}

int bh_decode_intake(struct bh_str body, struct bh_decoded *d, struct bh_err *err)
{
	json_t *root = NULL;
	json_t *events;
	json_t *list;
	const char *source;
	int rc = load(body, &root, err);

	if (!rc && !json_is_object(root))
		rc = bh_err_set(err, BH_E_FORMAT, "body is not an object");
	if (rc)
		goto out;
	events = json_object_get(root, "events");
	if (!events) {
		rc = append(d, "metadata", root, err);
		d->metadata++;
		goto out;
	}
	if (!json_is_object(events)) {
		rc = bh_err_set(err, BH_E_FORMAT, "events is not an object");
		goto out;
	}
	json_object_foreach(events, source, list)
	{
		rc = add_events(source, list, d, err);
		if (rc)
			goto out;
	}
out:
	json_decref(root);
	return rc;
}

int bh_decode_metadata(struct bh_str body, struct bh_decoded *d, struct bh_err *err)
{
	json_t *root = NULL;
	int rc = load(body, &root, err);

	if (!rc && !json_is_object(root))
		rc = bh_err_set(err, BH_E_FORMAT, "body is not an object");
	if (!rc)
		rc = append(d, "metadata", root, err);
	if (!rc)
		d->metadata++;
	json_decref(root);
	return rc;
}

static int add_log(json_t *message, size_t index, struct bh_decoded *d, struct bh_err *err)
{
	int rc;

	if (!json_is_string(json_object_get(message, "message")))
		return bh_err_set(err, BH_E_FORMAT, "log %zu: no string \"message\"", index);
	rc = append(d, "log", message, err);
	if (!rc)
		d->log_messages++;
	return rc;
}

int bh_decode_logs(struct bh_str body, struct bh_decoded *d, struct bh_err *err)
{
	json_t *root = NULL;
	json_t *item;
	size_t i;
	int rc = load(body, &root, err);

	if (rc)
		goto out;
	if (json_is_object(root)) {
		if (json_object_size(root) > 0)
			rc = add_log(root, 0, d, err);
		goto out;
	}
	json_array_foreach(root, i, item)
	{
		rc = add_log(item, i, d, err);
		if (rc)
			goto out;
	}
out:
	json_decref(root);
	return rc;
}

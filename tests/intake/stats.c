#include "tests/intake/stats.h"

#include <errno.h>
#include <stdio.h>

int bh_stats_init(struct bh_stats *s)
{
	*s = (struct bh_stats){.requests = json_object()};
	if (!s->requests)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	return 0;
}

void bh_stats_release(struct bh_stats *s)
{
	json_decref(s->requests);
	s->requests = NULL;
	pthread_mutex_destroy(&s->lock);
}

void bh_stats_answered(struct bh_stats *s, const char *path, unsigned status, uint64_t bytes)
{
	char code[16];
	json_t *by_status;

	snprintf(code, sizeof(code), "%u", status);
	pthread_mutex_lock(&s->lock);
	s->bytes += bytes;
	by_status = json_object_get(s->requests, path);
	if (!by_status) {
		by_status = json_object();
		json_object_set_new(s->requests, path, by_status);
	}
	json_object_set_new(by_status, code,
	    json_integer(json_integer_value(json_object_get(by_status, code)) + 1));
	pthread_mutex_unlock(&s->lock);
}

void bh_stats_accepted(struct bh_stats *s, const struct bh_decoded *d)
{
	struct bh_decoded *t = &s->totals;

	pthread_mutex_lock(&s->lock);
	t->series += d->series;
	t->points += d->points;
	t->nonfinite_points += d->nonfinite_points;
	t->sketches += d->sketches;
	t->log_messages += d->log_messages;
	t->checks += d->checks;
	t->events += d->events;
	t->metadata += d->metadata;
	pthread_mutex_unlock(&s->lock);
}

void bh_stats_decode_error(struct bh_stats *s)
{
	pthread_mutex_lock(&s->lock);
	s->decode_errors++;
	pthread_mutex_unlock(&s->lock);
}

void bh_stats_fault(struct bh_stats *s, enum bh_fault_mode mode)
{
	pthread_mutex_lock(&s->lock);
	s->faults[mode]++;
	pthread_mutex_unlock(&s->lock);
}

void bh_stats_connection(struct bh_stats *s, int change)
{
	pthread_mutex_lock(&s->lock);
	if (change > 0) {
		s->connections++;
		s->connections_open++;
	} else {
		s->connections_open--;
	}
	pthread_mutex_unlock(&s->lock);
}

static json_t *number(uint64_t v)
{
	return json_integer((json_int_t)v);
}

static json_t *faults_json(const struct bh_stats *s)
{
	json_t *faults = json_object();

	json_object_set_new(faults, "delay", number(s->faults[BH_FAULT_NONE]));
	for (int mode = BH_FAULT_STATUS; mode <= BH_FAULT_LOST; mode++)
		json_object_set_new(
		    faults, bh_fault_mode_name((enum bh_fault_mode)mode), number(s->faults[mode]));
	return faults;
}

char *bh_stats_json(struct bh_stats *s)
{
	const struct bh_decoded *t = &s->totals;
	json_t *root = json_object();
	char *text;

	pthread_mutex_lock(&s->lock);
	json_object_set_new(root, "requests", json_deep_copy(s->requests));
	json_object_set_new(root, "series", number(t->series));
	json_object_set_new(root, "points", number(t->points));
	json_object_set_new(root, "nonfinite_points", number(t->nonfinite_points));
	json_object_set_new(root, "sketches", number(t->sketches));
	json_object_set_new(root, "log_messages", number(t->log_messages));
	json_object_set_new(root, "checks", number(t->checks));
	json_object_set_new(root, "events", number(t->events));
	json_object_set_new(root, "metadata", number(t->metadata));
	json_object_set_new(root, "bytes", number(s->bytes));
	json_object_set_new(root, "decode_errors", number(s->decode_errors));
	json_object_set_new(root, "connections", number(s->connections));
	json_object_set_new(root, "connections_open", number(s->connections_open));
	json_object_set_new(root, "faults", faults_json(s));
	pthread_mutex_unlock(&s->lock);
	text = json_dumps(root, JSON_INDENT(1));
	json_decref(root);
	return text;
}

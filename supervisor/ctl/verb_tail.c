/* tail: the last lines of bulkhead's own log, of each process or of some, in the order of their
 * times; with --follow what comes after them. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log_text.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/view_json.h"

#define POLL_MS   500
#define WAIT_MS   5000
#define NAMES_CAP 128
#define LINE_CAP  4096

/* A line and what orders it: they begin with the time, to the millisecond. */
struct line {
	const char *text;
	size_t n, place;
};

struct lines {
	struct line *v;
	size_t n, cap;
};

static int add(struct lines *l, const char *text, size_t n)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 256;
		struct line *v = reallocarray(l->v, cap, sizeof(*v));

		if (!v)
			return -1;
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n] = (struct line){text, n, l->n};
	l->n++;
	return 0;
}

static int by_time(const void *a, const void *b)
{
	static const size_t stamp = sizeof("2026-11-21T04:10:00.123Z") - 1;
	const struct line *x = a, *y = b;
	int order = x->n < stamp || y->n < stamp ? 0 : strncmp(x->text, y->text, stamp);

	return order ? order : x->place < y->place ? -1 : 1;
}

static void print_lines(struct lines *l)
{
	char out[LINE_CAP];

	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_time);
	for (size_t i = 0; i < l->n; i++) {
		size_t n = bh_log_escape(out, 0, sizeof(out) - 1, l->v[i].text, l->v[i].n);

		out[n++] = '\n';
		(void)fwrite(out, 1, n, stdout);
	}
	(void)fflush(stdout);
}

/* Where each role is to go on, as the next question says it. */
struct positions {
	char text[BH_ROLE__N * 24];
};

static void note_position(uint64_t from[BH_ROLE__N], const json_t *tail)
{
	const char *name = bh_json_text(tail, "name");

	for (int i = 0; i < BH_ROLE__N; i++) {
		if (strcmp(name, bh_role_name((enum bh_role)i)) == 0)
			from[i] = bh_json_count(tail, "position");
	}
}

static void show(const json_t *answer, struct positions *next)
{
	const json_t *tails = json_object_get(answer, "tails"), *tail;
	uint64_t from[BH_ROLE__N] = {0};
	struct lines lines = {0};
	size_t i, len = 0;

	json_array_foreach(tails, i, tail)
	{
		const json_t *list = json_object_get(tail, "lines"), *one;
		size_t k;

		note_position(from, tail);
		json_array_foreach(list, k, one)
		{
			if (add(&lines, json_string_value(one), json_string_length(one)))
				break;
		}
	}
	print_lines(&lines);
	free(lines.v);
	for (int role = 0; role < BH_ROLE__N; role++)
		len += (size_t)snprintf(next->text + len, sizeof(next->text) - len, "%s%" PRIu64,
		    role ? " " : "", from[role]);
}

static int show_answer(
    const struct bh_ctl_options *o, const struct bh_buf *answer, struct positions *next)
{
	json_t *json = json_loadb(answer->data, answer->len, 0, NULL);
	int code = BH_CTL_DONE;

	if (!json)
		return bh_ctl_fail(
		    o, "the answer is not JSON: another version runs?", BH_CTL_WRONG);
	if (json_object_get(json, "error"))
		code = bh_ctl_fail(o, bh_json_text(json, "error"),
		    json_is_true(json_object_get(json, "denied")) ? BH_CTL_UNKNOWN : BH_CTL_WRONG);
	else if (o->json)
		bh_ctl_print(answer);
	else
		show(json, next);
	json_decref(json);
	return code;
}

static int ask(const struct bh_ctl_options *o, const char *socket,
    const struct bh_ctl_member *members, size_t n, struct positions *next)
{
	int wait_ms = o->timeout_s ? (int)(o->timeout_s * 1000) : WAIT_MS;
	struct bh_buf answer = BH_BUF_INIT;
	struct bh_err err = BH_ERR_INIT;
	int fd = -1, code;
	int rc = bh_ctl_ask(socket, "tail", members, n, wait_ms, &answer, &fd, &err);

	if (rc)
		code = bh_ctl_fail(o, err.text,
		    rc == -ENOENT || rc == -ECONNREFUSED ? BH_CTL_STOPPED : BH_CTL_UNKNOWN);
	else
		code = show_answer(o, &answer, next);
	if (fd >= 0)
		(void)close(fd);
	bh_buf_release(&answer);
	return code;
}

static bool join(char **words, char names[NAMES_CAP])
{
	size_t len = 0;

	names[0] = '\0';
	for (; *words; words++) {
		int n = snprintf(names + len, NAMES_CAP - len, "%s%s", len ? " " : "", *words);

		if (n < 0 || (size_t)n >= NAMES_CAP - len || strpbrk(*words, "\"\\"))
			return false;
		len += (size_t)n;
	}
	return true;
}

static int follow(const struct bh_ctl_options *o, const char *socket, const char *names)
{
	struct bh_ctl_member members[2];
	struct positions next = {""};
	size_t n = 0;
	int code;

	if (names[0])
		members[n++] = (struct bh_ctl_member){"names", names};
	code = ask(o, socket, members, n, &next);
	while (o->follow && !o->json && code == BH_CTL_DONE) {
		char from[sizeof(next.text)];

		(void)poll(NULL, 0, POLL_MS);
		memcpy(from, next.text, sizeof(from));
		members[n] = (struct bh_ctl_member){"from", from};
		code = ask(o, socket, members, n + 1, &next);
	}
	return code;
}

int bh_ctl_run_tail(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	struct bh_buf socket = BH_BUF_INIT;
	char names[NAMES_CAP];
	struct bh_config cfg;
	int code;

	(void)command;
	if (!join(words, names))
		return bh_ctl_usage("no such process", words[0]);
	if (bh_ctl_socket(o, &cfg, &socket))
		code = bh_ctl_fail(o, "out of memory", BH_CTL_WRONG);
	else
		code = follow(o, socket.data, names);
	bh_buf_release(&socket);
	bh_config_release(&cfg);
	return code;
}

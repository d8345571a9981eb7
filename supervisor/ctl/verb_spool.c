/* spool: what waits for delivery. Output files are written here, never by a service. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/format.h"
#include "supervisor/ctl/inquiry.h"
#include "supervisor/ctl/view_json.h"

#define WAIT_S     60  /* between two lines */
#define SNAPSHOT_S 600 /* until the copy is made: its only line comes at the end */

struct output {
	const struct bh_ctl_options *o;
	FILE *to;
	bool head; /* the table's head is printed, or a first row of JSON */
	int64_t now_ms;
};

/* --- rows ------------------------------------------------------------------------------------- */

static void put_age(char out[BH_FMT_MAX], int64_t ms)
{
	int64_t s = ms > 0 ? ms / 1000 : 0;

	if (s < 120)
		(void)snprintf(out, BH_FMT_MAX, "%" PRId64 " s", s);
	else if (s < 7200)
		(void)snprintf(out, BH_FMT_MAX, "%" PRId64 " min", s / 60);
	else if (s < 172800)
		(void)snprintf(out, BH_FMT_MAX, "%" PRId64 " h", s / 3600);
	else
		(void)snprintf(out, BH_FMT_MAX, "%" PRId64 " days", (s + 43200) / 86400);
}

static void table_row(struct output *out, const json_t *row)
{
	const json_t *owed = json_object_get(row, "destinations");
	const char *first = json_string_value(json_array_get(owed, 0));
	char age[BH_FMT_MAX], left[BH_FMT_MAX];
	struct bh_buf name = BH_BUF_INIT;

	if (!out->head)
		(void)fprintf(out->to, "%-12s %-20s %-9s %9s %8s %8s %8s\n", "ID", "WAITS FOR",
		    "KIND", "BYTES", "ITEMS", "AGE", "EXPIRES");
	out->head = true;
	(void)bh_buf_printf(
	    &name, "%s%s", first ? first : "-", json_array_size(owed) > 1 ? " ..." : "");
	put_age(age, out->now_ms - bh_json_int(row, "created_ms"));
	put_age(left, bh_json_int(row, "expires_ms") - out->now_ms);
	if (bh_json_int(row, "expires_ms") == INT64_MAX)
		(void)snprintf(left, sizeof(left), "never");
	(void)fprintf(out->to, "%-12" PRIu64 " %-20.40s %-9.9s %9" PRIu64 " %8" PRIu64 " %8s %8s\n",
	    bh_json_count(row, "id"), name.data ? name.data : "", bh_json_text(row, "kind"),
	    bh_json_count(row, "bytes"), bh_json_count(row, "items"), age, left);
	bh_buf_release(&name);
}

static void json_row(struct output *out, const json_t *row)
{
	(void)fputs(out->head ? "," : "{\"schema\":1,\"rows\":[", out->to);
	out->head = true;
	(void)json_dumpf(row, out->to, JSON_COMPACT);
}

static void ls_row(void *ctx, const json_t *row)
{
	struct output *out = ctx;

	if (out->o->json)
		json_row(out, row);
	else
		table_row(out, row);
}

static void end_of_list(struct output *out, const json_t *end, bool offline)
{
	if (out->o->json) {
		(void)fprintf(out->to,
		    "%s],\"payloads\":%" PRIu64 ",\"items\":%" PRIu64 ",\"bytes\":%" PRIu64
		    ",\"running\":%s}\n",
		    out->head ? "" : "{\"schema\":1,\"rows\":[", bh_json_count(end, "payloads"),
		    bh_json_count(end, "items"), bh_json_count(end, "bytes"),
		    offline ? "false" : "true");
		return;
	}
	(void)fprintf(out->to,
	    "%" PRIu64 " payloads with %" PRIu64 " items, %" PRIu64 " bytes, wait%s\n",
	    bh_json_count(end, "payloads"), bh_json_count(end, "items"),
	    bh_json_count(end, "bytes"), offline ? "; the forwarder does not run" : "");
}

static void show_row(void *ctx, const json_t *row)
{
	static const char *const texts[] = {"producer", "kind", "created", "encoding"};
	static const char *const counts[] = {"items", "bytes", "raw_bytes"};
	struct output *out = ctx;
	const json_t *o;
	size_t i;

	if (out->o->json) {
		(void)json_dumpf(row, out->to, JSON_COMPACT);
		(void)fputc('\n', out->to);
		return;
	}
	(void)fprintf(out->to, "%-14s %" PRIu64 "\n", "id", bh_json_count(row, "id"));
	if (json_object_get(row, "refused_by"))
		(void)fprintf(out->to, "%-14s %s, status %" PRIu64 "\n", "refused by",
		    bh_json_text(row, "refused_by"), bh_json_count(row, "status"));
	json_array_foreach(json_object_get(row, "destinations"), i, o)(void)
	    fprintf(out->to, "%-14s %s\n", i ? "" : "waits for", json_string_value(o));
	for (i = 0; i < BH_ARRAY_LEN(texts); i++)
		(void)fprintf(out->to, "%-14s %s\n", texts[i], bh_json_text(row, texts[i]));
	for (i = 0; i < BH_ARRAY_LEN(counts); i++)
		(void)fprintf(
		    out->to, "%-14s %" PRIu64 "\n", counts[i], bh_json_count(row, counts[i]));
	(void)fprintf(out->to, "%-14s %s\n", "body",
	    json_is_true(json_object_get(row, "damaged")) ? "damaged" : "whole");
	json_array_foreach(json_object_get(row, "origins"), i, o)(void)
	    fprintf(out->to, "%-14s %s: %s to %s\n", i ? "" : "carries",
		bh_json_text(o, "identifier"), bh_json_text(o, "from"), bh_json_text(o, "to"));
}

static void export_row(void *ctx, const json_t *row)
{
	struct output *out = ctx;

	(void)json_dumpf(row, out->to, JSON_COMPACT);
	(void)fputc('\n', out->to);
}

static void no_row(void *ctx, const json_t *row)
{
	(void)ctx, (void)row;
}

/* --- the request ------------------------------------------------------------------------------ */

/* 90, 90s, 15m, 2h, 7d in seconds; -1 = none of these. */
static long long age_of(const char *text)
{
	static const char units[] = "smhd";
	static const long long seconds[] = {1, 60, 3600, 86400};
	char *end = NULL;
	long long n, unit = 1;
	const char *at;

	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno || end == text || n < 0 || *text == '-' || *text == '+')
		return -1;
	if (*end) {
		at = strchr(units, *end);
		if (!at || end[1])
			return -1;
		unit = seconds[at - units];
	}
	return n > INT32_MAX / unit ? -1 : n * unit;
}

/* -1: the request is made; else the exit status. */
static int make_request(
    const struct bh_ctl_options *o, const char *verb, const char *id, struct bh_buf *out)
{
	(void)bh_buf_str(out, verb);
	if (id && strspn(id, "0123456789") != strlen(id))
		return bh_ctl_usage("is no ID: bulkheadctl spool ls shows them", id);
	if (id)
		(void)bh_buf_printf(out, "\nid=%s", id);
	if (o->older && age_of(o->older) < 0)
		return bh_ctl_usage("is no age such as 90, 15m, 2h or 7d", o->older);
	if (o->older)
		(void)bh_buf_printf(out, "\nolder=%lld", age_of(o->older));
	if (o->class && strcmp(o->class, "logs") != 0 && strcmp(o->class, "metrics") != 0)
		return bh_ctl_usage("a class is logs or metrics", o->class);
	if (o->class)
		(void)bh_buf_printf(out, "\nclass=%s", o->class);
	if (o->destination && (!*o->destination || strchr(o->destination, '\n')))
		return bh_ctl_usage("is no destination", o->destination);
	if (o->destination)
		(void)bh_buf_printf(out, "\ndestination=%s", o->destination);
	return bh_buf_failed(out) ? bh_ctl_fail(o, "no memory", BH_CTL_WRONG) : -1;
}

/* --- reading ---------------------------------------------------------------------------------- */

static int list(const struct bh_ctl_options *o, const char *verb, const char *id,
    void (*row)(void *ctx, const json_t *row))
{
	struct output out = {.o = o, .to = stdout, .now_ms = bh_wall_ms(&bh_clock_system)};
	struct bh_buf request = BH_BUF_INIT;
	struct bh_inquiry q = {
	    .verb = "spool", .offline = "", .wait_s = WAIT_S, .row = row, .ctx = &out};
	json_t *end = NULL;
	bool offline;
	int fd = -1, code = make_request(o, verb, id, &request);

	q.request = request.data;
	if (code < 0) {
		code = bh_ctl_inquire(o, &q, &end, &fd, &offline);
		if (!code && row == ls_row)
			end_of_list(&out, end, offline);
	}
	json_decref(end);
	if (fd >= 0)
		(void)close(fd);
	bh_buf_release(&request);
	return code;
}

/* --- files ------------------------------------------------------------------------------------ */

/* A new file; an existing one is never written over. -errno. */
static int create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? -errno : fd;
}

static int cannot_write(const struct bh_ctl_options *o, const char *path, int rc)
{
	char text[PATH_MAX + 100];

	(void)snprintf(text, sizeof(text), "%s: %s", path,
	    rc == -EEXIST ? "exists; name a new file" : strerror(-rc));
	return bh_ctl_fail(o, text, BH_CTL_WRONG);
}

static int told(const struct bh_ctl_options *o, const char *path, const json_t *end)
{
	if (o->json)
		(void)printf("{\"schema\":1,\"payloads\":%" PRIu64 ",\"items\":%" PRIu64
			     ",\"bytes\":%" PRIu64 "}\n",
		    bh_json_count(end, "payloads"), bh_json_count(end, "items"),
		    bh_json_count(end, "bytes"));
	else
		(void)printf("%s: %" PRIu64 " bytes\n", path, bh_json_count(end, "bytes"));
	return BH_CTL_DONE;
}

static int export(const struct bh_ctl_options *o, const char *path)
{
	bool to_stdout = strcmp(path, "-") == 0;
	int fd = to_stdout ? -1 : create(path), code, rc = 0, passed = -1;
	struct output out = {.o = o, .to = to_stdout ? stdout : fd < 0 ? NULL : fdopen(fd, "w")};
	struct bh_buf request = BH_BUF_INIT;
	struct bh_inquiry q = {
	    .verb = "spool", .offline = "", .wait_s = WAIT_S, .row = export_row, .ctx = &out};
	json_t *end = NULL;
	bool offline;

	if (!out.to)
		return cannot_write(o, path, fd < 0 ? fd : -ENOMEM);
	code = make_request(o, "export", NULL, &request);
	q.request = request.data;
	if (code < 0)
		code = bh_ctl_inquire(o, &q, &end, &passed, &offline);
	if (!to_stdout) {
		rc = ferror(out.to) || fflush(out.to) || fsync(fd) < 0 ? -errno : 0;
		(void)fclose(out.to);
	}
	if (!code && rc)
		code = cannot_write(o, path, rc);
	if (code && !to_stdout)
		(void)unlink(path);
	else if (!code && !to_stdout)
		code = told(o, path, end);
	json_decref(end);
	if (passed >= 0)
		(void)close(passed);
	bh_buf_release(&request);
	return code;
}

/* All of one file into another. 0 or -errno. */
static int copy_file(int from, int to)
{
	char part[65536];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(from, part, sizeof(part), at)) > 0) {
		for (ssize_t done = 0; done < n;) {
			ssize_t w = write(to, part + done, (size_t)(n - done));

			if (w < 0)
				return -errno;
			done += w;
		}
		at += n;
	}
	return n < 0 || fsync(to) < 0 ? -errno : 0;
}

static int snapshot(const struct bh_ctl_options *o, const char *path)
{
	struct bh_buf into = BH_BUF_INIT;
	struct bh_inquiry q = {
	    .verb = "spool", .request = "snapshot", .wait_s = SNAPSHOT_S, .row = no_row};
	json_t *end = NULL;
	char here[PATH_MAX];
	bool offline = false;
	int fd = create(path), passed = -1, rc = 0, code;

	if (fd < 0)
		return cannot_write(o, path, fd);
	if (!realpath(path, here) || bh_buf_printf(&into, "\nfile=%s", here))
		rc = -errno;
	q.offline = into.data;
	code = rc ? cannot_write(o, path, rc) : bh_ctl_inquire(o, &q, &end, &passed, &offline);
	if (!code && !offline)
		rc = passed < 0 ? -EBADF : copy_file(passed, fd);
	if (!code && rc)
		code = cannot_write(o, path, rc);
	if (code)
		(void)unlink(path);
	else
		code = told(o, path, end);
	json_decref(end);
	(void)close(fd);
	if (passed >= 0)
		(void)close(passed);
	bh_buf_release(&into);
	return code;
}

/* --- changes ---------------------------------------------------------------------------------- */

static const char *outcome(const char *word, bool refused, bool offline)
{
	if (strcmp(word, "purge") == 0)
		return "are given up";
	if (!refused)
		return "are sent without further pauses";
	return offline ? "are sent again when bulkhead starts" : "are sent again";
}

static int change(
    const struct bh_ctl_options *o, const char *verb, const char *word, const char *id)
{
	struct bh_buf request = BH_BUF_INIT;
	struct bh_inquiry q = {.verb = verb, .offline = "", .wait_s = WAIT_S, .row = no_row};
	bool refused = o->destination ? strcmp(o->destination, "quarantine") == 0 : id != NULL;
	json_t *end = NULL;
	bool offline = false;
	int fd = -1, code = make_request(o, word, id, &request);

	q.request = request.data;
	if (code < 0)
		code = bh_ctl_inquire(o, &q, &end, &fd, &offline);
	if (!code && o->json)
		(void)printf("{\"schema\":1,\"payloads\":%" PRIu64 ",\"items\":%" PRIu64
			     ",\"bytes\":%" PRIu64 ",\"under_way\":%" PRIu64 "}\n",
		    bh_json_count(end, "payloads"), bh_json_count(end, "items"),
		    bh_json_count(end, "bytes"), bh_json_count(end, "under_way"));
	else if (!code)
		(void)printf("%" PRIu64 " payloads with %" PRIu64 " items %s\n",
		    bh_json_count(end, "payloads"), bh_json_count(end, "items"),
		    outcome(word, refused, offline));
	if (!code && !o->json && bh_json_count(end, "under_way"))
		(void)printf(
		    "%" PRIu64 " were being sent and stay\n", bh_json_count(end, "under_way"));
	json_decref(end);
	if (fd >= 0)
		(void)close(fd);
	bh_buf_release(&request);
	return code;
}

static int purge(const struct bh_ctl_options *o, const char *id)
{
	if (!o->yes)
		return bh_ctl_usage("what is purged is lost: look at it with spool ls and the same "
				    "options, then say --yes",
		    "purge");
	return change(o, "spool-purge", "purge", id);
}

int bh_ctl_run_spool(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	const char *word = words[0] ? words[0] : "ls", *arg = words[0] ? words[1] : NULL;
	bool takes_file = strcmp(word, "export") == 0 || strcmp(word, "snapshot") == 0;
	bool takes_id = strcmp(word, "show") == 0;
	bool may_have_id = strcmp(word, "replay") == 0 || strcmp(word, "purge") == 0;

	(void)command;
	if (arg && words[2])
		return bh_ctl_usage("unexpected argument", words[2]);
	if ((takes_file || takes_id) && (!arg || !*arg))
		return bh_ctl_usage(takes_id ? "needs an ID" : "needs a file", word);
	if (!takes_file && !takes_id && !may_have_id && arg)
		return bh_ctl_usage("unexpected argument", arg);
	if (o->yes && strcmp(word, "purge") != 0)
		return bh_ctl_usage("--yes is for purge", word);
	if (strcmp(word, "ls") == 0)
		return list(o, "ls", NULL, ls_row);
	if (takes_id)
		return list(o, "show", arg, show_row);
	if (takes_file)
		return strcmp(word, "export") == 0 ? export(o, arg) : snapshot(o, arg);
	if (strcmp(word, "replay") == 0)
		return change(o, "spool-replay", "replay", arg);
	if (strcmp(word, "purge") == 0)
		return purge(o, arg);
	return bh_ctl_usage("ls, show, replay, purge, export or snapshot", word);
}

#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log_text.h"

#define LINE_MAX_BYTES  2048
#define FACILITY_DAEMON (3 << 3)
#define LIMIT_PERIOD_NS (10 * BH_NS_PER_S)

static bool is_journal(int fd)
{
	const char *env = getenv("JOURNAL_STREAM");
	char *end = NULL;
	struct stat st;

	/* "<device>:<inode>" of what systemd gave us as standard error */
	if (!env || fstat(fd, &st) < 0 || st.st_dev != (dev_t)strtoull(env, &end, 10) ||
	    *end != ':')
		return false;
	return st.st_ino == (ino_t)strtoull(end + 1, NULL, 10);
}

void bh_log_init(struct bh_log *log, const struct bh_clock *clock, const char *role, int fd)
{
	*log = (struct bh_log){.clock = clock,
	    .role = role,
	    .fd = fd,
	    .level = BH_LOG_INFO,
	    .form = is_journal(fd) ? BH_LOG_JOURNAL : BH_LOG_PLAIN};
	/* The zone's file, before a child loses its right to open any. */
	tzset();
}

int bh_log_level_parse(const char *word, enum bh_log_level *level)
{
	static const struct {
		const char *word;
		enum bh_log_level level;
	} words[] = {
	    {"off", BH_LOG_ERROR},
	    {"critical", BH_LOG_ERROR},
	    {"error", BH_LOG_ERROR},
	    {"warn", BH_LOG_WARN},
	    {"warning", BH_LOG_WARN},
	    {"info", BH_LOG_INFO},
	    {"debug", BH_LOG_DEBUG},
	    {"trace", BH_LOG_DEBUG},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(words); i++) {
		if (strcasecmp(word, words[i].word) == 0) {
			*level = words[i].level;
			return 0;
		}
	}
	return -1;
}

static const char *const level_names[] = {"ERROR", "WARN", "INFO", "DEBUG"};
static const int severities[] = {3, 4, 6, 7}; /* of syslog */

const char *bh_log_form_name(enum bh_log_form form)
{
	static const char *const names[] = {"plain", "journal", "syslog"};

	return names[form];
}

enum bh_log_form bh_log_form_parse(const char *word)
{
	enum bh_log_form form = BH_LOG_PLAIN;

	for (int i = 0; word && i <= BH_LOG_SYSLOG; i++) {
		if (strcmp(word, bh_log_form_name((enum bh_log_form)i)) == 0)
			form = (enum bh_log_form)i;
	}
	return form;
}

static int put_plain_time(int64_t wall, char *line, size_t cap)
{
	time_t secs = (time_t)(wall / BH_NS_PER_S);
	char stamp[32];
	struct tm tm;

	if (!gmtime_r(&secs, &tm) || strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		stamp[0] = '\0';
	return snprintf(line, cap, "%s.%03dZ ", stamp, (int)(wall / BH_NS_PER_MS % 1000));
}

/* RFC 3164: local time; the name of the program ends at the bracket. */
static int put_syslog_head(
    const struct bh_log *log, enum bh_log_level level, int64_t wall, char *line, size_t cap)
{
	static const char *const months[] = {
	    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t secs = (time_t)(wall / BH_NS_PER_S);
	bool main_process = strcmp(log->role, "bulkhead") == 0;
	struct tm tm = {0};

	(void)localtime_r(&secs, &tm);
	return snprintf(line, cap,
	    "<%d>%s %2d %02d:%02d:%02d bulkhead%s%s[%ld]: ", FACILITY_DAEMON + severities[level],
	    months[tm.tm_mon % 12], tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
	    main_process ? "" : "-", main_process ? "" : log->role, (long)getpid());
}

static size_t put_head(const struct bh_log *log, enum bh_log_form form, enum bh_log_level level,
    const char *component, char *line, size_t cap)
{
	int64_t wall = bh_wall_ns(log->clock);
	const char *name = level_names[level];
	int n, m;

	if (form == BH_LOG_SYSLOG)
		n = put_syslog_head(log, level, wall, line, cap);
	else if (form == BH_LOG_JOURNAL)
		n = snprintf(line, cap, "<%d>", severities[level]);
	else
		n = put_plain_time(wall, line, cap);
	n = BH_MAX(n, 0);
	if (form == BH_LOG_SYSLOG)
		m = snprintf(line + n, cap - (size_t)n, "%s %s: ", name, component);
	else
		m = snprintf(line + n, cap - (size_t)n, "%s %s[%ld] %s: ", name, log->role,
		    (long)getpid(), component);
	return BH_MIN((size_t)(n + BH_MAX(m, 0)), cap - 1);
}

static size_t compose(const struct bh_log *log, enum bh_log_form form, enum bh_log_level level,
    const char *component, const char *text, char line[LINE_MAX_BYTES])
{
	size_t n = put_head(log, form, level, component, line, LINE_MAX_BYTES);

	n = bh_log_escape(line, n, LINE_MAX_BYTES - 1, text, strlen(text));
	line[n++] = '\n';
	return n;
}

static void emit(
    struct bh_log *log, enum bh_log_level level, const char *component, const char *text)
{
	char line[LINE_MAX_BYTES];
	size_t n = 0;

	if (log->ring) {
		n = compose(log, BH_LOG_PLAIN, level, component, text, line);
		bh_log_ring_put(log->ring, line, n);
	}
	if (!log->ring || log->form != BH_LOG_PLAIN)
		n = compose(log, log->form, level, component, text, line);
	if (log->form == BH_LOG_SYSLOG)
		n--; /* the datagram ends the line */
	log->failed = write(log->fd, line, n) < 0 && errno != EAGAIN;
}

static void add_held(char *text, size_t cap, uint64_t held)
{
	size_t n = strlen(text);

	if (held)
		(void)snprintf(text + n, cap - n, " held_back=%llu", (unsigned long long)held);
}

/* What was held back and did not come again since is told when there is something else to say. */
static void tell_held(struct bh_log *log, int64_t now)
{
	struct bh_log_repeat r;
	char text[BH_LOG_REPEAT_TEXT + 64];

	while (bh_log_repeats_due(&log->repeats, now, &r)) {
		(void)snprintf(text, sizeof(text), "%s", r.text);
		add_held(text, sizeof(text), r.held);
		emit(log, (enum bh_log_level)r.level, r.component, text);
	}
}

void bh_log_write(
    struct bh_log *log, enum bh_log_level level, const char *component, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	va_list ap;

	if (!log || level > log->level)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bh_log_mask(text);
	if (level < BH_LOG_DEBUG) {
		int64_t now = bh_mono_ns(log->clock);
		uint64_t held;

		if (!bh_log_repeats_pass(&log->repeats, (int)level, component, text, now, &held))
			return;
		add_held(text, sizeof(text), held);
		tell_held(log, now);
	}
	emit(log, level, component, text);
}

void bh_log_limited(struct bh_log *log, struct bh_log_limit *limit, enum bh_log_level level,
    const char *component, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	int64_t now;
	va_list ap;

	if (!log || level > log->level)
		return;
	now = bh_mono_ns(log->clock);
	if (now < limit->next_ns) {
		limit->held++;
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bh_log_mask(text);
	add_held(text, sizeof(text), limit->held);
	limit->held = 0;
	limit->next_ns = now + LIMIT_PERIOD_NS;
	emit(log, level, component, text);
}

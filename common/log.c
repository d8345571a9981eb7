#include "common/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES  2048
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
	*log = (struct bh_log){clock, role, fd, BH_LOG_INFO, is_journal(fd)};
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

static size_t put_head(const struct bh_log *log, enum bh_log_level level, const char *component,
    char *line, size_t cap)
{
	static const char *const names[] = {"ERROR", "WARN", "INFO", "DEBUG"};
	static const int priorities[] = {3, 4, 6, 7};
	int64_t wall = bh_wall_ns(log->clock);
	time_t secs = (time_t)(wall / BH_NS_PER_S);
	char stamp[32];
	struct tm tm;
	int n;

	if (log->journal) {
		n = snprintf(line, cap, "<%d>%s %s[%ld] %s: ", priorities[level], names[level],
		    log->role, (long)getpid(), component);
	} else {
		if (!gmtime_r(&secs, &tm) ||
		    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
			stamp[0] = '\0';
		n = snprintf(line, cap, "%s.%03dZ %s %s[%ld] %s: ", stamp,
		    (int)(wall / BH_NS_PER_MS % 1000), names[level], log->role, (long)getpid(),
		    component);
	}
	return n < 0 ? 0 : BH_MIN((size_t)n, cap - 1);
}

/* Data may hold terminal escapes: everything below space, and DEL, is shown as \xNN. */
static size_t put_escaped(char *line, size_t at, size_t cap, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p && at + 5 < cap; p++) {
		if (*p < 0x20 || *p == 0x7f) {
			static const char hex[] = "0123456789abcdef";

			line[at++] = '\\';
			line[at++] = 'x';
			line[at++] = hex[*p >> 4];
			line[at++] = hex[*p & 15];
		} else {
			line[at++] = (char)*p;
		}
	}
	return at;
}

static void emit(
    struct bh_log *log, enum bh_log_level level, const char *component, const char *text)
{
	char line[LINE_MAX_BYTES];
	size_t n = put_head(log, level, component, line, sizeof(line));
	ssize_t written;

	n = put_escaped(line, n, sizeof(line), text);
	line[n++] = '\n';
	written = write(log->fd, line, n);
	(void)written; /* a lost stderr must not stop the process */
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
	emit(log, level, component, text);
}

void bh_log_limited(struct bh_log *log, struct bh_log_limit *limit, enum bh_log_level level,
    const char *component, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	int64_t now;
	va_list ap;
	int n;

	if (!log || level > log->level)
		return;
	now = bh_mono_ns(log->clock);
	if (now < limit->next_ns) {
		limit->held++;
		return;
	}
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (limit->held && n >= 0 && (size_t)n < sizeof(text))
		(void)snprintf(text + n, sizeof(text) - (size_t)n, " held_back=%llu",
		    (unsigned long long)limit->held);
	limit->held = 0;
	limit->next_ns = now + LIMIT_PERIOD_NS;
	emit(log, level, component, text);
}

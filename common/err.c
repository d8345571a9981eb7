#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *bh_err_name(int code)
{
	switch (code) {
	case 0:
		return "no error";
	case BH_E_FORMAT:
		return "malformed input";
	case BH_E_LIMIT:
		return "limit exceeded";
	case BH_E_CONFIG:
		return "wrong configuration";
	case BH_E_STATE:
		return "not allowed in this state";
	case BH_E_CORRUPT:
		return "damaged data";
	case BH_E_CLOSED:
		return "the other side is gone";
	case BH_E_NET:
		return "network failure";
	default:
		return strerror(-code);
	}
}

int bh_err_set(struct bh_err *err, int code, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (n < 0) {
		err->text[0] = '\0';
		n = 0;
	}
	if (code < 0 && code > BH_E_FORMAT + 1000 && (size_t)n < sizeof(err->text))
		(void)snprintf(
		    err->text + n, sizeof(err->text) - (size_t)n, ": %s", bh_err_name(code));
	return code;
}

int bh_err_prefix(struct bh_err *err, const char *fmt, ...)
{
	char old[BH_ERR_TEXT_MAX];
	va_list ap;
	int n;

	if (!err)
		return BH_E_STATE;
	memcpy(old, err->text, sizeof(old));
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(err->text) - 3)
		(void)snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %.*s",
		    (int)(sizeof(err->text) - (size_t)n - 3), old);
	return err->code;
}

void bh_bug(const char *file, int line, const char *what)
{
	(void)fprintf(stderr, "bug: %s:%d: %s\n", file, line, what);
	abort();
}

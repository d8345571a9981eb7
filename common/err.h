/*
 * Errors are values. A function that can fail returns 0 or a negative code: -errno, or one of
 * the BH_E* codes below for failures the kernel has no number for. Text for people is added once,
 * where the name of the object is known, into a struct bh_err the caller owns; lower layers
 * return the code only.
 */
#ifndef BH_COMMON_ERR_H
#define BH_COMMON_ERR_H

#include "common/attrs.h"

#define BH_ERR_TEXT_MAX 512

enum bh_errcode {
	BH_E_FORMAT = -5001,  /* input does not follow its format (message, file, datagram) */
	BH_E_LIMIT = -5002,   /* a configured or fixed limit is exceeded */
	BH_E_CONFIG = -5003,  /* configuration is wrong; exit status 78 */
	BH_E_STATE = -5004,   /* the call does not fit the state of the object */
	BH_E_CORRUPT = -5005, /* stored data failed its check */
	BH_E_CLOSED = -5006,  /* the other side is gone */
	BH_E_NET = -5007,     /* network library reported a failure; text in bh_err */
};

struct bh_err {
	int code;                   /* 0 = no error set */
	char text[BH_ERR_TEXT_MAX]; /* NUL-terminated, one line, no trailing period */
};

#define BH_ERR_INIT \
	{ \
		0, \
		{ \
			0 \
		} \
	}

/* Records code and text (": <strerror>" is appended for -errno codes) and returns code, so that
 * `return bh_err_set(err, rc, "open %s", path);` is one statement. err may be NULL. */
int bh_err_set(struct bh_err *err, int code, const char *fmt, ...) BH_PRINTF(3, 4);

/* Puts "context: " before the recorded text; keeps and returns the code. */
int bh_err_prefix(struct bh_err *err, const char *fmt, ...) BH_PRINTF(2, 3);

/* Name of a code: strerror text for -errno, a fixed phrase for BH_E_*. Never NULL. */
const char *bh_err_name(int code);

/* An impossible state in our own code: prints and aborts, in every build. Never for input. */
_Noreturn void bh_bug(const char *file, int line, const char *what);
#define BH_BUG(what) bh_bug(__FILE__, __LINE__, (what))

#endif

/*
 * From the encoding of a source to UTF-8, line by line behind the framer (spec/logs.md §6.3). What
 * cannot be decoded becomes U+FFFD; no byte string is an error. UTF-8 passes unchanged, a byte
 * order mark and invalid bytes included: those are repaired when the record is made (§10.4).
 *
 * UTF-16: a byte order mark at the start of the line is removed and decides the order of that line;
 * an unpaired surrogate and an odd last byte become U+FFFD. Shift-JIS is code page 932 of the C
 * library, with byte 80 as U+0080; a lead byte with a trail byte that names no character is one
 * U+FFFD for the two.
 *
 * Nothing is kept from one line to the next, so one decoder serves all tailers of a thread that
 * have the same encoding.
 */
#ifndef BH_LOGS_ENCODING_H
#define BH_LOGS_ENCODING_H

#include <stdbool.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/str.h"
#include "logs-agent/framer.h"

enum bh_charset { BH_CHARSET_UTF8, BH_CHARSET_UTF16_LE, BH_CHARSET_UTF16_BE, BH_CHARSET_SHIFT_JIS };

/* utf-8, utf-16-le, utf-16-be, shift-jis; "" is UTF-8. False: another word, *out is UTF-8 and the
 * caller warns. */
bool bh_charset_parse(const char *word, enum bh_charset *out);
/* How lines of it are framed. */
enum bh_unit bh_charset_unit(enum bh_charset c);

struct bh_decoder {
	enum bh_charset charset;
	void *iconv;       /* iconv_t, Shift-JIS only, else NULL; owned */
	struct bh_buf out; /* the last line, grows to the longest one */
};

/* Shift-JIS opens a file of the C library: call it before the process gives up its rights, and keep
 * one decoder for later ones to succeed. -ENOENT when the library does not have the code page (it
 * may come in a package of its own), -ENOMEM or another -errno; *d is then good for release. */
int bh_decoder_init(struct bh_decoder *d, enum bh_charset c) BH_MUST_CHECK;
void bh_decoder_release(struct bh_decoder *d);

/* *out borrows the line itself (UTF-8), or the decoder until the next call. -ENOMEM or BH_E_LIMIT.
 */
int bh_decode(struct bh_decoder *d, struct bh_str line, struct bh_str *out) BH_MUST_CHECK;

#endif

/*
 * From the bytes of a request body to the bytes the client meant: the content encodings of
 * spec/intake.md §5, with a bound on the result so that a small body cannot fill the memory.
 */
#ifndef BH_INTAKE_DECODE_BODY_H
#define BH_INTAKE_DECODE_BODY_H

#include "common/attrs.h"
#include "common/buf.h"
#include "common/err.h"

#define BH_BODY_DECODED_MAX ((size_t)64 << 20) /* bytes; no path of the service takes more */

enum bh_encoding {
	BH_ENCODING_IDENTITY,
	BH_ENCODING_ZSTD,    /* any number of frames in a row */
	BH_ENCODING_GZIP,    /* any number of members in a row */
	BH_ENCODING_DEFLATE, /* the zlib container, RFC 1950; raw deflate is refused */
};

/* Value of Content-Encoding; NULL and "" mean identity. BH_E_FORMAT for an unknown word. */
int bh_encoding_parse(const char *word, enum bh_encoding *encoding) BH_MUST_CHECK;

/*
 * Appends the decoded bytes to out. Errors, each with its cause in err: BH_E_LIMIT when more than
 * max bytes come out, BH_E_FORMAT when the input is damaged, cut short or followed by other bytes,
 * -ENOMEM. After an error the content of out is undefined.
 */
int bh_body_decode(enum bh_encoding encoding, struct bh_str body, size_t max, struct bh_buf *out,
    struct bh_err *err) BH_MUST_CHECK;

#endif

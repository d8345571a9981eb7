/*
 * Protobuf wire format, written forward into memory the caller measured before (every function
 * returns the place behind what it wrote). No allocation, no checks: sizes come from the functions
 * below or from BH_PB_*_MAX bounds.
 */
#ifndef BH_DOGSTATSD_PBWRITER_H
#define BH_DOGSTATSD_PBWRITER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/str.h"

#define BH_PB_VARINT_MAX 10

enum bh_pb_wire { BH_PB_VARINT = 0, BH_PB_FIXED64 = 1, BH_PB_BYTES = 2 };

static inline size_t bh_pb_varint_size(uint64_t v)
{
	size_t n = 1;

	while (v >= 128) {
		v >>= 7;
		n++;
	}
	return n;
}

static inline uint8_t *bh_pb_varint(uint8_t *w, uint64_t v)
{
	while (v >= 128) {
		*w++ = (uint8_t)(v | 128);
		v >>= 7;
	}
	*w++ = (uint8_t)v;
	return w;
}

/* Field numbers up to 15 only: one byte. */
static inline uint8_t *bh_pb_tag(uint8_t *w, unsigned field, enum bh_pb_wire wire)
{
	*w++ = (uint8_t)(field << 3 | (unsigned)wire);
	return w;
}

static inline uint8_t *bh_pb_raw(uint8_t *w, struct bh_str s)
{
	if (s.n)
		memcpy(w, s.p, s.n);
	return w + s.n;
}

static inline uint8_t *bh_pb_string(uint8_t *w, unsigned field, struct bh_str s)
{
	w = bh_pb_tag(w, field, BH_PB_BYTES);
	w = bh_pb_varint(w, s.n);
	return bh_pb_raw(w, s);
}

/* Bytes bh_pb_string() writes. */
static inline size_t bh_pb_string_size(size_t n)
{
	return 1 + bh_pb_varint_size(n) + n;
}

static inline uint8_t *bh_pb_u64(uint8_t *w, unsigned field, uint64_t v)
{
	return bh_pb_varint(bh_pb_tag(w, field, BH_PB_VARINT), v);
}

/* Little-endian IEEE 754, byte by byte: right on any host, one store on ours. */
static inline uint8_t *bh_pb_double(uint8_t *w, unsigned field, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	w = bh_pb_tag(w, field, BH_PB_FIXED64);
	for (unsigned i = 0; i < 8; i++)
		*w++ = (uint8_t)(bits >> (8 * i));
	return w;
}

static inline uint64_t bh_pb_zigzag(int64_t v)
{
	return v < 0 ? ~((uint64_t)v << 1) : (uint64_t)v << 1;
}

#endif

/*
 * Checksums with fixed definitions, because they are stored or compared with other programs'
 * values. xxhash (libxxhash) is used directly for hash tables; nothing of that is stored.
 */
#ifndef BH_COMMON_CRC_H
#define BH_COMMON_CRC_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli), initial value and final xor all ones; "123456789" gives 0xE3069283.
 * Chain by passing the previous result as crc; start with 0. */
uint32_t bh_crc32c(uint32_t crc, const void *p, size_t n);
/* The same without the processor's help: what it is tested against. */
uint32_t bh_crc32c_plain(uint32_t crc, const void *p, size_t n);

/* CRC-64 with the ISO polynomial, reflected (spec/logs.md §5.2); "123456789" gives
 * 0xB90956C775A41001. Chain as above; start with 0. */
uint64_t bh_crc64(uint64_t crc, const void *p, size_t n);

#endif

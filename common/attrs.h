/* Compiler attributes and tiny helpers used everywhere. No types, no code. */
#ifndef BH_COMMON_ATTRS_H
#define BH_COMMON_ATTRS_H

#include <stddef.h>

/* The result is an error code: using it is not optional. */
#define BH_MUST_CHECK        __attribute__((warn_unused_result))
#define BH_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define BH_UNUSED            __attribute__((unused))
#define BH_ARRAY_LEN(a)      (sizeof(a) / sizeof((a)[0]))
#define BH_MIN(a, b)         ((a) < (b) ? (a) : (b))
#define BH_MAX(a, b)         ((a) > (b) ? (a) : (b))

/* Pointer to the struct that embeds `member`, from a pointer to that member. */
#define BH_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif

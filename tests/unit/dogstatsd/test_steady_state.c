/*
 * No allocation per sample in steady state (DESIGN.md §10): malloc and its kin are counted while
 * samples of known contexts come in. The counting functions stand before the C library's.
 */
#include <criterion/criterion.h>

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/dogstatsd/fixture.h"

#if defined(__SANITIZE_ADDRESS__)
#define COUNTING false /* the sanitizer has allocators of its own */
#else
#define COUNTING true

static atomic_ullong allocations;

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	atomic_fetch_add(&allocations, 1);
	return __libc_realloc(p, n);
}
#endif

static unsigned long long count(void)
{
#if defined(__SANITIZE_ADDRESS__)
	return 0;
#else
	return atomic_load(&allocations);
#endif
}

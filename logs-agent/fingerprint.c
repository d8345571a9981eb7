#include "logs-agent/fingerprint.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/crc.h"
#include "logs-agent/read_at.h"

#define CHUNK          4096
#define FALLBACK_BYTES 1024

const struct bh_fingerprint_config bh_fingerprint_default = {BH_FP_LINE_CHECKSUM, 1, 0, 10000};

/* n bytes from `at` on, all of them or 0. */
static uint64_t checksum_bytes(int fd, uint64_t at, uint32_t n)
{
	char chunk[CHUNK];
	uint64_t crc = 0;

	while (n) {
		size_t part = BH_MIN(n, sizeof(chunk));

		if (bh_read_at(fd, chunk, part, at) != part)
			return 0;
		crc = bh_crc64(crc, chunk, part);
		at += part;
		n -= (uint32_t)part;
	}
	return crc;
}

struct lines {
	uint32_t skip, count; /* lines still to come */
	uint64_t crc;
	bool cr; /* the last byte was one: it counts unless a newline follows */
};

static void add(struct lines *l, const char *p, size_t n)
{
	if (n == 0)
		return;
	if (l->cr)
		l->crc = bh_crc64(l->crc, "\r", 1);
	l->cr = p[n - 1] == '\r';
	l->crc = bh_crc64(l->crc, p, l->cr ? n - 1 : n);
}

/* One more part of the file. */
static void add_part(struct lines *l, const char *p, size_t n)
{
	while (n && l->count) {
		const char *nl = memchr(p, '\n', n);
		size_t len = nl ? (size_t)(nl - p) : n;
		size_t taken = nl ? len + 1 : n;

		if (l->skip == 0)
			add(l, p, len);
		if (nl) {
			l->cr = false;
			if (l->skip)
				l->skip--;
			else
				l->count--;
		}
		p += taken;
		n -= taken;
	}
}

static uint64_t checksum_lines(int fd, const struct bh_fingerprint_config *cfg)
{
	uint32_t left = BH_MIN(cfg->max_bytes, BH_FINGERPRINT_READ_MAX);
	struct lines l = {.skip = cfg->count_to_skip, .count = cfg->count};
	char chunk[CHUNK];
	uint64_t at = 0;

	while (l.count && left) {
		size_t part = BH_MIN(left, sizeof(chunk));
		size_t got = bh_read_at(fd, chunk, part, at);

		add_part(&l, chunk, got);
		if (l.count && got < part)
			return 0;
		at += got;
		left -= (uint32_t)got;
	}
	return l.count ? checksum_bytes(fd, 0, FALLBACK_BYTES) : l.crc;
}

uint64_t bh_fingerprint(int fd, const struct bh_fingerprint_config *cfg)
{
	if (cfg->count == 0)
		return 0;
	switch (cfg->strategy) {
	case BH_FP_LINE_CHECKSUM:
		return checksum_lines(fd, cfg);
	case BH_FP_BYTE_CHECKSUM:
		return cfg->count > BH_FINGERPRINT_READ_MAX
			   ? 0
			   : checksum_bytes(fd, cfg->count_to_skip, cfg->count);
	case BH_FP_DISABLED:
		break;
	}
	return 0;
}

#include "tests/faults/disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/attrs.h"
#include "common/rng.h"

#define FILES  32
#define SECTOR 512

/* One change that was not synced. */
struct change {
	struct change *next;
	bool cut; /* to at bytes */
	uint64_t at;
	size_t n;
	unsigned char bytes[];
};

struct disk_file {
	char path[512];
	bool there; /* its name, durably */
	bool gone;  /* unlinked, but not durably */
	unsigned char *bytes;
	size_t n, cap;
	struct change *head, **tail;
};

static struct disk_file files[FILES];

static void *need(void *p)
{
	if (!p)
		abort();
	return p;
}

static void set_size(struct disk_file *f, size_t n)
{
	if (n > f->cap) {
		f->cap = BH_MAX(n, 2 * f->cap);
		f->bytes = need(realloc(f->bytes, f->cap));
	}
	if (n > f->n)
		memset(f->bytes + f->n, 0, n - f->n);
	f->n = n;
}

static void put(struct disk_file *f, const unsigned char *p, size_t n, uint64_t at)
{
	if (at + n > f->n)
		set_size(f, at + n);
	memcpy(f->bytes + at, p, n);
}

static void load(struct disk_file *f)
{
	unsigned char block[65536];
	int fd = open(f->path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	f->there = fd >= 0;
	while (fd >= 0 && (n = read(fd, block, sizeof(block))) > 0)
		put(f, block, (size_t)n, f->n);
	if (fd >= 0)
		(void)close(fd);
}

static struct disk_file *find(const char *path)
{
	for (size_t i = 0; i < FILES; i++) {
		if (files[i].path[0] && strcmp(files[i].path, path) == 0)
			return &files[i];
	}
	return NULL;
}

struct disk_file *disk_open(const char *path)
{
	struct disk_file *f = path ? find(path) : NULL;

	if (f && !f->gone)
		return f;
	if (f) {
		/* The same name again, as an empty file. */
		f->gone = false;
		disk_truncate(f, 0);
		return f;
	}
	for (size_t i = 0; i < FILES && !f; i++)
		f = files[i].path[0] ? NULL : &files[i];
	f = need(f);
	(void)snprintf(f->path, sizeof(f->path), "%s", path ? path : "(temporary)");
	f->tail = &f->head;
	load(f);
	return f;
}

static void add(struct disk_file *f, bool cut, const void *p, size_t n, uint64_t at)
{
	struct change *c = need(malloc(sizeof(*c) + n));

	*c = (struct change){.cut = cut, .at = at, .n = n};
	if (n)
		memcpy(c->bytes, p, n);
	*f->tail = c;
	f->tail = &c->next;
}

void disk_write(struct disk_file *f, const void *p, size_t n, uint64_t at)
{
	add(f, false, p, n, at);
}

void disk_truncate(struct disk_file *f, uint64_t size)
{
	add(f, true, NULL, 0, size);
}

static void drop_changes(struct disk_file *f)
{
	while (f->head) {
		struct change *c = f->head;

		f->head = c->next;
		free(c);
	}
	f->tail = &f->head;
}

static void forget(struct disk_file *f)
{
	drop_changes(f);
	free(f->bytes);
	*f = (struct disk_file){.path = ""};
}

void disk_sync(struct disk_file *f, bool folder)
{
	for (const struct change *c = f->head; c; c = c->next) {
		if (c->cut)
			set_size(f, c->at);
		else
			put(f, c->bytes, c->n, c->at);
	}
	drop_changes(f);
	for (size_t i = 0; i < FILES && folder && !f->there; i++) {
		if (files[i].gone)
			forget(&files[i]);
	}
	f->there = true;
}

void disk_unlink(const char *path, bool durable)
{
	struct disk_file *f = find(path);

	if (f && durable)
		forget(f);
	else if (f)
		f->gone = true;
}

void disk_rename(const char *from, const char *to)
{
	struct disk_file *f = find(from), *old = find(to);

	if (old)
		forget(old);
	if (f)
		(void)snprintf(f->path, sizeof(f->path), "%s", to);
}

/* --- the power goes ------------------------------------------------------------------------------
 */

enum fate { ALL_LOST, ALL_KEPT, PREFIX, SECTORS, DISORDER, FATE__N };

static bool coin(struct bh_rng *rng)
{
	return bh_rng_u64(rng) & 1;
}

/* Of one write the sectors that made it; the bytes beside it in a sector are not harmed. */
static void tear(struct disk_file *f, const struct change *c, struct bh_rng *rng)
{
	for (size_t from = 0; from < c->n;) {
		size_t end = BH_MIN(c->n, from + SECTOR - (c->at + from) % SECTOR);

		if (coin(rng))
			put(f, c->bytes + from, end - from, c->at + from);
		from = end;
	}
}

static void apply(struct disk_file *f, const struct change *c, bool torn, struct bh_rng *rng)
{
	if (c->cut)
		set_size(f, c->at);
	else if (torn)
		tear(f, c, rng);
	else
		put(f, c->bytes, c->n, c->at);
}

static void shuffle(struct disk_file *f, const struct change **v, size_t n, struct bh_rng *rng)
{
	for (size_t i = 0; i < n; i++) {
		size_t other = i + bh_rng_u64(rng) % (n - i);
		const struct change *c = v[other];

		v[other] = v[i];
		v[i] = c;
		if (coin(rng))
			apply(f, c, true, rng);
	}
}

static void settle(struct disk_file *f, enum fate fate, struct bh_rng *rng)
{
	const struct change **v;
	size_t n = 0, keep;

	for (const struct change *c = f->head; c; c = c->next)
		n++;
	v = need(calloc(n + 1, sizeof(const struct change *)));
	n = 0;
	for (const struct change *c = f->head; c; c = c->next)
		v[n++] = c;
	keep = fate == ALL_LOST ? 0 : fate == PREFIX ? bh_rng_u64(rng) % (n + 1) : n;
	if (fate == DISORDER) {
		shuffle(f, v, n, rng);
		keep = 0;
	}
	for (size_t i = 0; i < keep; i++)
		apply(f, v[i], fate == SECTORS || (fate == PREFIX && i == keep - 1), rng);
	free(v);
	/* A new file, or one that was unlinked, may be found or not. */
	if (!f->there)
		f->there = fate == ALL_KEPT || (fate != ALL_LOST && coin(rng));
	else if (f->gone)
		f->there = fate == ALL_LOST || (fate != ALL_KEPT && coin(rng));
}

static void leave(const struct disk_file *f)
{
	int fd;

	if (!f->there) {
		(void)unlinkat(AT_FDCWD, f->path, 0);
		return;
	}
	fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, f->bytes ? f->bytes : (unsigned char *)"", f->n) != (ssize_t)f->n)
		abort();
	(void)close(fd);
}

void disk_cut(uint64_t seed)
{
	struct bh_rng rng;

	bh_rng_seed(&rng, seed);
	for (size_t i = 0; i < FILES; i++) {
		if (!files[i].path[0] || files[i].path[0] != '/')
			continue;
		/* The first seeds show each extreme alone. */
		settle(&files[i],
		    seed < FATE__N ? (enum fate)seed : (enum fate)(bh_rng_u64(&rng) % FATE__N),
		    &rng);
		leave(&files[i]);
	}
}

#include "common/log_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

int bh_log_ring_create(void)
{
	int fd = memfd_create("bulkhead-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, sizeof(struct bh_log_ring)) == 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
	rc = -errno;
	(void)close(fd);
	return rc;
}

struct bh_log_ring *bh_log_ring_map(int fd)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0 || st.st_size != (off_t)sizeof(struct bh_log_ring))
		return NULL;
	p = mmap(NULL, sizeof(struct bh_log_ring), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

void bh_log_ring_unmap(struct bh_log_ring *r)
{
	if (r)
		(void)munmap(r, sizeof(*r));
}

void bh_log_ring_put(struct bh_log_ring *r, const char *p, size_t n)
{
	uint64_t at;

	if (!r || n > BH_LOG_RING_BYTES)
		return;
	at = atomic_fetch_add_explicit(&r->head, n, memory_order_acq_rel);
	for (size_t done = 0; done < n;) {
		size_t to = (size_t)((at + done) % BH_LOG_RING_BYTES);
		size_t part = BH_MIN(n - done, BH_LOG_RING_BYTES - to);

		memcpy(r->data + to, p + done, part);
		done += part;
	}
}

/* Where the next whole line begins, at or after `from`. */
static uint64_t line_start(const struct bh_log_ring *r, uint64_t from, uint64_t head)
{
	while (from < head && r->data[from % BH_LOG_RING_BYTES] != '\n')
		from++;
	return from < head ? from + 1 : head;
}

uint64_t bh_log_ring_read(const struct bh_log_ring *r, uint64_t from, struct bh_buf *out)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
	uint64_t oldest = head > BH_LOG_RING_BYTES ? head - BH_LOG_RING_BYTES : 0;
	uint64_t end = head;

	if (from > head)
		from = oldest; /* of another ring */
	if (from < oldest)
		from = line_start(r, oldest, head);
	while (end > from && r->data[(end - 1) % BH_LOG_RING_BYTES] != '\n')
		end--;
	for (uint64_t at = from; at < end;) {
		size_t i = (size_t)(at % BH_LOG_RING_BYTES);
		size_t part = BH_MIN((size_t)(end - at), BH_LOG_RING_BYTES - i);

		(void)bh_buf_append(out, r->data + i, part);
		at += part;
	}
	return end;
}

#include "supervisor/handover.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void drop(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

void bh_handover_fds_init(struct bh_handover_fds *h)
{
	*h = (struct bh_handover_fds){-1, -1};
}

void bh_handover_fds_release(struct bh_handover_fds *h)
{
	drop(&h->in);
	drop(&h->out);
}

void bh_handover_fds_prepare(struct bh_handover_fds *h)
{
	drop(&h->out);
	h->out = memfd_create("bulkhead-buckets", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static bool is_written(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0;
}

void bh_handover_fds_ended(struct bh_handover_fds *h, bool as_asked)
{
	static const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

	if (as_asked && is_written(h->out) && fcntl(h->out, F_ADD_SEALS, seals) == 0) {
		drop(&h->in);
		h->in = h->out;
		h->out = -1;
		return;
	}
	drop(&h->out);
}

void bh_handover_fds_taken(struct bh_handover_fds *h)
{
	drop(&h->in);
}

/* linkpeer: a producer and a forwarder that do nothing but speak the link, to be killed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/linkpeer/state.h"

struct linkpeer_state *linkpeer_map(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *p = MAP_FAILED;

	if (fd < 0)
		return NULL;
	if (ftruncate(fd, sizeof(struct linkpeer_state)) == 0)
		p = mmap(
		    NULL, sizeof(struct linkpeer_state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	return p == MAP_FAILED ? NULL : p;
}

static int usage(void)
{
	(void)fprintf(stderr, "usage: linkpeer receive RUN_DIR STATE\n"
			      "       linkpeer send RUN_DIR GENERATION UNTIL UNREADABLE\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct linkpeer_state *state;

	if (argc == 6 && strcmp(argv[1], "send") == 0)
		return linkpeer_send(argv[2], (uint32_t)strtoul(argv[3], NULL, 10),
		    strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10));
	if (argc != 4 || strcmp(argv[1], "receive") != 0)
		return usage();
	state = linkpeer_map(argv[3]);
	if (!state) {
		perror(argv[3]);
		return 1;
	}
	return linkpeer_receive(argv[2], state);
}

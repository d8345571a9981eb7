/* Why a journal that opens has nothing to read: looks at its directories. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "logs-agent/journal.h"
#include "logs-agent/journal_internal.h"

struct found {
	unsigned files, readable;
	unsigned closed; /* directories that may not be read */
};

static bool is_journal(const char *name)
{
	struct bh_str s = bh_str_from(name);

	return bh_str_ends(s, BH_STR_LIT(".journal")) || bh_str_ends(s, BH_STR_LIT(".journal~"));
}

/* Journals lie in the directory itself or one below it, named after the machine. */
static void look_into(int at, const char *path, unsigned depth, struct found *f)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (!d) {
		f->closed += errno == EACCES || errno == EPERM;
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while ((e = readdir(d))) {
		if (is_journal(e->d_name)) {
			f->files++;
			f->readable += faccessat(fd, e->d_name, R_OK, AT_EACCESS) == 0;
		} else if (depth && e->d_name[0] != '.' &&
			   (e->d_type == DT_DIR || e->d_type == DT_UNKNOWN)) {
			look_into(fd, e->d_name, depth - 1, f);
		}
	}
	(void)closedir(d);
}

int bh_journal_look(struct bh_journal *j, struct bh_err *err)
{
	static const char *const usual[] = {"/var/log/journal", "/run/log/journal"};
	struct found f = {0};
	const char *dir;

	if (bh_journal_has_files(j, &dir))
		return 0;
	if (dir[0])
		look_into(AT_FDCWD, dir, 1, &f);
	for (size_t i = 0; i < BH_ARRAY_LEN(usual) && !dir[0]; i++)
		look_into(AT_FDCWD, usual[i], 1, &f);
	if (!dir[0])
		dir = "/var/log/journal or /run/log/journal";
	if (f.readable)
		return bh_err_set(err, BH_E_FORMAT,
		    "the journal files in %s are damaged, or newer than this system's libsystemd "
		    "(journalctl --verify tells)",
		    dir);
	if (f.files || f.closed)
		return bh_err_set(err, -EACCES,
		    "none of the journal files in %s may be read: add the user of the logs process "
		    "to the group systemd-journal (or adm) and restart",
		    dir);
	return bh_err_set(err, -ENOENT,
	    "no journal file in %s yet; entries are read once journald writes one", dir);
}

/*
 * ENC[handle]: values of the configuration that are kept elsewhere (spec/intake.md §13.6). A handle
 * stands for the whole value of an option that is a text, for an item of a list, or for a text
 * within a structure. What is read from files holds handles; values are put in only where a copy
 * for one process is sealed, so that each process gets those of its own options and nobody else
 * any. Log sources of conf.d hold nothing secret and get none: one with a handle does not run.
 *
 *   ENC[file@/path]      the content of a file
 *   ENC[credential@name] a file of $CREDENTIALS_DIRECTORY, as systemd makes it (LoadCredential=)
 *   ENC[anything else]   what secret_backend_command says; without a command, the credential of
 *                        that name
 */
#ifndef BH_COMMON_SECRET_H
#define BH_COMMON_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "common/attrs.h"
#include "common/config.h"
#include "common/err.h"
#include "common/str.h"

#define BH_SECRET_FILE_MAX ((size_t)64 << 10) /* bytes of a file with a value */
#define BH_SECRETS_MAX     1024               /* handles of one configuration */

struct bh_secret {
	char *handle; /* without ENC[] */
	char *value;  /* NULL: not known */
};

/* Each handle once. Owned; values are wiped before they are freed. */
struct bh_secrets {
	struct bh_secret *v;
	size_t n;
};

/* Is the text a handle, and nothing beside it but blanks? */
bool bh_secret_is(const char *text);
/* What stands in it; borrows from text. Empty when it is none. */
struct bh_str bh_secret_handle(const char *text);

/* Options the supervisor needs itself, and how to get at values, cannot be handles; nor can
 * numbers. */
bool bh_secret_may_stand_in(const struct bh_option *o);

void bh_secrets_release(struct bh_secrets *s);
/* Every handle among the options of cfg. -ENOMEM, BH_E_LIMIT. */
int bh_secrets_collect(const struct bh_config *cfg, struct bh_secrets *s) BH_MUST_CHECK;
/* Copies the n bytes. -ENOMEM; BH_E_FORMAT: they hold a NUL. */
int bh_secret_set(struct bh_secret *s, const char *value, size_t n) BH_MUST_CHECK;
struct bh_secret *bh_secrets_find(const struct bh_secrets *s, struct bh_str handle);

/*
 * Puts the values into `to`, a copy of raw or an earlier outcome: into each option of the roles (a
 * set of 1 << enum bh_role) whose text in raw holds a handle. Secrets that stand in raw as they are
 * go over too. BH_E_CONFIG when a value does not fit its option: the text names option and handle,
 * never the value; -ENOMEM.
 */
int bh_secrets_apply(const struct bh_config *raw, unsigned roles, const struct bh_secrets *s,
    struct bh_config *to, struct bh_err *err) BH_MUST_CHECK;

/* Wipes what is secret by its type and stands there as it is; handles stay. */
void bh_secrets_wipe_plain(struct bh_config *cfg);

/*
 * Where the value of a handle stands when no command is to be asked for it. path is the caller's to
 * free; NULL = a command knows it. credentials: $CREDENTIALS_DIRECTORY or NULL. BH_E_CONFIG when
 * nobody can know it; -ENOMEM.
 */
int bh_secret_path(const char *handle, bool has_command, const char *credentials, char **path,
    struct bh_err *err) BH_MUST_CHECK;
/* The value from a file, without blanks and line ends around it. Errors name the file. */
int bh_secret_read(struct bh_secret *s, const char *path, struct bh_err *err) BH_MUST_CHECK;

#endif

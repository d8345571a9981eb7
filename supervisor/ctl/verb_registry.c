/* registry and quarantine: what the forwarder keeps. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "common/percent.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/view.h"

#define WAIT_S 60 /* there may be many rows */

enum registry_word { REGISTRY_ALL, REGISTRY_IDENTIFIER, REGISTRY_FILE };

static const struct {
	const char *word;
	enum registry_word takes;
	struct bh_ctl_query query;
} registry_words[] = {
    {"ls", REGISTRY_ALL, {.name = "registry", .view = bh_view_registry, .wait_s = WAIT_S}},
    {"export", REGISTRY_ALL,
	{.name = "registry", .view = bh_view_registry_export, .own_json = true, .wait_s = WAIT_S}},
    {"show", REGISTRY_IDENTIFIER,
	{.name = "registry-show",
	    .member = "identifier",
	    .view = bh_view_registry_show,
	    .wait_s = WAIT_S}},
    {"forget", REGISTRY_IDENTIFIER,
	{.name = "registry-forget",
	    .member = "identifier",
	    .view = bh_view_registry_forget,
	    .wait_s = WAIT_S}},
    {"import", REGISTRY_FILE,
	{.name = "registry-import",
	    .member = "file",
	    .view = bh_view_registry_import,
	    .wait_s = WAIT_S}},
};

/* As it is listed, or as the shell gives it: a % that begins no escape stands for itself. */
static int put_identifier(const char *word, struct bh_buf *out)
{
	for (; *word; word++) {
		bool escape = word[0] == '%' && isxdigit((unsigned char)word[1]) &&
			      isxdigit((unsigned char)word[2]);
		size_t n = strcspn(word + 1, "%") + 1;

		if (escape) {
			(void)bh_buf_append(out, word, 3);
			word += 2;
			continue;
		}
		(void)bh_percent_encode((struct bh_str){word, n}, out);
		word += n - 1;
	}
	return bh_buf_failed(out);
}

/* The supervisor stands in another directory. */
static int put_file(const char *word, struct bh_buf *out)
{
	char here[PATH_MAX] = "";
	int rc = 0;

	if (*word != '/' && !getcwd(here, sizeof(here)))
		return -errno;
	if (*word != '/') {
		(void)bh_percent_encode(bh_str_from(here), out);
		rc = bh_buf_u8(out, '/');
	}
	(void)bh_percent_encode(bh_str_from(word), out);
	return rc ? rc : bh_buf_failed(out);
}

static int registry_ask(const struct bh_ctl_options *o, size_t which, const char *word)
{
	struct bh_buf arg = BH_BUF_INIT;
	int code, rc = registry_words[which].takes == REGISTRY_FILE ? put_file(word, &arg)
								    : put_identifier(word, &arg);

	code = rc ? bh_ctl_fail(o, bh_err_name(rc), BH_CTL_WRONG)
		  : bh_ctl_ask_one(o, &registry_words[which].query, arg.data);
	bh_buf_release(&arg);
	return code;
}

int bh_ctl_run_registry(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	const char *word = words[0] ? words[0] : "ls";
	size_t i = 0;

	(void)command;
	while (i < BH_ARRAY_LEN(registry_words) && strcmp(registry_words[i].word, word) != 0)
		i++;
	if (i == BH_ARRAY_LEN(registry_words))
		return bh_ctl_usage("ls, show, forget, import or export", word);
	words += words[0] != NULL;
	if (registry_words[i].takes == REGISTRY_ALL)
		return bh_ctl_ask_plain(o, &registry_words[i].query, words);
	if (!words[0] || !*words[0])
		return bh_ctl_usage(registry_words[i].takes == REGISTRY_FILE
					? "needs one file"
					: "needs an identifier",
		    word);
	if (words[1])
		return bh_ctl_usage("unexpected argument", words[1]);
	return registry_ask(o, i, words[0]);
}

int bh_ctl_run_quarantine(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	static const struct bh_ctl_query ls = {.name = "quarantine", .view = bh_view_quarantine};
	static const struct bh_ctl_query again = {
	    .name = "quarantine-replay", .view = bh_view_replayed, .wait_s = WAIT_S};

	(void)command;
	if (words[0] && strcmp(words[0], "replay") == 0)
		return bh_ctl_ask_plain(o, &again, words + 1);
	return bh_ctl_ask_plain(o, &ls, words + (words[0] && strcmp(words[0], "ls") == 0));
}

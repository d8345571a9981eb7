/* top: the live view, on a terminal through ncurses; and what there is most of. */
#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/top.h"
#include "supervisor/ctl/view.h"

#define PERIOD_NS   BH_NS_PER_S
#define ASK_MS      2000
#define PAGE_WIDTH  80 /* of a picture that goes to a file */
#define PAGE_HEIGHT 24

struct live {
	struct bh_top top;
	const char *socket;
	struct bh_buf answer, picture;
	struct bh_err err;
	int rc;         /* of the last question */
	long long left; /* pictures still to show; negative = no end */
	int64_t due_ns; /* of the next question */
};

/* One question; what fails is shown, and asked again. Only -ENOMEM ends the view. */
static int sample(struct live *l)
{
	json_t *status;
	int fd, rc = 0;

	bh_buf_clear(&l->answer);
	l->rc = bh_ctl_ask(l->socket, "status", NULL, 0, ASK_MS, &l->answer, &fd, &l->err);
	if (fd >= 0)
		(void)close(fd);
	if (l->rc) {
		l->top.error = l->err.text;
		return 0;
	}
	status = json_loadb(l->answer.data, l->answer.len, 0, NULL);
	if (status)
		rc = bh_top_sample(&l->top, status, bh_mono_ns(&bh_clock_system));
	else
		l->top.error = "the answer is not JSON: another version runs?";
	json_decref(status);
	return rc;
}

static int picture(struct live *l, unsigned width, unsigned height)
{
	bh_buf_clear(&l->picture);
	return bh_top_draw(&l->top, width, height, &l->picture);
}

/* Calls line(look, text, length) for each line of the picture. */
static void each_line(const struct bh_buf *b, void (*line)(char look, const char *p, int n, int y))
{
	const char *p = b->data, *end = b->data ? b->data + b->len : NULL;

	for (int y = 0; p < end; y++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		if (!nl)
			return;
		line(*p, p + 1, (int)(nl - p - 1), y);
		p = nl + 1;
	}
}

/* --- on a terminal ---------------------------------------------------------------------------- */

static void paint_line(char look, const char *p, int n, int y)
{
	attr_t attr = A_NORMAL;

	if (look == BH_TOP_HEAD)
		attr = A_BOLD;
	else if (look == BH_TOP_MARKED)
		attr = A_REVERSE;
	else if (look == BH_TOP_BAD)
		attr = A_STANDOUT;
	(void)attron(attr);
	(void)mvaddnstr(y, 0, p, n);
	(void)attroff(attr);
}

static int paint(struct live *l)
{
	int rc = picture(l, (unsigned)getmaxx(stdscr), (unsigned)getmaxy(stdscr));

	if (rc)
		return rc;
	(void)erase();
	each_line(&l->picture, paint_line);
	(void)refresh();
	return 0;
}

static int key_of(int key)
{
	switch (key) {
	case KEY_UP:
		return BH_TOP_KEY_UP;
	case KEY_DOWN:
		return BH_TOP_KEY_DOWN;
	case KEY_PPAGE:
		return BH_TOP_KEY_PAGE_UP;
	case KEY_NPAGE:
		return BH_TOP_KEY_PAGE_DOWN;
	case KEY_ENTER:
		return '\n';
	default:
		return key;
	}
}

static int watch(struct live *l)
{
	int rc = 0;

	while (!rc && !l->top.over && l->left != 0) {
		int64_t now = bh_mono_ns(&bh_clock_system);
		int key;

		if (now >= l->due_ns) {
			rc = sample(l);
			l->due_ns = now + PERIOD_NS;
			l->left -= l->left > 0;
		}
		if (!rc)
			rc = paint(l);
		timeout((int)BH_MAX(
		    (l->due_ns - bh_mono_ns(&bh_clock_system)) / BH_NS_PER_MS + 1, (int64_t)0));
		key = getch();
		if (key != ERR && key != KEY_RESIZE)
			bh_top_key(&l->top, key_of(key));
		else if (key == ERR && errno == EIO)
			break; /* the terminal is gone */
	}
	return rc;
}

static int show_live(struct live *l)
{
	SCREEN *screen = newterm(NULL, stdout, stdin);
	int rc;

	if (!screen)
		return -ENOTTY;
	(void)cbreak();
	(void)noecho();
	(void)keypad(stdscr, TRUE);
	(void)set_escdelay(50);
	(void)curs_set(0);
	rc = watch(l);
	(void)endwin();
	delscreen(screen);
	return rc;
}

/* --- to a file or a pipe ---------------------------------------------------------------------- */

static void print_line(char look, const char *p, int n, int y)
{
	(void)look;
	(void)y;
	(void)printf("%.*s\n", n, p);
}

static int print_pictures(struct live *l, bool json)
{
	int rc = sample(l);

	/* A rate takes two samples. */
	while (!rc && !l->rc && l->left-- != 0) {
		(void)poll(NULL, 0, (int)(PERIOD_NS / BH_NS_PER_MS));
		rc = sample(l);
		if (rc || l->rc)
			break;
		if (json)
			(void)printf("%s\n", l->answer.data);
		else if (!(rc = picture(l, PAGE_WIDTH, PAGE_HEIGHT)))
			each_line(&l->picture, print_line);
		(void)fflush(stdout);
	}
	return rc;
}

static int run_live(const struct bh_ctl_options *o)
{
	struct bh_buf path = BH_BUF_INIT;
	struct bh_config cfg;
	bool on_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && !o->json;
	struct live l = {.err = BH_ERR_INIT, .left = o->count ? o->count : on_terminal ? -1 : 1};
	int rc, code = BH_CTL_DONE;

	(void)setlocale(LC_CTYPE, "");
	bh_top_init(&l.top, strcmp(nl_langinfo(CODESET), "UTF-8") != 0);
	rc = bh_ctl_socket(o, &cfg, &path);
	if (!rc) {
		l.socket = path.data;
		rc = on_terminal ? show_live(&l) : print_pictures(&l, o->json);
	}
	if (rc)
		code = bh_ctl_fail(o,
		    rc == -ENOTTY ? "the terminal is not known; TERM names it" : bh_err_name(rc),
		    BH_CTL_WRONG);
	else if (l.rc && !l.top.over)
		code = bh_ctl_fail(o, l.err.text,
		    l.rc == -ENOENT || l.rc == -ECONNREFUSED ? BH_CTL_STOPPED : BH_CTL_UNKNOWN);
	bh_top_release(&l.top);
	bh_buf_release(&l.answer);
	bh_buf_release(&l.picture);
	bh_buf_release(&path);
	bh_config_release(&cfg);
	return code;
}

int bh_ctl_run_top(
    const struct bh_ctl_options *o, const struct bh_ctl_command *command, char **words)
{
	static const struct bh_ctl_query queries[] = {
	    {.name = "contexts", .view = bh_view_contexts},
	    {.name = "senders", .view = bh_view_senders},
	};

	if (!words[0])
		return run_live(o);
	for (size_t i = 0; i < BH_ARRAY_LEN(queries); i++) {
		if (strcmp(words[0], queries[i].name) == 0)
			return bh_ctl_ask_plain(o, &queries[i], words + 1);
	}
	return bh_ctl_usage(
	    "what: contexts or senders, or nothing for the live view", command->name);
}

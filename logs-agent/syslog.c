#include "logs-agent/syslog.h"

#define PRI_MAX 191

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void advance(struct bh_str *s, size_t n)
{
	s->p += n;
	s->n -= n;
}

/* Takes `<PRI>` off; -1 when it is none. */
static int take_pri(struct bh_str *s)
{
	int pri = 0;
	size_t i = 1;

	if (s->n == 0 || s->p[0] != '<')
		return -1;
	while (i < s->n && i < 4 && is_digit(s->p[i]))
		pri = pri * 10 + (s->p[i++] - '0');
	if (i == 1 || i == s->n || s->p[i] != '>' || pri > PRI_MAX)
		return -1;
	advance(s, i + 1);
	return pri;
}

/* The word before the next blank, and the blank; a word at the end has no blank behind it. */
static struct bh_str take_word(struct bh_str *s)
{
	const char *blank = s->n ? memchr(s->p, ' ', s->n) : NULL;
	struct bh_str word = {s->p, blank ? (size_t)(blank - s->p) : s->n};

	advance(s, blank ? word.n + 1 : word.n);
	return word;
}

static bool printable(struct bh_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7F)
			return false;
	}
	return s.n > 0;
}

/* --- RFC 5424 ----------------------------------------------------------------------------------
 */

/* `[id name="value" …]`, where a value may hold quoted brackets. */
static bool take_element(struct bh_str *s)
{
	bool quoted = false;

	for (size_t i = 1; i < s->n; i++) {
		if (quoted && s->p[i] == '\\')
			i++;
		else if (s->p[i] == '"')
			quoted = !quoted;
		else if (!quoted && s->p[i] == ']') {
			advance(s, i + 1);
			return i > 1;
		}
	}
	return false;
}

static bool take_structured_data(struct bh_str *s)
{
	if (s->n && s->p[0] == '-') {
		advance(s, 1);
	} else {
		do {
			if (s->n == 0 || s->p[0] != '[' || !take_element(s))
				return false;
		} while (s->n && s->p[0] == '[');
	}
	return s->n == 0 || s->p[0] == ' ' || s->p[0] == '\n' || s->p[0] == '\r';
}

/* What follows the version: five words, then structured data. */
static bool parse_5424(struct bh_str s, struct bh_str *app)
{
	enum { TIMESTAMP, HOSTNAME, APP_NAME, PROCID, MSGID, WORDS };
	struct bh_str words[WORDS];

	for (int i = 0; i < WORDS; i++) {
		words[i] = take_word(&s);
		if (!printable(words[i]))
			return false;
	}
	if (!take_structured_data(&s))
		return false;
	if (!bh_str_eq(words[APP_NAME], BH_STR_LIT("-")))
		*app = words[APP_NAME];
	return true;
}

/* --- RFC 3164 ----------------------------------------------------------------------------------
 */

/* p against a form: 9 stands for a digit, _ for a digit or a blank, the rest for itself. */
static bool has_form(struct bh_str s, const char *form)
{
	size_t n = strlen(form);

	if (s.n < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool fits = form[i] == '9'   ? is_digit(s.p[i])
			    : form[i] == '_' ? is_digit(s.p[i]) || s.p[i] == ' '
					     : s.p[i] == form[i];

		if (!fits)
			return false;
	}
	return true;
}

static bool is_month(const char *p)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (size_t i = 0; i + 3 < sizeof(months); i += 3) {
		if (memcmp(months + i, p, 3) == 0)
			return true;
	}
	return false;
}

static bool take_time(struct bh_str *s)
{
	static const char classic[] = " _9 99:99:99 ", iso[] = "9999-99-99T99:99:99";

	if (s->n > 3 && is_month(s->p) && has_form((struct bh_str){s->p + 3, s->n - 3}, classic)) {
		advance(s, 3 + sizeof(classic) - 1);
		return true;
	}
	if (!has_form(*s, iso))
		return false;
	(void)take_word(s);
	return true;
}

/* The name in `name:` or `name[pid]:`; the colon may be missing behind the bracket. */
static bool as_tag(struct bh_str word, struct bh_str *app)
{
	size_t n = 0;

	if (!printable(word))
		return false;
	while (n < word.n && word.p[n] != '[' && word.p[n] != ':')
		n++;
	*app = (struct bh_str){word.p, n};
	if (n == 0 || n == word.n)
		return false;
	if (word.p[n] == ':')
		return n + 1 == word.n;
	return word.p[word.n - 1] == ']' || bh_str_ends(word, BH_STR_LIT("]:"));
}

/* Without a time there is no host either, and the first word is the TAG or text. */
static void parse_3164(struct bh_str s, struct bh_str *app)
{
	struct bh_str found = {NULL, 0};
	bool timed = take_time(&s);

	if (as_tag(take_word(&s), &found) || (timed && as_tag(take_word(&s), &found)))
		*app = found;
}

struct bh_syslog bh_syslog_parse(struct bh_str frame)
{
	struct bh_syslog out = {BH_STATUS_INFO, {NULL, 0}};
	int pri = take_pri(&frame);
	bool parsed = true;

	if (pri < 0)
		return out;
	if (frame.n >= 2 && is_digit(frame.p[0]) && frame.p[1] == ' ') {
		advance(&frame, 2);
		parsed = parse_5424(frame, &out.app);
	} else {
		parse_3164(frame, &out.app);
	}
	if (parsed)
		out.status = (enum bh_log_status)(pri % 8);
	return out;
}

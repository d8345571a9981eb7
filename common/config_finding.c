#include "common/config_finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool bh_findings_full(const struct bh_findings *f)
{
	return f->n >= BH_FINDINGS_WARNINGS_MAX;
}

void bh_finding_add(struct bh_findings *f, enum bh_finding_level level, const char *fmt, ...)
{
	char text[BH_ERR_TEXT_MAX] = "further findings are left out";
	size_t max = level == BH_FINDING_ERROR ? BH_FINDINGS_MAX : BH_FINDINGS_WARNINGS_MAX;
	struct bh_finding *grown;
	va_list ap;

	f->errors += level == BH_FINDING_ERROR;
	f->mistakes += level == BH_FINDING_MISTAKE;
	if (f->n >= max)
		return;
	grown = reallocarray(f->v, f->n + 1, sizeof(*grown));
	if (!grown)
		return;
	f->v = grown;
	if (f->n < max - 1) {
		va_start(ap, fmt);
		(void)vsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
	}
	for (char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	}
	f->v[f->n].level = level;
	f->v[f->n].text = strdup(text);
	if (f->v[f->n].text)
		f->n++;
}

void bh_findings_release(struct bh_findings *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->v[i].text);
	free(f->v);
	*f = (struct bh_findings){0};
}

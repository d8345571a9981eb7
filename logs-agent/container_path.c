#include "logs-agent/container_path.h"

#include <ctype.h>

enum { FILE_NAME, PARENT, GRANDPARENT, ANCESTOR, COMPONENTS };

/* The last components, nearest first; those that are not there are empty. */
static void split_path(struct bh_str path, struct bh_str *c)
{
	for (int i = 0; i < COMPONENTS; i++) {
		const char *slash = path.n ? memrchr(path.p, '/', path.n) : NULL;
		size_t head = slash ? (size_t)(slash - path.p) : 0;

		if (!slash) {
			c[i] = path;
			path.n = 0;
			continue;
		}
		c[i] = (struct bh_str){slash + 1, path.n - head - 1};
		path.n = head;
	}
}

static bool is_name(struct bh_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '.' && s.p[i] != '-')
			return false;
	}
	return s.n > 0;
}

/* The part of *s before the first c; *s is what follows it. Empty when there is no c. */
static struct bh_str before(struct bh_str *s, char c)
{
	const char *at = s->n ? memchr(s->p, c, s->n) : NULL;
	struct bh_str part = {s->p, at ? (size_t)(at - s->p) : 0};

	if (at) {
		s->n -= part.n + 1;
		s->p = at + 1;
	}
	return part;
}

static void tag(struct bh_buf *out, const char *key, struct bh_str value)
{
	(void)bh_buf_printf(out, ",%s:%.*s", key, (int)value.n, value.p);
}

static void pod_tags(
    struct bh_buf *out, struct bh_str ns, struct bh_str pod, struct bh_str container)
{
	if (!is_name(ns) || !is_name(pod) || !is_name(container))
		return;
	tag(out, "kube_namespace", ns);
	tag(out, "pod_name", pod);
	tag(out, "kube_container_name", container);
}

static bool is_docker(const struct bh_str *c)
{
	struct bh_str behind = c[FILE_NAME];

	if (!bh_str_eq(c[GRANDPARENT], BH_STR_LIT("containers")) || !is_name(c[PARENT]) ||
	    !bh_str_starts(behind, c[PARENT]))
		return false;
	behind.p += c[PARENT].n;
	behind.n -= c[PARENT].n;
	return bh_str_starts(behind, BH_STR_LIT("-json.log"));
}

static bool is_podman(const struct bh_str *c)
{
	return bh_str_eq(c[ANCESTOR], BH_STR_LIT("overlay-containers")) &&
	       is_name(c[GRANDPARENT]) && bh_str_eq(c[PARENT], BH_STR_LIT("userdata")) &&
	       bh_str_starts(c[FILE_NAME], BH_STR_LIT("ctr.log"));
}

/* <ns>_<pod>_<uid>: none of the three may hold an underscore. */
static void pod_directory(struct bh_buf *out, const struct bh_str *c)
{
	struct bh_str uid = c[GRANDPARENT], ns = before(&uid, '_'), pod = before(&uid, '_');

	if (is_name(uid))
		pod_tags(out, ns, pod, c[PARENT]);
}

/* <pod>_<ns>_<container>-<id>.log */
static void pod_link(struct bh_buf *out, const struct bh_str *c)
{
	struct bh_str name = c[FILE_NAME], pod = before(&name, '_'), ns = before(&name, '_');
	const char *dash = name.n ? memrchr(name.p, '-', name.n) : NULL;

	if (!dash || !bh_str_ends(c[FILE_NAME], BH_STR_LIT(".log")))
		return;
	name.n = (size_t)(dash - name.p);
	pod_tags(out, ns, pod, name);
}

int bh_container_tags(struct bh_buf *out, struct bh_str path)
{
	struct bh_str c[COMPONENTS];

	split_path(path, c);
	if (is_docker(c))
		tag(out, "container_id", c[PARENT]);
	else if (is_podman(c))
		tag(out, "container_id", c[GRANDPARENT]);
	else if (bh_str_eq(c[ANCESTOR], BH_STR_LIT("pods")))
		pod_directory(out, c);
	else if (bh_str_eq(c[PARENT], BH_STR_LIT("containers")) &&
		 bh_str_eq(c[GRANDPARENT], BH_STR_LIT("log")))
		pod_link(out, c);
	return bh_buf_failed(out);
}

#include "dogstatsd/identity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dogstatsd/pbwriter.h"
#include "dogstatsd/sanitize.h"

int bh_resolver_init(struct bh_resolver *r, uint64_t seed, struct bh_str host,
    const struct bh_strlist *extra, struct bh_naming *naming)
{
	*r = (struct bh_resolver){.seed = seed, .host = host, .naming = naming};
	if (!extra || extra->n == 0)
		return 0;
	r->extra = calloc(extra->n, sizeof(*r->extra));
	if (!r->extra)
		return -ENOMEM;
	for (size_t i = 0; i < extra->n; i++)
		r->extra[i] = bh_str_from(extra->v[i]);
	r->extra_n = extra->n;
	return 0;
}

void bh_resolver_release(struct bh_resolver *r)
{
	free(r->extra);
	free(r->tags);
	bh_buf_release(&r->packed);
	bh_buf_release(&r->clean_name);
	bh_buf_release(&r->clean_tags);
	*r = (struct bh_resolver){0};
}

static int add_tag(struct bh_resolver *r, struct bh_str tag)
{
	if (r->tags_n == r->tags_cap) {
		size_t cap = r->tags_cap ? 2 * r->tags_cap : 64;
		struct bh_str *grown = realloc(r->tags, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		r->tags = grown;
		r->tags_cap = cap;
	}
	r->tags[r->tags_n++] = tag;
	return 0;
}

/* Takes out the tags that are not tags (§8.1). True when this was one of them. */
static bool special_tag(struct bh_str tag, struct bh_str *host, bool *card)
{
	static const struct bh_str host_tag = {"host:", 5};
	static const struct bh_str entity = {"dd.internal.entity_id:", 22};
	static const struct bh_str jmx = {"dd.internal.jmx_check_name:", 27};
	static const struct bh_str cardinality = {"dd.internal.card:", 17};

	if (bh_str_starts(tag, host_tag)) {
		*host = (struct bh_str){tag.p + host_tag.n, tag.n - host_tag.n};
		return true;
	}
	if (tag.n == 0 || tag.p[0] != 'd')
		return false;
	if (bh_str_starts(tag, cardinality) && !*card) {
		*card = true;
		return true;
	}
	return bh_str_starts(tag, entity) || bh_str_starts(tag, jmx);
}

/* The tags of the line, those of the mapper, those of the configuration, in this order. */
static int collect_tags(
    struct bh_resolver *r, struct bh_str raw, const struct bh_mapped *mapped, struct bh_str *host)
{
	const char *p = raw.p, *end = raw.n ? raw.p + raw.n : p;
	bool card = false, last = raw.n == 0;
	int rc = 0;

	r->tags_n = 0;
	while (!last && rc == 0) {
		const char *comma = p < end ? memchr(p, ',', (size_t)(end - p)) : NULL;
		struct bh_str tag = {p, (size_t)((comma ? comma : end) - p)};

		last = !comma;
		p = comma ? comma + 1 : end;
		if (!special_tag(tag, host, &card))
			rc = add_tag(r, tag);
	}
	for (size_t i = 0; i < mapped->tags_n && rc == 0; i++) {
		if (!special_tag(mapped->tags[i], host, &card))
			rc = add_tag(r, mapped->tags[i]);
	}
	for (size_t i = 0; i < r->extra_n && rc == 0; i++)
		rc = add_tag(r, r->extra[i]);
	return rc;
}

static int compare_tags(const void *va, const void *vb)
{
	const struct bh_str *a = va, *b = vb;
	size_t n = BH_MIN(a->n, b->n);
	int d = n ? memcmp(a->p, b->p, n) : 0;

	return d ? d : (a->n > b->n) - (a->n < b->n);
}

static int pack_tags(struct bh_resolver *r)
{
	size_t total = 0;
	uint8_t *w;
	int rc;

	r->packed_n = 0;
	if (r->tags_n > 1)
		qsort(r->tags, r->tags_n, sizeof(*r->tags), compare_tags);
	for (size_t i = 0; i < r->tags_n; i++)
		total += r->tags[i].n + BH_PB_VARINT_MAX;
	bh_buf_clear(&r->packed);
	rc = total > BH_TAGS_BYTES_MAX ? -ENOMEM : bh_buf_reserve(&r->packed, total);
	if (rc < 0)
		return rc;
	w = (uint8_t *)r->packed.data;
	for (size_t i = 0; i < r->tags_n; i++) {
		if (i > 0 && bh_str_eq(r->tags[i], r->tags[i - 1]))
			continue;
		w = bh_pb_varint(w, r->tags[i].n);
		w = bh_pb_raw(w, r->tags[i]);
		r->packed_n++;
	}
	r->packed.len = (size_t)(w - (uint8_t *)r->packed.data);
	return 0;
}

/* Leaves valid text where it is; repairs the other into clean. */
static int repair(struct bh_resolver *r, struct bh_str *text, struct bh_buf *clean)
{
	int rc;

	if (bh_text_is_valid(*text))
		return 0;
	r->sanitized++;
	bh_buf_clear(clean);
	rc = bh_text_sanitize(*text, clean);
	*text = bh_buf_view(clean);
	return rc;
}

static int resolve_tags(struct bh_resolver *r, struct bh_str raw_tags,
    const struct bh_mapped *mapped, struct bh_identity *id)
{
	struct bh_str host = r->host;
	int rc = repair(r, &raw_tags, &r->clean_tags);

	if (rc == 0)
		rc = collect_tags(r, raw_tags, mapped, &host);
	if (rc == 0)
		rc = pack_tags(r);
	if (rc < 0)
		return rc;
	id->host = host;
	id->tags = (struct bh_tags){
	    .at.packed = r->packed.data,
	    .n = r->packed_n,
	    .bytes = (uint32_t)r->packed.len & BH_TAGS_BYTES_MAX,
	};
	return 0;
}

int bh_resolve_tags(struct bh_resolver *r, struct bh_str raw_tags, struct bh_identity *id)
{
	const struct bh_mapped none = {.tags_n = 0};

	id->name = (struct bh_str){"", 0};
	return resolve_tags(r, raw_tags, &none, id);
}

struct bh_key bh_identity_key(const struct bh_identity *id, uint64_t seed)
{
	struct bh_str packed = {id->tags.at.packed, id->tags.bytes};

	return bh_key_of(packed, bh_hash(id->host, bh_hash(id->name, seed)));
}

int bh_resolve(struct bh_resolver *r, struct bh_str name, struct bh_str raw_tags,
    enum bh_purpose purpose, struct bh_identity *id, struct bh_key *key)
{
	struct bh_mapped mapped = {.tags_n = 0};
	enum bh_naming_verdict verdict = BH_NAME_KEPT;
	int rc = repair(r, &name, &r->clean_name);

	if (rc < 0)
		return rc;
	if (r->naming) {
		if (r->naming->mapper && bh_mapper_map(r->naming->mapper, name, &mapped))
			name = mapped.name;
		verdict = bh_naming_apply(r->naming, &name, purpose == BH_FOR_COPY);
	}
	if (verdict != BH_NAME_KEPT)
		return verdict == BH_NAME_FILTERED ? BH_FILTERED : -ENOMEM;
	rc = resolve_tags(r, raw_tags, &mapped, id);
	if (rc < 0)
		return rc;
	id->name = name;
	*key = bh_identity_key(id, r->seed);
	return 0;
}

/* First line: pattern; second: name template; third: tag template; the rest: names. A wildcard,
 * then a regular expression. Also: any text as the whole option. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/jsonw.h"
#include "dogstatsd/mapper.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct bh_str next_line(const char **p, const char *end)
{
	const char *nl = *p < end ? memchr(*p, '\n', (size_t)(end - *p)) : NULL;
	struct bh_str line = {*p, (size_t)((nl ? nl : end) - *p)};

	*p = nl ? nl + 1 : end;
	return line;
}

static void put_profile(struct bh_buf *json, const struct bh_str line[3], const char *type)
{
	struct bh_jsonw w;

	bh_jsonw_init(&w, json);
	bh_jsonw_array(&w, NULL);
	bh_jsonw_object(&w, NULL);
	bh_jsonw_str(&w, "name", "p");
	bh_jsonw_str(&w, "prefix", "*");
	bh_jsonw_array(&w, "mappings");
	bh_jsonw_object(&w, NULL);
	bh_jsonw_str(&w, "match_type", type);
	bh_jsonw_bytes(&w, "match", line[0].p, line[0].n);
	bh_jsonw_bytes(&w, "name", line[1].p, line[1].n);
	bh_jsonw_object(&w, "tags");
	bh_jsonw_bytes(&w, "k", line[2].p, line[2].n);
	bh_jsonw_object_end(&w);
	bh_jsonw_object_end(&w);
	bh_jsonw_array_end(&w);
	bh_jsonw_object_end(&w);
	bh_jsonw_array_end(&w);
}

static void map_names(struct bh_mapper *m, const char *p, const char *end)
{
	while (p < end) {
		struct bh_str name = next_line(&p, end);
		struct bh_mapped once, twice;
		struct bh_buf first = BH_BUF_INIT;

		if (!bh_mapper_map(m, name, &once))
			continue;
		(void)bh_buf_append(&first, once.name.p, once.name.n);
		/* From the cache it is the same. */
		if (!bh_mapper_map(m, name, &twice) || twice.name.n != first.len ||
		    (first.len && memcmp(first.data, twice.name.p, first.len) != 0) ||
		    twice.tags_n != 1)
			abort();
		bh_buf_release(&first);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = {"wildcard", "regex"};
	const char *p = (const char *)data, *end = p + size;
	struct bh_err err = BH_ERR_INIT;
	struct bh_mapper *m;
	struct bh_str line[3];
	char *text = strndup(p, size);

	if (text && bh_mapper_new(&m, text, 2, 1, &err) == 0)
		bh_mapper_free(m);
	free(text);
	for (int i = 0; i < 3; i++)
		line[i] = next_line(&p, end);
	for (size_t i = 0; i < BH_ARRAY_LEN(types); i++) {
		struct bh_buf json = BH_BUF_INIT;

		put_profile(&json, line, types[i]);
		if (bh_mapper_new(&m, json.data, 2, 1, &err) == 0) {
			if (m)
				map_names(m, p, end);
			bh_mapper_free(m);
		}
		bh_buf_release(&json);
	}
	return 0;
}

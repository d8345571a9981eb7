#include "supervisor/registry_view.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/percent.h"

static const char *state_name(enum bh_origin_state state)
{
	static const char *const names[] = {[BH_ORIGIN_LIVE] = "live",
	    [BH_ORIGIN_DRAINING] = "draining",
	    [BH_ORIGIN_WAITING] = "waiting",
	    [BH_ORIGIN_FINISHED] = "finished",
	    [BH_ORIGIN_FORGOTTEN] = "forgotten"};

	return names[state];
}

static void put_bytes(struct bh_jsonw *w, const char *key, struct bh_str bytes)
{
	struct bh_buf text = BH_BUF_INIT;

	(void)bh_percent_encode(bytes, &text);
	bh_jsonw_bytes(w, key, text.data, text.len);
	bh_buf_release(&text);
}

static void put_id(struct bh_jsonw *w, const char *key, uint64_t v)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, v);
	bh_jsonw_str(w, key, text);
}

void bh_registry_row_json(
    struct bh_jsonw *w, const struct bh_origin *o, bool imported, uint64_t open)
{
	put_bytes(w, "identifier", o->identifier);
	put_bytes(w, "path", o->path);
	bh_jsonw_str(w, "state", state_name(o->state));
	bh_jsonw_bool(w, "imported", imported);
	put_bytes(w, "delivered", o->offset_first);
	put_bytes(w, "safe", o->offset_last);
	bh_jsonw_u64(w, "size", BH_MIN(o->last_size, (uint64_t)INT64_MAX));
	bh_jsonw_u64(w, "open_parts", BH_MIN(open, (uint64_t)INT64_MAX));
	put_id(w, "generation", o->gen);
	put_id(w, "dev", o->dev);
	put_id(w, "ino", o->ino);
	put_bytes(w, "tailing_mode", o->tailing_mode);
	bh_jsonw_i64(w, "ingestion_ns", o->ingestion_ns);
	if (!o->fp_value)
		return;
	bh_jsonw_object(w, "fingerprint");
	put_id(w, "value", o->fp_value);
	put_bytes(w, "config", o->fp_config);
	bh_jsonw_object_end(w);
}

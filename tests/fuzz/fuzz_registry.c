/* The Agent's registry.json: whatever the bytes are, rows are what the registry may hold, and the
 * place of a fault lies in the file. */
#include <stdint.h>
#include <stdlib.h>

#include "common/err.h"
#include "forwarder/registry_import.h"
#include "proto/fingerprint_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int check(void *ctx, const struct bh_origin *o)
{
	struct bh_fingerprint_config cfg;
	struct bh_buf b = BH_BUF_INIT;
	struct bh_origin back;

	++*(size_t *)ctx;
	if (bh_origin_encode(o, &b) ||
	    bh_origin_decode((struct bh_str){b.data + 4, b.len - 4}, &back) ||
	    !bh_str_eq(back.offset_last, o->offset_last))
		abort();
	if ((o->fp_value != 0) != (o->fp_config.n != 0))
		abort();
	if (o->fp_config.n && !bh_fp_text_parse(o->fp_config, &cfg))
		abort();
	if (bh_origin_is_source(o->identifier, NULL))
		abort();
	bh_buf_release(&b);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bh_registry_file out;
	size_t rows = 0;
	int rc = bh_registry_parse((const char *)data, size, check, &rows, &out);

	if (rc == BH_E_FORMAT && (out.position > size || !out.text[0] || rows))
		abort();
	if (rc == 0 && (out.version < 0 || out.version > 2))
		abort();
	return 0;
}

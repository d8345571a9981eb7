#include "common/ipc_link.h"

int bh_ipc_send_link(struct bh_ipc *ipc, const struct bh_link_msg *m)
{
	size_t n = bh_link_encoded_size(m);
	struct bh_ipc_msg *msg = NULL;
	int rc = bh_ipc_msg_new(&msg, n);

	if (!rc)
		rc = bh_link_encode_into(m, bh_ipc_msg_data(msg), n);
	if (!rc)
		rc = bh_ipc_send(ipc, &msg);
	bh_ipc_msg_free(msg);
	return rc;
}

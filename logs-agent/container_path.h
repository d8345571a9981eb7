/*
 * Tags that the path of a container's log file tells (spec/logs.md §13.3). What counts are the last
 * components, so that another data root or a rootless user's home makes no difference:
 *
 *   …/containers/<id>/<id>-json.log*                      container_id
 *   …/overlay-containers/<id>/userdata/ctr.log*           container_id
 *   …/pods/<ns>_<pod>_<uid>/<container>/<file>            kube_namespace, pod_name,
 *   …/log/containers/<pod>_<ns>_<container>-<id>.log      kube_container_name
 *
 * Names are made of letters, digits and . - only: anything else is another program's path.
 */
#ifndef BH_LOGS_CONTAINER_PATH_H
#define BH_LOGS_CONTAINER_PATH_H

#include "common/attrs.h"
#include "common/buf.h"
#include "common/str.h"

/* Appends ",<key>:<value>" for each tag of the path, in the order above; nothing for another path.
 * Meant for the text behind filename and dirname (§10.2). -ENOMEM or BH_E_LIMIT, which the buffer
 * remembers. */
int bh_container_tags(struct bh_buf *out, struct bh_str path);

#endif

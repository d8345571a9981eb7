/* What the command of `bulkhead run -- COMMAND` adds to the configuration. */
#ifndef BH_SUPERVISOR_JOB_CONFIG_H
#define BH_SUPERVISOR_JOB_CONFIG_H

#include "common/attrs.h"
#include "common/config.h"

/* "stdout", "stderr": the paths of its sources, of type "run"; "logs-run:stdout": the descriptors.
 */
extern const char *const bh_job_stream_names[2];

/* After each load: the command's two sources (bulkhead.run.*), when logs are enabled and run.logs
 * is not off; and a log that is quieter, where the command writes to the same standard error: what
 * is less than a warning is left out, unless another log_level was asked for. -ENOMEM. */
int bh_job_config(struct bh_config *cfg, const char *command) BH_MUST_CHECK;

#endif

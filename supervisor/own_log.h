/*
 * Where bulkhead's own log goes (spec/supervision.md §10): standard error, the system's log, or a
 * file. One descriptor, which is the supervisor's and every child's standard output and error too,
 * so that nothing a library says is lost.
 *
 * bulkhead.log.target says where. Without it the Agent's keys do: log_to_syslog, else log_file,
 * else standard error.
 */
#ifndef BH_SUPERVISOR_OWN_LOG_H
#define BH_SUPERVISOR_OWN_LOG_H

#include "common/attrs.h"
#include "common/config.h"
#include "common/err.h"

enum bh_own_log { BH_OWN_LOG_STDERR, BH_OWN_LOG_SYSLOG, BH_OWN_LOG_FILE };

enum bh_own_log bh_own_log_target(const struct bh_config *cfg);

/*
 * The descriptor, or standard error's when that is the target. A file is appended to, and made with
 * mode 0640. BH_E_CONFIG: the keys do not fit together; -errno: it could not be opened. err names
 * the way out.
 */
int bh_own_log_open(const struct bh_config *cfg, struct bh_err *err) BH_MUST_CHECK;

#endif

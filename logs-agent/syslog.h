/*
 * What a syslog frame says of itself (spec/logs.md §11.4): severity and application. The message
 * stays the frame as it came. `<PRI>` (up to 191), then
 *
 *   RFC 5424, when a version digit and a blank follow:
 *     VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID SD [MSG]
 *   RFC 3164 otherwise, all optional but the text:
 *     Mmm dd hh:mm:ss HOST TAG[pid]: text
 *   with a time of RFC 3339 in place of the first three words allowed, as rsyslog forwards. A word
 *   is a TAG only when `:` or `[…]:` ends it, so that words of a text do not become services.
 *
 * A frame that is neither, a broken RFC 5424 header included, says nothing: info, no application.
 * Pure, one pass, any bytes.
 */
#ifndef BH_LOGS_SYSLOG_H
#define BH_LOGS_SYSLOG_H

#include "common/str.h"
#include "logs-agent/message.h"

struct bh_syslog {
	enum bh_log_status status;
	struct bh_str
	    app; /* service and ddsource unless configured; borrows the frame; may be empty */
};

struct bh_syslog bh_syslog_parse(struct bh_str frame);

#endif

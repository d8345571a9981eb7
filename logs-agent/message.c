#include "logs-agent/message.h"

const char *bh_log_status_name(enum bh_log_status s)
{
	static const char *const names[BH_STATUS__N] = {
	    "emergency", "alert", "critical", "error", "warn", "notice", "info", "debug"};

	return s < BH_STATUS__N ? names[s] : "info";
}

const char *bh_message_tag_text(unsigned i)
{
	static const char *const texts[BH_MESSAGE_TAGS] = {
	    "truncated:single_line",
	    "truncated:multiline_regex",
	    "truncated:auto_multiline",
	    "multiline:multi_line",
	    "multiline:auto_multiline",
	    "auto_multiline_detected:true",
	    "aggregated_json:true",
	};

	return i < BH_MESSAGE_TAGS ? texts[i] : "";
}

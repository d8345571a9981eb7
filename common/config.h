/*
 * The one typed configuration of all processes, and the table that describes it.
 *
 * The supervisor reads datadog.yaml, conf.d and the environment once (config_load.h), resolves
 * defaults, and passes each child a sealed memfd with the options that child may see
 * (bh_config_encode with the child's role). Children never read configuration files, and only the
 * forwarder's copy carries api_key.
 *
 * struct bh_config is plain data. Strings and lists are owned by it and freed by
 * bh_config_release(); a string is never NULL after bh_config_defaults() (empty = unset), except
 * where bh_config_secret fields say otherwise.
 */
#ifndef BH_COMMON_CONFIG_H
#define BH_COMMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/attrs.h"
#include "common/buf.h"
#include "common/err.h"

enum bh_role {
	BH_ROLE_SUPERVISOR,
	BH_ROLE_DOGSTATSD,
	BH_ROLE_LOGS,
	BH_ROLE_FORWARDER,
	BH_ROLE__N,
};

/* "supervisor", "dogstatsd", "logs", "forwarder". */
const char *bh_role_name(enum bh_role role);
int bh_role_parse(const char *name, enum bh_role *role) BH_MUST_CHECK;

/* Owned list of owned strings. */
struct bh_strlist {
	char **v;
	size_t n;
};

int bh_strlist_add(struct bh_strlist *l, const char *p, size_t n) BH_MUST_CHECK;
void bh_strlist_release(struct bh_strlist *l);

/* One entry of log_processing_rules or logs_config.processing_rules (spec/logs.md §9), as written;
 * what is absent is "". The pattern has been accepted by common/re2.h. */
struct bh_log_rule {
	enum bh_rule_type {
		BH_RULE_EXCLUDE_AT_MATCH,
		BH_RULE_INCLUDE_AT_MATCH,
		BH_RULE_MASK_SEQUENCES,
		BH_RULE_MULTI_LINE,
		BH_RULE_EXCLUDE_TRUNCATED,
	} type;
	char *name;
	char *pattern;
	char *replace_placeholder;
};

/* A sample of auto multi-line detection (spec/logs.md §8.3): one of regex and sample is not "". */
struct bh_log_sample {
	char *regex;
	char *sample;
	double match_threshold; /* 0.75 */
	enum bh_line_label {
		BH_LABEL_START_GROUP,
		BH_LABEL_NO_AGGREGATE,
		BH_LABEL_AGGREGATE
	} label;
};

struct bh_fingerprint_config {
	enum { BH_FP_LINE_CHECKSUM, BH_FP_BYTE_CHECKSUM, BH_FP_DISABLED } strategy;
	uint32_t count, count_to_skip, max_bytes;
};

/* What auto multi-line detection looks at (spec/logs.md §8, §19). */
struct bh_auto_multi_line {
	bool enable_json_detection;
	bool enable_datetime_detection;
	bool enable_json_aggregation;
	bool tag_aggregated_json;
	double timestamp_detector_match_threshold; /* 0 to 1 */
	int64_t tokenizer_max_input_bytes;
};

/* A further place where data goes (common/config_endpoints.h). */
struct bh_endpoint {
	char *url; /* as written, with scheme; logs: may end in /v1/input, else the path follows */
	char *api_key;    /* secret: forwarder only */
	bool logs;        /* logs; else metrics, events, checks */
	bool reliable;    /* false: what it does not take is dropped, and delays nothing */
	int64_t reset_ms; /* its connection_reset_interval; 0 = never, -1 = as the primary one's */
};

/* A value of a source that may be left to the global option of the same name. */
enum bh_tristate { BH_UNSET, BH_FALSE, BH_TRUE };

/*
 * One source of conf.d, `logs:` (spec/logs.md §2.2). Texts that are absent are "". Where a key has
 * a global option of the same name, fingerprint and auto_multi_line_keys hold the outcome of both.
 *
 * A source with a fault is kept so that the status can show it; it must not run, and only its type,
 * path, port, where and fault can be relied on.
 */
struct bh_log_source {
	char *type; /* file, tcp, udp, journald … as written */
	char *path; /* file: absolute path or pattern; journald: directory */
	char *service;
	char *source;
	char *sourcecategory;
	char *start_position; /* "" = end */
	struct bh_strlist tags;
	struct bh_strlist exclude_paths;
	struct bh_log_rule *rules; /* owned */
	size_t rules_n;
	char *encoding;                   /* "" or utf-8, utf-16-le, utf-16-be, shift-jis */
	char *format;                     /* "" or docker, cri, syslog */
	enum bh_tristate auto_multi_line; /* auto_multi_line_detection */
	struct bh_auto_multi_line auto_multi_line_keys;
	struct bh_log_sample *samples; /* owned; the global ones come after these */
	size_t samples_n;
	struct bh_fingerprint_config fingerprint;
	/* tcp, udp */
	uint16_t port;
	char *bind_host;                           /* "" = all addresses */
	int64_t idle_timeout_ns;                   /* 0 = none */
	int64_t max_connections;                   /* 0 = no limit of its own */
	struct bh_strlist allowed_ips, denied_ips; /* addresses and prefixes, checked */
	/* journald */
	struct bh_strlist include_units, exclude_units, include_user_units, exclude_user_units,
	    include_matches, exclude_matches; /* FIELD=VALUE, checked */
	bool process_raw_message;             /* true */
	bool container_mode;
	char *default_application_name; /* "docker"; "" = the ordinary name (spec/logs.md §12) */
	char *config_id;
	char *where; /* file:line of the entry, for messages */
	char *fault; /* "" or why this source does not run, for the status */
};

/* Where Observability Pipelines or Vector stands before the intake (spec/intake.md §2.5). */
struct bh_worker {
	bool enabled;
	char *url;
};

struct bh_config {
	/* common */
	char *api_key;      /* secret: forwarder only */
	char *api_key_file; /* bulkhead.api_key_file; "" = none */
	/* Values of ENC[...]: common/secret.h. */
	char *secret_backend_command; /* "" = none */
	struct bh_strlist secret_backend_arguments;
	int64_t secret_backend_timeout_ms;         /* 0 = the budget alone */
	int64_t secret_backend_output_max_size;    /* bytes, 1 MiB */
	bool secret_backend_allow_group_exec;      /* false */
	bool secret_backend_trim;                  /* false */
	int64_t secret_refresh_interval_ms;        /* 0 = off */
	int64_t secret_refresh_on_failure_minutes; /* 0 = one minute */
	char *additional_endpoints;                /* secret; JSON as written; parsed: endpoints */
	char *site;                                /* datadoghq.com */
	char *dd_url;
	struct bh_worker worker_metrics, worker_logs; /* observability_pipelines_worker.* */
	struct bh_worker vector_metrics, vector_logs; /* vector.*: the older name */
	char *hostname; /* resolved by the supervisor: never empty after load */
	struct bh_strlist tags;
	char *run_path;   /* /var/lib/bulkhead; the store is run_path/store/spool.db */
	char *confd_path; /* directory with conf.d entries; default: conf.d beside datadog.yaml */
	char *run_dir;    /* bulkhead.run_dir, /run/bulkhead: ctl.sock, links */
	char *log_level;  /* info */
	char *log_file;   /* "" = stderr */
	bool log_to_syslog;
	char *syslog_uri; /* "" = /dev/log */
	bool skip_ssl_validation;

	/* dogstatsd */
	bool use_dogstatsd;                  /* true */
	int64_t dogstatsd_port;              /* 8125; 0 = off; -1 = __random__ */
	char *bind_host;                     /* localhost */
	bool dogstatsd_non_local_traffic;    /* false */
	int64_t dogstatsd_so_rcvbuf;         /* bytes, 0 = kernel default */
	int64_t dogstatsd_buffer_size;       /* bytes, 8192 */
	char *dogstatsd_socket;              /* /var/run/datadog/dsd.socket; "" = off */
	char *dogstatsd_stream_socket;       /* "" = off */
	bool dogstatsd_stream_log_too_big;   /* false */
	bool dogstatsd_require_listener;     /* false */
	char *statsd_forward_host;           /* "" = off */
	int64_t statsd_forward_port;         /* 0 = off */
	char *dogstatsd_capture_path;        /* "" = run_path/dsd_capture */
	bool dogstatsd_metrics_stats_enable; /* false */
	bool dogstatsd_origin_detection;     /* false: count packets of Unix sockets by sender */
	bool dogstatsd_stats_enable;         /* false */
	int64_t dogstatsd_stats_buffer;      /* seconds, 10 */
	bool dogstatsd_disable_verbose_logs; /* false */
	struct bh_strlist dogstatsd_tags;
	char *dogstatsd_mapper_profiles;     /* JSON; "" = none */
	int64_t dogstatsd_mapper_cache_size; /* 1000 */
	char *statsd_metric_namespace;       /* "" = none */
	struct bh_strlist statsd_metric_namespace_blacklist;
	struct bh_strlist metric_filterlist;
	bool metric_filterlist_match_prefix;         /* false */
	struct bh_strlist statsd_metric_blocklist;   /* older name of metric_filterlist */
	bool statsd_metric_blocklist_match_prefix;   /* false */
	bool histogram_copy_to_distribution;         /* false */
	char *histogram_copy_to_distribution_prefix; /* "" */
	struct bh_strlist dogstatsd_eol_required;
	struct bh_strlist histogram_aggregates;      /* max median avg count */
	struct bh_strlist histogram_percentiles;     /* 0.95 */
	int64_t dogstatsd_expiry_seconds;            /* 300 */
	int64_t dogstatsd_context_expiry_seconds;    /* 20 */
	bool dogstatsd_flush_incomplete_buckets;     /* true here (DESIGN §11) */
	bool dogstatsd_no_aggregation_pipeline;      /* true */
	int64_t dogstatsd_no_aggregation_batch_size; /* 2048 samples a payload */
	int64_t expected_tags_duration_ms;           /* 0 */
	int64_t dogstatsd_flush_interval_ms; /* bulkhead.dogstatsd_flush_interval, 15 s; tests */
	int64_t dogstatsd_context_limit;     /* bulkhead.dogstatsd_context_limit, 1000000 */

	/* serializer: limits of spec/intake.md §10.1 */
	int64_t serializer_max_payload_size;
	int64_t serializer_max_uncompressed_payload_size;
	int64_t serializer_max_series_payload_size;
	int64_t serializer_max_series_uncompressed_payload_size;
	int64_t serializer_max_series_points_per_payload;
	char *serializer_compressor_kind;         /* zstd, zlib, none */
	int64_t serializer_zstd_compressor_level; /* 1 */
	bool use_v2_api_series;                   /* true; false = v1 JSON */
	bool enable_series, enable_sketches;      /* enable_payloads.*, true */
	bool enable_events, enable_service_checks;
	bool enable_v1_intake;              /* false: no events either */
	bool log_payloads;                  /* false */
	int64_t aggregator_stop_timeout_ms; /* 2 s */

	/* logs */
	bool logs_enabled;                       /* false */
	char *logs_api_key;                      /* secret: forwarder only; "" = api_key */
	char *logs_additional_endpoints;         /* secret; JSON as written; parsed: endpoints */
	char *logs_replay_order;                 /* oldest_first, newest_first */
	char *logs_dd_url;                       /* logs_config.logs_dd_url */
	char *logs_host;                         /* logs_config.dd_url */
	bool logs_no_ssl;                        /* logs_config.logs_no_ssl */
	bool logs_use_v2_api;                    /* true; false = /v1/input */
	int64_t logs_payload_channel_size;       /* 10 */
	int64_t logs_open_files_limit;           /* 500 */
	int64_t logs_file_scan_period_ms;        /* logs_config.file_scan_period, seconds, 10.0 */
	int64_t logs_close_timeout_ms;           /* logs_config.close_timeout, seconds, 60 */
	int64_t logs_max_message_size_bytes;     /* 900000 */
	int64_t logs_batch_wait_ms;              /* logs_config.batch_wait, seconds, 5 (1..10) */
	int64_t logs_batch_max_size;             /* 1000 */
	int64_t logs_batch_max_content_size;     /* 5000000 */
	int64_t logs_batch_max_concurrent_send;  /* 0 = automatic */
	bool logs_use_compression;               /* true */
	char *logs_compression_kind;             /* zstd, gzip */
	int64_t logs_zstd_compression_level;     /* 1 */
	int64_t logs_compression_level;          /* 6, gzip */
	bool logs_tag_truncated_logs;            /* false */
	bool logs_tag_multi_line_logs;           /* false */
	bool logs_use_sourcehost_tag;            /* true */
	bool logs_add_logsource_tag;             /* false */
	int64_t logs_expected_tags_duration_ms;  /* 0 = no host tags on logs */
	char *logs_processing_rules;             /* JSON as written; parsed: log_rules */
	char *logs_file_wildcard_selection_mode; /* by_name, by_modification_time */
	bool logs_enable_recursive_glob;         /* false */
	int64_t logs_frame_size;                 /* bytes, 9000 */
	int64_t logs_aggregation_timeout_ms;     /* 1000 */
	char *logs_fingerprint_strategy; /* line_checksum, byte_checksum, disabled; outcome in each
					    source */
	int64_t logs_fingerprint_count;  /* 0 = 1 line, 1024 bytes */
	int64_t logs_fingerprint_count_to_skip;           /* 0 */
	int64_t logs_fingerprint_max_bytes;               /* 10000 */
	int64_t logs_auditor_ttl_hours;                   /* 23 */
	char *logs_run_path;                              /* "" = run_path */
	int64_t logs_pipelines;                           /* accepted; 0 = automatic */
	bool logs_force_use_http, logs_use_http;          /* accepted: HTTP is the only way */
	bool logs_auto_multi_line_detection;              /* false; true by its old alias too */
	bool logs_experimental_auto_multi_line_detection; /* that alias */
	bool logs_auto_multi_line_detection_tagging;      /* true */
	char *logs_auto_multi_line_custom_samples;        /* JSON as written; parsed: log_samples */
	struct bh_strlist logs_auto_multi_line_extra_patterns; /* in log_samples too */
	bool logs_aml_enable_json_detection;                   /* true */
	bool logs_aml_enable_datetime_detection;               /* true */
	int64_t logs_aml_timestamp_threshold_milli;            /* 0.5 → 500 */
	int64_t logs_aml_tokenizer_max_input_bytes;            /* 60 */
	bool logs_aml_enable_json_aggregation;                 /* true */
	bool logs_aml_tag_aggregated_json;                     /* false */
	int64_t logs_http_timeout_ms;                          /* 10 s */
	int64_t logs_stop_grace_period_ms;                     /* 0 = the budget alone */
	int64_t logs_sender_backoff_factor_milli;              /* 2 → 2000 */
	int64_t logs_sender_backoff_base_ms;                   /* 1 s */
	int64_t logs_sender_backoff_max_ms;                    /* 120 s */
	int64_t logs_sender_recovery_interval;                 /* 2 */
	bool logs_sender_recovery_reset;
	/* logs_config.disk_retry.*, forwarder_storage_* and the like: forwarder/spool_limits.h */
	int64_t logs_disk_retry_max_size_bytes;       /* -1 = no bound of its own; 0 = spool off */
	int64_t logs_disk_retry_max_disk_ratio_milli; /* 0 = none */
	int64_t logs_disk_retry_file_ttl_days;        /* 0 = 7 */
	char *logs_disk_retry_when_full;              /* block */
	int64_t logs_disk_retry_spool_after_ms;       /* negative = spool_after_ms */
	char *logs_disk_retry_fsync;                  /* batch */
	char *logs_disk_retry_on_corruption;          /* continue */

	/* forwarder */
	int64_t forwarder_timeout_ms;              /* 20 s */
	int64_t key_check_minutes;                 /* 60; <= 0 = 60 */
	bool allow_arbitrary_tags;                 /* false */
	int64_t logging_frequency;                 /* 500 */
	int64_t forwarder_num_workers;             /* 1 */
	int64_t forwarder_max_concurrent_requests; /* 10 */
	int64_t forwarder_backoff_factor_milli;    /* 2000 */
	int64_t forwarder_backoff_base_ms;         /* 2 s */
	int64_t forwarder_backoff_max_ms;          /* 64 s */
	int64_t forwarder_recovery_interval;       /* 2 */
	bool forwarder_recovery_reset;
	int64_t forwarder_storage_max_size_in_bytes; /* -1 = no bound of its own; 0 = spool off */
	int64_t forwarder_storage_max_disk_ratio_milli;     /* 0 = none */
	int64_t forwarder_outdated_file_in_days;            /* 0 = 7 */
	int64_t forwarder_retry_queue_payloads_max_size;    /* -1 = unset (retry_memory.h) */
	int64_t forwarder_retry_queue_max_size;             /* payloads; 0 = unset */
	int64_t forwarder_capacity_interval_s;              /* 900 */
	int64_t http_dial_fallback_delay_ms;                /* 0 = libcurl's; < 0 = no race */
	int64_t forwarder_flush_to_disk_mem_ratio_milli;    /* 0.5 → 500 */
	int64_t forwarder_stop_timeout_ms;                  /* 0 = what the budget leaves */
	char *forwarder_http_protocol, *logs_http_protocol; /* auto, http1 */
	int64_t forwarder_connection_reset_interval_ms;     /* 0 = never */
	int64_t logs_connection_reset_interval_ms;          /* 0 = never */
	char *proxy_http, *proxy_https;   /* secret; "" = none (spec/intake.md §3.1) */
	struct bh_strlist proxy_no_proxy; /* one entry an item */
	bool no_proxy_nonexact_match, use_proxy_for_cloud_metadata;
	char *min_tls_version;                    /* tlsv1.2 */
	char *sslkeylogfile;                      /* "" = off */
	char *tls_ca_file;                        /* bulkhead.tls.*; "" = the system's */
	char *tls_cert_file, *tls_key_file;       /* "" = no client certificate */
	char *tls_key_password;                   /* secret */
	struct bh_strlist tls_pinned_public_keys; /* "sha256//" and base64; none = no pins */

	/* bulkhead: */
	int64_t spool_after_ms; /* bulkhead.spool_after, 5 s; 0 = write-through */
	int64_t
	    spool_max_size_bytes; /* bulkhead.spool_max_size_bytes, 0 = min(1 GiB, 20 % of free) */
	char *metrics_spool_when_full;     /* bulkhead.metrics_spool_when_full, drop_oldest */
	bool spool_unreliable;             /* bulkhead.spool_unreliable, false */
	bool quarantine;                   /* bulkhead.quarantine, true */
	int64_t quarantine_max_size_bytes; /* 64 MiB */
	int64_t quarantine_max_payloads;   /* 1000 */
	char *hardening;                   /* auto, strict, off */
	char *user_dogstatsd, *user_logs, *user_forwarder, *group_ipc; /* names or numbers */
	bool run_logs;                                                 /* bulkhead.run.*, true */
	char *run_service, *run_source;                                /* "" = the command's name */
	struct bh_strlist run_tags;
	char *log_target;           /* bulkhead.log.target; "" = see supervisor/own_log.h */
	bool telemetry_enabled;     /* false: no page of OpenMetrics */
	int64_t metrics_port;       /* bulkhead.metrics_port, 0 = none */
	int64_t shutdown_budget_ms; /* bulkhead.shutdown_budget, 25 s */

	/* not options of datadog.yaml */
	struct bh_log_source *log_sources; /* from conf.d, those with a fault included */
	size_t log_sources_n;
	struct bh_endpoint *endpoints; /* both lists of additional endpoints; for the forwarder */
	size_t endpoints_n;
	/* Read from options of logs_config that hold structures; for the logs process. */
	struct bh_log_rule *log_rules; /* processing_rules; without multi_line (spec/logs.md §7.1)
					*/
	size_t log_rules_n;
	char *log_rules_fault; /* "" or why no source may run at all (spec/logs.md §2.3) */
	struct bh_log_sample *log_samples; /* custom samples, then extra patterns */
	size_t log_samples_n;
};

/* What a source is called where only one name has room: its path, "tcp:PORT", "udp:PORT",
 * "run:stdout", its identity "journald:…" (spec/logs.md §12), or its type. Cut to cap. */
void bh_log_source_name(const struct bh_log_source *s, char *out, size_t cap);

void bh_config_defaults(struct bh_config *cfg); /* aborts when out of memory: start-up only */
void bh_config_release(struct bh_config *cfg);  /* wipes secrets before freeing them */

/* Tenths of the budget of an ordered stop in which the producers may flush and be acknowledged. */
#define BH_STOP_PRODUCERS_TENTHS 4

/* That budget: shutdown_budget, or more where the logs have stop_grace_period (spec/intake.md
 * §14.6), or a flush is to have aggregator_stop_timeout
 * (spec/dogstatsd.md §12.3). */
int64_t bh_config_stop_budget_ms(const struct bh_config *cfg);

enum bh_option_type {
	BH_OPT_STRING,
	BH_OPT_BOOL, /* Go words: 1 t true … */
	BH_OPT_INT,
	BH_OPT_PORT,     /* 0..65535, or __random__ (stored as -1) */
	BH_OPT_SECONDS,  /* number of seconds, fractions allowed, stored as ms */
	BH_OPT_DURATION, /* Go duration text or a number of seconds, stored as ms */
	BH_OPT_MILLI,    /* fractional number stored × 1000 */
	BH_OPT_LIST,     /* YAML list, or one blank-separated string */
	BH_OPT_JSON,     /* any YAML structure, or JSON from the environment; stored as JSON text,
			    plain values as strings; "" = unset */
	BH_OPT_SECRET,   /* string that only its roles may see; never printed */
	BH_OPT_IGNORED,  /* known Agent key without effect here: a warning names it */
};

struct bh_option {
	const char *key; /* dotted path in datadog.yaml, e.g. "logs_config.batch_wait" */
	const char *env; /* environment name; NULL = DD_ + key in capitals, dots as underscores */
	enum bh_option_type type;
	size_t offset;    /* in struct bh_config */
	const char *def;  /* default as it would be written */
	int64_t min, max; /* for numbers, in the stored unit; both 0 = unchecked */
	unsigned roles;   /* 1 << enum bh_role: who receives it */
	const char *help; /* one line */
};

extern const struct bh_option bh_options[];
extern const size_t bh_options_n;

/* The sealed copy for one role: options of that role; for BH_ROLE_LOGS also log_sources and the
 * global rules and samples, for BH_ROLE_FORWARDER the endpoints. */
int bh_config_encode(
    const struct bh_config *cfg, enum bh_role role, struct bh_buf *out) BH_MUST_CHECK;
/* Fills cfg (defaults first). BH_E_FORMAT when the bytes are not what encode writes. */
int bh_config_decode(struct bh_config *cfg, const void *p, size_t n) BH_MUST_CHECK;

#endif

/*
 * Mistakes people make in a configuration, and what `bulkheadctl config check` says of each, to the
 * letter: place, level, what is wrong, and the way out. "~" stands for the folder of the files.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config_check.h"
#include "config_fixture.h"

TestSuite(config_mistakes, .init = config_start, .fini = config_stop);

#define TEXT(s) s, sizeof(s) - 1

enum where {
	MAIN,             /* datadog.yaml; the key is in the environment */
	MAIN_WITHOUT_KEY, /* the same without that */
	SOURCES,          /* conf.d/a.d/conf.yaml */
	VARIABLE,         /* of the environment */
};

static const struct {
	enum where where;
	const char *text;
	size_t n;
	const char *said;
} mistakes[] = {
    {MAIN, TEXT("\tsite: x\n"),
	"~/datadog.yaml:1:1: error: a tab, @, ` or % cannot begin anything; indent with blanks, "
	"quote the value\n"},
    {MAIN, TEXT("site: 'x\n"),
	"~/datadog.yaml:1:7: error: a quote that begins here is not closed\n"},
    {MAIN, TEXT("tags: [a, b\n"),
	"~/datadog.yaml:1:7: error: a [ that begins here is not closed, or a comma is missing\n"},
    {MAIN, TEXT("a: b: c\n"),
	"~/datadog.yaml:1:5: error: a colon is not expected here; quote the value, or correct the "
	"indentation\n"},
    {MAIN, TEXT("site: x\nsite: y\n"),
	"~/datadog.yaml:2:1: error: site is set twice, first at line 1; keep one of them\n"},
    {MAIN, TEXT("tags: *t\n"),
	"~/datadog.yaml:1:7: error: alias of an anchor that is not there; write &NAME in front of "
	"what it stands for\n"},
    {MAIN, TEXT("a: &a [*a]\n"),
	"~/datadog.yaml:1:8: error: alias of an anchor that is not there; write &NAME in front of "
	"what it stands for\n"},
    {MAIN, TEXT("? [a]\n: b\n"), "~/datadog.yaml:1:3: error: a key must be plain text\n"},
    {MAIN, TEXT("- a\n"), "~/datadog.yaml:1:1: error: a map of keys is wanted; write KEY: VALUE\n"},
    {MAIN, TEXT("just text\n"),
	"~/datadog.yaml:1:1: error: a map of keys is wanted; write KEY: VALUE\n"},
    {MAIN, TEXT("site: x\n---\nsite: y\n"),
	"~/datadog.yaml:2:4: error: a second document; remove the ---\n"},
    {MAIN, TEXT("%YAML 3.0\n---\na: 1\n"),
	"~/datadog.yaml:1:1: error: only YAML 1.1 and 1.2 are read; leave %YAML out\n"},
    {MAIN, TEXT("site: \"a\\0b\"\n"),
	"~/datadog.yaml:1:7: error: a value may not contain a NUL byte; remove it\n"},
    {MAIN, TEXT("site: \xff\xfe\n"),
	"~/datadog.yaml:1:7: error: not UTF-8; save the file as UTF-8, without NUL bytes\n"},
    {MAIN,
	TEXT("site: a\x00"
	     "b\n"),
	"~/datadog.yaml:1:8: error: a control character; remove it\n"},
    {MAIN, TEXT("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["),
	"~/datadog.yaml:2:1: error: nested too deeply; 32 levels are read\n"},
    {MAIN, TEXT("site: !!binary x y\n"),
	"~/datadog.yaml:1:7: error: site: \"x y\" is not a site; write a name such as "
	"datadoghq.eu, or dd_url for an address\n"},
    {MAIN, TEXT("site: {a\n"),
	"~/datadog.yaml:1:7: error: a { that begins here is not closed, or a comma is missing\n"},
    {MAIN, TEXT("logs_config:\n batch_wait: 5\n  http_timeout: 3\n"),
	"~/datadog.yaml:3:15: error: a colon is not expected here; quote the value, or correct the "
	"indentation\n"},
    {MAIN, TEXT("{"), "~/datadog.yaml:2:1: error: a value is missing before this, or a ] or }\n"},
    {MAIN, TEXT("tags: @x\n"),
	"~/datadog.yaml:1:7: error: a tab, @, ` or % cannot begin anything; indent with blanks, "
	"quote the value\n"},
    {MAIN, TEXT("tags: `x\n"),
	"~/datadog.yaml:1:7: error: a tab, @, ` or % cannot begin anything; indent with blanks, "
	"quote the value\n"},
    {MAIN, TEXT("site: \"a\\qb\"\n"),
	"~/datadog.yaml:1:9: error: no such escape between double quotes; use single quotes, or "
	"\\\\ for a backslash\n"},
    {MAIN, TEXT("dogstatsd_prot: 1\n"),
	"~/datadog.yaml:1:1: error: unknown key dogstatsd_prot; did you mean dogstatsd_port?\n"},
    {MAIN, TEXT("dogstatsd_port: 65536\n"),
	"~/datadog.yaml:1:17: error: dogstatsd_port: \"65536\" is not a port; 0 to 65535 or "
	"__random__\n"},
    {MAIN, TEXT("dogstatsd_port: -1\n"),
	"~/datadog.yaml:1:17: error: dogstatsd_port: \"-1\" is not a port; 0 to 65535 or "
	"__random__\n"},
    {MAIN, TEXT("dogstatsd_port: [1]\n"),
	"~/datadog.yaml:1:17: error: dogstatsd_port: one plain value is wanted\n"},
    {MAIN, TEXT("dogstatsd_port: eight\n"),
	"~/datadog.yaml:1:17: error: dogstatsd_port: \"eight\" is not a port; 0 to 65535 or "
	"__random__\n"},
    {MAIN, TEXT("logs_enabled: yes\n"),
	"~/datadog.yaml:1:15: error: logs_enabled: \"yes\" is not a boolean; write true or "
	"false\n"},
    {MAIN, TEXT("logs_enabled: 2\n"),
	"~/datadog.yaml:1:15: error: logs_enabled: \"2\" is not a boolean; write true or false\n"},
    {MAIN, TEXT("logs_enabled: [true]\n"),
	"~/datadog.yaml:1:15: error: logs_enabled: one plain value is wanted\n"},
    {MAIN, TEXT("dogstatsd_buffer_size: 8k\n"),
	"~/datadog.yaml:1:24: error: dogstatsd_buffer_size: \"8k\" is not a whole number; write "
	"digits only\n"},
    {MAIN, TEXT("dogstatsd_buffer_size: 1\n"),
	"~/datadog.yaml:1:24: error: dogstatsd_buffer_size: 1 is out of range; from 64 to "
	"1048576\n"},
    {MAIN, TEXT("forwarder_timeout: soon\n"),
	"~/datadog.yaml:1:20: error: forwarder_timeout: \"soon\" is not a number of seconds; write "
	"5, 0.5 or a duration such as 1m30s\n"},
    {MAIN, TEXT("forwarder_timeout: 0\n"),
	"~/datadog.yaml:1:20: error: forwarder_timeout: 0 is out of range; from 0.1 to 600\n"},
    {MAIN, TEXT("bulkhead: {spool_after: -1}\n"),
	"~/datadog.yaml:1:25: error: bulkhead.spool_after: -1 is out of range; from 0 to 3600\n"},
    {MAIN, TEXT("log_level: loud\n"),
	"~/datadog.yaml:1:12: error: log_level: \"loud\" is not one of: off critical error warn "
	"warning info debug trace\n"},
    {MAIN, TEXT("serializer_compressor_kind: lz4\n"),
	"~/datadog.yaml:1:29: error: serializer_compressor_kind: \"lz4\" is not one of: zstd zlib "
	"none\n"},
    {MAIN, TEXT("logs_config: {batch_wait: 60}\n"),
	"~/datadog.yaml:1:27: warning: logs_config.batch_wait: 60 is out of range; from 1 to 10; 5 "
	"is used\n"},
    {MAIN, TEXT("batch_wait: 5\n"),
	"~/datadog.yaml:1:1: error: unknown key batch_wait; did you mean "
	"logs_config.batch_wait?\n"},
    {MAIN, TEXT("logs_config: {batch_wiat: 5}\n"),
	"~/datadog.yaml:1:15: error: unknown key logs_config.batch_wiat; did you mean "
	"logs_config.batch_wait?\n"},
    {MAIN, TEXT("logs_config: 5\n"),
	"~/datadog.yaml:1:14: error: logs_config: a map of keys is wanted; write them below it, "
	"indented\n"},
    {MAIN, TEXT("logs_config: [a]\n"),
	"~/datadog.yaml:1:14: error: logs_config: a map of keys is wanted; write them below it, "
	"indented\n"},
    {MAIN, TEXT("bulkhead:\n  spool_afer: 5\n"),
	"~/datadog.yaml:2:3: error: unknown key bulkhead.spool_afer; did you mean "
	"bulkhead.spool_after?\n"},
    {MAIN, TEXT("spool_after: 5\n"),
	"~/datadog.yaml:1:1: error: unknown key spool_after; did you mean bulkhead.spool_after?\n"},
    {MAIN, TEXT("logs:\n- type: file\n  path: /a\n"),
	"~/datadog.yaml:1:1: error: logs: sources do not stand here; write them into "
	"conf.d/NAME.d/conf.yaml\n"},
    {MAIN, TEXT("tags: {a: b}\n"),
	"~/datadog.yaml:1:7: error: tags: a list is wanted; write [a, b]\n"},
    {MAIN, TEXT("tags: [[a]]\n"),
	"~/datadog.yaml:1:8: error: tags: a list of plain values is wanted; write [a, b]\n"},
    {MAIN, TEXT("apm_config: {enabled: true}\n"),
	"~/datadog.yaml:1:1: warning: apm_config is known but has no effect in this version\n"},
    {MAIN, TEXT("API_KEY: x\n"),
	"~/datadog.yaml:1:1: error: unknown key API_KEY; did you mean api_key?\n"},
    {MAIN, TEXT("apikey: x\n"),
	"~/datadog.yaml:1:1: error: unknown key apikey; did you mean api_key?\n"},
    {MAIN, TEXT("sites: datadoghq.eu\n"),
	"~/datadog.yaml:1:1: error: unknown key sites; did you mean site?\n"},
    {MAIN, TEXT("hostname: a_b\n"),
	"~/datadog.yaml:1:11: error: hostname: \"a_b\" is not a host name; letters, digits, "
	"hyphens and dots are accepted (RFC 1123)\n"},
    {MAIN, TEXT("proxy: {http: 'ftp://x'}\n"),
	"~/datadog.yaml:1:15: error: proxy.http: a proxy's URL begins with http:// or https://\n"},
    {MAIN, TEXT("proxy: http://x\n"),
	"~/datadog.yaml:1:8: error: proxy: a map of keys is wanted; write them below it, "
	"indented\n"},
    {MAIN, TEXT("min_tls_version: ssl3\n"),
	"~/datadog.yaml:1:18: warning: min_tls_version: \"ssl3\" is not one of: tlsv1.2 tlsv1.3 "
	"tlsv1.0 tlsv1.1; tlsv1.2 is used\n"},
    {MAIN, TEXT("bulkhead: {tls: {pinned_public_keys: [abc]}}\n"),
	"~/datadog.yaml:1:38: error: bulkhead.tls.pinned_public_keys: \"abc\" is not sha256// and "
	"the base64 of a SHA-256\n"},
    {MAIN, TEXT("dd_url: intake.example\n"),
	"~/datadog.yaml:1:9: error: dd_url: \"intake.example\" is not a URL; write https://HOST or "
	"http://HOST:PORT\n"},
    {MAIN, TEXT("dd_url: 'https://'\n"),
	"~/datadog.yaml:1:9: error: dd_url: \"https://\" is not a URL; write https://HOST or "
	"http://HOST:PORT\n"},
    {MAIN, TEXT("dd_url: 'https://h:99999'\n"),
	"~/datadog.yaml:1:9: error: dd_url: \"https://h:99999\" is not a URL; write https://HOST "
	"or http://HOST:PORT\n"},
    {MAIN, TEXT("site: https://datadoghq.eu\n"),
	"~/datadog.yaml:1:7: error: site: \"https://datadoghq.eu\" is not a site; write a name "
	"such as datadoghq.eu, or dd_url for an address\n"},
    {MAIN, TEXT("site: ' datadoghq.eu '\n"), ""},
    {MAIN, TEXT("logs_config: {batch_max_size: 1001}\n"),
	"~/datadog.yaml:1:31: warning: logs_config.batch_max_size: Datadog's own intakes refuse "
	"more than 1000\n"},
    {MAIN, TEXT("serializer_max_series_payload_size: 512001\n"),
	"~/datadog.yaml:1:37: warning: serializer_max_series_payload_size: Datadog's own intakes "
	"refuse more than 512000\n"},
    {MAIN, TEXT("vector: {logs: {enabled: true, url: 'h:8282'}}\n"),
	"~/datadog.yaml:1:37: error: vector.logs.url: \"h:8282\" is not a URL; write "
	"http://HOST:PORT\n"},
    {MAIN, TEXT("observability_pipelines_worker: {metrics: {enabled: true}}\n"),
	"error: observability_pipelines_worker.metrics.url: is empty, so nothing goes there; write "
	"the URL of the worker\n"},
    {MAIN, TEXT("logs_config: {dd_url: 'h:0'}\n"),
	"~/datadog.yaml:1:23: error: logs_config.dd_url: \"h:0\" is no host\n"},
    {MAIN, TEXT("logs_config: {logs_dd_url: 'h:0'}\n"),
	"~/datadog.yaml:1:28: error: logs_config.logs_dd_url: \"h:0\" is no address; write "
	"HOST:PORT or https://HOST\n"},
    {MAIN, TEXT("dogstatsd_socket: dsd.socket\n"),
	"~/datadog.yaml:1:19: error: dogstatsd_socket: \"dsd.socket\" is not an absolute path; "
	"write it from / on\n"},
    {MAIN,
	TEXT("dogstatsd_socket: "
	     "/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"),
	"~/datadog.yaml:1:19: error: dogstatsd_socket: a path of 121 bytes; a socket's holds "
	"107\n"},
    {MAIN, TEXT("statsd_forward_host: h\n"),
	"~/datadog.yaml:1:22: error: statsd_forward_host: nothing is forwarded without "
	"statsd_forward_port; set it\n"},
    {MAIN, TEXT("statsd_forward_port: 9\n"),
	"~/datadog.yaml:1:22: error: statsd_forward_port: nothing is forwarded without "
	"statsd_forward_host; set it\n"},
    {MAIN, TEXT("dogstatsd_port: 0\ndogstatsd_socket: ''\n"),
	"error: use_dogstatsd: there is no listener: dogstatsd_port is 0 and no socket is named; "
	"set one, or use_dogstatsd: false\n"},
    {MAIN, TEXT("logs_enabled: true\n"),
	"~/datadog.yaml:1:15: warning: logs_enabled: there is no log source; write one into "
	"~/conf.d/NAME.d/conf.yaml\n"},
    {MAIN, TEXT("forwarder_backoff_base: 100\n"),
	"~/datadog.yaml:1:25: error: forwarder_backoff_base: longer than forwarder_backoff_max; "
	"lower it\n"},
    {MAIN, TEXT("bulkhead: {tls: {key_file: /etc/passwd}}\n"),
	"~/datadog.yaml:1:28: error: bulkhead.tls.key_file: a key without a certificate; set "
	"bulkhead.tls.cert_file\n"},
    {MAIN, TEXT("bulkhead: {tls: {ca_file: /no/ca.pem}}\n"),
	"~/datadog.yaml:1:27: error: bulkhead.tls.ca_file: /no/ca.pem: No such file or directory; "
	"correct the path\n"},
    {MAIN, TEXT("logs_config: {max_message_size_bytes: 4000000, batch_max_content_size: 1024}\n"),
	"~/datadog.yaml:1:39: error: logs_config.max_message_size_bytes: larger than "
	"logs_config.batch_max_content_size; a message has to fit\n"},
    {MAIN_WITHOUT_KEY, TEXT("api_key:\n"),
	"error: api_key is not set: set it in datadog.yaml, or DD_API_KEY in the environment; or "
	"name a file or credential that holds it: ENC[file@/PATH], ENC[NAME]\n"},
    {MAIN, TEXT("hostname: ENC[x]\n"),
	"~/datadog.yaml:1:11: error: hostname: ENC[...] cannot stand for this option; write the "
	"value itself\n"},
    {MAIN, TEXT("dogstatsd_port: ENC[x]\n"),
	"~/datadog.yaml:1:17: error: dogstatsd_port: ENC[...] cannot stand for this option; write "
	"the value itself\n"},
    {MAIN, TEXT("secret_backend_command: /no/backend\n"),
	"~/datadog.yaml:1:25: error: secret_backend_command: /no/backend: No such file or "
	"directory; correct the path\n"},
    {MAIN_WITHOUT_KEY, TEXT("bulkhead: {api_key_file: /no/key}\napi_key: ''\n"),
	"~/datadog.yaml:1:26: error: bulkhead.api_key_file: /no/key: No such file or directory; "
	"correct the path\n"},
    {MAIN, TEXT("confd_path: /no/conf.d\n"),
	"~/datadog.yaml:1:13: error: confd_path: /no/conf.d: No such file or directory; there are "
	"no log sources\n"},
    {MAIN,
	TEXT("logs_config: {processing_rules: [{type: mask_sequences, name: n, pattern: '('}]}\n"),
	"~/datadog.yaml:1:34: error: logs_config.processing_rules: invalid pattern ( for "
	"processing rule: n; at byte 0: missing ) of the group that begins here; no logs are "
	"collected\n"},
    {MAIN, TEXT("logs_config: {processing_rules: 5}\n"),
	"~/datadog.yaml:1:33: error: logs_config.processing_rules: a list of processing rules is "
	"wanted; no logs are collected\n"},
    {SOURCES, TEXT("logs: {type: file}\n"),
	"~/conf.d/a.d/conf.yaml:1:7: error: logs: a list of sources is wanted\n"},
    {SOURCES, TEXT("logs:\n- path: /a\n"),
	"~/conf.d/a.d/conf.yaml:2:3: error: a config must have a type; source skipped\n"},
    {SOURCES, TEXT("logs:\n- type: file\n"),
	"~/conf.d/a.d/conf.yaml:2:3: error: file source must have a path; source skipped\n"},
    {SOURCES, TEXT("logs:\n- type: tcp\n"),
	"~/conf.d/a.d/conf.yaml:2:3: error: tcp source must have a port; source skipped\n"},
    {SOURCES, TEXT("logs:\n- type: tcp\n  port: 70000\n"),
	"~/conf.d/a.d/conf.yaml:3:9: error: port: 70000 is out of range; from 0 to 65535; source "
	"skipped\n"},
    {SOURCES, TEXT("logs:\n- type: files\n  path: /a\n"),
	"~/conf.d/a.d/conf.yaml:2:3: error: type files is not known; it is one of: file tcp udp "
	"journald; source skipped\n"},
    {SOURCES, TEXT("logs:\n- type: file\n  path: a.log\n"),
	"~/conf.d/a.d/conf.yaml:2:3: error: path must be absolute; source skipped\n"},
    {SOURCES, TEXT("logs:\n- type: file\n  path: /a\n  servcie: x\n"),
	"~/conf.d/a.d/conf.yaml:4:3: error: unknown key servcie; did you mean service?\n"},
    {SOURCES,
	TEXT("logs:\n- type: file\n  path: /a\n  log_processing_rules:\n  - type: "
	     "exclude_at_match\n    name: n\n    pattern: '(a'\n"),
	"~/conf.d/a.d/conf.yaml:5:5: error: invalid pattern (a for processing rule: n; at byte 0: "
	"missing ) of the group that begins here; source skipped\n"},
    {SOURCES,
	TEXT("logs:\n- type: file\n  path: /a\n  log_processing_rules:\n  - type: exclude\n    "
	     "name: n\n    pattern: a\n"),
	"~/conf.d/a.d/conf.yaml:5:5: error: type exclude is not supported for processing rule `n`; "
	"source skipped\n"},
    {SOURCES,
	TEXT("logs:\n- type: file\n  path: /a\n  log_processing_rules:\n  - type: mask_sequences\n "
	     "   pattern: a\n"),
	"~/conf.d/a.d/conf.yaml:5:5: error: all processing rules must have a name; source "
	"skipped\n"},
    {SOURCES, TEXT("logs:\n- type: file\n  path: /a\n  start_position: middle\n"),
	"~/conf.d/a.d/conf.yaml:2:3: error: invalid tailing mode 'middle' for /a; source "
	"skipped\n"},
    {SOURCES, TEXT("logs:\n- type: file\n  path: /a\n  encoding: latin1\n"),
	"~/conf.d/a.d/conf.yaml:4:13: warning: encoding: \"latin1\" is not one of: utf-8 utf-16-le "
	"utf-16-be shift-jis; the file is read as utf-8\n"},
    {SOURCES, TEXT("logs:\n- type: udp\n  port: 5\n  format: xml\n"),
	"~/conf.d/a.d/conf.yaml:4:11: warning: format: \"xml\" means nothing for type udp; it is "
	"ignored\n"},
    {SOURCES, TEXT("logs:\n- type: file\n  path: /a\n  tags: [5]\n"),
	"~/conf.d/a.d/conf.yaml:4:10: error: tags: cannot unmarshal 5 into a string; quote it; "
	"source skipped\n"},
    {SOURCES, TEXT("logs:\n- just text\n"),
	"~/conf.d/a.d/conf.yaml:2:3: error: a source must be a map; source skipped\n"},
    {SOURCES, TEXT("log:\n- type: file\n"),
	"~/conf.d/a.d/conf.yaml:1:1: error: unknown key log; did you mean logs?\n"},
    {SOURCES, TEXT("logs:\n- type: file\n  path: /a\n- type: file\n  path: /a\n"),
	"~/conf.d/a.d/conf.yaml:4:3: error: /a is read already by the source at "
	"~/conf.d/a.d/conf.yaml:2; source skipped\n"},
    {SOURCES, TEXT("logs: [\n"),
	"~/conf.d/a.d/conf.yaml:2:1: error: a value is missing before this, or a ] or }; its "
	"sources are left out\n"},
    {VARIABLE, TEXT("DD_DOGSTATSD_PORT=x"),
	"environment DD_DOGSTATSD_PORT: error: dogstatsd_port: \"x\" is not a port; 0 to 65535 or "
	"__random__\n"},
    {VARIABLE, TEXT("DD_LOGS_ENABLED=yes"),
	"environment DD_LOGS_ENABLED: error: logs_enabled: \"yes\" is not a boolean; write true or "
	"false\n"},
    {VARIABLE, TEXT("DD_HTTP_PROXY=http://x"),
	"environment DD_HTTP_PROXY: warning: not a variable of the Agent; it is ignored, write "
	"DD_PROXY_HTTP\n"},
    {VARIABLE, TEXT("DD_APM_CONFIG=x"),
	"environment DD_APM_CONFIG: warning: apm_config is known but has no effect in this "
	"version\n"},
    {VARIABLE, TEXT("BULKHEAD_SPOOL_AFTER=-1"),
	"environment BULKHEAD_SPOOL_AFTER: error: bulkhead.spool_after: -1 is out of range; from 0 "
	"to 3600\n"},
    {VARIABLE, TEXT("DD_PROXY_HTTP=x y"),
	"environment DD_PROXY_HTTP: error: proxy.http: not a URL; write "
	"http://user:password@host:port, with %XX for what is neither letter nor digit in user and "
	"password\n"},
    {VARIABLE, TEXT("DD_LOGS_CONFIG_PROCESSING_RULES=[{"),
	"environment DD_LOGS_CONFIG_PROCESSING_RULES:2:1: error: a value is missing before this, "
	"or a ] or }; no logs are collected\n"},
    {VARIABLE, TEXT("DD_DOGSTATSD_PROT=1"),
	"environment DD_DOGSTATSD_PROT: warning: unknown variable; did you mean "
	"DD_DOGSTATSD_PORT?\n"},
    {MAIN, TEXT("tags:\n  - a\n - b\n"),
	"~/datadog.yaml:3:2: error: not in line with the keys above; correct the indentation\n"},
    {MAIN, TEXT("site: x\n  dd_url: y\n"),
	"~/datadog.yaml:2:9: error: a colon is not expected here; quote the value, or correct the "
	"indentation\n"},
    {MAIN, TEXT("site x\ndd_url: y\n"),
	"~/datadog.yaml:2:7: error: a colon is not expected here; quote the value, or correct the "
	"indentation\n"},
    {MAIN, TEXT("logs_config:\n  compression_kind: [zstd]\n"),
	"~/datadog.yaml:2:21: error: logs_config.compression_kind: one plain value is wanted\n"},
    {MAIN, TEXT("Logs_Enabled: true\n"),
	"~/datadog.yaml:1:1: error: unknown key Logs_Enabled; did you mean logs_enabled?\n"},
    {MAIN, TEXT("site: x\nhostname: [h\nlogs_enabled: true\n"),
	"~/datadog.yaml:2:11: error: a [ that begins here is not closed, or a comma is missing\n"},
    {MAIN, TEXT("forwarder_num_workers: 99999999999999999999\n"),
	"~/datadog.yaml:1:24: error: forwarder_num_workers: 99999999999999999999 is out of range; "
	"from 1 to 64\n"},
    {MAIN, TEXT("logs_config: {auto_multi_line: {timestamp_detector_match_threshold: 2}}\n"),
	"~/datadog.yaml:1:69: error: "
	"logs_config.auto_multi_line.timestamp_detector_match_threshold: 2 is out of range; from 0 "
	"to 1\n"},
    {MAIN, TEXT("secret_backend_command: /bin/true\nsecret_refresh_interval: 10\n"),
	"~/datadog.yaml:2:26: error: secret_refresh_interval: not longer than "
	"secret_backend_timeout; raise it\n"},
    {VARIABLE, TEXT("DD_SITE=https://x"),
	"environment DD_SITE: error: site: \"https://x\" is not a site; write a name such as "
	"datadoghq.eu, or dd_url for an address\n"},
    {MAIN, TEXT("log_level: ENC[x]\n"),
	"~/datadog.yaml:1:12: error: log_level: ENC[...] cannot stand for this option; write the "
	"value itself\n"},
    {SOURCES,
	TEXT("logs:\n- type: file\n  path: /a\n  log_processing_rules:\n  - type: mask_sequences\n "
	     "   name: n\n    pattern: '(?<=a)b'\n"),
	"~/conf.d/a.d/conf.yaml:5:5: error: invalid pattern (?<=a)b for processing rule: n; at "
	"byte 0: look-behind (?<= is not supported; source skipped\n"},
    {SOURCES,
	TEXT("logs:\n- type: file\n  path: /a\n  log_processing_rules:\n  - type: mask_sequences\n "
	     "   name: n\n    pattern: '[z-a]'\n"),
	"~/conf.d/a.d/conf.yaml:5:5: error: invalid pattern [z-a] for processing rule: n; at byte "
	"1: range z-a runs backwards; source skipped\n"},
    {SOURCES, TEXT("logs:\n- type: journald\n  path: rel\n"),
	"~/conf.d/a.d/conf.yaml:2:3: error: path must be absolute; source skipped\n"},
    {SOURCES,
	TEXT(
	    "logs:\n- type: file\n  path: /a\n  fingerprint_config: {fingerprint_strategy: md5}\n"),
	"~/conf.d/a.d/conf.yaml:4:23: error: fingerprint_strategy: \"md5\" is not one of: "
	"line_checksum byte_checksum disabled; source skipped\n"},
    {SOURCES, TEXT("logs:\n- type: tcp\n  port: 5\n  idle_timeout: soon\n"),
	"~/conf.d/a.d/conf.yaml:4:17: warning: idle_timeout: \"soon\" is not a duration such as "
	"60s or 1m30s; silent connections stay\n"},
    {SOURCES, TEXT("logs:\n- type: udp\n  port: 5\n  allowed_ips: [300.1.2.3]\n"),
	"~/conf.d/a.d/conf.yaml:2:3: error: allowed_ips: \"300.1.2.3\" is not an address or a "
	"prefix such as 10.0.0.0/8; source skipped\n"},
    {SOURCES, TEXT("logs:\n- type: tcp\n  port: eighty\n"),
	"~/conf.d/a.d/conf.yaml:3:9: error: port: \"eighty\" is not a whole number; write digits "
	"only; source skipped\n"},
    {SOURCES, TEXT("logs:\n- type: docker\n"),
	"~/conf.d/a.d/conf.yaml:2:3: error: type docker is not supported by bulkhead; source "
	"skipped\n"},
    {SOURCES, TEXT("logs:\n- type: file\n  path: [/a]\n"),
	"~/conf.d/a.d/conf.yaml:2:3: error: path: a plain value is wanted; source skipped\n"},
    {SOURCES, TEXT("\tlogs: []\n"),
	"~/conf.d/a.d/conf.yaml:1:1: error: a tab, @, ` or % cannot begin anything; indent with "
	"blanks, quote the value; its sources are left out\n"},
};

/* What is said about the name of the machine is no matter of these files. */
static void drop_own_name(char *text)
{
	char *at = strstr(text, "hostname: this host calls itself"), *begin = at, *end;

	if (!at)
		return;
	while (begin > text && begin[-1] != '\n')
		begin--;
	end = strchr(at, '\n');
	memmove(begin, end + 1, strlen(end + 1) + 1);
}

static void shorten_folder(const char *text, char *out, size_t cap)
{
	size_t n = strlen(dir), len = 0;

	while (*text && len + 1 < cap) {
		bool here = strncmp(text, dir, n) == 0;

		out[len++] = here ? '~' : *text;
		text += here ? n : 1;
	}
	out[len] = '\0';
}

/* Loads, checks, and gives what is printed. */
static void check(const char *variable, bool with_key, char *out, size_t cap)
{
	char key[] = "DD_API_KEY=k", empty[] = "NOTHING=", *copy = strdup(variable);
	char *const env[] = {copy, with_key ? key : empty, NULL};
	struct bh_config_trace trace;
	struct bh_buf printed = BH_BUF_INIT;

	cr_assert_not_null(copy);
	bh_config_release(&cfg);
	bh_findings_release(&findings);
	if (bh_config_load_traced(&cfg, dir, env, &findings, &trace) == 0) {
		bh_config_check(&cfg, &trace, &findings);
		bh_config_hint(&cfg, &trace, &findings);
	}
	bh_config_trace_release(&trace);
	cr_assert_eq(bh_findings_print(&findings, &printed), 0);
	shorten_folder(printed.data ? printed.data : "", out, cap);
	drop_own_name(out);
	bh_buf_release(&printed);
	free(copy);
}

Test(config_mistakes, each_is_named_with_its_place_and_the_way_out)
{
	cr_assert_geq(BH_ARRAY_LEN(mistakes), 60);
	for (size_t i = 0; i < BH_ARRAY_LEN(mistakes); i++) {
		enum where where = mistakes[i].where;
		bool main = where == MAIN || where == MAIN_WITHOUT_KEY;
		char said[1024];

		put_bytes("datadog.yaml", mistakes[i].text, main ? mistakes[i].n : 0);
		put_bytes(
		    "conf.d/a.d/conf.yaml", mistakes[i].text, where == SOURCES ? mistakes[i].n : 0);
		check(where == VARIABLE ? mistakes[i].text : "NONE=", where != MAIN_WITHOUT_KEY,
		    said, sizeof(said));
		cr_expect_str_eq(said, mistakes[i].said, "%s", mistakes[i].text);
	}
}

Test(config_mistakes, what_other_programs_write_is_read)
{
	static const struct {
		const char *text;
		size_t n;
	} good[] = {
	    {TEXT("\xef\xbb\xbfsite: datadoghq.eu\n")},
	    {TEXT("\xff\xfes\0i\0t\0e\0:\0 \0x\0\n\0")},
	    {TEXT("site: datadoghq.eu\r\ntags:\r\n- a\r\n")},
	    {TEXT("---\nsite: datadoghq.eu\n...\n")},
	    {TEXT("# nothing but this\n")},
	    {TEXT("")},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(good); i++) {
		char said[1024];

		put_bytes("datadog.yaml", good[i].text, good[i].n);
		check("NONE=", true, said, sizeof(said));
		cr_expect_str_eq(said, "", "%zu", i);
	}
}

/* --- what stands in the file's place ---------------------------------------------------------- */

static void check_file(const char *want)
{
	char said[1024];

	check("NONE=", true, said, sizeof(said));
	cr_expect_str_eq(said, want);
}

Test(config_mistakes, what_is_no_file_is_named)
{
	char path[128];

	check_file("~/datadog.yaml: error: No such file or directory\n");
	(void)snprintf(path, sizeof(path), "%s/datadog.yaml", dir);
	cr_assert_eq(mkdir(path, 0700), 0);
	check_file("~/datadog.yaml: error: a directory, not a file\n");
	cr_assert_eq(rmdir(path), 0);
	cr_assert_eq(symlink("datadog.yaml", path), 0);
	check_file("~/datadog.yaml: error: Too many levels of symbolic links\n");
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(mkfifo(path, 0600), 0);
	check_file("~/datadog.yaml: error: not a regular file of at most 4 MiB\n");
}

Test(config_mistakes, a_file_that_may_not_be_read_is_named)
{
	put("datadog.yaml", "site: x\n");
	cr_assert_eq(chmod(dir, 0755), 0);
	(void)snprintf(dir + strlen(dir), sizeof(dir) - strlen(dir), "/datadog.yaml");
	cr_assert_eq(chmod(dir, 0), 0);
	*strrchr(dir, '/') = '\0';
	if (geteuid() == 0)
		cr_assert_eq(seteuid(65534), 0);
	check_file("~/datadog.yaml: error: Permission denied\n");
	if (geteuid() != getuid())
		cr_assert_eq(seteuid(getuid()), 0);
}

/* --- places ----------------------------------------------------------------------------------- */

Test(config_mistakes, the_place_of_a_finding_is_told_from_its_text)
{
	static const struct {
		const char *text;
		size_t place;
	} cases[] = {
	    {"/a/b.yaml:3:4: site: x", 13},
	    {"/a/b.yaml:3: site: x", 11},
	    {"/a/b.yaml: Permission denied", 9},
	    {"a.yaml:3:4: x", 10},
	    {"environment DD_X: x: y", 16},
	    {"environment DD_X:1:2: y", 20},
	    {"use_dogstatsd: there is no listener: 5", 0},
	    {"api_key is not set", 0},
	    {"/a: b:1:2: x", 2},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++)
		cr_expect_eq(bh_finding_place(cases[i].text), cases[i].place, "%s", cases[i].text);
}

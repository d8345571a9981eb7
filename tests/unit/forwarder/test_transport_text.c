#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "common/attrs.h"
#include "forwarder/transport.h"
#include "forwarder/transport_text.h"

static const struct bh_http_failure plain = {
    .detail = "",
    .host = "in.example:443",
    .proxy_key = "proxy.https",
    .min_tls = "tlsv1.2",
    .ca_file = "/ca.pem",
    .timeout_ms = 1500,
};

static struct bh_http_failure failed(CURLcode code, const char *detail)
{
	struct bh_http_failure f = plain;

	f.code = code;
	f.detail = detail;
	return f;
}

static void assert_says(const struct bh_http_failure *f, const char *want)
{
	char out[BH_HTTP_TEXT_MAX + 1];

	bh_http_explain(f, out, sizeof(out));
	cr_assert_str_eq(out, want, "%s\nis not\n%s", out, want);
}

Test(transport_text, each_cause_names_object_and_way_out)
{
	static const struct {
		CURLcode code;
		const char *detail, *want;
	} cases[] = {
	    {CURLE_COULDNT_RESOLVE_HOST, "x",
		"DNS: in.example:443 does not resolve; check the URL and this host's resolver"},
	    {CURLE_PEER_FAILED_VERIFICATION, "SSL certificate problem: self-signed certificate",
		"TLS: self-signed certificate, in.example:443; name its CA in bulkhead.tls.ca_file "
		"(unsafe: skip_ssl_validation)"},
	    {CURLE_PEER_FAILED_VERIFICATION, "SSL certificate problem: certificate has expired",
		"TLS: certificate has expired, in.example:443; renew it, or set this clock "
		"(unsafe: skip_ssl_validation)"},
	    {CURLE_PEER_FAILED_VERIFICATION,
		"SSL: no alternative certificate subject name matches target host name 'h'",
		"TLS: the certificate is for another name, in.example:443; correct the URL "
		"(unsafe: skip_ssl_validation)"},
	    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, "x",
		"TLS: key of in.example:443 is not in bulkhead.tls.pinned_public_keys; nothing was "
		"sent"},
	    {CURLE_SSL_CACERT_BADFILE, "x",
		"TLS: bulkhead.tls.ca_file /ca.pem cannot be used; it must be readable PEM"},
	    {CURLE_SSL_CONNECT_ERROR, "error:0A00010B:SSL routines::wrong version number",
		"TLS: in.example:443 does not speak it on this port; correct the port, or write "
		"http://"},
	    {CURLE_SSL_CONNECT_ERROR, "error:0A00042E:SSL routines::tlsv1 alert protocol version",
		"TLS: in.example:443 offers no version from tlsv1.2 on; update it, or lower "
		"min_tls_version"},
	    {CURLE_GOT_NOTHING, "x",
		"in.example:443 closed the connection without an answer; is the intake there?"},
	    {CURLE_UNSUPPORTED_PROTOCOL, "x",
		"in.example:443 answers something that is not HTTP; check host, port and scheme"},
	    {CURLE_RECV_ERROR, "Connection reset by peer",
		"connection to in.example:443 broke: Connection reset by peer"},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(cases); i++) {
		struct bh_http_failure f = failed(cases[i].code, cases[i].detail);

		assert_says(&f, cases[i].want);
	}
}

Test(transport_text, a_refused_connection_names_who_refused)
{
	struct bh_http_failure f = failed(CURLE_COULDNT_CONNECT, "");

	f.os_errno = ECONNREFUSED;
	assert_says(&f, "connect: in.example:443: Connection refused; check the URL and firewalls");
	f.proxy = "http://p:3128";
	assert_says(&f, "connect: proxy http://p:3128: Connection refused; check proxy.https");
	f.proxy_status = 407;
	assert_says(&f, "proxy http://p:3128 wants other credentials (407); write user:password@ "
			"into proxy.https");
	f.proxy_status = 403;
	assert_says(&f, "proxy http://p:3128 refuses CONNECT to in.example:443 (403); allow it "
			"there, or list the host in proxy.no_proxy");
}

Test(transport_text, a_time_out_says_how_far_it_came)
{
	static const char *const want[] = {
	    "time-out: in.example:443 did not resolve within 1.5 s",
	    "time-out: in.example:443 was not reached within 1.5 s",
	    "time-out: in.example:443 did not finish the TLS handshake within 1.5 s",
	    "time-out: in.example:443 gave no whole answer within 1.5 s",
	};
	struct bh_http_failure f = failed(CURLE_OPERATION_TIMEDOUT, "");

	for (unsigned i = 0; i < BH_ARRAY_LEN(want); i++) {
		f.stage = (enum bh_http_stage)i;
		assert_says(&f, want[i]);
	}
	f.proxy = "http://p:3128";
	assert_says(&f, "time-out: in.example:443 gave no whole answer within 1.5 s, through proxy "
			"http://p:3128");
	f.stage = BH_HTTP_CONNECTING;
	assert_says(&f, "time-out: http://p:3128 was not reached within 1.5 s");
}

Test(transport_text, answers_lose_control_characters_and_the_key)
{
	char text[] = "a\x1b[2Jkey \xc3\xa9 keykey\n.";

	bh_http_clean(text, "key");
	cr_assert_str_eq(text, "a [2J***    ****** .");
	bh_http_clean(text, "");
	cr_assert_str_eq(text, "a [2J***    ****** .");
}

Test(transport_text, reads_the_date_of_a_head_and_of_nothing_else)
{
	static const struct {
		const char *line;
		int64_t s;
	} rows[] = {
	    {"Date: Thu, 01 Jan 1970 00:01:40 GMT\r\n", 100},
	    {"date: Tue, 14 Nov 2023 22:13:20 GMT\r\n", 1700000000},
	    {"date:\r\n", 0},
	    {"date:", 0},
	    {"Date: soon\r\n", 0},
	    {"Expires: Thu, 01 Jan 1970 00:01:40 GMT\r\n", 0},
	    {"Date: Thu, 01 Jan 1970 00:01:40 GMT, and a comment that goes on and on and on\r\n",
		0},
	};

	for (size_t i = 0; i < BH_ARRAY_LEN(rows); i++)
		cr_expect_eq(bh_http_date(rows[i].line, strlen(rows[i].line)), rows[i].s, "%s",
		    rows[i].line);
}

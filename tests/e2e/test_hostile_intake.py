"""Intakes, proxies and certificates as they should not be. In each case nothing goes to where it
does not belong, the status names the cause, and what was taken in arrives once when all is well
again (spec/intake.md §3, §3.1, §11)."""

import contextlib
import copy
import pathlib
import socket
import struct
import time

import pytest

from harness import API_KEY, Agent, Intake, free_tcp_port, merge, wait_until
from hostile import Certificates, Nginx, Proxy, Server, Tinyproxy, read_request, relay

PASSWORD = "pa55%2fw0rd"  # in a URL; the proxy sees pa55/w0rd
PLAIN_PASSWORD = "pa55/w0rd"
LINES = 20
FAST = {
    "forwarder_backoff_base": 0.1,
    "forwarder_backoff_max": 0.3,
    "forwarder_timeout": 1,
    "logs_config": {"sender_backoff_base": 0.1, "sender_backoff_max": 0.3, "http_timeout": 1},
    "bulkhead": {"spool_after": 0},
}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


def config(url, certificates=None, **more):
    c = merge({"dd_url": url, "logs_config": {"logs_dd_url": url}}, copy.deepcopy(FAST))
    if certificates:
        merge(c, {"bulkhead": {"tls": {"ca_file": certificates.pem("ca")}}})
    return merge(c, more)


@contextlib.contextmanager
def running(intake, tmp_path, settings, env=None):
    log = tmp_path / "app.log"
    log.write_text("")
    logs = [{"path": str(log), "start_position": "beginning"}]
    with Agent(intake, logs=logs, config=settings, env=env) as agent:
        yield agent


def feed(agent, tmp_path):
    """Log lines and samples; the samples carry their time, so that they wait for no bucket's end."""
    with open(tmp_path / "app.log", "a") as f:
        f.writelines(f"line {i}\n" for i in range(LINES))
    agent.send(*[b"hostile.hits:1|c|T%d\n" % time.time()] * LINES)


def notes(agent):
    return agent.run_ctl("--json", "status").stdout


def wait_for_note(agent, text, count=1):
    wait_until(lambda: notes(agent).count(text) >= count, 15, lambda: f"{text!r} is not in\n{notes(agent)}")


def assert_arrives_once(agent, intake):
    def all_there():
        return intake.stats()["log_messages"] >= LINES and round(intake.total("hostile.hits"), 6) >= LINES

    wait_until(all_there, 20, lambda: f"{intake.stats()}\n{notes(agent)}")
    assert agent.stop() == 0
    assert sorted(intake.messages()) == sorted(f"line {i}" for i in range(LINES))
    assert round(intake.total("hostile.hits"), 6) == LINES


def taken(intake):
    return [r for r in intake.all_records() if r["kind"] in ("log", "series", "sketch")]


def memory(agent):
    """RSS of the forwarder, KiB."""
    for line in pathlib.Path("/proc", str(agent.child_pid("forwarder")), "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no RSS")


# --- TLS ---

BAD_TLS = [
    ("expired", "", "certificate has expired, 127.0.0.1"),
    ("wrong-host", "", "the certificate is for another name, 127.0.0.1"),
    ("self-signed", "", "self-signed certificate, 127.0.0.1"),
    ("unknown-ca", "", "unable to get local issuer certificate, 127.0.0.1"),
    ("weak", "ssl_ciphers DEFAULT@SECLEVEL=0;", "EE certificate key too weak, 127.0.0.1"),
    ("good", "ssl_protocols TLSv1.1; ssl_ciphers DEFAULT@SECLEVEL=0;", "offers no version from tlsv1.2 on"),
]


def test_bad_certificates_and_old_tls_get_nothing(tmp_path, certificates):
    with Intake() as intake, Nginx(intake, certificates) as front:
        with running(intake, tmp_path, config(front.url, certificates)) as agent:
            front.serve(*BAD_TLS[0][:2])
            feed(agent, tmp_path)
            for name, extra, cause in BAD_TLS:
                front.serve(name, extra)
                wait_for_note(agent, cause, 2)
                assert taken(intake) == [], name
                assert front.requests() == [], name
            front.serve("good")
            assert_arrives_once(agent, intake)


def test_old_tls_is_spoken_when_it_is_allowed(tmp_path, certificates):
    with Intake() as intake, Nginx(intake, certificates) as front:
        front.serve(*BAD_TLS[-1][:2])
        with running(intake, tmp_path, config(front.url, certificates, min_tls_version="tlsv1.1")) as agent:
            feed(agent, tmp_path)
            assert_arrives_once(agent, intake)


def test_a_key_that_is_not_pinned_gets_nothing(tmp_path, certificates):
    tls = {"tls": {"pinned_public_keys": [certificates.pin("good2"), certificates.pin("client")]}}
    with Intake() as intake, Nginx(intake, certificates) as front:
        front.serve("good")
        with running(intake, tmp_path, config(front.url, certificates, bulkhead=tls)) as agent:
            feed(agent, tmp_path)
            wait_for_note(agent, "is not in bulkhead.tls.pinned_public_keys", 2)
            assert taken(intake) == [] and front.requests() == []
            front.serve("good2")
            assert_arrives_once(agent, intake)


def test_a_client_certificate_is_shown_once_its_file_is_there(tmp_path, certificates):
    key = tmp_path / "client.key"
    tls = {"tls": {"cert_file": certificates.pem("client"), "key_file": str(key)}}
    with Intake() as intake, Nginx(intake, certificates) as front:
        front.serve("good", f"ssl_verify_client on; ssl_client_certificate {certificates.pem('ca')};")
        with running(intake, tmp_path, config(front.url, certificates, bulkhead=tls)) as agent:
            feed(agent, tmp_path)
            wait_for_note(agent, "bulkhead.tls.cert_file or key_file cannot be used", 2)
            assert f"bulkhead.tls.key_file {key}: No such file" in agent.log_text()
            assert taken(intake) == []
            key.write_bytes(pathlib.Path(certificates.key("client")).read_bytes())
            key.chmod(0o644)
            assert_arrives_once(agent, intake)
        assert {r[2] for r in front.requests()} == {"SUCCESS"}


def test_a_ca_file_that_is_missing_is_named_and_waited_for(tmp_path, certificates):
    ca = tmp_path / "ca.pem"
    with Intake() as intake, Nginx(intake, certificates) as front:
        front.serve("good")
        with running(intake, tmp_path, config(front.url, bulkhead={"tls": {"ca_file": str(ca)}})) as agent:
            feed(agent, tmp_path)
            wait_for_note(agent, f"bulkhead.tls.ca_file {ca} cannot be used", 2)
            assert taken(intake) == [] and front.requests() == []
            ca.write_bytes(pathlib.Path(certificates.pem("ca")).read_bytes())
            ca.chmod(0o644)
            assert_arrives_once(agent, intake)


@pytest.mark.parametrize("word, protocol", [("auto", "HTTP/2.0"), ("http1", "HTTP/1.1")])
def test_http_2_is_used_where_it_is_offered_and_wanted(tmp_path, certificates, word, protocol):
    settings = {"forwarder_http_protocol": word, "logs_config": {"http_protocol": word}}
    with Intake() as intake, Nginx(intake, certificates) as front:
        front.serve("good")
        with running(intake, tmp_path, config(front.url, certificates, **settings)) as agent:
            feed(agent, tmp_path)
            assert_arrives_once(agent, intake)
        assert {r[0] for r in front.requests()} == {protocol}


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_connection_is_kept_unless_it_is_to_be_reset(tmp_path, certificates, seconds):
    settings = {"forwarder_connection_reset_interval": seconds, "logs_config": {"connection_reset_interval": seconds}}
    with Intake() as intake, Nginx(intake, certificates) as front:
        front.serve("good")
        with running(intake, tmp_path, config(front.url, certificates, **settings)) as agent:
            feed(agent, tmp_path)
            wait_until(lambda: len(front.requests()) >= 10, 10, front.requests)  # two a second or more
            assert_arrives_once(agent, intake)
        connections = {r[1] for r in front.requests()}
        assert len(connections) == 1 if seconds == 0 else len(connections) >= 2, front.requests()


# --- what is answered ---


def endless(conn, head, piece):
    read_request(conn)
    conn.sendall(head)
    while True:
        conn.sendall(piece)


def slow(conn):
    read_request(conn)
    for byte in b"HTTP/1.1 202 Accepted\r\n" * 1000:
        conn.sendall(bytes([byte]))
        time.sleep(0.2)


def answer(text):
    def behave(conn):
        read_request(conn)
        conn.sendall(text)

    return behave


def reset(conn):
    read_request(conn)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


ECHO = b"HTTP/1.1 503 No\r\nContent-Length: 999\r\n\r\n\x1b[2Jbad key " + API_KEY.encode() + b" here"
BAD_ANSWERS = [
    ("an endless head", lambda c: endless(c, b"HTTP/1.1 202 Accepted\r\n", b"X-More: " + b"x" * 1000 + b"\r\n"), "answers more than"),
    ("an endless body", lambda c: endless(c, b"HTTP/1.1 500 No\r\n\r\n", b"giant " * 10000), "HTTP 500 giant giant"),
    ("continue without end", lambda c: endless(c, b"", b"HTTP/1.1 100 Continue\r\n\r\n"), "answers more than"),
    ("one byte now and then", slow, "gave no whole answer within 1.0 s"),
    ("silence", lambda c: read_request(c) and c.recv(1), "gave no whole answer within 1.0 s"),
    ("garbage", answer(b"\x00\xff\x16\x03 SSH-2.0-what\r\n\r\n"), "is not HTTP"),
    ("nothing", lambda c: read_request(c), "without an answer"),
    ("a reset", reset, "reset by peer"),
    ("half an answer", answer(b"HTTP/1.1 503 No\r\nContent-Length: 1000\r\n\r\nhalf"), "HTTP 503 half"),
    ("our key", answer(ECHO), "HTTP 503  [2Jbad key ******"),
]


def test_bad_answers_cost_neither_data_nor_memory_nor_time(tmp_path):
    with Intake() as intake, Server() as villain:
        with running(intake, tmp_path, config(villain.url)) as agent:
            before = memory(agent)
            feed(agent, tmp_path)
            for name, behave, cause in BAD_ANSWERS:
                villain.behave = behave
                villain.hang_up()
                wait_for_note(agent, cause, 2)
                assert memory(agent) < before + 16 * 1024, name
            assert API_KEY not in notes(agent)
            villain.behave = lambda conn: relay(conn, intake.port)
            villain.hang_up()
            assert_arrives_once(agent, intake)
            assert API_KEY not in agent.log_text()


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_redirect_is_not_followed(tmp_path, status):
    with Intake() as intake, Server() as elsewhere, Server() as villain:
        to = f"{elsewhere.url}/api".encode()
        villain.behave = answer(b"HTTP/1.1 %d Go\r\nLocation: %b\r\nContent-Length: 0\r\n\r\n" % (status, to))
        with running(intake, tmp_path, config(villain.url)) as agent:
            feed(agent, tmp_path)
            wait_for_note(agent, f"HTTP {status} redirect to {elsewhere.url}/api is not followed", 2)
            assert elsewhere.connections == 0
            villain.behave = lambda conn: relay(conn, intake.port)
            assert_arrives_once(agent, intake)


def test_a_name_that_does_not_resolve_and_a_port_that_is_closed_are_told_apart(tmp_path):
    settings = config("http://intake.invalid:8080", logs_config={"logs_dd_url": f"http://127.0.0.1:{free_tcp_port()}"})
    with Intake() as intake, running(intake, tmp_path, merge(settings, {"forwarder_timeout": 10})) as agent:
        feed(agent, tmp_path)
        wait_for_note(agent, "connect: 127.0.0.1")
        wait_for_note(agent, "Connection refused")
        wait_for_note(agent, "DNS: intake.invalid:8080 does not resolve")
        assert agent.stop() == 0


# --- proxies ---


def assert_secret(agent):
    """A password of the proxy is seen nowhere."""
    shown = notes(agent) + agent.run_ctl("status").stdout + agent.log_text()
    for pid in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str(agent.dir).encode() in (pid / "cmdline").read_bytes() + (pid / "environ").read_bytes():
                shown += (pid / "cmdline").read_text(errors="replace")
    for word in (PASSWORD, PLAIN_PASSWORD):
        assert word not in shown


def test_a_tunnel_gets_credentials_and_not_the_key_and_the_intake_the_reverse(tmp_path, certificates):
    with Intake() as intake, Nginx(intake, certificates) as front, Proxy("other") as proxy:
        front.serve("good")
        url = f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"
        with running(intake, tmp_path, config(front.url, certificates, proxy={"https": url})) as agent:
            feed(agent, tmp_path)
            wait_for_note(agent, "wants other credentials (407); write user:password@ into proxy.https", 2)
            proxy.deny = True
            wait_for_note(agent, "refuses CONNECT to 127.0.0.1", 2)
            assert taken(intake) == [] and front.requests() == []
            assert_secret(agent)
            assert f"https intakes over http://***@127.0.0.1:{proxy.port}" in notes(agent)
            proxy.password, proxy.deny = PLAIN_PASSWORD, False
            assert_arrives_once(agent, intake)
        assert {r[3] for r in front.requests()} == {"-"}
        heads = b"\n".join(proxy.heads)
        assert API_KEY.encode() not in heads and b"dd-api-key" not in heads.lower()
        assert all(h.startswith(b"CONNECT 127.0.0.1:%d " % front.port) for h in proxy.heads)


def test_plain_http_through_a_proxy_that_wants_a_password_then_eats_bodies(tmp_path):
    with Intake() as intake, Proxy("other") as proxy:
        url = f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"
        with running(intake, tmp_path, config(intake.url, proxy={"http": url})) as agent:
            feed(agent, tmp_path)
            wait_for_note(agent, "wants other credentials (407); write user:password@ into proxy.http", 2)
            proxy.password, proxy.eat = PLAIN_PASSWORD, True
            wait_for_note(agent, "through proxy http://***@127.0.0.1", 2)
            assert taken(intake) == []
            proxy.eat = False
            proxy.hang_up()
            assert_secret(agent)
            assert_arrives_once(agent, intake)
        assert proxy.connections > 0


def test_tinyproxy_with_a_password(tmp_path, certificates):
    with Intake() as intake, Nginx(intake, certificates) as front, Tinyproxy("user", "s3cret") as proxy:
        front.serve("good")
        env = {"HTTPS_PROXY": f"http://user:s3cret@127.0.0.1:{proxy.port}"}
        with running(intake, tmp_path, config(front.url, certificates), env) as agent:
            feed(agent, tmp_path)
            assert_arrives_once(agent, intake)
            assert "s3cret" not in agent.log_text()
        assert f"CONNECT 127.0.0.1:{front.port}" in proxy.log.read_text()


def test_a_dead_proxy_is_not_gone_round(tmp_path):
    port = free_tcp_port()
    with Intake() as intake:
        env = {"DD_PROXY_HTTP": f"http://127.0.0.1:{port}", "HTTP_PROXY": "", "NO_PROXY": "127.0.0.1"}
        with running(intake, tmp_path, config(intake.url), env) as agent:
            feed(agent, tmp_path)
            wait_for_note(agent, f"connect: proxy http://127.0.0.1:{port}: Connection refused", 2)
            assert taken(intake) == []
            assert agent.log_text().count('"127.0.0.1" fits 127.0.0.1 only with no_proxy_nonexact_match') == 1
            assert agent.stop() == 0


@pytest.mark.parametrize(
    "settings, env",
    [
        ({"proxy": {"no_proxy": ["x", "127.0.0.1:{port}"]}}, {}),
        ({"proxy": {"no_proxy": ["127.0.0.0/8"]}, "no_proxy_nonexact_match": True}, {}),
        ({}, {"DD_PROXY_NO_PROXY": "x,127.0.0.1:{port}"}),
        ({}, {"DD_PROXY_HTTP": ""}),
    ],
)
def test_no_proxy(tmp_path, settings, env):
    with Intake() as intake, Server() as trap:

        def filled(value):
            if isinstance(value, dict):
                return {k: filled(v) for k, v in value.items()}
            if isinstance(value, list):
                return [filled(v) for v in value]
            return value.replace("{port}", str(intake.port)) if isinstance(value, str) else value

        more = merge({"proxy": {"http": trap.url, "https": trap.url}}, filled(settings))
        with running(intake, tmp_path, config(intake.url, **more), filled(env)) as agent:
            feed(agent, tmp_path)
            assert_arrives_once(agent, intake)
        assert trap.connections == 0

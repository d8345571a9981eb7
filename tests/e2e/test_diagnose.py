"""bulkheadctl diagnose: each thing that can stand between the agent and an intake has a name and a way out."""

import re

import pytest
from harness import API_KEY, Agent, Intake, free_tcp_port
from hostile import Certificates, Nginx, Proxy, Server, read_request


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made._sign("good", "ca", 60)
    return made


def checks(agent, expect=None):
    """{(check, what): row}; what is metrics, logs, key or the place."""
    result = agent.run_ctl("--json", "diagnose", timeout=60)
    answer = agent.ctl("diagnose")
    failed = [c for c in answer["checks"] if c["result"] == "fail"]
    assert len(failed) == answer["failed"]
    assert result.returncode == (1 if failed else 0), answer
    for c in answer["checks"]:
        assert c["result"] != "fail" or (c["detail"] and c["fix"]), c
        assert API_KEY not in str(c)
    if expect is not None:
        assert sorted({c["check"] for c in failed}) == expect, failed
    return {(c["check"], c["target"].split()[0]): c for c in answer["checks"]}


def result(found, check, what):
    return found.get((check, what), {}).get("result")


def intakes(url, **config):
    return {"dd_url": url, "logs_config": {"logs_dd_url": url}, **config}


def test_an_intake_that_is_there_passes_while_the_agent_runs_and_while_it_does_not():
    with Intake() as intake, Agent(intake) as agent:
        for _ in range(2):
            found = checks(agent, [])
            for what in ("metrics", "logs"):
                assert [result(found, c, what) for c in ("dns", "tcp", "http")] == ["pass"] * 3
            assert result(found, "key", "key") == "pass"
            assert found["key", "key"]["detail"].endswith(f"{API_KEY[-5:]} is valid")
            assert result(found, "clock", "this") == "pass"
            assert result(found, "disk", str(agent.run_path / "store")) == "pass"
            if agent.proc:
                assert agent.ctl("diagnose")["running"] is True
                text = agent.run_ctl("diagnose")
                assert text.returncode == 0 and "0 checks failed" in text.stdout
                assert "pass " not in text.stdout
                assert agent.stop() == 0
        assert agent.ctl("diagnose")["running"] is False


SUITES = ["connectivity", "api-key", "clock", "disk"]


def test_suites_are_listed_told_and_selected():
    """The text and its JSON say the same; no agent is needed."""
    with Intake() as intake:
        agent = Agent(intake)
        try:
            (agent.run_path / "store").mkdir(parents=True)
            listed = agent.ctl("diagnose", "--list")["suites"]
            assert [s["name"] for s in listed] == SUITES
            text = agent.run_ctl("diagnose", "-l").stdout.splitlines()
            assert text == [f"{s['name']:13} {s['help']}" for s in listed]

            answer = agent.ctl("diagnose")
            verbose = agent.run_ctl("diagnose", "-v").stdout.splitlines()
            quiet = agent.run_ctl("diagnose").stdout.splitlines()
            shown = [line.split()[:2] for line in verbose if line.split()[0] in ("pass", "warn", "fail", "skip")]
            assert shown == [[c["result"], c["check"]] for c in answer["checks"]]
            assert not [line for line in quiet if line.startswith("pass")]
            assert [s["name"] for s in answer["suites"]] == SUITES
            for s in answer["suites"]:
                own = [c for c in answer["checks"] if c["suite"] == s["name"]]
                counts = [sum(c["result"] == r for c in own) for r in ("pass", "warn", "fail", "skip")]
                assert counts == [s[k] for k in ("passed", "warnings", "failed", "skipped")]
                line = "{:13} {} passed, {} warnings, {} failed, {} skipped".format(s["name"], *counts)
                assert line in verbose and line in quiet

            one = agent.ctl("diagnose", "disk")
            assert {c["suite"] for c in one["checks"]} == {"disk"} and len(one["suites"]) == 1
            wrong = agent.run_ctl("diagnose", "dusk")
            assert wrong.returncode == 2 and "dusk" in wrong.stderr
        finally:
            agent._remove()


def closed(certificates, stack):
    return intakes(f"http://127.0.0.1:{free_tcp_port()}")


def unknown_name(certificates, stack):
    return intakes("https://nobody.invalid")


def bad_url(certificates, stack):
    return {"dd_url": "ftp://127.0.0.1/x"}


def relay_down(certificates, stack):
    def behave(conn):
        if read_request(conn):
            conn.sendall(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    return intakes(stack(Server(behave)).url)


def bad_key(certificates, stack):
    def behave(conn):
        head = read_request(conn)
        status = b"403 Forbidden" if head and b"/validate" in head else b"200 OK"
        conn.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    return intakes(stack(Server(behave)).url)


def clock_off(certificates, stack):
    def behave(conn):
        if read_request(conn):
            conn.sendall(
                b"HTTP/1.1 200 OK\r\nDate: Tue, 01 Jan 2019 00:00:00 GMT\r\n"
                b"Content-Length: 0\r\nConnection: close\r\n\r\n"
            )

    return intakes(stack(Server(behave)).url)


def mute(certificates, stack):
    """Something that accepts and hangs up."""
    return intakes(stack(Server(lambda conn: read_request(conn))).url)


def proxy_refuses(certificates, stack):
    proxy = stack(Proxy("right"))
    return intakes("https://127.0.0.1:1", proxy={"https": f"http://user:wrong@127.0.0.1:{proxy.port}"})


def proxy_gone(certificates, stack):
    return intakes("https://127.0.0.1:1", proxy={"https": f"http://127.0.0.1:{free_tcp_port()}"})


BROKEN = [
    (closed, ["tcp"], r"Connection refused"),
    (unknown_name, ["dns"], r"nobody\.invalid"),
    (bad_url, ["tcp", "url"], r"no URL"),
    (relay_down, ["http"], r"status 503"),
    (bad_key, ["key"], r"is invalid"),
    (clock_off, ["clock"], r"s ahead of the intake's"),
    (mute, ["http"], r"."),
    (proxy_refuses, ["proxy"], r"407"),
    (proxy_gone, ["proxy"], r"refused"),
]


@pytest.mark.parametrize("make,expect,text", BROKEN, ids=[b[0].__name__ for b in BROKEN])
def test_what_is_broken_is_named(certificates, make, expect, text):
    opened = []

    def stack(thing):
        opened.append(thing)
        return thing.__enter__()

    with Intake() as intake:
        intake.stop()
        agent = Agent(intake, config=make(certificates, stack))
        try:
            # Without an agent: what it does then is the same code, and needs no start.
            (agent.run_path / "store").mkdir(parents=True)
            found = checks(agent, expect)
            assert any(re.search(text, c["detail"]) for c in found.values() if c["result"] == "fail"), found
        finally:
            agent._remove()
            for thing in opened:
                thing.__exit__(None, None, None)


TLS = [
    ("good", {}, "pass", r"issued by .*ca"),
    ("good2", {}, "warn", r"[12] days left"),
    ("unknown-ca", {}, "fail", r"unable to get (local )?issuer|self.signed"),
    ("expired", {}, "fail", r"expired"),
    ("wrong-host", {}, "fail", r"another name"),
    ("good", {"pin": "client"}, "fail", r"pin"),
    ("good", {"pin": "good"}, "pass", r"pinned"),
    ("unknown-ca", {"skip": True}, "warn", r"not checked"),
]


def test_certificates_are_judged(certificates):
    """The agent runs through all of this: the forwarder itself makes the checks."""
    with Intake() as intake, Nginx(intake, certificates) as nginx:
        nginx.serve("good")
        for name, how, want, text in TLS:
            nginx.serve(name)
            tls = {"ca_file": certificates.pem("ca")}
            if "pin" in how:
                tls["pinned_public_keys"] = [certificates.pin(how["pin"])]
            config = intakes(nginx.url, skip_ssl_validation=bool(how.get("skip")), bulkhead={"tls": tls})
            with Agent(intake, config=config) as agent:
                found = checks(agent, ["tls"] if want == "fail" else [])
                for what in ("metrics", "logs"):
                    row = found["tls", what]
                    assert row["result"] == want, (name, how, row)
                    assert re.search(text, row["detail"], re.I), (name, how, row)
                agent.stop()

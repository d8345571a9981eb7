"""Clients from the wild over each transport: what they send arrives as sent."""

import pathlib
import subprocess

import pytest

from harness import Agent, Intake, clean_env, free_udp_port

HERE = pathlib.Path(__file__).resolve().parent
TRANSPORTS = ["udp", "unix", "unixstream"]


def run_client(transport, command, env):
    """What the intake got from one run of a client: records by kind."""
    port = free_udp_port() if transport == "udp" else 0
    with Intake() as intake:
        agent = Agent(intake)
        stream = str(agent.dir / "dsd-stream.socket")
        agent.config.update({"dogstatsd_port": port, "dogstatsd_stream_socket": stream})
        agent.write_config()
        where = {"udp": f"udp:{port}", "unix": f"unix:{agent.dsd_socket}", "unixstream": f"unixstream:{stream}"}
        with agent:
            subprocess.run(command(where[transport]), env={**clean_env(), **env}, check=True, timeout=60)
            assert agent.stop() == 0
        assert intake.stats()["decode_errors"] == 0
        return {kind: intake.records(kind) for kind in ("series", "sketch", "event", "check")}


def python_client(name):
    return lambda target: ["/usr/bin/python3", HERE / "statsd_clients.py", name, target]


def points(got, name, *tags):
    return [
        (r["type"], value) for r in got["series"] if r["metric"] == name and set(r["tags"]) == set(tags) for _, value in r["points"]
    ]


def total(got, name, *tags):
    found = points(got, name, *tags)
    assert {kind for kind, _ in found} == {"rate"}
    return sum(value * 10 for _, value in found)


def check_basics(got, *tags):
    assert total(got, "app.orders", *tags) == pytest.approx(10)
    assert points(got, "app.queue", *tags)[-1] == ("gauge", 43.25)
    assert points(got, "app.users", *tags) == [("gauge", 2)]
    assert points(got, "app.latency.max", *tags) == [("gauge", 10)]
    assert points(got, "app.latency.median", *tags) == [("gauge", 2)]
    assert points(got, "app.latency.avg", *tags) == [("gauge", 4)]
    assert points(got, "app.latency.95percentile", *tags) == [("gauge", 10)]
    assert total(got, "app.latency.count", *tags) == pytest.approx(6)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_datadogpy(transport, datadogpy):
    got = run_client(transport, python_client("datadogpy"), {"PYTHONPATH": str(datadogpy), "DD_TELEMETRY": "0"})
    check_basics(got, "service:shop")
    assert total(got, "app.orders", "service:shop", "region:eu") == pytest.approx(3)
    sizes = [p for r in got["sketch"] if r["metric"] == "app.size" for p in r["points"]]
    assert sum(p["cnt"] for p in sizes) == 3
    assert (min(p["min"] for p in sizes), max(p["max"] for p in sizes), sum(p["sum"] for p in sizes)) == (1, 2, 4)
    (event,) = got["event"]
    assert (event["msg_title"], event["msg_text"], event["alert_type"]) == ("deployed", "version 7\nby ann", "success")
    assert set(event["tags"]) == {"service:shop", "region:eu"}
    (check,) = [c for c in got["check"] if c["check"] == "app.db.up"]
    assert (check["status"], check["message"], set(check["tags"])) == (2, "no answer", {"service:shop", "region:eu"})


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_python_statsd(transport):
    check_basics(run_client(transport, python_client("statsd"), {}))


def test_node_dogstatsd(node_modules):
    def command(target):
        return ["node", HERE / "node_dogstatsd_client.js", "127.0.0.1", target.removeprefix("udp:")]

    check_basics(run_client("udp", command, {"NODE_PATH": str(node_modules)}))

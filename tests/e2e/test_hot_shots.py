"""A client from the wild: hot-shots (npm) over UDP. What it sends arrives as sent."""

import pathlib
import subprocess

import pytest

from harness import Agent, Intake, clean_env, free_udp_port

CLIENT = pathlib.Path(__file__).with_name("hot_shots_client.js")


@pytest.fixture(scope="module")
def arrived(node_modules):
    """What the intake got from one run of the client: series, sketches, events, checks."""
    port = free_udp_port()
    with Intake() as intake, Agent(intake, config={"dogstatsd_port": port}) as agent:
        subprocess.run(
            ["node", CLIENT, "127.0.0.1", str(port)],
            env={**clean_env(), "NODE_PATH": str(node_modules)},
            check=True,
            timeout=60,
        )
        assert agent.stop() == 0
        assert intake.stats()["decode_errors"] == 0
        return [intake.records(kind) for kind in ("series", "sketch", "event", "check")]


def points(arrived, name, *tags):
    want = {"service:shop", *tags}
    return [
        (r["type"], value) for r in arrived[0] if r["metric"] == name and set(r["tags"]) == want for _, value in r["points"]
    ]


def total(arrived, name, *tags):
    found = points(arrived, name, *tags)
    assert {kind for kind, _ in found} == {"rate"}
    return sum(value * 10 for _, value in found)


def test_counts(arrived):
    assert total(arrived, "app.orders") == pytest.approx(10)
    assert total(arrived, "app.orders", "region:eu") == pytest.approx(3)


def test_gauge(arrived):
    assert points(arrived, "app.queue", "zone:a")[-1] == ("gauge", 43.25)


def test_histogram_and_timer(arrived):
    assert points(arrived, "app.latency.max") == [("gauge", 10)]
    assert points(arrived, "app.latency.median") == [("gauge", 2)]
    assert points(arrived, "app.latency.avg") == [("gauge", 4)]
    assert points(arrived, "app.latency.95percentile") == [("gauge", 10)]
    assert total(arrived, "app.latency.count") == pytest.approx(6)
    assert points(arrived, "app.render.max") == [("gauge", 12)]


def test_distribution(arrived):
    sketches = [r for r in arrived[1] if r["metric"] == "app.size"]
    assert {tuple(sorted(r["tags"])) for r in sketches} == {("kind:x", "service:shop")}
    got = [p for r in sketches for p in r["points"]]
    assert sum(p["cnt"] for p in got) == 3
    assert (min(p["min"] for p in got), max(p["max"] for p in got), sum(p["sum"] for p in got)) == (1, 2, 4)


def test_event(arrived):
    (event,) = arrived[2]
    assert (event["msg_title"], event["msg_text"]) == ("app.deployed", "version 7\nby ann")
    assert (event["alert_type"], event["priority"], event["source"]) == ("success", "low", "api")
    assert set(event["tags"]) == {"service:shop", "region:eu"}


def test_service_check(arrived):
    (check,) = [c for c in arrived[3] if c["check"] != "datadog.agent.up"]
    assert (check["check"], check["status"], check["host_name"]) == ("app.db.up", 2, "db1")
    assert check["message"] == "no answer"
    assert set(check["tags"]) == {"service:shop", "region:eu"}


def test_set(arrived):
    assert points(arrived, "app.users") == [("gauge", 2)]

"""bulkheadctl dogstatsd-stats and top contexts: who sends what, and who fills the memory."""

import os
import subprocess
import sys

import pytest

from harness import Agent, Intake, wait_until


def received(agent):
    return sum(r["received"] for r in agent.ledger_rows("listener"))


def test_the_most_frequent_metrics():
    with Intake() as intake, Agent(intake, config={"dogstatsd_metrics_stats_enable": True}) as agent:
        agent.send(b"often:1:1:1|c|#b:2,a:1\nonce:1|g\n", b"often:1|c|#a:1,b:2")
        wait_until(lambda: received(agent) == 5, 10)
        answer = agent.ctl("dogstatsd-stats")
        rows = {m["name"]: m for m in answer["metrics"]}
        assert [m["name"] for m in answer["metrics"]] == ["often", "once"]
        assert (rows["often"]["count"], rows["often"]["tags"]) == (4, "a:1 b:2")
        assert rows["once"]["last_seen"].endswith("Z")
        assert "often a:1 b:2" in agent.run_ctl("dogstatsd-stats").stdout
        assert agent.stop() == 0


def test_without_the_option_the_way_out_is_named():
    with Intake() as intake, Agent(intake) as agent:
        result = agent.run_ctl("dogstatsd-stats")
        assert result.returncode == 1
        assert "dogstatsd_metrics_stats_enable" in result.stderr
        assert agent.run_ctl("stop", "dogstatsd").returncode == 0
        assert "does not run" in agent.run_ctl("top", "contexts").stderr
        assert agent.run_ctl("top", "secrets").returncode == 2
        assert agent.stop() == 0


def test_what_makes_the_contexts():
    with Intake() as intake, Agent(intake) as agent:
        agent.send(*[b"page:1|c|#user:%d,env:prod\nother:1|g" % i for i in range(2000)])
        wait_until(lambda: received(agent) == 4000, 10)
        answer = agent.ctl("top", "contexts")
        assert answer["contexts"] == 2001
        assert answer["names"] == [{"name": "page", "contexts": 2000}, {"name": "other", "contexts": 1}]
        assert answer["tag_keys"] == [{"key": "user", "values": 2000}, {"key": "env", "values": 1}]
        assert "2000  user" in agent.run_ctl("top", "contexts").stdout
        assert agent.stop() == 0


@pytest.mark.parametrize("how", ["datagram", "stream"])
def test_who_sends(how):
    script = {
        "datagram": "import socket,sys; s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.connect(sys.argv[1])\n"
        "for _ in range(3): s.send(b'x:1|c')",
        "stream": "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[2])\n"
        "for _ in range(3): s.send(b'\\5\\0\\0\\0x:1|c')",
    }[how]
    with Intake() as intake, Agent(intake, config={"dogstatsd_origin_detection": True}) as agent:
        agent.config["dogstatsd_stream_socket"] = agent.dsd_socket + ".stream"
        agent.write_config()
        assert agent.stop() == 0
        agent.start()
        sender = subprocess.Popen([sys.executable, "-c", script, agent.dsd_socket, agent.dsd_socket + ".stream"])
        assert sender.wait(20) == 0
        wait_until(lambda: received(agent) == 3, 10)
        answer = agent.ctl("top", "senders")
        assert [(s["pid"], s["uid"], s["packets"]) for s in answer["senders"]] == [(sender.pid, os.getuid(), 3)]
        assert str(sender.pid) in agent.run_ctl("top", "senders").stdout
        assert agent.stop() == 0


def test_senders_are_counted_on_demand_only():
    with Intake() as intake, Agent(intake) as agent:
        assert "dogstatsd_origin_detection" in agent.run_ctl("top", "senders").stderr
        assert agent.stop() == 0

"""bulkheadctl dogstatsd-capture and dogstatsd-replay: what came in, once more."""

import pathlib
import stat
import struct

import pytest

from harness import Agent, Intake, wait_until

HEAD = bytes.fromhex("d474d060f3ff0000")


def received(agent):
    return sum(r["received"] for r in agent.ledger_rows("listener"))


def test_a_capture_is_made_and_replayed():
    with Intake() as intake, Agent(intake) as agent:
        answer = agent.ctl("dogstatsd-capture", "300")
        path = pathlib.Path(answer["path"])
        assert (answer["seconds"], path.parent) == (300, agent.run_path / "dsd_capture")
        agent.send(b"hits:1|c\nnonsense", b"hits:2|c", b"")
        wait_until(lambda: received(agent) == 3, 10)
        # a stop of the process ends the file
        assert agent.run_ctl("restart", "dogstatsd").returncode == 0
        data = path.read_bytes()
        assert data.startswith(HEAD) and data.endswith(bytes(8))
        assert data.count(b"hits:") == 2
        assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0
        replayed = agent.run_ctl("dogstatsd-replay", path)
        assert (replayed.returncode, replayed.stdout) == (0, "2 packets\n")
        assert agent.stop() == 0
        assert intake.total("hits") == pytest.approx(6)


def test_mistakes_are_named(tmp_path):
    noise = tmp_path / "noise"
    noise.write_bytes(b"#!/bin/sh\n")
    cut = tmp_path / "cut"
    cut.write_bytes(HEAD + struct.pack("<I", 100) + b"\x1a")
    missing = {"dogstatsd_capture_path": str(tmp_path / "missing")}
    with Intake() as intake, Agent(intake, config=missing) as agent:
        result = agent.run_ctl("dogstatsd-capture")
        assert result.returncode == 1 and "missing" in result.stderr
        assert agent.run_ctl("dogstatsd-capture", "0").returncode == 1
        assert agent.run_ctl("dogstatsd-capture", "soon").returncode == 2
        assert "no capture" in agent.run_ctl("dogstatsd-replay", noise).stderr
        assert "packet 1" in agent.run_ctl("dogstatsd-replay", cut).stderr
        assert agent.run_ctl("dogstatsd-replay", tmp_path / "nothing").returncode == 1
        assert agent.stop() == 0

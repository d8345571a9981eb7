"""start, stop and restart of single processes: the others never notice, nothing is lost or sent twice."""

import threading
import time

import pytest

from harness import Agent, Intake, wait_until


def states(agent):
    return {r["name"]: r["state"] for r in agent.ctl("status")["roles"]}


def pids(agent):
    return {r["name"]: r.get("pid") for r in agent.ctl("status")["roles"]}


@pytest.mark.parametrize("role", ["dogstatsd", "logs", "forwarder"])
def test_a_restart_gives_one_process_a_new_pid_and_leaves_the_others_alone(role):
    with Intake() as intake, Agent(intake) as agent:
        before = pids(agent)
        result = agent.run_ctl("restart", role)
        assert (result.returncode, result.stdout) == (0, f"{role}: restarted\n")
        after = pids(agent)
        assert {name for name in after if after[name] != before[name]} == {role}
        assert set(states(agent).values()) == {"RUNNING"}
        assert agent.stop() == 0


def test_a_stopped_process_stays_stopped_until_it_is_started():
    with Intake() as intake, Agent(intake) as agent:
        assert agent.run_ctl("stop", "logs").stdout == "logs: stopped\n"
        assert states(agent) == {"dogstatsd": "RUNNING", "forwarder": "RUNNING", "logs": "STOPPED"}
        assert agent.run_ctl("stop", "logs").stdout == "logs: is not running\n"
        assert agent.run_ctl("status").returncode == 3
        assert agent.run_ctl("start", "logs", "dogstatsd").stdout == "dogstatsd: is running already\nlogs: started\n"
        assert agent.run_ctl("status").returncode == 0
        assert agent.stop() == 0


def test_all_and_names_that_are_wrong():
    with Intake() as intake, Agent(intake) as agent:
        before = pids(agent)
        result = agent.run_ctl("restart", "all")
        assert result.returncode == 0, result.stdout + result.stderr
        assert not set(before.values()) & set(pids(agent).values())
        assert agent.run_ctl("restart", "nginx").returncode == 1
        assert agent.run_ctl("restart").returncode == 2
        assert "no such process" in agent.run_ctl("stop", "supervisor").stderr
        assert agent.ctl("restart", "logs") == {
            "schema": 1,
            "results": [{"name": "logs", "ok": True, "result": "restarted"}],
        }
        assert agent.stop() == 0


def test_lines_written_across_restarts_arrive_once(tmp_path):
    log = tmp_path / "app.log"
    log.touch()
    with Intake() as intake, Agent(intake, logs=[{"path": str(log)}]) as agent:
        written = 0
        for role in ("logs", "forwarder", "logs", "forwarder"):
            with open(log, "a") as f:
                for _ in range(500):
                    f.write(f"line {written}\n")
                    written += 1
            assert agent.run_ctl("restart", role).returncode == 0
        wait_until(lambda: intake.stats()["log_messages"] >= written, 30, intake.stats)
        assert agent.stop() == 0
        assert sorted(intake.messages()) == sorted(f"line {i}" for i in range(written))


def test_counters_sent_across_restarts_of_dogstatsd_and_forwarder_add_up():
    with Intake() as intake, Agent(intake) as agent:
        sent = [0]
        stop = threading.Event()

        def send():
            while not stop.is_set():
                agent.send(*[b"hits:1|c\n"] * 50)
                sent[0] += 50

        sender = threading.Thread(target=send)
        sender.start()
        for role in ("dogstatsd", "forwarder", "dogstatsd"):
            before = sent[0]
            assert agent.run_ctl("restart", role).returncode == 0
            wait_until(lambda: sent[0] > before + 500, 20)
        stop.set()
        sender.join()
        assert agent.stop() == 0
        assert intake.total("hits") == pytest.approx(sent[0])


def test_a_bucket_that_is_open_at_a_restart_of_dogstatsd_goes_out_once_and_whole():
    with Intake() as intake, Agent(intake, config={"bulkhead": {"dogstatsd_flush_interval": 60}}) as agent:
        # begin in a fresh bucket, so that three restarts fit into it
        wait_until(lambda: time.time() % 10 < 2, 12)
        for i in range(4):
            agent.send(b"hits:1|c\nlevel:%d|g\nlat:%d|h\nsize:%d|d\nusers:u%d|s" % (i, i, i, i % 2))
            if i < 3:
                assert agent.run_ctl("restart", "dogstatsd").stdout == "dogstatsd: restarted\n"
        assert agent.stop() == 0
        points = {r["metric"]: r["points"] for r in intake.records("series") if r["metric"] != "datadog.agent.running"}
        assert {name: len(values) for name, values in points.items()} == dict.fromkeys(points, 1)
        values = {name: p[0][1] for name, p in points.items()}
        assert values["hits"] == pytest.approx(0.4)
        assert (values["level"], values["lat.max"], values["lat.count"], values["users"]) == (3, 3, 0.4, 2)
        (sketch,) = intake.records("sketch", "size")
        assert [p["cnt"] for p in sketch["points"]] == [4]


def test_a_stop_of_everything_takes_a_stopped_process_as_it_is():
    with Intake() as intake, Agent(intake) as agent:
        assert agent.run_ctl("stop", "forwarder").returncode == 0
        assert agent.run_ctl("start", "forwarder").returncode == 0
        assert agent.run_ctl("stop", "dogstatsd").returncode == 0
        assert agent.stop() == 0

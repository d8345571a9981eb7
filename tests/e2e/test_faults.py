"""Bad days: an intake that fails in every way, leftovers of a crash, wrong configuration, a stop
that comes too early."""

import os
import signal
import socket
import subprocess
import time

import pytest

from harness import BUILD, Agent, Intake, clean_env, kill_session, session_members, wait_until

FAST = {
    "forwarder_backoff_base": 0.1,
    "forwarder_backoff_max": 0.5,
    "logs_config": {"sender_backoff_base": 0.1, "sender_backoff_max": 0.5, "batch_max_size": 20},
}


def logs_of(path):
    return [{"path": str(path), "start_position": "beginning"}]


def write_lines(path, count):
    path.write_bytes(b"".join(b"line %d\n" % i for i in range(count)))


def destination_drops(agent):
    return {reason: n for r in agent.ledger_rows("destination") for reason, n in r["dropped"].items() if n}


def run_agent(folder, env=None):
    return subprocess.run(
        [BUILD / "bulkhead", "run", "-c", folder],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env={**clean_env(), **(env or {})},
        check=False,
    )


# --- the intake fails ---


@pytest.mark.parametrize(
    "fault",
    [
        "status=403&count=2",
        "status=429&count=3",
        "status=429&retry_after=1&count=1",
        "status=500&count=3",
        "status=503&probability=0.5&count=10&seed=3",
        "status=404&count=2",
        "mode=reset&count=3",
        "latency_ms=1500&count=2",
        "mode=status&status=301&count=1",
    ],
)
def test_logs_arrive_once_over_a_failure_that_passes(tmp_path, fault):
    log = tmp_path / "app.log"
    write_lines(log, 200)
    with Intake() as intake:
        intake.fault(fault + "&path=/api/v2/logs")
        with Agent(intake, logs=logs_of(log), config=FAST) as agent:
            wait_until(lambda: intake.stats()["log_messages"] >= 200, 30, intake.stats)
            assert agent.ctl("ledger")["balanced"]
            assert destination_drops(agent) == {}
            assert agent.stop() == 0
        assert sorted(intake.messages()) == sorted(f"line {i}" for i in range(200))


@pytest.mark.parametrize("fault", ["status=403&count=2", "status=429&count=2", "status=500&count=2", "mode=reset&count=2"])
def test_metrics_arrive_once_over_a_failure_that_passes(fault):
    with Intake() as intake:
        intake.fault(fault + "&path=/api/v2/series")
        with Agent(intake, config=FAST) as agent:
            agent.send(*[b"m:1|c\n"] * 100)
            wait_until(lambda: round(intake.total("m"), 6) >= 100, 40, intake.stats)
            assert agent.stop() == 0
        assert round(intake.total("m"), 6) == 100


def test_a_400_is_a_counted_drop_and_the_next_batch_arrives(tmp_path):
    log = tmp_path / "app.log"
    write_lines(log, 10)
    with Intake() as intake:
        intake.fault("status=400&count=1&path=/api/v2/logs")
        with Agent(intake, logs=logs_of(log), config=FAST) as agent:
            wait_until(lambda: destination_drops(agent) == {"status_400": 10}, 20, lambda: agent.ctl("ledger"))
            with open(log, "ab") as f:
                f.write(b"next\n")
            wait_until(lambda: intake.messages() == ["next"], 20, intake.messages)
            assert agent.ctl("ledger")["balanced"]
            assert agent.stop() == 75, "a stop after a loss says so"


def test_a_413_is_a_counted_drop_and_the_next_batch_arrives(tmp_path):
    log = tmp_path / "app.log"
    write_lines(log, 20)
    with Intake() as intake:
        intake.fault("status=413&path=/api/v2/logs")  # down to single lines
        with Agent(intake, logs=logs_of(log), config=FAST) as agent:
            wait_until(lambda: destination_drops(agent) == {"status_413": 20}, 30, lambda: agent.ctl("ledger"))
            intake.fault("clear=1")
            with open(log, "ab") as f:
                f.write(b"next\n")
            wait_until(lambda: intake.messages() == ["next"], 20, intake.messages)
            assert agent.ctl("ledger")["balanced"]
            assert agent.stop() == 75


def test_an_answer_that_was_lost_repeats_its_batch_and_nothing_else(tmp_path):
    log = tmp_path / "app.log"
    write_lines(log, 100)
    with Intake() as intake:
        intake.fault("mode=lost&count=1&path=/api/v2/logs")
        with Agent(intake, logs=logs_of(log), config=FAST) as agent:
            wait_until(lambda: len(set(intake.messages())) == 100, 30, intake.stats)
            assert agent.stop() == 0
        assert len(intake.messages()) - 100 <= 20  # one batch


def test_a_hanging_intake_does_not_hold_up_a_stop(tmp_path):
    log = tmp_path / "app.log"
    write_lines(log, 100)
    with Intake() as intake:
        intake.fault("mode=hang")
        with Agent(intake, logs=logs_of(log), config=FAST) as agent:
            agent.send(b"m:1|c\n")
            wait_until(lambda: intake.stats()["faults"]["hang"] >= 1, 20)
            assert agent.stop(timeout=27) == 0  # the budget is 25 s
            intake.fault("clear=1")
            agent.start()
            wait_until(lambda: intake.stats()["log_messages"] >= 100, 30, intake.stats)
            assert agent.stop() == 0
        assert sorted(intake.messages()) == sorted(f"line {i}" for i in range(100))
        assert round(intake.total("m"), 6) == 1


# --- children die ---


@pytest.mark.parametrize("role", ["dogstatsd", "logs", "forwarder"])
def test_a_killed_child_comes_back_alone(tmp_path, role):
    log = tmp_path / "app.log"
    write_lines(log, 10)
    with Intake() as intake, Agent(intake, logs=logs_of(log)) as agent:
        agent.wait_delivered(log, log.stat().st_size)
        before = {name: agent.child_pid(name) for name in ("dogstatsd", "logs", "forwarder")}
        agent.kill_and_wait(role)
        after = {name: agent.child_pid(name) for name in before}
        assert {n for n in before if before[n] != after[n]} == {role}
        agent.send(b"again:1|c\n")
        with open(log, "ab") as f:
            f.write(b"again\n")
        wait_until(lambda: "again" in intake.messages(), 20)
        agent.stop()
        assert round(intake.total("again"), 6) == 1
        assert len(intake.messages()) == 11


# --- start ---


def test_a_second_supervisor_on_a_run_directory_is_refused():
    with Intake() as intake, Agent(intake) as agent:
        second = run_agent(agent.dir)
        assert second.returncode == 75, second.stderr
        assert str(agent.run_dir) in second.stderr
        assert agent.is_ready()
        agent.send(b"m:1|c")
        assert agent.stop() == 0
        assert round(intake.total("m"), 6) == 1


def test_leftovers_of_a_killed_agent_do_not_hinder_the_next(tmp_path):
    log = tmp_path / "app.log"
    write_lines(log, 5)
    with Intake() as intake, Agent(intake, logs=logs_of(log)) as agent:
        wait_until(lambda: intake.stats()["log_messages"] >= 5, 20)
        sid = agent.proc.pid
        kill_session(sid)
        agent.proc.wait()
        wait_until(lambda: not session_members(sid), 10)
        assert os.path.exists(agent.dsd_socket), "the test needs the stale socket"
        agent.start()
        agent.send(b"m:1|c")
        with open(log, "ab") as f:
            f.write(b"new\n")
        wait_until(lambda: "new" in intake.messages(), 20)
        assert agent.stop() == 0
        assert round(intake.total("m"), 6) == 1


def test_the_children_end_when_the_supervisor_is_killed():
    with Intake() as intake, Agent(intake) as agent:
        sid = agent.proc.pid
        os.kill(sid, signal.SIGKILL)
        agent.proc.wait()
        agent.proc = None
        wait_until(lambda: not session_members(sid), 20, lambda: session_members(sid))


def test_a_file_in_the_place_of_the_socket_is_left_alone():
    with Intake() as intake:
        agent = Agent(intake)
        try:
            with open(agent.dsd_socket, "w") as f:
                f.write("precious")
            agent.spawn()
            wait_until(lambda: agent.dsd_socket in agent.log_text() or agent.proc.poll() is not None, 20)
            assert agent.dsd_socket in agent.log_text()
            with open(agent.dsd_socket) as f:
                assert f.read() == "precious"
        finally:
            agent._remove()


def test_a_busy_udp_port_is_named():
    with Intake() as intake, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
        agent = Agent(intake, config={"dogstatsd_port": port})
        try:
            agent.spawn()
            wait_until(lambda: f"{port}" in agent.log_text(), 20, agent.log_text)
            assert "in use" in agent.log_text()
        finally:
            agent._remove()


def test_a_stop_during_the_start_is_an_ordered_end():
    with Intake() as intake:
        for pause_ms in (0, 1, 2, 5, 10, 20, 40, 80):
            agent = Agent(intake)
            try:
                agent.spawn()
                end = time.monotonic() + pause_ms / 1000
                while time.monotonic() < end:
                    pass  # a pause shorter than a poll
                agent.terminate()
                # before the signal is taken over, its default action ends the process
                assert agent.wait() in (0, -signal.SIGTERM), (pause_ms, agent.log_text())
            finally:
                agent._remove()


# --- configuration ---


@pytest.mark.parametrize(
    "text, position, cause",
    [
        ("api_key: k\nlogs_config:\n  batch_wait: [1\n", "datadog.yaml:3:15", ""),
        ("api_key: k\ndogstatsd_port: many\n", "datadog.yaml:2:17", "many"),
        ("api_key: k\nlogs_enabled: perhaps\n", "datadog.yaml:2:15", "perhaps"),
        ("api_key: k\n\tlog_level: info\n", "datadog.yaml:2:1", ""),
    ],
)
def test_wrong_yaml_is_refused_with_its_position(text, position, cause):
    with Intake() as intake:
        agent = Agent(intake)
        try:
            (agent.dir / "datadog.yaml").write_text(text)
            result = run_agent(agent.dir)
            assert result.returncode == 78, result.stderr
            assert position in result.stderr, result.stderr
            assert cause in result.stderr
        finally:
            agent._remove()


def test_an_unknown_key_is_a_warning_with_the_nearest_known_one():
    with Intake() as intake, Agent(intake, config={"dogstatsd_prot": 1}) as agent:
        assert "dogstatsd_prot" in agent.log_text() and "dogstatsd_port" in agent.log_text()
        assert agent.stop() == 0


def test_the_api_key_is_seen_by_the_forwarder_only():
    with Intake() as intake, Agent(intake, env={"DD_API_KEY": "fedcba9876543210fedcba9876543210"}) as agent:
        for role in ("dogstatsd", "logs"):
            pid = agent.child_pid(role)
            for name in ("environ", "cmdline"):
                with open(f"/proc/{pid}/{name}", "rb") as f:
                    assert b"fedcba98" not in f.read(), (role, name)
        agent.send(b"m:1|c")
        assert agent.stop() == 0
        assert "fedcba98" not in agent.log_text()
        assert {r["key"] for r in intake.records("series", "m")} == {"43210"[-5:]}

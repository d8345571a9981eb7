"""API keys: from every place, changed while everything runs, seen by the forwarder only."""

import json
import pathlib

import pytest

from harness import Agent, Intake, wait_until
from test_reload import Writer, pids, reload, replaced

OLD = "canaryold" + "0" * 18 + "1old1"
NEW = "canarynew" + "0" * 18 + "2new2"


def keys_seen(intake):
    return {r["key"] for r in intake.all_records()}


def write(path, text, mode=0o600):
    """In one step, as a careful tool would."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(mode)
    new.rename(path)
    return path


def backend(folder, script):
    return write(folder / "backend", "#!/bin/sh\n" + script + "\n", 0o700)


def answers(value):
    return """cat >/dev/null; printf '{"k":{"value":"%s","error":null}}' """ + value


def run(tmp_path, intake, config, env=None):
    (tmp_path / "lines").touch()
    return Agent(intake, logs=[{"path": str(tmp_path / "lines")}], config=config, env=env)


def deliver(tmp_path, intake, text):
    """A line goes out; the ends of the keys it went with."""
    with open(tmp_path / "lines", "a") as f:
        f.write(text + "\n")
    return wait_until(lambda: {r["key"] for r in intake.records("log") if r["message"] == text}, 20)


def source(tmp_path, kind):
    """(configuration, environment, what makes another value) of a key that comes from there."""
    if kind == "yaml":
        return {"api_key": OLD}, {}, None
    if kind == "environment":
        return {"api_key": "of the file"}, {"DD_API_KEY": OLD}, None
    if kind == "file":
        path = write(tmp_path / "key", OLD + "\n")
        return {"api_key": "", "bulkhead": {"api_key_file": str(path)}}, {}, lambda v: write(path, v + "\n")
    if kind == "credential":
        path = write(tmp_path / "api_key", OLD)
        return {"api_key": ""}, {"CREDENTIALS_DIRECTORY": str(tmp_path)}, lambda v: write(path, v)
    if kind == "credential by handle":
        path = write(tmp_path / "dd", OLD)
        return {"api_key": "ENC[dd]"}, {"CREDENTIALS_DIRECTORY": str(tmp_path)}, lambda v: write(path, v)
    command = backend(tmp_path, answers(OLD))
    config = {"api_key": "ENC[k]", "secret_backend_command": str(command), "secret_refresh_interval": 1}
    return config, {}, lambda v: backend(tmp_path, answers(v))


@pytest.mark.parametrize(
    "kind", ["yaml", "environment", "file", "credential", "credential by handle", "command"]
)
def test_a_key_from_every_place_and_another_one_without_a_word(tmp_path, kind):
    config, env, change = source(tmp_path, kind)
    with Intake() as intake, run(tmp_path, intake, config, env) as agent:
        before = pids(agent)
        assert deliver(tmp_path, intake, "first") == {OLD[-5:]}
        if change:
            change(NEW)
            wait_until(lambda: "API key ending with 2new2: " in json.dumps(agent.ctl("status")), 30)
            assert deliver(tmp_path, intake, "second") == {NEW[-5:]}
            assert not replaced(agent, before)
        assert agent.stop() == 0


def test_rotation_under_load_loses_and_repeats_nothing(tmp_path):
    logs = [tmp_path / "a.log", tmp_path / "b.log"]
    for path in logs:
        path.touch()
    key = write(tmp_path / "key", OLD)
    config = {"api_key": f"ENC[file@{key}]"}
    with Intake() as intake, Agent(intake, logs=[{"path": str(p)} for p in logs], config=config) as agent:
        before = pids(agent)
        with Writer(*logs) as w:
            wait_until(lambda: len(intake.messages()) > 100, 20)
            # From one moment on the old key is refused; the refusal makes the agent look for another.
            key.write_text(NEW)
            intake.fault("status=403&key=" + OLD[-5:])
            agent.send(*[b"rotated:1|c"] * 50)
            w.wait_for_more()
            wait_until(lambda: NEW[-5:] in keys_seen(intake), 20)
            w.wait_for_more()
        expected = sorted(line for path in logs for line in w.expected(path))
        wait_until(lambda: len(intake.messages()) >= len(expected), 30)
        assert sorted(intake.messages()) == expected
        assert not replaced(agent, before)
        assert agent.stop() == 0
        assert intake.total("rotated") == 50


def test_a_refused_key_is_read_again_from_the_configuration(tmp_path):
    with Intake("--fault", "status=403&key=" + OLD[-5:]) as intake, run(
        tmp_path, intake, {"api_key": OLD}
    ) as agent:
        before = pids(agent)
        agent.config["api_key"] = NEW
        agent.write_config()
        assert deliver(tmp_path, intake, "stuck") == {NEW[-5:]}
        assert not replaced(agent, before)
        assert agent.stop() == 0


def test_reload_takes_a_new_key_and_new_sources_together(tmp_path):
    log = tmp_path / "a.log"
    log.touch()
    other = {"path": str(tmp_path / "b.log")}  # its directory is open to logs already
    with Intake() as intake, Agent(intake, logs=[other], config={"api_key": OLD}) as agent:
        before = pids(agent)
        agent.config["api_key"] = NEW
        agent.write_config()
        agent.write_logs([other, {"path": str(log)}])
        said = reload(agent)
        assert "logs: 1 source added, 1 unchanged\n" in said
        assert "forwarder: takes the new API key while it runs\n" in said
        assert not replaced(agent, before)
        with open(log, "a") as f:
            f.write("with the new key\n")
        wait_until(lambda: intake.messages() == ["with the new key"], 20)
        assert keys_seen(intake) == {NEW[-5:]}
        assert agent.stop() == 0


FAILURES = {
    "exit 3": "ended with status 3: run it by hand, as this user, to see why",
    "exec sleep 60": "did not end within 0.5 s and was killed: make it faster, or raise secret_backend_timeout",
    "echo garbage " + NEW: "its answer is no JSON object; it has to write",
    "exec cat /dev/zero": "wrote more than 4096 bytes and was killed: raise secret_backend_output_max_size",
    """echo '{"k":{"value":"","error":"sealed"}}'""": "it has no value for ENC[k]: sealed",
}


def failing(tmp_path, script):
    return {
        "api_key": "ENC[k]",
        "secret_backend_command": str(backend(tmp_path, script)),
        "secret_backend_timeout": 0.5,
        "secret_backend_output_max_size": 4096,
    }


def test_a_command_that_fails_leaves_the_old_key(tmp_path):
    with Intake() as intake, run(tmp_path, intake, failing(tmp_path, answers(OLD))) as agent:
        before = pids(agent)
        for script, message in FAILURES.items():
            backend(tmp_path, script)
            said = reload(agent, code=1)
            assert message in said, said
            assert said.endswith("nothing changed: the old configuration acts\n")
        (tmp_path / "backend").chmod(0o755)
        assert "has rights 755, which let its group or others use it: chmod 700" in reload(agent, code=1)
        assert deliver(tmp_path, intake, "still") == {OLD[-5:]}
        backend(tmp_path, answers(NEW))
        assert reload(agent) == "forwarder: takes the new API key while it runs\n"
        assert deliver(tmp_path, intake, "then") == {NEW[-5:]}
        assert not replaced(agent, before)
        assert "garbage" not in agent.log_text()
        assert agent.stop() == 0


@pytest.mark.parametrize("script, code", [("exit 3", 69), ("echo garbage", 78)])
def test_a_start_without_a_value_says_why(tmp_path, script, code):
    intake = Intake()
    agent = Agent(intake, config=failing(tmp_path, script))
    try:
        agent.spawn()
        assert agent.wait() == code
        assert "bulkhead: secret_backend_command: " in agent.log_text()
    finally:
        agent._remove()
        intake._remove()


def holders(agent, needle):
    """Processes of the agent with it in their environment or command line."""
    found = set()
    for name, pid in {**pids(agent), "supervisor": agent.proc.pid}.items():
        for place in ("environ", "cmdline"):
            if needle in pathlib.Path("/proc", str(pid), place).read_bytes():
                found.add(name)
    return found


def test_nobody_but_the_forwarder_sees_a_key(tmp_path):
    config, _, _ = source(tmp_path, "command")
    with Intake() as intake, run(tmp_path, intake, config) as agent:
        deliver(tmp_path, intake, "one")
        backend(tmp_path, answers(NEW))
        reload(agent)
        deliver(tmp_path, intake, "two")
        assert holders(agent, b"canary") == set()
        said = [agent.run_ctl(*words).stdout for words in (["status"], ["--json", "status"], ["ledger"], ["config", "show"])]
        assert not [text for text in said if "canary" in text]
        agent.kill_and_wait("forwarder")
        assert deliver(tmp_path, intake, "three") == {NEW[-5:]}
        assert agent.stop() == 0
        files = [p for p in [*agent.run_path.rglob("*"), *agent.run_dir.rglob("*"), agent.log] if p.is_file()]
        assert agent.store in files and agent.log in files
        assert not [p for p in files if b"canary" in p.read_bytes()]


def test_a_source_with_a_handle_gets_no_secret_and_does_not_run(tmp_path):
    config, _, _ = source(tmp_path, "command")
    (tmp_path / "other").write_text("not read\n")
    with Intake() as intake:
        agent = run(tmp_path, intake, config)
        entries = [
            {"path": str(tmp_path / "lines")},
            {"path": str(tmp_path / "other"), "start_position": "beginning", "service": "ENC[k]"},
        ]
        agent.write_logs(entries)
        with agent:
            deliver(tmp_path, intake, "one")
            assert "service: ENC[k] is no value: a log source gets no secrets" in agent.log_text()
            assert holders(agent, b"canary") == set()
            check = agent.run_ctl("config", "check")
            assert check.returncode == 78 and "conf.yaml" in check.stdout and "ENC[k]" in check.stdout
            assert agent.stop() == 0
        assert "not read" not in intake.messages()


def test_the_key_of_a_further_endpoint_changes_as_the_first_one(tmp_path):
    log = tmp_path / "lines"
    log.touch()
    key = write(tmp_path / "key", OLD)
    with Intake() as intake, Intake() as other:
        host, port = "127.0.0.1", other.port
        extra = {"host": host, "port": port, "use_ssl": False, "api_key": f"ENC[file@{key}]"}
        config = {
            "additional_endpoints": {other.url: [f"ENC[file@{key}]"]},
            "logs_config": {"additional_endpoints": [extra]},
        }
        with Agent(intake, logs=[{"path": str(log)}], config=config) as agent:
            before = pids(agent)
            for value in (OLD, NEW):
                write(key, value)
                # From the change on the other key is refused: nothing is lost over it.
                other.fault(f"clear=1&status=403&key={(OLD if value == NEW else NEW)[-5:]}")
                text = f"with {value[-5:]}"
                with open(log, "a") as f:
                    f.write(text + "\n")
                agent.send(b"m:1|c")
                wait_until(lambda: text in other.messages() and text in intake.messages(), 30)
                wait_until(lambda: value[-5:] in {r["key"] for r in other.records("series", "m")}, 30)
            assert {r["key"] for r in intake.all_records()} == {"bcdef"}
            assert not replaced(agent, before)
            assert OLD not in agent.log_text() and NEW not in agent.log_text()
            assert agent.stop() == 0
        for one in (intake, other):
            assert one.messages() == ["with 1old1", "with 2new2"]
            assert round(one.total("m"), 6) == 2

"""What each process may do (spec/supervision.md §12): as the kernel tells it, and as the processes find out by trying.

Users are numbers that nobody has; so nothing is created on the machine.
"""

import json
import os
import pathlib
import stat
import subprocess

import pytest

from harness import BUILD, Agent, Intake, clean_env, wait_until

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: rights are given up by a start as root")
SANITIZED = BUILD.name in ("asan", "tsan")
USERS = {"dogstatsd": 64101, "logs": 64102, "forwarder": 64103}
IPC = 64104
OWN_USERS = {
    "bulkhead": {
        "user_dogstatsd": "64101",
        "user_logs": "64102:64102",
        "user_forwarder": "64103",
        "group_ipc": str(IPC),
    }
}
DAC_READ_SEARCH = 1 << 2


def landlock_abi():
    probe = "import ctypes; print(ctypes.CDLL(None).syscall(444, None, 0, 1))"
    return int(subprocess.run(["/usr/bin/python3", "-c", probe], capture_output=True, check=True).stdout)


def agent_of_many_users(intake, **more):
    agent = Agent(intake, config=OWN_USERS, **more)
    agent.dir.chmod(0o711)  # its parents are open to all on a real machine
    return agent


def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def environ_of(pid):
    return pathlib.Path(f"/proc/{pid}/environ").read_bytes()


def network_of(pid):
    return os.readlink(f"/proc/{pid}/ns/net")


@ROOT
def test_each_process_has_the_rights_of_the_table_and_works(tmp_path):
    secret = tmp_path / "logs" / "root-only.log"
    secret.parent.mkdir()
    for folder in tmp_path.parents:
        if folder.owner() == "root" and folder != pathlib.Path("/tmp") and pathlib.Path("/tmp") in folder.parents:
            folder.chmod(0o711)
    secret.touch(0o600)
    logs = [{"path": str(secret.parent / "*.log")}]
    with Intake() as intake, agent_of_many_users(intake, logs=logs) as agent:
        abi = landlock_abi()
        for role, uid in USERS.items():
            pid = agent.child_pid(role)
            now = status_of(pid)
            caps = DAC_READ_SEARCH if role == "logs" and abi > 0 else 0
            assert now["Uid"] == [str(uid)] * 4, role
            assert now["Gid"] == [str(uid)] * 4, role
            assert now["Groups"] == [str(IPC)], role
            assert [int(now[name][0], 16) for name in ("CapPrm", "CapEff", "CapBnd")] == [caps] * 3, role
            assert [int(now[name][0], 16) for name in ("CapInh", "CapAmb")] == [0, 0], role
            assert now["NoNewPrivs"] == ["1"], role
            assert now["Seccomp"] == ["2"], role
            assert now["Umask"] == ["0077"], role
            limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
            assert [line.split()[4:6] for line in limits.splitlines() if "core file" in line] == [["0", "0"]], role
            assert (network_of(pid) == network_of(os.getpid())) == (role == "forwarder"), role
            if not SANITIZED:
                assert os.stat(f"/proc/{pid}/mem").st_uid == 0, f"{role} can be looked into by its user"
        with open(secret, "a") as f:
            f.write("only root reads this\n")
        agent.send(b"rights:1|c")
        wait_until(lambda: intake.messages() == ["only root reads this"], 20, agent.log_text)
        wait_until(lambda: intake.total("rights") == 1, 20, agent.log_text)
        assert agent.ctl("status")["missing_protections"] == [], "nothing is missing here"
        assert agent.stop() == 0
        assert " killing " not in agent.log_text(), "each leaves by itself, its leak check included"


@ROOT
@pytest.mark.skipif(SANITIZED, reason="sanitizers need calls that the product forbids")
def test_what_is_forbidden_is_tried_from_inside_and_fails(tmp_path):
    logs = [{"path": str(tmp_path / "*.log")}]
    with Intake() as intake, agent_of_many_users(intake, logs=logs) as agent:
        answer = agent.ctl("security", "--self-test")
        acts = {(t["role"], t["act"]): t["result"] for t in answer["self_test"]}
        assert not [t for t in answer["self_test"] if not t["ok"]]
        assert answer["self_test_passed"] is True
        for role in USERS:
            for act in ("execute", "fork", "ptrace", "signal", "setuid-root", "mount"):
                assert acts[role, act] == "killed", (role, act)
            for act in ("read-shadow", "read-supervisor", "write-tmp"):
                assert acts[role, act] == "refused", (role, act)
        assert acts["dogstatsd", "connect-out"] == acts["logs", "connect-out"] == "killed"
        assert acts["forwarder", "connect-out"] == "refused"
        assert [r["name"] for r in answer["roles"]] == ["dogstatsd", "logs", "forwarder"]
        assert all(r["gaps"] == [] and r["seccomp"] == "filter" for r in answer["roles"]), answer["roles"]
        text = agent.run_ctl("security").stdout
        assert "each process has a user of its own" in text and "Landlock ABI" in text
        assert all(r["state"] == "RUNNING" for r in agent.ctl("status")["roles"]), "the test disturbs nobody"
        assert agent.stop() == 0


def test_the_key_is_where_it_is_needed_and_nowhere_else(tmp_path):
    """With the key in the environment, as in a container."""
    canary = "c0ffee00c0ffee00c0ffee00c0ffee00"
    log = tmp_path / "a.log"
    log.touch()
    key = canary.encode()
    with Intake() as intake:
        agent = Agent(intake, logs=[{"path": str(log)}], env={"DD_API_KEY": canary})
        agent.config.pop("api_key")
        agent.write_config()
        with agent:
            with open(log, "a") as f:
                f.write("line\n")
            agent.send(b"canary:1|c")
            wait_until(lambda: intake.messages() == ["line"], 20, agent.log_text)
            for role in USERS:
                pid = agent.child_pid(role)
                assert key not in environ_of(pid), role
                assert b"DD_" not in environ_of(pid), role
                assert key not in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes(), role
            answers = [json.dumps(agent.ctl(verb)) for verb in ("status", "security", "ledger")]
            assert agent.stop() == 0
            assert not any(canary in a for a in answers)
            for path in [*agent.run_path.rglob("*"), *agent.run_dir.rglob("*"), agent.log]:
                if stat.S_ISREG(path.lstat().st_mode):
                    assert key not in path.read_bytes(), path


def refused(agent):
    """Exit status and words of a start that must not succeed."""
    result = subprocess.run(
        [*agent.wrapper, BUILD / "bulkhead", "run", "-c", agent.dir],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=clean_env(),
        timeout=60,
        check=False,
    )
    return result.returncode, result.stderr


def test_strict_starts_with_no_gap():
    config = {"bulkhead": {"hardening": "strict", "user_logs": "no-such-user-here"}}
    with Intake() as intake:
        agent = Agent(intake, config=config)
        try:
            code, words = refused(agent)
        finally:
            agent._remove()
    assert code == 77, words
    assert "gap no-uid-separation" in words
    assert "strict" in words


@ROOT
def test_a_user_that_cannot_reach_the_store_is_told_how():
    with Intake() as intake:
        agent = Agent(intake, config=OWN_USERS)  # in a folder of mode 0700
        try:
            code, words = refused(agent)
        finally:
            agent._remove()
    assert code == 77, words
    assert f"chmod o+x {agent.dir}" in words


@ROOT
def test_strict_runs_where_nothing_is_missing():
    if landlock_abi() < 6:
        pytest.skip("this kernel has gaps")
    with Intake() as intake:
        agent = Agent(intake, config=OWN_USERS)
        agent.config["bulkhead"]["hardening"] = "strict"
        agent.write_config()
        agent.dir.chmod(0o711)
        with agent:
            assert agent.ctl("security")["hardening"] == "strict"
            assert agent.stop() == 0


def test_off_says_so():
    with Intake() as intake, Agent(intake, config={"bulkhead": {"hardening": "off"}}) as agent:
        assert "gap hardening-off" in agent.log_text()
        assert any(p.startswith("hardening-off") for p in agent.ctl("status")["missing_protections"])
        assert status_of(agent.child_pid("dogstatsd"))["Seccomp"] == ["0"]
        assert status_of(agent.child_pid("dogstatsd"))["NoNewPrivs"] == ["1"]
        assert agent.stop() == 0


def test_without_root_it_works_and_says_what_is_missing(tmp_path):
    log = tmp_path / "a.log"
    log.touch()
    log.chmod(0o644)
    wrapper = []
    if os.geteuid() == 0:
        wrapper = ["setpriv", "--reuid=64101", "--regid=64101", "--clear-groups"]
        for folder in tmp_path.parents:
            if pathlib.Path("/tmp") in folder.parents:
                folder.chmod(0o711)
        tmp_path.chmod(0o755)
    with Intake() as intake:
        agent = Agent(intake, logs=[{"path": str(log)}], wrapper=wrapper)
        if wrapper:
            for path in [agent.dir, *agent.dir.rglob("*")]:
                os.chown(path, 64101, 64101)
        with agent:
            with open(log, "a") as f:
                f.write("mine\n")
            wait_until(lambda: intake.messages() == ["mine"], 20, agent.log_text)
            gaps = [p.split(" ")[0] for p in agent.ctl("status")["missing_protections"]]
            assert gaps[:2] == ["no-uid-separation", "no-network-namespace"]
            assert agent.log_text().count("gap no-uid-separation: ") == 1, "explained once"
            for role in USERS:
                now = status_of(agent.child_pid(role))
                assert now["Seccomp"] == ["2"] and now["CapEff"] == ["0" * 16], role
            assert agent.stop() == 0


@pytest.mark.parametrize("loose", ["config", "conf.d", "run_dir", "folder"])
def test_what_everybody_may_write_is_refused(loose):
    with Intake() as intake:
        agent = Agent(intake, logs=[{"path": "/tmp/x.log"}])
        try:
            path = {
                "config": agent.dir / "datadog.yaml",
                "conf.d": agent.dir / "conf.d" / "test.d" / "conf.yaml",
                "run_dir": agent.run_dir,
                "folder": agent.dir,
            }[loose]
            agent.run_dir.mkdir()
            path.chmod(0o666 if path.is_file() else 0o777)
            if loose == "conf.d":
                with agent:
                    notes = " ".join(agent.ctl("status")["notes"])
                    assert f"chmod o-w {path}" in notes, notes
                    assert agent.stop() == 0
                return
            code, words = refused(agent)
            assert code == (78 if loose == "config" else 77), words
            assert f"chmod o-w {path}" in words
        finally:
            agent._remove()


def test_a_directory_that_is_made_anew_is_read_on(tmp_path):
    """File rules are for a directory, not for its name: a start lets the new one in, and no line is lost."""
    folder = tmp_path / "app"
    logs = [{"path": str(folder / "*.log")}, {"path": str(tmp_path / "later" / "b.log")}]
    folder.mkdir()
    (folder / "a.log").touch()
    with Intake() as intake, Agent(intake, logs=logs) as agent:
        first = agent.child_pid("logs")
        (folder / "a.log").write_text("before\n")
        wait_until(lambda: intake.messages() == ["before"], 20, agent.log_text)
        folder.rename(tmp_path / "old")
        folder.mkdir()
        (folder / "a.log").write_text("after\n")
        (tmp_path / "later").mkdir()
        (tmp_path / "later" / "b.log").write_text("came later\n")
        wait_until(lambda: sorted(intake.messages()) == ["after", "before", "came later"], 30, agent.log_text)
        if landlock_abi() > 0:
            assert agent.child_pid("logs") != first
        assert agent.stop() == 0


@ROOT
def test_links_are_followed_as_far_as_their_owner_may_read(tmp_path):
    if landlock_abi() <= 0:
        pytest.skip("no Landlock here")
    folder, elsewhere = tmp_path / "app", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "good.log").touch()
    private = tmp_path / "private"
    private.mkdir()
    (private / "secret").write_text("of root\n")
    (folder / "good.log").symlink_to(elsewhere / "good.log")
    (folder / "evil.log").symlink_to(private / "secret")
    os.lchown(folder / "evil.log", 64101, 64101)
    logs = [{"path": str(folder / "*.log"), "start_position": "beginning"}]
    with Intake() as intake, Agent(intake, logs=logs) as agent:
        (elsewhere / "good.log").write_text("by root's link\n")
        wait_until(lambda: intake.messages() == ["by root's link"], 20, agent.log_text)
        wait_until(lambda: "cannot read file" in agent.log_text(), 20, agent.log_text)
        assert agent.stop() == 0
        assert intake.messages() == ["by root's link"]

"""A full disk under the database is a state, not an end: the agent says so, loses nothing, recovers."""

import os
import signal
import subprocess

import pytest

from harness import Agent, Intake, wait_until

LINES = 60_000  # 24 MB, several times what the disk holds
DISK = "6m"

UNSHARE = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-r", "-m"]


def can_mount():
    probe = [*UNSHARE, "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="needs a mount namespace")
def test_a_full_disk_under_the_database_loses_nothing(tmp_path):
    log = tmp_path / "big.log"
    with open(log, "wb") as f:
        # random enough that compression does not make it fit
        f.writelines(b"%06d %s\n" % (i, os.urandom(196).hex().encode()) for i in range(LINES))
    config = {
        "bulkhead": {"spool_after": 0, "spool_max_size_bytes": 1 << 30},
        "logs_config": {"sender_backoff_base": 0.1, "sender_backoff_max": 0.5},
    }
    with Intake() as intake:
        assert intake.stop() == 0
        agent = Agent(intake, logs=[{"path": str(log), "start_position": "beginning"}], config=config)
        agent.run_path.mkdir()
        agent.wrapper = [
            *UNSHARE,
            "sh",
            "-c",
            f'mount -t tmpfs -o size={DISK} tmpfs "$0" && exec "$@"',
            str(agent.run_path),
        ]
        with agent:
            forwarder = agent.child_pid("forwarder")
            wait_until(lambda: "full" in agent.run_ctl("status").stdout, 60, lambda: agent.run_ctl("status").stdout)
            assert agent.child_pid("forwarder") == forwarder, "the forwarder did not survive"
            assert agent.ctl("ledger")["balanced"]
            intake.start()
            wait_until(lambda: intake.stats()["log_messages"] >= LINES, 90, intake.stats)
            wait_until(lambda: sum(r["spooled"] for r in agent.ctl("ledger")["rows"]) == 0, 30)
            assert agent.child_pid("forwarder") == forwarder, "the forwarder did not survive"
            assert agent.stop() == 0
        assert sorted(int(m[:6]) for m in intake.messages()) == list(range(LINES))


class Shell:
    """Prepares the agent's disk in a mount namespace of its own, and does there later as it is told."""

    def __init__(self, agent, tmp_path, prepare):
        self.fifo = tmp_path / "orders"
        os.mkfifo(self.fifo)
        script = f'cd "$0" && {{ {prepare}; (sh < {self.fifo} &); exec "$@"; }}'
        agent.wrapper = [*UNSHARE, "sh", "-c", script, str(agent.run_path)]

    def order(self, command):
        with open(self.fifo, "w") as f:  # its end is the shell's: one order only
            f.write(command + "\n")


def append(log, word, n):
    with open(log, "a") as f:
        f.writelines(f"{word} {i}\n" for i in range(n))


def spooled(agent):
    return sum(r["spooled"] for r in agent.ledger_rows("destination"))


def health(agent):
    return agent.run_ctl("health").stdout


def agent_for(log, intake):
    config = {"bulkhead": {"spool_after": 0}, "logs_config": {"sender_backoff_base": 0.1, "sender_backoff_max": 0.5}}
    return Agent(intake, logs=[{"path": str(log), "start_position": "beginning"}], config=config)


@pytest.mark.skipif(not can_mount(), reason="needs a mount namespace")
def test_a_first_start_on_a_full_disk_delivers_and_gets_its_store_later(tmp_path):
    log = tmp_path / "a.log"
    append(log, "memory", 1000)
    with Intake() as intake:
        agent = agent_for(log, intake)
        agent.run_path.mkdir()
        full = f'mount -t tmpfs -o size={DISK} tmpfs "$0" && cd "$0"; dd if=/dev/zero of=filler bs=4k 2>/dev/null'
        shell = Shell(agent, tmp_path, full)
        with agent:
            forwarder = agent.child_pid("forwarder")
            assert "degraded (in memory)" in agent.run_ctl("--json", "status").stdout
            assert agent.run_ctl("health").returncode == 1
            assert "No space left on device" in health(agent)
            wait_until(lambda: intake.stats()["log_messages"] >= 1000, 30, intake.stats)
            shell.order("rm filler")
            wait_until(lambda: agent.run_ctl("health").returncode == 0, 60, lambda: health(agent))
            assert "degraded (in memory)" not in agent.run_ctl("--json", "status").stdout
            assert agent.child_pid("forwarder") == forwarder, "it did not need to end for it"
            # From now on what is owed outlives the process, and what was delivered before is known.
            assert intake.stop() == 0
            append(log, "file", 100)
            wait_until(lambda: spooled(agent) >= 100, 30)
            os.kill(forwarder, signal.SIGKILL)
            intake.start()
            wait_until(lambda: len(intake.messages()) >= 1100, 30, intake.stats)
            assert agent.stop() == 0
        want = [f"memory {i}" for i in range(1000)] + [f"file {i}" for i in range(100)]
        assert sorted(intake.messages()) == sorted(want)


@pytest.mark.skipif(not can_mount(), reason="needs a mount namespace")
def test_a_store_that_became_read_only_waits_and_the_agent_goes_on(tmp_path):
    log = tmp_path / "a.log"
    append(log, "before", 100)
    with Intake() as intake:
        assert intake.stop() == 0
        agent = agent_for(log, intake)
        with agent:
            wait_until(lambda: spooled(agent) >= 100, 30)
            assert agent.stop() == 0
            shell = Shell(agent, tmp_path, "mount --bind store store && mount -o remount,bind,ro store")
            agent.start()
            wait_until(lambda: "Read-only file system" in health(agent), 30, agent.log_text)
            intake.start()
            append(log, "after", 100)
            want = {f"{word} {i}" for word in ("before", "after") for i in range(100)}
            wait_until(lambda: set(intake.messages()) >= want, 30, intake.stats)
            shell.order("true")
            agent.stop()
            # What waited in the store still does.
            agent.wrapper = []
            agent.start()
            wait_until(lambda: agent.run_ctl("health").returncode == 0, 30, lambda: health(agent))
            wait_until(lambda: spooled(agent) == 0, 30)
            assert agent.stop() == 0

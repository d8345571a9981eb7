"""A full disk under the database is a state, not an end: the agent says so, loses nothing, recovers."""

import os
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

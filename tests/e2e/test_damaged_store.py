"""A spool.db that is damaged or gone: the agent starts, says so, and goes on from what can be proven."""

import collections
import contextlib
import json
import os
import random
import signal
import sqlite3

import pytest

from harness import Agent, Intake, kill_session, wait_until

LINES = 12_000
PAGE = 16384


def line(i):
    return f"{i:06d} {random.Random(i).randbytes(100).hex()}\n"


def write_log(path, first, last):
    with open(path, "a") as f:
        f.writelines(line(i) for i in range(first, last))


def config():
    return {
        "bulkhead": {"spool_after": 0, "dogstatsd_flush_interval": 10},  # a quiet second checkpoints
        "logs_config": {"batch_max_size": 100, "sender_backoff_base": 0.1, "sender_backoff_max": 0.5},
    }


def taken_in(agent):
    return sum(r["received"] for r in agent.ledger_rows("source"))


def wait_for_rows(agent):
    """Every line is in a row, and the rows are in the file."""
    wait_until(lambda: taken_in(agent) == LINES, 60, lambda: taken_in(agent))
    wait_until(lambda: agent.store.stat().st_size > LINES * 60, 20, lambda: agent.store.stat())


def kill_all(agent):
    """Supervisor and children at once, as a power cut would."""
    kill_session(agent.proc.pid)
    agent.proc.wait()
    agent.proc = None


def notes(agent):
    return agent.run_ctl("--json", "status").stdout


def counted(got):
    return collections.Counter(int(m[:6]) for m in got)


def noise(path, pages, seed):
    r = random.Random(seed)
    n = path.stat().st_size // PAGE
    with open(path, "r+b") as f:
        for page in r.sample(range(1, n), min(pages, n - 1)):
            f.seek(page * PAGE)
            f.write(r.randbytes(PAGE))


def first_page(path):
    with open(path, "r+b") as f:
        f.write(random.Random(1).randbytes(PAGE))


def cut(path):
    os.truncate(path, path.stat().st_size // 3 * 2)


DAMAGE = {
    "twenty pages": lambda path: noise(path, 20, 7),
    "the first page": first_page,
    "cut short": cut,
}


def lose_wal(agent):
    """It is as long as the last group of rows, and would mend the file's pages."""
    agent.store.with_name("spool.db-wal").unlink()


def set_aside(agent):
    return [p for p in agent.store.parent.glob("spool.db.corrupt-*Z")]


@pytest.mark.parametrize("name", DAMAGE)
def test_lines_in_files_or_in_readable_rows_arrive(tmp_path, name):
    log = tmp_path / "app.log"
    write_log(log, 0, LINES)
    with Intake() as intake:
        assert intake.stop() == 0
        with Agent(intake, logs=[{"path": str(log), "start_position": "beginning"}], config=config()) as agent:
            wait_for_rows(agent)
            kill_all(agent)
            lose_wal(agent)
            DAMAGE[name](agent.store)
            intake.start()
            agent.start()
            wait_until(lambda: len(counted(intake.messages())) == LINES, 60, intake.stats)
            write_log(log, LINES, LINES + 10)
            wait_until(lambda: len(counted(intake.messages())) == LINES + 10, 30, intake.stats)
            assert "store-replaced" in notes(agent)
            assert len(set_aside(agent)) == 1
            assert set_aside(agent)[0].name in agent.log_text()
            assert agent.stop() == 0
        got = counted(intake.messages())
        assert sorted(got) == list(range(LINES + 10))
        # what came back is sent, what is read again is sent once more
        assert max(got.values()) <= 2


def make_delivered(agent, intake, log):
    write_log(log, 0, 1000)
    wait_until(lambda: intake.stats()["log_messages"] >= 1000, 30, intake.stats)


def test_a_store_that_is_gone_goes_on_from_its_backup(tmp_path):
    log = tmp_path / "app.log"
    log.touch()
    with Intake() as intake, Agent(intake, logs=[{"path": str(log)}], config=config()) as agent:
        make_delivered(agent, intake, log)
        assert agent.stop() == 0
        backup = json.loads((agent.store.parent / "registry-backup.json").read_text())
        entry = backup["Registry"][f"file:{log}"]
        assert backup["Version"] == 2
        assert entry["Offset"] == entry["Complete"] == str(log.stat().st_size)
        assert entry["Inode"] == str(log.stat().st_ino)
        agent.store.unlink()
        write_log(log, 1000, 1100)  # while it is down
        agent.start()
        wait_until(lambda: len(counted(intake.messages())) == 1100, 30, intake.stats)
        assert "store-replaced" in notes(agent)
        assert agent.run_ctl("spool", "acknowledge").returncode == 0
        wait_until(lambda: "store-replaced" not in notes(agent), 10)
        again = agent.run_ctl("spool", "acknowledge")
        assert again.returncode != 0 and "acknowledged" in again.stderr
        assert agent.stop() == 0
        assert set(counted(intake.messages()).values()) == {1}


def test_without_a_backup_files_begin_at_start_position_and_it_is_said(tmp_path):
    log = tmp_path / "app.log"
    log.touch()
    with Intake() as intake, Agent(intake, logs=[{"path": str(tmp_path / "*.log")}], config=config()) as agent:
        make_delivered(agent, intake, log)
        assert agent.stop() == 0
        agent.store.unlink()
        (agent.store.parent / "registry-backup.json").unlink()
        write_log(log, 1000, 1100)
        write_log(tmp_path / "young.log", 5000, 5010)  # born after the last write of the store: all of it is new
        agent.start()
        assert "no position is known: files begin at their start_position" in agent.log_text()
        assert "store-replaced" in notes(agent)
        size = log.stat().st_size
        said = f"the store was lost: by start_position app.log is read from {size}, {size} bytes are skipped"
        wait_until(lambda: said in notes(agent), 10, lambda: notes(agent))
        assert "young.log is read from" not in notes(agent)
        write_log(log, 1100, 1110)
        wait_until(lambda: len(counted(intake.messages())) == 1020, 30, intake.stats)
        assert agent.stop() == 0
        # mode end: what was written while it was down is skipped
        assert sorted(counted(intake.messages())) == [*range(1000), *range(1100, 1110), *range(5000, 5010)]
        assert set(counted(intake.messages()).values()) == {1}


def test_the_forwarder_alone_starts_again_over_a_damaged_file(tmp_path):
    log = tmp_path / "app.log"
    write_log(log, 0, LINES)
    with Intake() as intake:
        assert intake.stop() == 0
        with Agent(intake, logs=[{"path": str(log), "start_position": "beginning"}], config=config()) as agent:
            wait_for_rows(agent)
            supervisor, forwarder = agent.proc.pid, agent.child_pid("forwarder")
            os.kill(forwarder, signal.SIGSTOP)
            lose_wal(agent)
            noise(agent.store, 60, 3)
            os.kill(forwarder, signal.SIGKILL)
            intake.start()
            wait_until(lambda: len(counted(intake.messages())) == LINES, 60, intake.stats)
            assert agent.proc.pid == supervisor
            assert "store-replaced" in notes(agent)
            agent.stop()
        assert sorted(counted(intake.messages())) == list(range(LINES))


def test_counts_that_differ_from_their_rows_are_mended_and_shown(tmp_path):
    log = tmp_path / "app.log"
    write_log(log, 0, 100)
    with Intake() as intake:
        assert intake.stop() == 0
        with Agent(intake, logs=[{"path": str(log), "start_position": "beginning"}], config=config()) as agent:
            wait_until(lambda: agent.destination("logs")["spooled"] == 100, 30)
            kill_all(agent)
            with contextlib.closing(sqlite3.connect(agent.store)) as db:
                db.execute("UPDATE destination SET pending_rows=pending_rows+5 WHERE key='logs/primary'")
                db.commit()
            intake.start()
            agent.start()
            wait_until(lambda: "pending counts of 1 destination" in notes(agent), 20, lambda: notes(agent))
            assert json.loads(notes(agent))["numbers"]["forwarder"]["store.recounted"] == 1
            wait_until(lambda: len(counted(intake.messages())) == 100, 30, intake.stats)

"""Random SIGKILLs of every child while numbered lines are written to rotating files.

The check is what an intake received, by sequence number, and what the stopped store says. Short by
default; BULKHEAD_CRASH=long runs the campaign of 200,000 lines and 20 kills of each child.
"""

import collections
import os
import random
import sqlite3
import threading
import time

from harness import Agent, Intake, wait_until

LONG = os.environ.get("BULKHEAD_CRASH") == "long"
LINES = 200_000 if LONG else 16_000
KILLS = 20 if LONG else 4
RATE = 2_500  # lines a second over all files: kills and restarts happen while lines are written
FILES = 2
ROTATIONS = 10
BATCH = 100
CONCURRENCY = 4  # destinations' default for logs

# spec/durability.md §13, in payloads: a killed forwarder may repeat what was in flight and one group
# that was answered and not committed; when logs dies with it, also what was committed above the mark.
REPEATS_PER_FORWARDER_KILL = 3 * CONCURRENCY


class Writer(threading.Thread):
    """Writes lines "<file> <number> padding" to FILES files and rotates them by rename chains."""

    def __init__(self, folder, rng):
        super().__init__(daemon=True)
        self.folder = folder
        self.rng = rng
        self.written = 0
        self.per_file = LINES // FILES
        self.handles = [open(self.path(i), "ab", buffering=0) for i in range(FILES)]

    def path(self, i, generation=None):
        name = f"app{i}.log"
        return self.folder / (name if generation is None else f"{name}.{generation}")

    def rotate(self, i, done):
        for generation in range(done, 0, -1):
            os.rename(self.path(i, generation), self.path(i, generation + 1))
        os.rename(self.path(i), self.path(i, 1))
        self.handles[i].close()
        self.handles[i] = open(self.path(i), "ab", buffering=0)

    def run(self):
        rotated = [0] * FILES
        begin = time.monotonic()
        numbers = [0] * FILES
        while min(numbers) < self.per_file:
            for i in range(FILES):
                if numbers[i] >= self.per_file:
                    continue
                burst = min(self.rng.randint(1, 60), self.per_file - numbers[i])
                text = b"".join(
                    b"%d %07d %s\n" % (i, n, b"x" * self.rng.randint(0, 120))
                    for n in range(numbers[i], numbers[i] + burst)
                )
                self.handles[i].write(text)
                numbers[i] += burst
                self.written += burst
                if numbers[i] * (ROTATIONS + 1) // self.per_file > rotated[i] and rotated[i] < ROTATIONS:
                    self.rotate(i, rotated[i])
                    rotated[i] += 1
            ahead = self.written / RATE - (time.monotonic() - begin)
            if ahead > 0:
                time.sleep(ahead)  # pace of the load, not a synchronisation
        for handle in self.handles:
            handle.close()


def expected():
    return {f"{i} {n:07d}" for i in range(FILES) for n in range(LINES // FILES)}


def received(intake):
    return collections.Counter(
        " ".join(record["message"].split(" ", 2)[:2]) for record in intake.records("log")
    )


def received_count(intake):
    return intake.stats()["log_messages"]


def kill_plan(rng):
    """(line number at which to kill, role), spread over the whole run."""
    plan = [
        (rng.randrange(LINES // 20, LINES * 19 // 20), role)
        for role in ("dogstatsd", "logs", "forwarder")
        for _ in range(KILLS)
    ]
    return sorted(plan)


def run_kills(agent, writer, plan):
    for at, role in plan:
        wait_until(lambda: writer.written >= at or not writer.is_alive(), 300)
        # a child that is in its restart delay is killed when it is back; one that dies within its
        # first second counts as a failed start, whose delay doubles and would outlast the test
        wait_until(lambda: agent.role(role).get("pid") and agent.role(role)["uptime_s"] >= 2, 60)
        agent.kill(role)


def check_store(agent, folder):
    """Registry positions equal the files' ends; no row is left."""
    db = sqlite3.connect(f"file:{agent.store}?mode=ro", uri=True)
    rows = db.execute("SELECT ino, safe, delivered, complete FROM registry").fetchall()
    by_ino = {ino: (safe, delivered, complete) for ino, safe, delivered, complete in rows}
    for path in folder.iterdir():
        st = path.stat()
        if st.st_size == 0:
            continue
        assert st.st_ino in by_ino, f"{path.name}: no registry row"
        assert by_ino[st.st_ino] == (str(st.st_size),) * 3, f"{path.name}: {by_ino[st.st_ino]} of {st.st_size}"
    assert db.execute("SELECT count(*) FROM spool").fetchone() == (0,)
    assert db.execute("SELECT count(*) FROM delivery").fetchone() == (0,)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()


def test_every_line_arrives_while_children_are_killed_at_random(tmp_path):
    seed = int(os.environ.get("BULKHEAD_SEED", random.randrange(1 << 30)))
    print(f"BULKHEAD_SEED={seed}")
    rng = random.Random(seed)
    folder = tmp_path / "logs"
    folder.mkdir()
    with Intake() as intake:
        with Agent(
            intake,
            logs=[{"path": str(folder / "app*.log"), "service": "svc", "source": "src"}],
            config={
                "logs_config": {
                    "batch_wait": 1,
                    "batch_max_size": BATCH,
                    "file_scan_period": 1,
                    "sender_backoff_base": 0.1,
                    "sender_backoff_max": 1,
                },
                "bulkhead": {"spool_after": 1},
            },
        ) as agent:
            writer = Writer(folder, rng)
            intake.fault(f"status=503&probability=0.15&path=/api/v2/logs&seed={seed}")
            intake.fault(f"mode=reset&probability=0.05&path=/api/v2/logs&seed={seed + 1}")
            intake.fault(f"mode=lost&probability=0.02&path=/api/v2/logs&seed={seed + 2}")
            writer.start()
            run_kills(agent, writer, kill_plan(rng))
            writer.join()
            lost_answers = intake.stats()["faults"]["lost"]
            intake.fault("clear=1")
            want = expected()
            wait_until(
                lambda: received_count(intake) >= LINES and not want - set(received(intake)),
                120,
                lambda: f"{len(want - set(received(intake)))} lines missing",
            )

            def settled():
                ledger = agent.ctl("ledger")
                return ledger["balanced"] and all(
                    row["in_flight"] == 0 and row["spooled"] == 0 for row in ledger["rows"]
                )

            wait_until(settled, 30, lambda: agent.ctl("ledger"))
            assert agent.stop() == 0
            got = received(intake)
            assert set(got) == want
            repeats = sum(got.values()) - len(got)
            bound = (KILLS * REPEATS_PER_FORWARDER_KILL + lost_answers) * BATCH
            print(f"lines={LINES} kills={3 * KILLS} repeats={repeats} bound={bound} lost_answers={lost_answers}")
            assert repeats <= bound
            check_store(agent, folder)

"""Random SIGKILLs of every child while numbered lines are written to rotating files.

The check is what an intake received, by sequence number, and what the stopped store says. Short by
default; BULKHEAD_CRASH=long runs the campaign of 200,000 lines and 20 kills of each child, and 2,000 kills of
children that are started again at once.
"""

import collections
import os
import pathlib
import random
import threading
import time

import pytest

from harness import SLOW, Agent, Intake, wait_until

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

# Kills that come faster than a child is back for good: of each of two agents.
STORM_AGENTS = 2
STORM_KILLS = 1000 if LONG else 100 // SLOW
STORM_RATE = 1_000  # lines a second
STORM_ROTATE = 5_000  # lines of a file
STORM_PAUSE = 0.15  # at most so many seconds between two kills


class Writer(threading.Thread):
    """Writes lines "<file> <number> padding" to FILES files and rotates them by rename chains."""

    def __init__(self, folder, rng, lines=LINES, rate=RATE):
        super().__init__(daemon=True)
        self.folder = folder
        self.rng = rng
        self.rate = rate
        self.written = 0
        self.per_file = lines // FILES
        self.rotate_every = -(-self.per_file // (ROTATIONS + 1))
        self.enough = False  # ends before all lines are written
        self.numbers = [0] * FILES
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
        numbers = self.numbers
        while min(numbers) < self.per_file and not self.enough:
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
                if numbers[i] // self.rotate_every > rotated[i] and rotated[i] < ROTATIONS:
                    self.rotate(i, rotated[i])
                    rotated[i] += 1
            ahead = self.written / self.rate - (time.monotonic() - begin)
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
    """Registry positions equal the files' ends; no row is left; no start took the store for damaged."""
    assert not [p.name for p in agent.store.parent.iterdir() if "corrupt" in p.name or "replaced" in p.name]
    rows = agent.query("SELECT ino, safe, delivered, complete FROM registry")
    by_ino = {ino: (safe, delivered, complete) for ino, safe, delivered, complete in rows}
    for path in folder.iterdir():
        st = path.stat()
        if st.st_size == 0:
            continue
        assert st.st_ino in by_ino, f"{path.name}: no registry row"
        assert by_ino[st.st_ino] == (str(st.st_size),) * 3, f"{path.name}: {by_ino[st.st_ino]} of {st.st_size}"
    assert agent.value("SELECT count(*) FROM spool") == 0
    assert agent.value("SELECT count(*) FROM delivery") == 0
    assert agent.value("PRAGMA integrity_check") == "ok"


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


class Storm:
    """Kills children of one agent, some of them together, and starts each again at once."""

    ROLES = ("dogstatsd", "logs", "forwarder")

    def __init__(self, agent, rng):
        self.agent = agent
        self.rng = rng
        self.kills = dict.fromkeys(self.ROLES, 0)
        self.numbers = 0  # counters sent, one number each
        self.acked_points = 0  # of dogstatsd lives that are over: what the forwarder had acknowledged

    def acked(self):
        """At least. Where a process has not answered, the rows are those of the one before it."""
        ledger = self.agent.ctl("ledger")
        if not ledger["complete"]:
            return 0
        rows = [r for r in ledger["rows"] if r["role"] == "dogstatsd" and r["kind"] == "handover"]
        return sum(r["delivered"] for r in rows)

    def pid(self, role):
        """As the kernel knows it, also of a child that has only just been started; 0 when there is none."""
        supervisor = self.agent.proc.pid
        for child in pathlib.Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split():
            try:
                fields = pathlib.Path("/proc", child, "stat").read_text()
            except OSError:
                continue
            name, _, rest = fields.partition("(")[2].rpartition(")")
            if name == f"bulkhead-{role}"[:15] and rest.split()[0] != "Z":
                return int(child)
        return 0

    def kill(self, role):
        """The pid that is gone; 0 when there was none."""
        pid = self.pid(role)
        if not pid:
            return 0
        acked = self.acked() if role == "dogstatsd" else 0
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            return pid  # it had left by itself
        self.acked_points += acked
        self.kills[role] += 1
        return pid

    def is_back(self, role, gone):
        """Without the delay that a supervisor gives a child that dies young."""
        self.agent.run_ctl("start", role)
        return self.pid(role) not in (0, gone)

    def round(self):
        first = self.numbers
        self.numbers += 10
        self.agent.send(b"\n".join(b"hits:1|c|#n:%d" % n for n in range(first, self.numbers)))
        time.sleep(self.rng.uniform(0, STORM_PAUSE))  # pace of the kills, not a synchronisation
        # dogstatsd less often: it has something to acknowledge only when it lives for a flush interval
        victims = dict.fromkeys(self.rng.sample(self.ROLES, self.rng.choice((1, 1, 1, 2, 3)), counts=(1, 2, 2)))
        for role, gone in [(role, self.kill(role)) for role in victims]:
            wait_until(lambda r=role, g=gone: self.is_back(r, g), 30)

    def run(self, kills):
        while sum(self.kills.values()) < kills:
            self.round()


def points(record):
    """Also events and checks of its own are items that dogstatsd counts."""
    return len(record["points"]) if record["kind"] in ("series", "sketch") else 1


def received_points(intake):
    """Points of all metric payloads; a payload with numbers of ours that came again counts once."""
    requests = collections.defaultdict(list)
    for record in intake.all_records():
        if record["kind"] != "log":
            requests[record["req"]].append(record)
    total = repeats = 0
    seen = set()
    for records in requests.values():
        numbers = tuple(sorted(str(r["tags"]) for r in records if r.get("metric") == "hits"))
        n = sum(points(r) for r in records)
        if numbers and numbers in seen:
            repeats += 1
            continue
        seen.add(numbers)
        total += n
    return total, repeats


def storm_settled(agent):
    ledger = agent.ctl("ledger")
    return ledger["balanced"] and all(row["in_flight"] == 0 and row["spooled"] == 0 for row in ledger["rows"])


@pytest.mark.parametrize("which", range(STORM_AGENTS))
def test_kills_without_a_pause_lose_nothing_that_was_acknowledged(tmp_path, which):
    seed = int(os.environ.get("BULKHEAD_SEED", random.randrange(1 << 30))) + which
    print(f"BULKHEAD_SEED={seed - which} agent {which}")
    rng = random.Random(seed)
    folder = tmp_path / "logs"
    folder.mkdir()
    config = {
        "forwarder_backoff_base": 0.1,
        "forwarder_backoff_max": 1,
        "logs_config": {
            "batch_wait": 1,
            "batch_max_size": BATCH,
            "batch_max_concurrent_send": CONCURRENCY,
            "file_scan_period": 1,
            "sender_backoff_base": 0.1,
            "sender_backoff_max": 1,
        },
        "bulkhead": {"spool_after": 1},
    }
    sources = [{"path": str(folder / "app*.log"), "service": "svc", "source": "src"}]
    with Intake() as intake, Agent(intake, logs=sources, config=config) as agent:
        storm = Storm(agent, rng)
        writer = Writer(folder, rng, lines=10_000_000, rate=STORM_RATE)
        writer.rotate_every = STORM_ROTATE
        intake.fault(f"status=503&probability=0.1&seed={seed}")
        intake.fault(f"mode=reset&probability=0.05&seed={seed + 1}")
        writer.start()
        begin = time.monotonic()
        storm.run(STORM_KILLS)
        took = time.monotonic() - begin
        writer.enough = True
        writer.join()
        intake.fault("clear=1")
        want = {f"{i} {n:07d}" for i in range(FILES) for n in range(writer.numbers[i])}
        wait_until(
            lambda: received_count(intake) >= len(want) and not want - set(received(intake)),
            120,
            lambda: f"{len(want - set(received(intake)))} of {len(want)} lines missing",
        )
        wait_until(lambda: storm_settled(agent), 60, lambda: agent.ctl("ledger"))
        acked = storm.acked_points + storm.acked()
        assert agent.stop() == 0
        got = received(intake)
        assert set(got) == want
        repeats = sum(got.values()) - len(got)
        bound = storm.kills["forwarder"] * REPEATS_PER_FORWARDER_KILL * BATCH
        total, payloads_again = received_points(intake)
        print(
            f"kills={storm.kills} in {took:.0f} s, lines={len(want)} repeats={repeats} bound={bound}, "
            f"points acknowledged={acked} received={total}, metric payloads again={payloads_again} "
            f"bound={storm.kills['forwarder'] * REPEATS_PER_FORWARDER_KILL}"
        )
        assert repeats <= bound
        assert total >= acked, "points that the forwarder had acknowledged are missing"
        assert payloads_again <= storm.kills["forwarder"] * REPEATS_PER_FORWARDER_KILL
        check_store(agent, folder)

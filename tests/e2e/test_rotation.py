"""Every way of rotation under every condition: each numbered line arrives, and arrives once.

One agent tails one folder per way; the condition (up, down, intake refusing, logs process killed
before or after) holds for all of them at once, so that the whole matrix costs seconds. The failure
names the ways. BULKHEAD_WAYS=rename,double picks some; BULKHEAD_CRASH=long makes the large files
larger.
"""

import collections
import gzip
import os
import shutil

import pytest

from harness import Agent, Intake, wait_until

LONG = os.environ.get("BULKHEAD_CRASH") == "long"
ONLY = os.environ.get("BULKHEAD_WAYS")
LARGE = 40_000 if LONG else 5_000
PAD = {"small": 30, "large": 60}
COUNT = {"small": 8, "large": LARGE}  # lines a phase; also the small ones hold a whole tail marker
CONDITIONS = ("up", "down", "refused", "killed_before", "killed_after")
CONFIG = {
    "logs_config": {
        "batch_wait": 1,
        "file_scan_period": 0.5,
        "close_timeout": 2,
        "batch_max_concurrent_send": 1,
        "sender_backoff_base": 0.1,
        "sender_backoff_max": 0.5,
    }
}


class Way:
    """One folder with one writer; rotate() is what the condition surrounds."""

    pattern = "app.log"
    ordered = True  # a line of the new file never overtakes one of the old
    lost_while_away = False  # what is written and not read is gone with its file (§15.4)

    def __init__(self, root, size):
        self.dir = root / self.name()
        self.dir.mkdir()
        self.size = size
        self.written = 0
        self.at_risk = set()
        self.log = self.dir / "app.log"
        self.handle = None
        self.create()

    @classmethod
    def name(cls):
        return cls.__name__.lower()

    def source(self):
        return {"path": str(self.dir / self.pattern), "start_position": "beginning"}

    def create(self):
        self.open()

    def open(self, path=None):
        if self.handle:
            self.handle.close()
        self.handle = open(path or self.log, "ab", buffering=0)

    def lines(self, count):
        first, self.written = self.written, self.written + count
        # no two tails alike, or a marker could not tell one line from another
        return [f"{self.name()} {i:07d} {f'{i:x}-' * PAD[self.size]}" for i in range(first, self.written)]

    def write(self, handle=None, count=None):
        lines = self.lines(count or COUNT[self.size])
        (handle or self.handle).write("".join(f"{line}\n" for line in lines).encode())
        return {key(line) for line in lines}

    def prepare(self):
        """While the agent runs, before the condition."""
        self.write()

    def prepare_more(self):
        """And after that has arrived."""

    def rotate(self):
        raise NotImplementedError


def key(message):
    return message[: message.rindex(" ")]


class Rename(Way):
    def rotate(self):
        self.write()
        os.rename(self.log, self.dir / "app.log.1")
        self.open()
        self.write()


class Held(Way):
    """The writer has the old file open and goes on writing into it."""

    ordered = False

    def rotate(self):
        self.write()
        os.rename(self.log, self.dir / "app.log.1")
        self.write()
        old, self.handle = self.handle, None
        self.open()
        self.write()
        self.write(old)
        old.close()


class Copytruncate(Way):
    copy = "app.log.1"

    def rotate(self):
        self.write()
        shutil.copyfile(self.log, self.dir / self.copy)
        os.truncate(self.log, 0)
        self.write()


class Copyagain(Copytruncate):
    """The second copy goes into the file that holds the first."""

    def prepare_more(self):
        Copytruncate.rotate(self)


class Copylarger(Copytruncate):
    """After the truncation the file has grown past where it was."""

    def rotate(self):
        super().rotate()
        self.write(count=4 * COUNT[self.size])


class Compressed(Way):
    lost_while_away = True

    def rotate(self):
        self.at_risk |= self.write()
        old = self.dir / "app.log.1"
        os.rename(self.log, old)
        self.open()
        with gzip.open(self.dir / "app.log.1.gz", "wb", compresslevel=1) as f:
            f.write(old.read_bytes())
        old.unlink()
        self.write()


class Replaced(Way):
    lost_while_away = True

    def rotate(self):
        self.at_risk |= self.write()
        self.open(self.dir / "fresh")
        self.write()
        os.replace(self.dir / "fresh", self.log)


class Deleted(Way):
    lost_while_away = True

    def rotate(self):
        self.at_risk |= self.write()
        self.log.unlink()
        self.at_risk |= self.write()
        self.open()
        self.write()


class Inode(Way):
    """Deleted, and a new file with the same inode number where the file system gives one."""

    lost_while_away = True

    def rotate(self):
        ino = self.log.stat().st_ino
        self.at_risk |= self.write()
        self.handle.close()
        self.handle = None
        self.log.unlink()
        for i in range(50):
            fresh = open(self.dir / f"fresh{i}", "ab", buffering=0)
            if self.handle:
                self.handle.close()
            self.handle = fresh
            self.last = self.dir / f"fresh{i}"
            if self.last.stat().st_ino == ino:
                break
        os.rename(self.last, self.log)
        self.write()
        for left in self.dir.glob("fresh*"):
            left.unlink()


class Symlink(Way):
    def create(self):
        self.open(self.dir / "data-a")
        self.log.symlink_to("data-a")

    def rotate(self):
        self.write()
        self.open(self.dir / "data-b")
        (self.dir / "link").symlink_to("data-b")
        os.replace(self.dir / "link", self.log)
        self.write()


class Andback(Way):
    def rotate(self):
        self.write()
        os.rename(self.log, self.dir / "app.log.moved")
        self.write()
        os.rename(self.dir / "app.log.moved", self.log)
        self.write()


class Double(Way):
    def rotate(self):
        self.write()
        os.rename(self.log, self.dir / "app.log.1")
        self.open()
        self.write()
        os.rename(self.dir / "app.log.1", self.dir / "app.log.2")
        os.rename(self.log, self.dir / "app.log.1")
        self.open()
        self.write()


class Dated(Way):
    def rotate(self):
        self.write()
        os.rename(self.log, self.dir / "app-20240102.log")
        self.open()
        self.write()


class Newname(Way):
    """Nothing is renamed: the writer takes a new name each day."""

    pattern = "app-*.log"
    ordered = False

    def create(self):
        self.open(self.dir / "app-20240101.log")

    def rotate(self):
        self.write()
        self.open(self.dir / "app-20240102.log")
        self.write()


class Ownpattern(Double):
    pattern = "app.log*"
    ordered = False


class Ownpatterncopy(Copytruncate):
    pattern = "app.log*"
    ordered = False


WAYS = [
    Rename, Held, Copytruncate, Copyagain, Copylarger, Compressed, Replaced, Deleted, Inode, Symlink,
    Andback, Double, Dated, Newname, Ownpattern, Ownpatterncopy,
]  # fmt: skip


def received(intake):
    """Keys in the order of their arrival, by way."""
    by_way = collections.defaultdict(list)
    for message in intake.messages():
        by_way[message.split(" ", 1)[0]].append(key(message))
    return by_way


def want(way):
    return [f"{way.name()} {i:07d}" for i in range(way.written)]


def may_lose(way, condition):
    return way.at_risk if way.lost_while_away and condition in ("down", "killed_before", "killed_after") else set()


def all_there(intake, ways, condition):
    n = sum(way.written - len(may_lose(way, condition)) for way in ways)
    if intake.stats()["log_messages"] < n:
        return False
    got = received(intake)
    return all(not set(want(way)) - set(got[way.name()]) - may_lose(way, condition) for way in ways)


def runs(mine):
    """Where the numbers of what arrived go back."""
    back = [i for i in range(1, len(mine)) if mine[i] < mine[i - 1]]
    return ", ".join(f"{mine[a].split()[-1]}..{mine[b - 1].split()[-1]}" for a, b in zip([0, *back], [*back, len(mine)]))


def faults_of(got, ways, condition):
    text = []
    for way in ways:
        mine = got[way.name()]
        wanted, lost = want(way), may_lose(way, condition)
        missing = sorted(set(wanted) - set(mine) - lost)
        extra = len(mine) - len(set(mine))
        if missing:
            text.append(f"{way.name()}: {len(missing)} of {way.written} missing, {missing[0]} to {missing[-1]}")
        if extra:
            twice = sorted(k for k, n in collections.Counter(mine).items() if n > 1)
            text.append(f"{way.name()}: {extra} repeated, {twice[0]} to {twice[-1]}")
        if set(mine) - set(wanted):
            text.append(f"{way.name()}: never written: {sorted(set(mine) - set(wanted))[:3]}")
        if way.ordered and condition != "refused" and mine != sorted(mine):
            text.append(f"{way.name()}: out of order: {runs(mine)}")
        if condition == "down" and lost and lost & set(mine):
            text.append(f"{way.name()}: arrived although it was gone: {sorted(lost & set(mine))[:3]}")
    return text


def seen(agent):
    return numbers(agent)["files.rotations"] + numbers(agent)["files.truncations"]


def surround(condition, agent, intake, ways):
    def rotate():
        for way in ways:
            way.rotate()

    if condition == "up":
        rotate()
    elif condition == "down":
        assert agent.stop() == 0
        rotate()
        agent.start()
    elif condition == "refused":
        intake.fault("status=503&path=/api/v2/logs")
        rotate()
        wait_until(lambda: seen(agent) >= min(4, len(ways)), 20)
        intake.fault("clear=1")
    elif condition == "killed_before":
        agent.kill("logs")
        rotate()
    else:
        rotate()
        agent.kill("logs")


def numbers(agent):
    return agent.ctl("status")["numbers"]["logs"]


def finish(agent, intake, ways, condition, detail):
    wait_until(lambda: all_there(intake, ways, condition), 15 if ways[0].size == "small" else 60, detail)
    lost = numbers(agent)["files.generations_lost"]
    assert agent.stop() == 0
    text = faults_of(received(intake), ways, condition)
    assert not text, "\n".join(text)
    gone = [way.name() for way in ways if may_lose(way, condition)]
    missing = [way.name() for way in ways if set(want(way)) - set(received(intake)[way.name()])]
    assert len(missing) <= lost <= len(gone), f"{lost} generations said to be lost, {missing} are, {gone} may be"
    if condition == "down":
        assert lost == len(gone)


@pytest.mark.parametrize("size", ("small", "large"))
@pytest.mark.parametrize("condition", CONDITIONS)
def test_rotation(tmp_path, condition, size):
    ways = [way(tmp_path, size) for way in WAYS if not ONLY or way.name() in ONLY.split(",")]
    with Intake() as intake, Agent(intake, logs=[way.source() for way in ways], config=CONFIG) as agent:

        def detail():
            return "\n".join(faults_of(received(intake), ways, condition))

        for way in ways:
            way.prepare()
        wait_until(lambda: all_there(intake, ways, condition), 15 if size == "small" else 60, detail)
        for way in ways:
            way.prepare_more()
        wait_until(lambda: all_there(intake, ways, condition), 15 if size == "small" else 60, detail)
        surround(condition, agent, intake, ways)
        finish(agent, intake, ways, condition, detail)
        # nothing comes again, and the files that are there now go on
        agent.start()
        for way in ways:
            way.write(count=3)
        finish_again(agent, intake, ways, condition, detail)


def finish_again(agent, intake, ways, condition, detail):
    wait_until(lambda: all_there(intake, ways, condition), 15 if ways[0].size == "small" else 60, detail)
    assert agent.stop() == 0
    text = faults_of(received(intake), ways, condition)
    assert not text, "again: " + "\n".join(text)


def test_a_copy_of_a_file_that_is_renamed_later_is_not_read(tmp_path):
    way = Ownpattern(tmp_path, "small")
    with Intake() as intake, Agent(intake, logs=[way.source()], config=CONFIG) as agent:
        way.prepare()
        wait_until(lambda: all_there(intake, [way], "up"), 15)
        shutil.copyfile(way.log, way.dir / "app.log.7")
        (way.dir / "app.log-other").write_bytes(f"other 0 {'o' * 300}\n".encode())
        wait_until(lambda: received(intake)["other"], 15)  # the scan that took it saw the copy
        way.rotate()
        wait_until(lambda: all_there(intake, [way], "up"), 15)
        assert agent.stop() == 0
        assert not faults_of(received(intake), [way], "up")
        agent.start()
        way.write(count=1)
        finish_again(agent, intake, [way], "up", None)

"""SIGKILLs of each end of the link while it carries payloads as fast as credit allows.

tests/linkpeer holds both ends; what the receiving one made durable is in a mapped file whose layout
is tests/linkpeer/state.h. BULKHEAD_CRASH=long kills each end 300 times.
"""

import mmap
import os
import random
import signal
import struct
import subprocess

from harness import BUILD, wait_until

KILLS = 300 if os.environ.get("BULKHEAD_CRASH") == "long" else 30  # of each end
PROGRESS = 200  # at most so many payloads between two kills
REST = 500  # payloads after the last kill
MARK = struct.Struct("<6Q")
COUNTS_AT = 8 + 2 * MARK.size
NUMBERS = 1 << 22
UNREADABLE_UNTIL, UNREADABLE_EACH, UNREADABLE_KILLS = 70, 20, KILLS // 3


class State:
    def __init__(self, path):
        path.touch(mode=0o600)
        os.truncate(path, COUNTS_AT + NUMBERS)
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 0)

    def next(self):
        """Every number below it is durable."""
        current = struct.unpack_from("<Q", self.map, 0)[0]
        return MARK.unpack_from(self.map, 8 + (current & 1) * MARK.size)[3]

    def counts(self, n):
        return self.map[COUNTS_AT : COUNTS_AT + n]


class Peers:
    """Both ends; one that is killed is started again at once."""

    def __init__(self, folder):
        self.run_dir = folder / "run"
        (self.run_dir / "link").mkdir(parents=True, mode=0o700)
        self.state_path = folder / "state"
        self.state = State(self.state_path)
        self.generation = 0
        self.running = {}

    def start(self, role, until=NUMBERS, unreadable=0):
        args = [self.state_path]
        if role == "send":
            self.generation += 1
            args = [str(self.generation), str(until), str(unreadable)]
        self.running[role] = subprocess.Popen([BUILD / "tests/linkpeer", role, self.run_dir, *args])

    def kill(self, role):
        peer = self.running[role]
        assert peer.poll() is None, f"{role} ended by itself: {peer.returncode}"
        peer.kill()
        peer.wait()

    def stop(self):
        for peer in self.running.values():
            peer.kill()
            peer.wait()


def test_nothing_is_lost_or_repeated_while_both_ends_are_killed(tmp_path):
    seed = int(os.environ.get("BULKHEAD_SEED", random.randrange(1 << 30)))
    print(f"BULKHEAD_SEED={seed}")
    rng = random.Random(seed)
    peers = Peers(tmp_path)
    state = peers.state
    try:
        peers.start("receive")
        peers.start("send")
        for role in rng.sample(["receive", "send"] * KILLS, 2 * KILLS):
            goal = state.next() + rng.randint(1, PROGRESS)
            wait_until(lambda: state.next() >= goal, 20, lambda: f"stuck at {state.next()} before {goal}")
            peers.kill(role)
            peers.start(role)
        wait_until(lambda: state.next() > goal, 20)
        peers.kill("send")
        last = state.next() + REST
        peers.start("send", until=last)
        assert peers.running["send"].wait(timeout=60) == 0
        assert state.next() == last
        counts = state.counts(last)
        print(f"kills={2 * KILLS} payloads={last} repeats={sum(counts) - last}")
        assert 0 not in counts
        # a receiver killed between the number and its mark is the only way to count one twice
        assert sum(counts) - last <= KILLS
    finally:
        peers.stop()


def test_an_old_end_that_wakes_up_changes_nothing(tmp_path):
    """spec/durability.md §15 I10: stopped while its successor takes over, then told to go on."""
    peers = Peers(tmp_path)
    state = peers.state
    old = None
    try:
        peers.start("receive")
        peers.start("send")
        wait_until(lambda: state.next() >= PROGRESS, 20)
        old = peers.running["send"]
        old.send_signal(signal.SIGSTOP)
        peers.start("send")
        goal = state.next() + 1  # a new epoch makes what the old one had sent durable
        wait_until(lambda: state.next() >= goal, 30, lambda: f"stuck at {state.next()} before {goal}")
        old.send_signal(signal.SIGCONT)
        assert old.wait(timeout=30) == 70
        peers.kill("send")
        last = state.next() + REST
        peers.start("send", until=last)
        assert peers.running["send"].wait(timeout=60) == 0
        assert set(state.counts(last)) == {1}
    finally:
        if old and old.poll() is None:
            old.kill()
            old.wait()
        peers.stop()


def test_what_cannot_be_read_is_refused_whoever_is_killed(tmp_path):
    """proto/LINK.md rule 7: the sender exits 1 when it hears of another end of any payload."""
    seed = int(os.environ.get("BULKHEAD_SEED", random.randrange(1 << 30)))
    print(f"BULKHEAD_SEED={seed}")
    rng = random.Random(seed)
    peers = Peers(tmp_path)
    sender = None
    try:
        peers.start("receive")
        peers.start("send", until=UNREADABLE_UNTIL, unreadable=UNREADABLE_EACH)
        sender = peers.running["send"]
        for _ in range(UNREADABLE_KILLS):
            try:
                sender.wait(timeout=rng.uniform(0.05, 0.8))
                break
            except subprocess.TimeoutExpired:
                peers.kill("receive")
                peers.start("receive")
        assert sender.wait(timeout=60) == 0
        assert peers.state.next() == UNREADABLE_UNTIL
        assert 0 not in peers.state.counts(UNREADABLE_UNTIL)
    finally:
        peers.stop()

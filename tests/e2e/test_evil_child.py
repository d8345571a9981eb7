"""Children that break the rules of the control channel: the supervisor answers, ends them, starts them again."""

import pathlib
import shutil
import signal
import subprocess
import time

import pytest

from harness import BUILD, SLOW, Agent, Intake, clean_env, wait_until

ROLES = ("dogstatsd", "logs", "forwarder")
RSS_MAX_KIB = 64 << 10
ANSWER_S = 1


class EvilAgent(Agent):
    """Its own copy of the supervisor, with evilchild in the place of some roles; evil: {role: mode}."""

    def __init__(self, intake, evil):
        super().__init__(intake, config={"log_level": "info"})
        self.evil = evil
        self.bin = self.dir / "bin"
        libexec = self.bin / "libexec"
        libexec.mkdir(parents=True)
        shutil.copy2(BUILD / "bulkhead", self.bin)
        for role in ROLES:
            place = libexec / f"bulkhead-{role}"
            if role in evil:
                shutil.copy2(BUILD / "tests" / "evilchild", place)
                pathlib.Path(f"{place}.mode").write_text(evil[role])
            else:
                place.symlink_to(BUILD / "libexec" / place.name)

    def spawn(self):
        with open(self.log, "ab") as log:
            self.proc = subprocess.Popen(
                [self.bin / "bulkhead", "run", "-c", self.dir],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=clean_env(),
                start_new_session=True,
            )
        return self

    def start(self, deadline=20):
        """It never becomes ready: running is enough."""
        self.spawn()
        wait_until(lambda: "roles" in self.ctl("status"), deadline, self.log_text)
        return self

    def status(self):
        """Timed: an answer is owed soon, whatever the children do."""
        began = time.monotonic()
        result = self.ctl("status")
        # the command itself and the scheduler may take their time on a loaded machine
        assert time.monotonic() - began < (ANSWER_S + 2) * SLOW, result
        assert self.proc.poll() is None, self.log_text()[-4000:]
        assert "roles" in result, result
        return {r["name"]: r for r in result["roles"]}

    def deaths(self, role):
        return [d["cause"] for d in self.status()[role]["deaths"]]

    def rss_kib(self):
        for line in pathlib.Path(f"/proc/{self.proc.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0

    def stop_at_once(self):
        """QUIT: an ordered end would wait for children that never drain."""
        self.proc.send_signal(signal.SIGQUIT)
        assert self.wait() == 131


def expect(agent, causes, deadline):
    """Each role dies of its cause and is started again, with a pause between."""

    def all_died():
        return all(cause in agent.deaths(role) for role, cause in causes.items())

    def all_back():
        return all(agent.status()[role]["generation"] >= 2 for role in causes)

    wait_until(all_died, deadline, lambda: agent.log_text()[-6000:])
    if SLOW == 1:
        assert agent.rss_kib() < RSS_MAX_KIB
    wait_until(all_back, 20, lambda: agent.log_text()[-6000:])
    for role, cause in causes.items():
        assert set(agent.deaths(role)) == {cause}, agent.deaths(role)
    assert "BACKOFF" in agent.log_text()


PROTOCOL = [
    ("garbage", "garbage-first"),
    ("huge", "wrong-length"),
    ("wrong-version", "ready-twice"),
    ("other-role", "ack-unasked"),
    ("commands", "early-beat"),
    ("flood", "flood-old"),
    ("flood-stats", "garbage"),
]


@pytest.mark.parametrize("modes", PROTOCOL, ids="+".join)
def test_a_child_that_breaks_the_protocol_is_ended_and_started_again(modes):
    with Intake() as intake, EvilAgent(intake, dict(zip(ROLES, modes))) as agent:
        expect(agent, {"dogstatsd": "protocol", "logs": "protocol"}, 20)
        assert agent.status()["forwarder"]["state"] == "RUNNING"
        agent.stop_at_once()


def test_a_process_that_a_child_left_behind_goes_with_it():
    with Intake() as intake, EvilAgent(intake, {"dogstatsd": "leave-a-flood"}) as agent:
        wait_until(lambda: agent.status()["dogstatsd"]["generation"] >= 3, 20, agent.log_text)
        assert set(agent.deaths("dogstatsd")) == {"clean-exit"}
        agent.stop_at_once()  # asserts that no process outlived it


def test_children_that_are_late_or_silent():
    """All at once: the limits are 10 s for READY and 15 s without a heartbeat."""
    late = {"dogstatsd": "never-ready", "logs": "stand-still"}
    more = {"dogstatsd": "close-early", "logs": "old-generation"}
    mute = {"dogstatsd": "only-ready", "logs": "close-channel", "forwarder": "nothing-in-it"}
    with Intake() as intake, EvilAgent(intake, late) as a, EvilAgent(intake, more) as b, EvilAgent(intake, mute) as c:
        expect(a, dict.fromkeys(late, "start-timeout"), 30)
        expect(b, dict.fromkeys(more, "start-timeout"), 30)
        expect(c, dict.fromkeys(mute, "hung"), 30)
        for agent in (a, b, c):
            agent.stop_at_once()

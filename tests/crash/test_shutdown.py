"""Each process struck at each step of the ordered shutdown: whatever happens, the report says what an
outside count finds.

A step is held open from outside while it is struck: producers cannot finish while the forwarder is
stopped (SIGSTOP), the forwarder cannot while the intake hangs. The steps that nothing can hold open
are struck when the log names them, wherever the blow then falls. A short run takes the rows marked
so; BULKHEAD_CRASH=long takes all.
"""

import contextlib
import os
import pathlib
import signal
import socket
import threading

import pytest

from harness import Agent, Intake, wait_until

LONG = os.environ.get("BULKHEAD_CRASH") == "long"
BEFORE, LAST = 50, 100  # lines delivered before, and still under way when the stop comes
POINTS = 30
ROLES = ("dogstatsd", "logs", "forwarder")
CONFIG = {
    "bulkhead": {"shutdown_budget": 10},
    "forwarder_backoff_base": 0.1,
    "forwarder_backoff_max": 0.5,
    "logs_config": {"sender_backoff_base": 0.1, "sender_backoff_max": 0.5},
}

# step, who, what, in the short run
CASES = [
    *(("running", role, "kill", role == "forwarder") for role in ROLES),
    *(("producers", role, "kill", True) for role in ROLES),
    *(("producers", role, "stop", role == "logs") for role in ROLES),
    ("producers", "all", "flood", True),
    ("forwarder", "forwarder", "kill", True),
    ("forwarder", "forwarder", "stop", False),
    ("forwarder", "all", "flood", False),
    *((step, role, "kill", False) for step in ("dogstatsd leaves", "logs leaves") for role in ROLES),
    ("forwarder leaves", "forwarder", "kill", True),
    ("begin", "dogstatsd", "kill", False),
    ("begin", "logs", "kill", False),
    ("begin", "forwarder", "kill", False),
]

MOMENTS = {
    "begin": ["stop: ordered drain begins"],
    "producers": ["dogstatsd pid={dogstatsd} state=DRAINING", "logs pid={logs} state=DRAINING"],
    "forwarder": ["forwarder pid={forwarder} state=DRAINING"],
    "dogstatsd leaves": ["dogstatsd pid={dogstatsd} state=STOPPING"],
    "logs leaves": ["logs pid={logs} state=STOPPING"],
    "forwarder leaves": ["forwarder pid={forwarder} state=STOPPING"],
}


class Flood:
    """Garbage, half-open connections and whole requests against every socket in a folder."""

    def __init__(self, folder):
        self.paths = [str(p) for p in pathlib.Path(folder).rglob("*") if p.is_socket()]
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.sent = 0

    def run(self):
        junk = [b"\0SP\0\0\x50\0\0" + b"\x01" + b"\xff" * 8, b"{" * 5000, b'{"verb":"status"}\n', b""]
        held = []
        while not self.over.is_set():
            for path in self.paths:
                for data in junk:
                    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                    s.setblocking(False)
                    held.append(s)
                    with contextlib.suppress(OSError):
                        s.connect(path)
                        s.send(data)
                    self.sent += 1
            while len(held) > 40:
                held.pop(0).close()
        for s in held:
            s.close()

    def __enter__(self):
        self.thread.start()
        wait_until(lambda: self.sent > 200, 20)
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def signal_to(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def strike(who, what, pids):
    if what != "flood":
        signal_to(pids[who], signal.SIGKILL if what == "kill" else signal.SIGSTOP)


def append(path, first, count):
    with open(path, "ab") as f:
        f.write(b"".join(b"line %d\n" % i for i in range(first, first + count)))


def stop_under(agent, intake, pids, step, who, what):
    """The ordered stop with its blow. The exit status."""
    held = step == "producers"
    if held:
        os.kill(pids["forwarder"], signal.SIGSTOP)
    if step == "forwarder":
        intake.fault("mode=hang")
    if step == "running":
        strike(who, what, pids)
    agent.terminate()
    for text in MOMENTS.get(step, []):
        wait_until(lambda: text.format(**pids) in agent.log_text() or agent.proc.poll() is not None, 20)
    with contextlib.ExitStack() as stack:
        if what == "flood":
            stack.enter_context(Flood(agent.run_dir))
        if step != "running":
            strike(who, what, pids)
        if held and (who, what) != ("forwarder", "stop"):
            signal_to(pids["forwarder"], signal.SIGCONT)
        return agent.wait()


def check_results(step, who, what, results, report):
    """What can be said of the one that was struck, wherever the machine's load let the others get."""
    if what == "flood":
        assert report["accounted"], report
    elif step == "producers" and who != "forwarder":
        assert results[who]["result"] == ("crashed" if what == "kill" else "timeout"), report
    elif step == "producers" and what == "kill":
        assert results["forwarder"]["restarts"] == 1, report
    elif step == "forwarder":
        assert results[who]["result"] == ("crashed" if what == "kill" else "timeout"), report


@pytest.mark.parametrize(
    ("step", "who", "what"),
    [case[:3] for case in CASES if LONG or case[3]],
    ids=lambda word: word.replace(" ", "-"),
)
def test_the_report_is_what_an_outside_count_finds(tmp_path, step, who, what):
    log = tmp_path / "app.log"
    append(log, 0, BEFORE)
    with Intake() as intake, Agent(
        intake, logs=[{"path": str(log), "start_position": "beginning"}], config=CONFIG
    ) as agent:
        agent.wait_delivered(log, log.stat().st_size)
        pids = {role: agent.child_pid(role) for role in ROLES}
        append(log, BEFORE, LAST)
        agent.send(*[b"m:1|c\n"] * POINTS)
        code = stop_under(agent, intake, pids, step, who, what)

        report = agent.drain_report()
        results = {r["name"]: r for r in report["roles"]}
        assert (code == 0) == report["accounted"], (code, report)
        check_results(step, who, what, results, report)
        if results["forwarder"]["result"] == "ok":
            assert results["forwarder"]["spooled"] == agent.value("SELECT coalesce(sum(items), 0) FROM spool"), report
        # Nothing may be called safe that is not: what follows has no other source than the disk.
        sound = results["dogstatsd"]["result"] == "ok" and results["dogstatsd"]["complete"]
        intake.fault("clear=1")
        agent.start()
        lines = {f"line {i}" for i in range(BEFORE + LAST)}
        wait_until(lambda: set(intake.messages()) == lines, 30, lambda: len(set(intake.messages())))
        if sound:
            wait_until(lambda: round(intake.total("m"), 6) >= POINTS, 30, lambda: intake.total("m"))
        assert agent.stop() == 0
        struck = what == "kill" and who == "forwarder" or results["forwarder"]["result"] != "ok"
        if not struck:  # an end of the forwarder may repeat what was answered and not committed
            assert len(intake.messages()) == len(lines), report
            assert round(intake.total("m"), 6) <= POINTS
        if report["accounted"]:
            assert round(intake.total("m"), 6) >= POINTS, report

"""Metrics at the rate the agent takes them, with a drain and a SIGKILL of the forwarder in the middle.

Counters received = sent and distribution counts equal over Unix sockets; over UDP the difference is
what the kernel dropped, and it is counted. BULKHEAD_CRASH=long sends for 60 s instead of 6.
"""

import os
import socket
import struct
import threading
import time

import pytest

from harness import Agent, Intake, free_udp_port, wait_until

SECONDS = 60 if os.environ.get("BULKHEAD_CRASH") == "long" else 6
LINES = 40  # of each datagram or frame: as many counts as distribution values


class Sender(threading.Thread):
    """Sends the same lines over and over; counts what the kernel took whole."""

    def __init__(self, kind, where):
        super().__init__(daemon=True)
        self.kind = kind
        self.where = where
        self.datagrams = 0
        self.stop = False
        lines = b"".join(b"hits:3|c|#kind:%s,n:%d\nsize:%d|d|#n:%d\n" % (kind.encode(), i, i + 1, i) for i in range(LINES // 2))
        self.data = struct.pack("<I", len(lines)) + lines if kind == "stream" else lines

    def dial(self):
        if self.kind == "udp":
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        else:
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM if self.kind == "stream" else socket.SOCK_DGRAM)
        s.connect(self.where)
        return s

    def run(self):
        s = self.dial()
        while not self.stop:
            try:
                s.sendall(self.data)
                self.datagrams += 1
            except OSError:
                break
        s.close()


def totals(intake):
    hits = sum(v * 10 for r in intake.records("series", "hits") for _, v in r["points"])
    sizes = sum(p["cnt"] for r in intake.records("sketch", "size") for p in r["points"])
    return round(hits, 3), sizes


def agent_for(intake, **config):
    agent = Agent(intake)
    agent.stream = str(agent.dir / "stream.socket")
    agent.config.update({"dogstatsd_stream_socket": agent.stream, "log_level": "info", **config})
    agent.write_config()
    return agent


@pytest.mark.parametrize("kind", ["datagram", "stream"])
def test_sums_are_exact_over_unix_sockets(kind):
    with Intake() as intake, agent_for(intake) as agent:
        where = agent.dsd_socket if kind == "datagram" else agent.stream
        senders = [Sender(kind, where) for _ in range(2)]
        for sender in senders:
            sender.start()
        begin = time.monotonic()
        wait_until(lambda: time.monotonic() - begin > SECONDS / 3, SECONDS)
        agent.kill("forwarder")
        wait_until(lambda: time.monotonic() - begin > SECONDS * 2 / 3, SECONDS)
        if kind == "datagram":
            # in the middle: a drain of the process itself; its open buckets go on in the next one
            assert agent.run_ctl("restart", "dogstatsd", timeout=40).returncode == 0
        wait_until(lambda: time.monotonic() - begin > SECONDS, SECONDS)
        for sender in senders:
            sender.stop = True
        for sender in senders:
            sender.join()
        assert agent.stop() == 0
        sent = sum(s.datagrams for s in senders)
        print(f"{kind}: {sent * LINES} lines")
        assert totals(intake) == (sent * LINES // 2 * 3, sent * LINES // 2)


def test_over_udp_the_difference_is_what_the_kernel_dropped():
    port = free_udp_port()
    with Intake() as intake, agent_for(intake, dogstatsd_port=port) as agent:
        sender = Sender("udp", ("127.0.0.1", port))
        sender.start()
        begin = time.monotonic()
        wait_until(lambda: time.monotonic() - begin > SECONDS / 2, SECONDS)
        sender.stop = True
        sender.join()
        sent = sender.datagrams

        def seen():
            rows = [r for r in agent.ledger_rows("listener") if "udp:127" in r["name"]]
            return sum(r["delivered"] for r in rows) // LINES + sum(r["dropped"].get("kernel", 0) for r in rows)

        wait_until(lambda: seen() == sent, 20, lambda: f"{seen()} of {sent}")
        dropped = sum(r["dropped"].get("kernel", 0) for r in agent.ledger_rows("listener"))
        assert agent.run_ctl("shutdown", timeout=40).returncode in (0, 1)
        agent.wait()
        print(f"udp: {sent} datagrams, {dropped} dropped by the kernel")
        assert totals(intake) == ((sent - dropped) * LINES // 2 * 3, (sent - dropped) * LINES // 2)

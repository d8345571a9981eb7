"""A stop while clients send: what a client was able to send is in what the intake gets."""

import signal
import socket
import threading

import pytest

from harness import Agent, Intake, wait_until

LINES_PER_DATAGRAM = 7


class Sender(threading.Thread):
    """Blocking datagrams to the Unix socket until it takes no more."""

    def __init__(self, path, number):
        super().__init__(daemon=True)
        self.path = path
        self.data = b"".join(b"load.hits:%d|c|#sender:%d\n" % (i, number) for i in range(1, LINES_PER_DATAGRAM + 1))
        self.value = sum(range(1, LINES_PER_DATAGRAM + 1))
        self.sent = 0
        self.end = None

    def run(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            try:
                s.connect(self.path)
                while True:
                    s.send(self.data)
                    self.sent += 1
            except OSError as error:
                self.end = error


@pytest.mark.parametrize("how", ["signal", "shutdown"])
def test_the_sum_of_all_points_is_the_sum_sent(how):
    with Intake() as intake, Agent(intake) as agent:
        senders = [Sender(agent.dsd_socket, n) for n in range(3)]
        for sender in senders:
            sender.start()
        wait_until(lambda: min(s.sent for s in senders) > 2000, 30)
        if how == "signal":
            agent.proc.send_signal(signal.SIGTERM)
        else:
            agent.run_ctl("shutdown", timeout=40)
        assert agent.wait() == 0
        for sender in senders:
            sender.join(10)
            assert sender.end is not None, "the socket still takes data"
        sent = sum(s.sent * s.value for s in senders)
        assert round(intake.total("load.hits"), 3) == sent

"""bulkheadctl top: on a terminal, into a pipe, and with nobody to ask."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios

from harness import BUILD, Agent, Intake, clean_env, wait_until


class Terminal:
    """bulkheadctl top on a terminal of 80 columns and 24 lines."""

    def __init__(self, agent):
        self.fd, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.proc = subprocess.Popen(
            [BUILD / "bulkheadctl", "-c", agent.dir, "top"],
            stdin=child,
            stdout=child,
            stderr=child,
            env={**clean_env(), "TERM": "xterm", "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
        os.close(child)
        os.set_blocking(self.fd, False)
        self.text = ""

    def read(self):
        try:
            self.text += os.read(self.fd, 65536).decode(errors="replace")
        except (BlockingIOError, OSError):
            pass
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", " ", self.text)

    def wait_for(self, words):
        wait_until(lambda: words in self.read(), 20, self.read)

    def press(self, keys):
        self.text = ""
        os.write(self.fd, keys)

    def close(self):
        self.proc.kill()
        self.proc.wait()
        os.close(self.fd)


def test_the_live_view_takes_keys_and_ends():
    with Intake() as intake, Agent(intake) as agent:
        terminal = Terminal(agent)
        try:
            terminal.wait_for("q quit")
            assert "forwarder" in terminal.read() and "balanced" in terminal.read()
            terminal.press(b"?")
            terminal.wait_for("PgDn")
            terminal.press(b"\x1b")
            terminal.wait_for("q quit")
            terminal.press(b"\r")
            terminal.wait_for("in flight")
            terminal.press(b"q")
            terminal.wait_for("q quit")
            terminal.press(b"q")
            wait_until(lambda: terminal.read() is not None and terminal.proc.poll() is not None, 20)
            assert terminal.proc.returncode == 0
        finally:
            terminal.close()


def test_into_a_pipe_it_is_a_picture_or_an_object_a_second():
    with Intake() as intake, Agent(intake) as agent:
        result = agent.run_ctl("top")
        assert result.returncode == 0, result.stderr
        assert result.stdout.startswith("bulkhead ") and result.stdout.count("\n") <= 24
        assert "\x1b" not in result.stdout
        result = agent.run_ctl("--json", "--count", "2", "top")
        assert [json.loads(line)["schema"] for line in result.stdout.splitlines()] == [1, 1]
        assert agent.stop() == 0
        assert agent.run_ctl("top").returncode == 7

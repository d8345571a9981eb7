"""bulkhead's own log: where it goes, how it is opened again, its last lines."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading

from harness import BUILD, SLOW, Agent, Intake, clean_env, wait_until

PLAIN = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (ERROR|WARN|INFO|DEBUG) (\w+)\[\d+\] [\w-]+: .*$")
SYSLOG = re.compile(rb"^<(2[4-9]|3[01])>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d bulkhead(-\w+)?\[\d+\]: (ERROR|WARN|INFO|DEBUG) ")
ROLES = {"bulkhead", "dogstatsd", "logs", "forwarder"}


def make_talk(agent):
    """Each child says that it ignores the signal."""
    for role in ("dogstatsd", "logs", "forwarder"):
        agent.kill(role, signal.SIGTERM)


def roles_in(text):
    return {m[2] for m in map(PLAIN.match, text.splitlines()) if m}


def test_a_file_is_made_and_opened_again_by_all():
    with Intake() as intake:
        agent = Agent(intake)
        path, old = agent.dir / "own.log", agent.dir / "own.log.1"
        agent.config["log_file"] = str(path)
        agent.write_config()
        with agent:
            assert path.stat().st_mode & 0o777 == 0o640
            make_talk(agent)
            wait_until(lambda: roles_in(path.read_text()) == ROLES, 20, path.read_text)
            path.rename(old)
            assert agent.run_ctl("reopen-logs").returncode == 0
            wait_until(lambda: not holders(agent, old), 20)
            assert path.stat().st_mode & 0o777 == 0o640
            path.rename(old)
            agent.proc.send_signal(signal.SIGUSR1)
            wait_until(path.exists, 20)
            wait_until(lambda: not holders(agent, old), 20)
            agent.stop()
            assert roles_in(path.read_text()) >= {"bulkhead"}
            assert all(PLAIN.match(line) for line in path.read_text().splitlines())


def holders(agent, path):
    """Processes of the agent that have this file open."""
    found = []
    for role in ("", "dogstatsd", "logs", "forwarder"):
        pid = agent.child_pid(role) if role else agent.proc.pid
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                if os.readlink(f"/proc/{pid}/fd/{fd}") == str(path):
                    found.append(role)
            except OSError:
                pass
    return found


def test_a_file_that_cannot_be_opened_again_leaves_the_old_one():
    with Intake() as intake:
        agent = Agent(intake)
        folder = agent.dir / "logs"
        folder.mkdir()
        agent.config["log_file"] = str(folder / "own.log")
        agent.write_config()
        with agent:
            folder.rename(agent.dir / "gone")
            result = agent.run_ctl("reopen-logs")
            assert result.returncode == 1
            assert "own.log" in result.stderr
            assert "the old one goes on" in (agent.dir / "gone" / "own.log").read_text()


class SystemLog:
    """Takes datagrams and keeps them; a context manager."""

    def __init__(self, path):
        self.lines = []
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def read(self):
        while line := self.socket.recv(4096):
            self.lines.append(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RD)
        self.thread.join()
        self.socket.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)


def test_the_systems_log_gets_datagrams_and_may_come_back():
    with Intake() as intake:
        agent = Agent(intake)
        path = str(agent.dir / "syslog")
        agent.config["log_to_syslog"] = True
        agent.config["syslog_uri"] = f"unixgram://{path}"
        agent.write_config()
        with SystemLog(path) as first:
            agent.start()
            make_talk(agent)
            names = {b"-dogstatsd", b"-logs", b"-forwarder", None}
            wait_until(lambda: names <= {m[2] for m in map(SYSLOG.match, first.lines) if m}, 20, lambda: first.lines)
            assert all(SYSLOG.match(line) for line in first.lines), first.lines
        with SystemLog(path) as second, agent_that_runs(agent):
            agent.proc.send_signal(signal.SIGUSR1)
            wait_until(lambda: any(b"the log is open again" in line for line in second.lines), 20)


@contextlib.contextmanager
def agent_that_runs(agent):
    """Stops and removes one that was started by hand."""
    try:
        yield
        agent.stop()
    finally:
        agent._remove()


def test_tail_shows_each_process_and_the_last_words_of_one_that_was_killed():
    with Intake() as intake, Agent(intake) as agent:
        make_talk(agent)
        wait_until(lambda: roles_in(agent.run_ctl("tail").stdout) == ROLES, 20)
        lines = agent.run_ctl("tail").stdout.splitlines()
        assert lines == sorted(lines, key=lambda line: line[:24])
        assert roles_in(agent.run_ctl("tail", "forwarder").stdout) == {"forwarder"}
        before = agent.run_ctl("tail", "logs").stdout
        pid = agent.child_pid("logs")
        agent.kill("logs")
        wait_until(lambda: agent.child_pid("logs") not in (0, pid), 20)
        assert agent.run_ctl("tail", "logs").stdout.startswith(before)
        assert agent.run_ctl("tail", "nobody").returncode == 1


def test_tail_follows():
    with Intake() as intake, Agent(intake) as agent:
        with subprocess.Popen(
            [BUILD / "bulkheadctl", "-c", agent.dir, "tail", "-f", "supervisor"],
            stdout=subprocess.PIPE,
            env=clean_env(),
        ) as proc:
            assert b"listening" in proc.stdout.readline()
            assert agent.run_ctl("reload").returncode == 0
            while b"reading the configuration again" not in proc.stdout.readline():
                pass
            proc.kill()


def test_the_journals_stream_gets_priorities():
    with Intake() as intake:
        agent = Agent(intake)
        agent.log.touch()
        st = agent.log.stat()
        agent.env["JOURNAL_STREAM"] = f"{st.st_dev}:{st.st_ino}"
        with agent:
            make_talk(agent)
            agent.stop()
            heads = set(re.findall(r"^<[3-7]>(?:ERROR|WARN|INFO|DEBUG) (\w+)\[", agent.log_text(), re.M))
            assert heads == ROLES


def test_a_lost_standard_error_stops_nobody():
    with Intake() as intake:
        agent = Agent(intake)
        proc = subprocess.Popen(
            [BUILD / "bulkhead", "run", "-c", agent.dir],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean_env(),
            start_new_session=True,
        )
        agent.proc = proc
        try:
            proc.stderr.close()
            proc.stdout.close()
            wait_until(agent.is_ready, 20)
            agent.send(b"lost.stderr:1|c")
            wait_until(lambda: intake.total("lost.stderr") == 1, 20)
            agent.run_ctl("restart", "dogstatsd")
            assert agent.is_ready()
            assert agent.stop() == 0
        finally:
            agent._remove()


def test_dogstatsd_that_is_off_on_purpose_is_no_error():
    with Intake() as intake, Agent(intake, config={"dogstatsd_socket": ""}) as agent:
        text = agent.log_text()
        assert "DogStatsD is off by configuration" in text
        assert " ERROR " not in text

"""bulkheadctl stream-logs: what the logs process takes, while somebody looks."""

import json
import os
import pathlib
import re
import signal
import subprocess

from harness import BUILD, SLOW, Agent, Intake, append, clean_env, source, wait_until

LINE = re.compile(
    r"Integration Name: test \| Type: file \| Status: info \| Timestamp: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} "
    r"\+0000 UTC \| Hostname: testhost \| Service: (\S+) \| Source: (\S+) \| Tags: (\S+) \| Message: (.*)"
)


class Stream:
    """bulkheadctl stream-logs in the background; a context manager."""

    def __init__(self, agent, *args):
        self.agent = agent
        self.args = args

    def __enter__(self):
        before = self.opened()
        self.proc = subprocess.Popen(
            [BUILD / "bulkheadctl", "-c", self.agent.dir, *self.args, "stream-logs"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_env(),
        )
        wait_until(lambda: self.opened() > before or self.proc.poll() is not None, 10)
        return self

    def opened(self):
        """Sockets of the logs process: one more for each stream."""
        links = []
        for fd in pathlib.Path("/proc", str(self.agent.child_pid("logs")), "fd").iterdir():
            try:
                links.append(os.readlink(fd))
            except OSError:
                pass
        return sum(link.startswith("socket:") for link in links)

    def end(self):
        """(exit status, lines of stdout, stderr)"""
        out, err = self.proc.communicate(timeout=20 * SLOW)
        return self.proc.returncode, out.splitlines(), err

    def __exit__(self, *_):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.communicate()


def test_messages_are_shown_as_the_agent_shows_them(tmp_path):
    web, job = tmp_path / "web.log", tmp_path / "job.log"
    logs = [source(web, service="web", source="nginx", tags=["env:prod"]), source(job, service="job", source="cron")]
    with Intake() as intake, Agent(intake, logs=logs) as agent:
        append(web, b"before anybody looked\n")
        wait_until(lambda: intake.messages(), 20)
        with (
            Stream(agent, "--count", "3") as every,
            Stream(agent, "--source", "nginx", "--count", "2") as nginx,
            Stream(agent, "--service", "job", "--count", "1", "--json") as jobs,
            Stream(agent, "--source", "nginx", "--service", "job", "--duration", "3") as none,
        ):
            append(web, b"hello \x1b[31mred\x1b[0m\n")
            wait_until(lambda: len(intake.messages()) == 2, 20)
            append(job, b"done\n")
            wait_until(lambda: len(intake.messages()) == 3, 20)
            append(web, "b\u00e4d \u009b2J\n".encode())
            code, lines, err = every.end()
            assert (code, err) == (0, "")
            found = [LINE.fullmatch(line) for line in lines]
            assert all(found), lines
            tags = f"filename:web.log,dirname:{tmp_path},env:prod"
            assert [m.groups() for m in found] == [
                ("web", "nginx", tags, "hello \\x1b[31mred\\x1b[0m"),
                ("job", "cron", f"filename:job.log,dirname:{tmp_path}", "done"),
                ("web", "nginx", tags, "b\u00e4d \\u009b2J"),
            ]
            assert nginx.end()[:2] == (0, [lines[0], lines[2]])
            code, lines, err = jobs.end()
            wait_until(lambda: len(intake.messages()) == 4, 20)
            sent = next(r for r in intake.records("log") if r["message"] == "done")
            shown = json.loads(lines[0])
            assert (code, len(lines), shown["integration"], shown["type"]) == (0, 1, "test", "file")
            names = ("message", "status", "timestamp", "hostname", "service", "ddsource", "ddtags")
            assert {k: shown[k] for k in names} == {k: sent[k] for k in names}
            assert none.end() == (0, [], "")
        assert agent.stop() == 0


def test_a_reader_that_does_not_read_holds_up_nobody(tmp_path):
    log = tmp_path / "app.log"
    count = 20000
    with Intake() as intake, Agent(intake, logs=[source(log)]) as agent:
        with Stream(agent, "--json") as stuck:
            stuck.proc.send_signal(signal.SIGSTOP)
            append(log, b"".join(b"%06d %s\n" % (i, b"x" * 100) for i in range(count)))
            wait_until(lambda: intake.stats()["log_messages"] == count, 60)
            stuck.proc.send_signal(signal.SIGCONT)
            shown = dropped = 0
            while not dropped:
                got = json.loads(stuck.proc.stdout.readline())
                shown += "message" in got
                dropped = got.get("dropped", 0)
            assert shown > 0 and shown + dropped == count
            append(log, b"again\n")
            assert json.loads(stuck.proc.stdout.readline())["message"] == "again"
        assert agent.run_ctl("ledger").returncode == 0
        assert agent.stop() == 0


def test_streams_are_few_and_end_with_either_side(tmp_path):
    log = tmp_path / "app.log"
    with Intake() as intake, Agent(intake, logs=[source(log)]) as agent:
        with Stream(agent) as one, Stream(agent) as two, Stream(agent), Stream(agent):
            refused = agent.run_ctl("stream-logs")
            assert (refused.returncode, refused.stdout) == (1, "") and "at most 4" in refused.stderr
            two.proc.send_signal(signal.SIGINT)
            assert two.end()[0] == -signal.SIGINT
            wait_until(lambda: agent.run_ctl("stream-logs", "--duration", "1").returncode == 0, 10)
            assert agent.run_ctl("restart", "logs").returncode == 0
            code, lines, err = one.end()
            assert (code, lines) == (1, []) and "ended the stream" in err
        append(log, b"after\n")
        wait_until(lambda: intake.messages() == ["after"], 20)
        assert agent.stop() == 0


def test_mistakes_are_named():
    with Intake() as intake, Agent(intake, config={"logs_enabled": False}) as agent:
        off = agent.run_ctl("stream-logs")
        assert off.returncode == 1 and "logs_enabled" in off.stderr
        for wrong in (["--count", "0"], ["--duration", "soon"], ["--source", 'a"b'], ["--service", ""], ["more"]):
            assert agent.run_ctl("stream-logs", *wrong).returncode == 2, wrong
        assert agent.run_ctl("status", "--source", "a").returncode == 2
        assert agent.stop() == 0

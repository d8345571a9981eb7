"""bulkhead run -- COMMAND: the agent around one command."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading

import pytest

from harness import BUILD, SLOW, Agent, Intake, clean_env, kill_session, session_members, wait_until

LONG = os.environ.get("BULKHEAD_CRASH") == "long"
RUNS = 1000 if LONG else 40
POINT = (
    "import os, socket, sys, time; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); "
    "s.sendto(b'job.done:1|c', os.environ['DD_DOGSTATSD_SOCKET']); print('line', sys.argv[1]); "
    "time.sleep(0.005); sys.exit(int(sys.argv[1]) % 5)"
)


class Job(Agent):
    """The harness's folder and configuration, without an agent that runs by itself."""

    def __init__(self, intake, config=None, **more):
        super().__init__(intake, config={"log_level": "info", **(config or {})}, **more)

    def __enter__(self):
        return self

    def popen(self, *command, **options):
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        self.proc = subprocess.Popen(
            [BUILD / "bulkhead", "run", "-c", self.dir, "--", *command],
            env={**clean_env(), **self.env},
            start_new_session=True,
            bufsize=0,
            **options,
        )
        return self.proc

    def finish(self, data=None):
        """Status, output, errors. Nothing of the agent may be left."""
        proc, self.proc = self.proc, None
        try:
            out, err = proc.communicate(data, timeout=60 * SLOW)
            assert not session_members(proc.pid)
        finally:
            kill_session(proc.pid)
        return proc.returncode, out.decode(), err.decode()

    def finish_broken(self):
        """The same when nobody reads its output."""
        proc, self.proc = self.proc, None
        err = proc.stderr.read().decode()
        code = proc.wait(60 * SLOW)
        kill_session(proc.pid)
        return code, err

    def run(self, *command, data=b"", **options):
        self.popen(*command, stdin=subprocess.PIPE, **options)
        return self.finish(data)


@pytest.fixture(name="world")
def a_world():
    with Intake() as intake, Job(intake) as job:
        yield intake, job


def test_the_status_and_the_streams_are_the_commands(world):
    intake, job = world
    assert job.run("sh", "-c", "cat; echo oops >&2; exit 7", data=b"one\ntwo") == (7, "one\ntwo", "oops\n")
    assert job.run("sh", "-c", "kill -9 $$") == (137, "", "")
    assert job.run("/nonexistent/command") == (
        127,
        "",
        "bulkhead: /nonexistent/command: No such file or directory\n",
    )
    assert job.run("/tmp")[0] == 126
    logs = {(r["message"], r["status"], r["service"]) for r in intake.records("log")}
    assert logs == {("one", "info", "sh"), ("two", "info", "sh"), ("oops", "error", "sh")}


def test_every_point_and_every_line_of_many_short_jobs_arrives(world):
    intake, job = world
    python = os.path.realpath(sys.executable)
    status = [job.run(python, "-S", "-c", POINT, str(n)) for n in range(RUNS)]
    assert [s[0] for s in status] == [n % 5 for n in range(RUNS)]
    assert [s[1] for s in status] == [f"line {n}\n" for n in range(RUNS)]
    assert {s[2] for s in status} == {""}
    assert sorted(intake.messages()) == sorted(f"line {n}" for n in range(RUNS))
    assert intake.total("job.done") == RUNS


def test_what_an_outage_keeps_the_next_run_delivers():
    with Intake() as intake, Job(intake, {"bulkhead": {"shutdown_budget": 2}}) as job:
        job.config["bulkhead"]["run"] = {"service": "nightly", "source": "cron", "tags": ["a:b"]}
        job.write_config()
        intake.stop()
        python = os.path.realpath(sys.executable)
        assert job.run(python, "-S", "-c", POINT, "3")[:2] == (3, "line 3\n")
        intake.start()
        assert job.run("true")[0] == 0
        wait_until(lambda: intake.messages() == ["line 3"], 20, intake.messages)
        wait_until(lambda: intake.total("job.done") == 1, 20)
        line = intake.records("log")[0]
        assert (line["service"], line["ddsource"]) == ("nightly", "cron")
        assert "a:b" in line["ddtags"].split(",")


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2"])
def test_signals_are_sent_on(world, name):
    _, job = world
    proc = job.popen("sh", "-c", f"trap 'echo got {name}; exit 9' {name}; echo up; while :; do sleep 0.05; done")
    assert proc.stdout.readline() == b"up\n"
    proc.send_signal(getattr(signal, "SIG" + name))
    code, out, _ = job.finish()
    assert (code, out) == (9, f"got {name}\n")


def test_a_command_without_a_handler_ends_by_the_signal(world):
    _, job = world
    proc = job.popen("sh", "-c", "echo up; exec sleep 100")
    proc.stdout.readline()
    proc.terminate()
    assert job.finish()[0] == 128 + signal.SIGTERM


def test_without_a_key_nothing_is_said(world):
    _, job = world
    job.config["api_key"] = ""
    job.write_config()
    assert job.run("sh", "-c", "echo quiet; exit 5") == (5, "quiet\n", "")


def test_an_agent_that_cannot_start_is_reported_and_the_command_runs(world):
    _, job = world
    job.config["log_level"] = "loud"
    job.write_config()
    code, out, err = job.run("sh", "-c", "echo here; exit 6")
    assert (code, out) == (6, "here\n")
    assert "log_level" in err
    job.config["log_level"] = "info"
    job.config["run_path"] = "/proc/nonexistent"
    job.write_config()
    code, out, err = job.run("sh", "-c", "echo here; exit 6")
    assert (code, out) == (6, "here\n")
    assert err.startswith("bulkhead: ")


def test_a_child_that_dies_changes_nothing_for_the_command(world):
    intake, job = world
    script = "echo up; read x; for n in 1 2 3; do echo after $n; done; exit 11"
    proc = job.popen("sh", "-c", script, stdin=subprocess.PIPE)
    assert proc.stdout.readline() == b"up\n"
    for role in ("forwarder", "logs", "dogstatsd"):
        wait_until(lambda r=role: job.child_pid(r), 20)
        job.kill(role)
    code, out, _ = job.finish(b"\n")
    assert (code, out) == (11, "after 1\nafter 2\nafter 3\n")
    wait_until(lambda: "after 3" in intake.messages(), 1, intake.messages)


def test_a_full_pipe_holds_the_command_up_and_nothing_else(world):
    _, job = world
    lines = 120_000
    proc = job.popen("sh", "-c", f"yes 0123456789abcdef | head -n {lines}; exit 12")
    wait_until(lambda: job.run_ctl("status").returncode == 0, 20)
    assert proc.stdout.readline() == b"0123456789abcdef\n"
    code, out, _ = job.finish()
    assert code == 12
    assert out.count("\n") == lines - 1


def test_a_reader_that_leaves_breaks_the_commands_pipe(world):
    _, job = world
    proc = job.popen("sh", "-c", "yes; echo status $? >&2; exit 13")
    proc.stdout.read(100)
    proc.stdout.close()
    proc.stdout = None
    assert job.finish_broken() == (13, "status 141\n")


def test_strangers_are_reaped_and_not_waited_for(world):
    _, job = world
    script = "for n in 1 2 3 4 5; do (sleep 0.05 &) ; done; sleep 0.3; ps -o stat= --ppid $PPID; exit 3"
    code, out, _ = job.run("sh", "-c", script)
    assert code == 3
    assert "Z" not in out
    proc = job.popen("sh", "-c", "sleep 30 & echo left; exit 4", stdout=subprocess.PIPE)
    assert proc.stdout.readline() == b"left\n"
    assert proc.wait(20 * SLOW) == 4
    kill_session(proc.pid)
    job.proc = None


def test_the_commands_limits_and_rights_are_its_own(world):
    _, job = world
    code, out, _ = job.run("sh", "-c", "grep -E 'NoNewPrivs|SigIgn|SigBlk' /proc/self/status; ulimit -c")
    plain = subprocess.run(
        ["sh", "-c", "grep -E 'NoNewPrivs|SigIgn|SigBlk' /proc/self/status; ulimit -c"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert (code, out) == (0, plain)


def test_the_keys_of_a_terminal_reach_the_command_once(world):
    _, job = world
    script = "n=0; trap 'n=$((n+1))' INT; echo up; sleep 0.3; sleep 0.3; echo got $n; exit 21"
    pid, fd = pty.fork()
    if pid == 0:
        env = {**clean_env(), **job.env}
        os.execve(BUILD / "bulkhead", ["bulkhead", "run", "-c", str(job.dir), "--", "sh", "-c", script], env)
    seen = b""
    while b"up" not in seen:
        seen += os.read(fd, 100)
    os.write(fd, b"\x03")
    try:
        while part := os.read(fd, 100):
            seen += part
    except OSError:  # the other side is closed
        pass
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 21
    os.close(fd)
    assert b"got 1" in seen


@pytest.mark.skipif(os.geteuid() != 0, reason="a pid namespace is made by root")
def test_as_pid_1_it_reaps_forwards_and_keeps_within_its_budget():
    with Intake() as intake, Job(intake) as job:
        script = "(sleep 0.05 &); trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"
        with subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
            + [str(BUILD / "bulkhead"), "run", "-c", str(job.dir), "--", "sh", "-c", script],
            stdout=subprocess.PIPE,
            env=clean_env(),
            start_new_session=True,
        ) as proc:
            assert proc.stdout.readline() == b"up\n"
            one = wait_until(lambda: [p for p in session_members(proc.pid) if is_pid_1(p)], 20)[0]
            os.kill(one, signal.SIGTERM)
            code = proc.wait(30 * SLOW)
            kill_session(proc.pid)
        assert code == 9
        report = json.loads((job.run_path / "last-stop.json").read_text())
        assert report["accounted"], report
        assert intake.messages()[0] == "up"


def is_pid_1(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            return any(line.split() == ["NSpid:", str(pid), "1"] for line in f)
    except OSError:
        return False


def test_two_at_once_share_nothing_but_the_first_agent(world):
    intake, job = world
    first = job.popen("sh", "-c", "echo up; read x; exit 1", stdin=subprocess.PIPE)
    first.stdout.readline()
    second = subprocess.run(
        [BUILD / "bulkhead", "run", "-c", job.dir, "--", "sh", "-c", "exit 2"],
        capture_output=True,
        env=clean_env(),
        check=False,
    )
    assert second.returncode == 2
    assert b"another instance runs" in second.stderr
    assert job.finish(b"\n")[0] == 1
    assert intake.messages() == ["up"]


def test_a_drain_from_outside_does_not_end_the_command(world):
    _, job = world
    proc = job.popen("sh", "-c", "echo up; read x; echo still here; exit 8", stdin=subprocess.PIPE)
    proc.stdout.readline()
    asked = threading.Thread(target=job.run_ctl, args=("shutdown",))
    asked.start()
    wait_until(lambda: job.run_ctl("status").returncode != 0, 20)
    asked.join()
    code, out, _ = job.finish(b"\n")
    assert (code, out) == (8, "still here\n")

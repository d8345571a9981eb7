"""What an operator types and what a stranger sends: verbs, exit statuses, the control socket under attack."""

import contextlib
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import BUILD, SLOW, Agent, Intake, clean_env, wait_until

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs other users")
READER, STRANGER, GROUP = 64001, 64002, 64003


def connect(agent, timeout=10):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(timeout * SLOW)
    s.connect(str(agent.run_dir / "ctl.sock"))
    return s


def answer(s):
    """All until the end, as JSON; None when there is nothing."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while part := s.recv(65536):
            data += part
    return json.loads(data) if data else None


def events(agent):
    return [json.loads(line) for line in agent.run_ctl("events").stdout.splitlines()]


# --- verbs ---


def test_table_health_pids_and_deaths():
    with Intake() as intake, Agent(intake) as agent:
        logs = agent.child_pid("logs")
        line = agent.run_ctl("status", "logs").stdout
        assert re.fullmatch(rf"logs {{29}}RUNNING   pid {logs}, uptime \d:\d\d:\d\d, [\d.]+ [KM]iB\n", line), line
        assert agent.run_ctl("pid").stdout == f"{agent.proc.pid}\n"
        assert agent.run_ctl("pid", "logs").stdout == f"{logs}\n"
        assert len(agent.run_ctl("pid", "all").stdout.split()) == 3
        wait_until(lambda: agent.run_ctl("health").returncode == 0, 20, lambda: agent.run_ctl("health").stdout)
        assert agent.run_ctl("health").stdout.splitlines()[-1] == "PASS"
        assert agent.run_ctl("signal", "KILL", "logs").stdout == "logs: signalled\n"
        wait_until(lambda: agent.role("logs")["deaths"], 20)
        death = agent.role("logs")["deaths"][0]
        assert (death["pid"], death["cause"], death["code"], death["signal"]) == (logs, "crash", -1, 9)
        text = agent.run_ctl("status", "-v", "logs").stdout
        assert text.startswith("NAME ") and re.search(rf"pid {logs} +crash +signal 9", text), text
        wait_until(lambda: agent.role("logs")["state"] == "RUNNING", 20)
        assert agent.run_ctl("stop", "logs").returncode == 0
        result = agent.run_ctl("health")
        assert result.returncode == 1 and "FAIL logs: STOPPED" in result.stdout, result.stdout
        quiet = agent.run_ctl("-q", "status")
        assert (quiet.returncode, quiet.stdout, quiet.stderr) == (3, "", "")


WRONG = [
    (["status", "nginx"], 4, "bulkheadctl: nginx: ERROR (no such process"),
    (["pid", "nginx"], 4, "bulkheadctl: nginx: ERROR (no such process"),
    (["pid", "logs"], 7, ""),
    (["signal", "HUP", "logs"], 7, "bulkheadctl: logs: ERROR (is not running; next: "),
    (["signal", "TERM", "logs"], 2, "HUP, USR1, USR2, QUIT or KILL"),
    (["signal", "HUP"], 2, "name of a process"),
    (["health", "-f"], 2, ""),
    (["last-stop"], 1, "not been stopped here yet"),
    (["restart", "nginx"], 1, "no such process"),
]


def test_exit_statuses_and_errors_with_the_next_step():
    with Intake() as intake, Agent(intake) as agent:
        assert agent.run_ctl("stop", "logs").returncode == 0
        for words, code, text in WRONG:
            result = agent.run_ctl(*words)
            assert result.returncode == code and text in result.stderr, (words, result)
        assert agent.stop() == 0
        assert agent.run_ctl("last-stop").returncode == 0
        assert agent.ctl("last-stop") == agent.drain_report()
        for words, code in (["status"], 3), (["health"], 1), (["pid"], 7), (["events"], 7):
            result = agent.run_ctl(*words)
            assert result.returncode == code and "next: systemctl start bulkhead" in result.stderr, (words, result)
        gone = agent.run_ctl("-s", str(agent.dir / "nowhere" / "ctl.sock"), "pid")
        assert gone.returncode == 5


def test_events_are_kept_and_followed():
    with Intake() as intake, Agent(intake) as agent:
        follower = subprocess.Popen(
            [BUILD / "bulkheadctl", "-c", agent.dir, "events", "-f"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=clean_env(),
        )
        seen = []

        def read():
            seen.extend(json.loads(line) for line in follower.stdout)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            wait_until(lambda: seen, 20)
            agent.send(b"not a metric\n")
            wait_until(lambda: agent.ctl("ledger") and any(e["event"] == "drop" for e in seen), 20)
            agent.run_ctl("signal", "KILL", "logs")
            wait_until(lambda: any(e["event"] == "exit" for e in seen), 20)
            wait_until(lambda: agent.role("logs")["state"] == "RUNNING", 20)
            kept = events(agent)
            wait_until(lambda: len(seen) >= len(kept), 20)
            assert seen[: len(kept)] == kept
            assert [e["seq"] for e in kept] == list(range(1, len(kept) + 1))
            drop = next(e for e in kept if e["event"] == "drop")
            assert (drop["role"], drop["reason"], drop["count"]) == ("dogstatsd", "parse_error", 1)
            asked = next(e for e in kept if e["event"] == "request")
            assert asked["verb"] == "signal" and asked["uid"] == os.geteuid()
            assert re.search(rf"signal asked by uid={os.geteuid()} pid=\d+", agent.log_text())
        finally:
            agent.stop()
            assert follower.wait(20 * SLOW) == 1  # the supervisor ended
            reader.join()
            follower.stdout.close()
        assert any(e["event"] == "drain" and e["phase"] == "begin" for e in seen)


# --- the keys that are documented ---

KEYS = {
    "status": "schema state ready pid uptime_s rss_kib pss_kib version roles notes missing_protections numbers rows "
    "complete balanced",
    "ledger": "schema rows complete balanced missing",
    "health": "schema components healthy",
    "pid": "schema pids",
    "last-stop": "schema version cause mode start end ms accounted unread_datagrams roles",
    "signal USR2 logs": "schema results",
    "restart logs": "schema results",
    "start logs": "schema results",
    "version": "schema version agent_version",
    "reload": "schema applied findings needs_start results",
    "dogstatsd-stats": "schema time contexts metrics",
    "registry": "schema time rows",
    "quarantine": "schema time payloads items bytes",
    "top contexts": "schema time contexts names tag_keys",
    "config check": "schema valid findings",
    "config show": "schema valid options",
    "config diff": "schema valid findings changes sources",
    "security": "schema hardening own_users roles",
    "tail": "schema tails",
    "reopen-logs": "schema reopened",
    "stop logs": "schema results",
    "drain": "schema version cause mode start end ms accounted unread_datagrams roles",
}


def test_every_answer_is_an_object_with_the_documented_keys():
    """deploy/man/bulkheadctl.1, JSON: names in bold of each verb's object."""
    manual = (pathlib.Path(__file__).resolve().parents[2] / "deploy" / "man" / "bulkheadctl.1").read_text()
    section = manual[manual.index(".SH JSON") :]
    with Intake() as intake, Agent(intake, config={"dogstatsd_metrics_stats_enable": True}) as agent:
        agent.stop()
        agent.start()
        for words, keys in KEYS.items():
            result = agent.run_ctl("--json", *words.split())
            got = json.loads(result.stdout)
            assert got["schema"] == 1, words
            assert set(keys.split()) <= set(got), (words, got)
            inside = [k for v in got.values() if isinstance(v, list) for o in v if isinstance(o, dict) for k in o]
            for key in [*got, *inside]:
                assert re.search(rf"\b{key}\b", section), f"{key} of {words} is not in the manual"


# --- an enemy on the socket ---


@AS_ROOT
def test_a_stranger_is_turned_away_and_a_reader_only_looks(tmp_path):
    """The group `bulkhead` is there in a mount namespace of the agent's own."""
    group = tmp_path / "group"
    group.write_text(f"root:x:0:\nbulkhead:x:{GROUP}:\n")
    mount = f'mount --bind {group} /etc/group && exec "$@"'
    if subprocess.run(["unshare", "-m", "sh", "-c", mount, "sh", "true"], check=False).returncode:
        pytest.skip("no mount namespaces here")
    with Intake() as intake, Agent(intake, wrapper=["unshare", "-m", "sh", "-c", mount, "sh"]) as agent:
        os.chmod(agent.dir, 0o755)
        sock = agent.run_dir / "ctl.sock"
        assert (sock.stat().st_gid, sock.stat().st_mode & 0o777) == (GROUP, 0o660)

        def ask(verb, uid, gid, groups, more=b""):
            # one that is turned away may be so before it has asked
            code = (
                "import contextlib,socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
                "with contextlib.suppress(BrokenPipeError):\n s.sendall(sys.argv[2].encode()+b'\\n')\n"
                "print(s.makefile().readline())"
            )
            return subprocess.run(
                ["/usr/bin/python3", "-c", code, str(sock), f'{{"verb":"{verb}"{more.decode()}}}'],
                user=uid,
                group=gid,
                extra_groups=groups,
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
            )

        for gid, groups in (GROUP, []), (READER, [GROUP]):
            for verb in "status", "health", "ledger", "version", "events":
                got = json.loads(ask(verb, READER, gid, groups).stdout)
                assert "error" not in got, (verb, got)
            for verb, more in ("drain", b""), ("shutdown", b""), ("stop", b',"names":"all"'), ("reload", b""), (
                "signal",
                b',"names":"logs","signal":"KILL"',
            ):
                got = json.loads(ask(verb, READER, gid, groups, more).stdout)
                assert got["denied"] and "may only look" in got["error"], (verb, got)
        assert "PermissionError" in ask("status", STRANGER, STRANGER, []).stderr
        os.chmod(sock, 0o666)
        got = json.loads(ask("status", STRANGER, STRANGER, []).stdout)
        assert got["denied"] and "permission denied" in got["error"]
        assert "refused uid=64002" in agent.log_text()
        assert agent.ctl("status")["ready"] is True
        assert agent.stop() == 0


GARBAGE = [
    b"\n",
    b"\0" * 100 + b"\n",
    b"\xff\xfe" * 1000 + b"\n",
    b'{"verb":"status"' + b" " * 70000,
    b'{"verb":"' + b"a" * 60000 + b'"}\n',
    b'{"verb":"signal","names":"logs","signal":"TERM"}\n',
    b'{"verb":"signal","names":"logs"}\n',
    b'{"verb":"signal","names":"../../bin/sh","signal":"HUP"}\n',
    b'{"verb":["status"]}\n',
    b'{"verb":"status","verb":"shutdown"}\n',
    b"{" * 60000 + b"\n",
    b"GET / HTTP/1.1\r\n\r\n",
]


def test_garbage_is_answered_with_one_line_and_changes_nothing():
    with Intake() as intake, Agent(intake) as agent:
        before = agent.run_ctl("pid", "all").stdout
        for data in GARBAGE:
            with connect(agent) as s:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    s.sendall(data)
                got = answer(s)
                assert got is None or "error" in got, (data[:60], got)
        assert agent.run_ctl("pid", "all").stdout == before
        assert agent.stop() == 0


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_half_open_connections_and_a_flood_of_them():
    with Intake() as intake, Agent(intake) as agent:
        with contextlib.ExitStack() as stack:
            idle = [stack.enter_context(connect(agent)) for _ in range(8)]
            for s in idle:
                s.sendall(b'{"verb":"st')
            with connect(agent) as more:
                assert "too many connections" in answer(more)["error"]
            assert all(answer(s) is None for s in idle)  # closed after 5 s, whatever was sent
        end = threading.Event()

        def flood():
            while not end.is_set():
                with contextlib.suppress(OSError), connect(agent) as s:
                    s.send(b"x" * 100)

        threads = [threading.Thread(target=flood) for _ in range(4)]
        began, used = time.monotonic(), cpu_s(agent.proc.pid)
        for t in threads:
            t.start()
        try:
            answers = [agent.run_ctl("--json", "status") for _ in range(5)]
            while time.monotonic() - began < 1.5:
                answers.append(agent.run_ctl("--json", "status"))
        finally:
            end.set()
            for t in threads:
                t.join()
        assert all(a.returncode == 0 for a in answers), answers
        assert (cpu_s(agent.proc.pid) - used) / (time.monotonic() - began) < 0.5 * SLOW
        assert agent.stop() == 0


def test_no_descriptor_left_is_said_and_survived():
    with Intake() as intake, Agent(intake) as agent:
        pid = agent.proc.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = max(int(n) for n in os.listdir(f"/proc/{pid}/fd"))
        agent.child_pid("logs")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 1, before[1]))
        holes = used + 1 - len(os.listdir(f"/proc/{pid}/fd"))
        with contextlib.ExitStack() as stack:
            for _ in range(holes):
                stack.enter_context(connect(agent))

            def refused():
                result = agent.run_ctl("status")
                if result.returncode == 0:  # one more: a connection was still being closed when holes were counted
                    stack.enter_context(connect(agent))
                return result.returncode and result

            result = wait_until(refused, 20)
            assert "no file descriptor left" in result.stderr, result
            agent_logs = int(
                next(e for e in reversed(read_kept(agent)) if e.get("role") == "logs" and e["pid"])["pid"]
            )
            os.kill(agent_logs, signal.SIGKILL)
            wait_until(lambda: "logs ended" in agent.log_text(), 20)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        wait_until(lambda: agent.run_ctl("status").returncode == 0, 30, agent.log_text)
        assert any(e["event"] == "limit" for e in events(agent))
        assert agent.stop() == 0


def read_kept(agent):
    """From the log: the socket cannot be asked now."""
    return [
        {"role": m[1], "pid": int(m[2])}
        for m in re.finditer(r"supervisor: (\w+) pid=(\d+) state=RUNNING", agent.log_text())
    ]

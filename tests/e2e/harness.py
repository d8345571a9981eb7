"""Runs the real executables for a test: a local intake, the agent, and what both say.

Only wait_until() sleeps, and only as its poll interval; everything else waits for an event. The
build folder is taken from the environment variable B, as the makefile sets it.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

REPO = pathlib.Path(__file__).resolve().parents[2]
BUILD = (REPO / os.environ.get("B", "build")).resolve()
SLOW = 4 if BUILD.name in ("asan", "tsan") else 1  # sanitizers cost time; deadlines stretch, checks do not
API_KEY = "0123456789abcdef0123456789abcdef"
POLL = 0.03
SANITIZER = re.compile(rb"(ERROR|WARNING): (Address|Leak|Thread|Undefined)\w*Sanitizer|runtime error: ")


def wait_until(cond, deadline, detail=None):
    """Polls cond until it is true, returns its value; fails after `deadline` seconds.

    detail: called for the failure's text.
    """
    end = time.monotonic() + deadline * SLOW
    while True:
        value = cond()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {detail() if detail else cond}")
        time.sleep(POLL)


def port_numbers():
    """Below what the kernel hands out by itself, so that no outgoing connection takes one in between; each worker of a
    run has its own, and where it begins differs from run to run."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 8
    first = 12000 + 2500 * worker
    start = os.getpid() % 2500
    while True:
        yield from (first + (start + i) % 2500 for i in range(2500))


PORTS = port_numbers()


def free_port(kind, host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in PORTS:
        try:
            with socket.socket(family, kind) as s:
                s.bind((host, port))
                return port
        except OSError:
            continue


def free_udp_port(host="127.0.0.1"):
    return free_port(socket.SOCK_DGRAM, host)


def free_tcp_port(host="127.0.0.1"):
    return free_port(socket.SOCK_STREAM, host)


def clean_env():
    """The environment without anything that configures an agent or redirects its requests."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("DD_", "BULKHEAD_"))}
    for name in list(keep):
        if name.lower().endswith("_proxy"):
            del keep[name]
    return keep


def session_members(sid):
    """Pids of a session, zombies left out: children of the agent have process groups of their own."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = pathlib.Path("/proc", entry, "stat").read_text()
        except OSError:
            continue
        fields = stat.rpartition(")")[2].split()
        if int(fields[3]) == sid and fields[0] != "Z":
            found.append(int(entry))
    return found


def kill_session(sid):
    for pid in session_members(sid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def check_sanitizers(path):
    text = path.read_bytes() if path.exists() else b""
    if SANITIZER.search(text):
        raise AssertionError(f"sanitizer report:\n{text[-8000:].decode(errors='replace')}")


class Intake:
    """bulkhead-intake on a free port; a context manager. stop() and start() keep port and data."""

    def __init__(self, *args):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="bh-intake-", dir="/tmp"))
        self.data = self.dir / "data.jsonl"
        self.log = self.dir / "intake.log"
        self.args = args
        self.port = 0
        self.proc = None
        self._offset = 0
        self._records = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        with open(self.log, "ab") as log:
            self.proc = subprocess.Popen(
                [BUILD / "bulkhead-intake", "--listen", f"127.0.0.1:{self.port}", "--data", self.data, *self.args],
                stdout=subprocess.PIPE,
                stderr=log,
                env=clean_env(),
                start_new_session=True,
            )
        line = self.proc.stdout.readline().decode()  # blocks until it is ready or gone
        match = re.match(r"listening on .*:(\d+)$", line.strip())
        if not match:
            raise AssertionError(f"intake did not start: {line!r} {self.log.read_text()}")
        self.port = int(match[1])
        return self

    def stop(self):
        """Returns the exit status; None when it was not running."""
        if not self.proc:
            return None
        self.proc.send_signal(signal.SIGTERM)
        code = self.proc.wait(20 * SLOW)
        self.proc.stdout.close()
        self.proc = None
        return code

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self._remove()
            raise

    def __exit__(self, kind, value, trace):
        try:
            code = self.stop()
            if kind is None:
                assert code in (0, None), f"intake: exit status {code}: {self.log.read_text()}"
                check_sanitizers(self.log)
        finally:
            self._remove()

    def _remove(self):
        if self.proc:
            kill_session(self.proc.pid)
            self.proc.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def get(self, path):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.url + path, timeout=10 * SLOW) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read().decode()}") from error

    def post(self, path, body, headers):
        """One request as a client would send it; returns (status, headers, JSON)."""
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method="POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10 * SLOW) as answer:
                return answer.status, answer.headers, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.headers, json.load(error)

    def stats(self):
        return self.get("/_/stats")

    def fault(self, query):
        return self.get(f"/_/fault?{query}")

    def all_records(self):
        if self.data.exists():
            with open(self.data, "rb") as f:
                f.seek(self._offset)
                text = f.read()
            whole = text.rfind(b"\n") + 1  # a line being written is read next time
            self._records += [json.loads(line) for line in text[:whole].split(b"\n") if line]
            self._offset += whole
        return self._records

    def records(self, kind, metric=None):
        return [
            r for r in self.all_records() if r["kind"] == kind and (metric is None or r.get("metric") == metric)
        ]

    def logs(self):
        """As the intake orders them: by timestamp, then as they came. Payloads are under way side by
        side, so the order of arrival alone says little (spec/intake.md §14.4)."""
        return sorted(self.records("log"), key=lambda r: r.get("timestamp", 0))

    def messages(self):
        return [r["message"] for r in self.logs()]

    def expect(self, want):
        """Exactly these messages, in this order."""
        wait_until(lambda: self.stats()["log_messages"] >= len(want), 20, self.messages)
        assert self.messages() == want

    def total(self, metric):
        """Sum of a counter: rates are per second over their interval (spec/dogstatsd.md §9.3)."""
        return sum(
            value * (r["interval"] if r["type"] == "rate" else 1)
            for r in self.records("series", metric)
            for _, value in r["points"]
        )

    def values(self, metric):
        return [value for r in self.records("series", metric) for _, value in r["points"]]


def append(path, data):
    with open(path, "ab") as f:
        f.write(data)


def source(path, **extra):
    """A source of conf.d for Agent: a file, read from its beginning."""
    return {"path": str(path), "service": "svc", "source": "src", "start_position": "beginning", **extra}


def merge(base, extra):
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = value
    return base


class Agent:
    """`bulkhead run` with a configuration of its own below /tmp; a context manager.

    intake: an Intake, also a stopped one: its address stays. logs: sources of conf.d (dicts; type file unless given). config: laid over the default
    datadog.yaml. The folder survives stop() and start(), so a test can look at the store or go on.
    """

    def __init__(self, intake, logs=(), config=None, env=None, wrapper=()):
        # sun_path holds 107 bytes: everything lives in a short folder
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="bh-", dir="/tmp"))
        self.run_path = self.dir / "lib"
        self.run_dir = self.dir / "run"
        self.store = self.run_path / "store" / "spool.db"
        self.dsd_socket = str(self.dir / "dsd.socket")
        self.log = self.dir / "agent.log"
        self.proc = None
        self.env = env or {}
        self.wrapper = list(wrapper)  # a command in front of the agent's
        self.config = merge(
            {
                "api_key": API_KEY,
                "dd_url": intake.url,
                "hostname": "testhost",
                "run_path": str(self.run_path),
                "confd_path": str(self.dir / "conf.d"),
                "log_level": "debug",
                "dogstatsd_port": 0,
                "dogstatsd_socket": self.dsd_socket,
                "logs_enabled": True,
                "logs_config": {
                    "logs_dd_url": intake.url,
                    "batch_wait": 1,
                    "file_scan_period": 1,
                },
                "bulkhead": {"run_dir": str(self.run_dir), "dogstatsd_flush_interval": 1},
            },
            config or {},
        )
        self.write_config()
        self.write_logs(logs)

    # --- files ---

    def write_config(self):
        """JSON is YAML: the file is written without a YAML library."""
        (self.dir / "datadog.yaml").write_text(json.dumps(self.config, indent=1))

    def write_logs(self, logs):
        folder = self.dir / "conf.d" / "test.d"
        folder.mkdir(parents=True, exist_ok=True)
        entries = [{"type": "file", **entry} for entry in logs]
        (folder / "conf.yaml").write_text(json.dumps({"logs": entries}))

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # --- life ---

    def spawn(self):
        """Starts without waiting for anything."""
        with open(self.log, "ab") as log:
            self.proc = subprocess.Popen(
                [*self.wrapper, BUILD / "bulkhead", "run", "-c", self.dir],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**clean_env(), **self.env},
                start_new_session=True,
            )
        return self

    def start(self, deadline=20):
        self.spawn()
        wait_until(self.is_ready, deadline, lambda: f"agent is not ready\n{self.log_text()[-4000:]}")
        return self

    def is_ready(self):
        if self.proc.poll() is not None:
            raise AssertionError(f"agent ended with {self.proc.returncode}\n{self.log_text()[-4000:]}")
        result = self.run_ctl("--json", "status")
        try:
            status = json.loads(result.stdout)
        except ValueError:
            return False
        return bool(status.get("ready")) and all(r["state"] == "RUNNING" for r in status["roles"])

    def terminate(self):
        self.proc.send_signal(signal.SIGTERM)

    def wait(self, timeout=40):
        """The exit status. No process of the agent may outlive it."""
        proc, self.proc = self.proc, None
        try:
            code = proc.wait(timeout * SLOW)
            left = session_members(proc.pid)
            assert not left, f"processes outlived the supervisor: {left}"
        finally:
            kill_session(proc.pid)
            proc.wait()
        check_sanitizers(self.log)
        return code

    def stop(self, timeout=40):
        self.terminate()
        return self.wait(timeout)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self._remove()
            raise

    def __exit__(self, kind, value, trace):
        try:
            if kind is not None:
                print(f"--- agent log\n{self.log_text()[-12000:]}")
            elif self.proc:
                self.stop()
        finally:
            self._remove()

    def _remove(self):
        if self.proc:
            kill_session(self.proc.pid)
            self.proc.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    # --- questions ---

    def run_ctl(self, *args, timeout=15):
        return subprocess.run(
            [BUILD / "bulkheadctl", "-c", self.dir, *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**clean_env(), **self.env},
            timeout=timeout * SLOW,
            check=False,
        )

    def ctl(self, *args):
        result = self.run_ctl("--json", *args)
        try:
            return json.loads(result.stdout)
        except ValueError:
            raise AssertionError(f"bulkheadctl {args}: {result.returncode} {result.stderr}") from None

    def role(self, name):
        return next((r for r in self.ctl("status")["roles"] if r["name"] == name), {})

    def child_pid(self, role):
        """0 while the role has no process."""
        return self.role(role).get("pid") or 0

    def registry(self):
        """The rows of the forwarder's store, by identifier."""
        return {r["identifier"]: r for r in self.ctl("registry", "ls")["rows"]}

    def wait_delivered(self, path, offset):
        """Waits until the store says so: what a killed forwarder will not send again."""
        wait_until(
            lambda: self.registry().get(f"file:{path}", {}).get("delivered") == str(offset), 20, self.registry
        )

    def kill(self, role, sig=signal.SIGKILL):
        os.kill(self.child_pid(role), sig)

    def kill_and_wait(self, role):
        """Until its successor runs; the death itself may not be noticed at once."""
        before = self.child_pid(role)
        self.kill(role)
        wait_until(lambda: self.child_pid(role) not in (0, before) and self.role(role)["state"] == "RUNNING", 30)
        wait_until(lambda: self.ctl("status").get("complete"), 30)

    def drain_report(self):
        """What the last ordered stop wrote."""
        return json.loads((self.run_path / "last-stop.json").read_text())

    def ledger_rows(self, kind):
        return [r for r in self.ctl("ledger")["rows"] if r["kind"] == kind]

    def destination(self, name):
        return next(r for r in self.ledger_rows("destination") if r["name"] == name)

    def closes(self):
        return self.run_ctl("ledger").returncode == 0

    def query(self, text):
        """Rows of the forwarder's store; it may run."""
        with contextlib.closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as db:
            return db.execute(text).fetchall()

    def value(self, text):
        """The one value of a query."""
        return self.query(text)[0][0]

    # --- a client ---

    def send(self, *datagrams):
        """Blocking sends to the Unix socket: all are taken by the kernel when this returns."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            for data in datagrams:
                s.sendto(data, self.dsd_socket)

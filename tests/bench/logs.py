"""Figures of the whole agent under the loads of logs (spec/experiments.md §2).

CPU and memory are those of all four processes together, against a bare floor measured in turn on
the same file. A run counts only when every line arrived once: by its mark, counted at the intake.
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request

from common import RUNS, TOOLS, cpu_seconds, pss_kib, wakeups
from harness import Agent, clean_env, free_tcp_port, wait_until

SECONDS = float(os.environ.get("BENCH_SECONDS", "20"))  # of a load at a rate
BACKLOG_MIB = int(os.environ.get("BENCH_BACKLOG_MIB", "256"))
FIVE_RULES = [
    {"type": "exclude_at_match", "name": "probe", "pattern": "kube-probe/"},
    {"type": "exclude_at_match", "name": "health", "pattern": r'"GET /healthz? HTTP'},
    {"type": "mask_sequences", "name": "token", "replace_placeholder": "token=***", "pattern": "token=[0-9a-f]+"},
    {"type": "mask_sequences", "name": "card", "replace_placeholder": "[card]", "pattern": r"\d{4}-\d{4}-\d{4}-\d{4}"},
    {"type": "mask_sequences", "name": "mail", "replace_placeholder": "[mail]", "pattern": r"[\w.]+@[a-z]+\.com"},
]
ROLES = ("dogstatsd", "logs", "forwarder")


class Blackhole:
    """The cheap intake; a context manager. verify: "now", "later" or nothing."""

    def __init__(self, verify="later", latency_ms=0):
        self.args = ["--latency", str(latency_ms)] + (["--verify", verify] if verify else [])

    def __enter__(self):
        self.proc = subprocess.Popen([TOOLS / "blackhole", *self.args], stdout=subprocess.PIPE, text=True)
        self.port = int(self.proc.stdout.readline().rsplit(":", 1)[1])
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_):
        self.proc.kill()
        self.proc.wait()
        self.proc.stdout.close()

    def ask(self, what):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/_/{what}", timeout=120) as answer:
            return json.load(answer)

    def quiet(self, seconds=2.5, limit=180):
        """Waits until logs came and no more of them come."""
        last, since, end = 0, time.monotonic(), time.monotonic() + limit
        while time.monotonic() < end:
            now = self.ask("stats")["log_bytes"]
            if now != last:
                last, since = now, time.monotonic()
            elif now and time.monotonic() - since >= seconds:
                return
            time.sleep(0.1)


class Watch:
    """CPU from now on and the largest PSS of the agent's processes; a context manager."""

    def __init__(self, agent, from_start=False):
        self.pids = [agent.proc.pid] + [agent.child_pid(role) for role in ROLES]
        self.before = 0 if from_start else self.cpu_now()
        self.begin = time.monotonic()
        self.largest = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def cpu_now(self):
        return sum(cpu_seconds(pid) for pid in self.pids)

    def pss(self):
        return sum(pss_kib(pid) for pid in self.pids) / 1024

    def watch(self):
        while True:
            self.largest = max(self.largest, self.pss())
            if self.done.wait(0.25):
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        self.cpu = self.cpu_now() - self.before
        self.seconds = time.monotonic() - self.begin


def source(path, **extra):
    return {"path": str(path), "service": "svc", "source": "src", "start_position": "beginning", **extra}


def new_agent(hole, logs, logs_config=None, **config):
    return Agent(hole, logs=logs, config={"log_level": "warn", "logs_config": logs_config or {},
                 "bulkhead": {"dogstatsd_flush_interval": 15}, **config})


def write(*args):
    out = subprocess.run([TOOLS / "logs-write", *map(str, args)], check=True, capture_output=True, env=clean_env())
    return json.loads(out.stdout)


def start_writing(*args):
    return subprocess.Popen([TOOLS / "logs-write", *map(str, args)], stdout=subprocess.PIPE, env=clean_env())


def finish_writing(writers):
    return [json.loads(writer.communicate()[0]) for writer in writers]


def exact(checked, lines):
    good = checked["unique"] == lines and not checked["duplicates"] and not checked["errors"]
    return "yes" if good else f"NO {checked['unique'] - lines:+} {checked['duplicates']} twice"


def once_each(flags):
    return next((flag for flag in flags if flag != "yes"), "yes")


def medians(rows):
    return [statistics.median(column) for column in zip(*rows)]


# --- a backlog -----------------------------------------------------------------------------------

BACKLOGS = [  # kind, compression, level, rules
    ("apache", "zstd", 1, False),
    ("apache", "gzip", 6, False),
    ("apache", "none", 0, False),
    ("apache", "zstd", 1, True),
    ("ascii", "zstd", 1, False),
]


def compression(how, level):
    if how == "none":
        return {"use_compression": False}
    key = "zstd_compression_level" if how == "zstd" else "compression_level"
    return {"compression_kind": how, key: level}


def run_floor(path, how, level):
    """CPU s/GB, MB/s."""
    with Blackhole("later" if how != "raw" else None) as hole:
        out = subprocess.run([TOOLS / "logs-floor", path, str(hole.port), how, str(level)], check=True, capture_output=True)
        got = json.loads(out.stdout)
        return got["cpu_s"] / got["bytes"] * 1e9, got["bytes"] / got["seconds"] / 1e6


def run_backlog(path, wrote, how, level, rules):
    """CPU s/GB, that of the logs process alone, MB/s, PSS in MiB, connections; whether all arrived once."""
    extra = {"log_processing_rules": FIVE_RULES} if rules else {}
    with Blackhole("later") as hole, new_agent(hole, [source(path, **extra)], compression(how, level)) as agent:
        with Watch(agent, from_start=True) as watch:
            hole.quiet()
            logs = cpu_seconds(agent.child_pid("logs"))
        seen = hole.ask("check")
        # The last body is a part of a batch that waited for company.
        rate = wrote["bytes"] / max(1, seen["last_but_one_ns"] - seen["first_ns"]) * 1e3
        gb = wrote["bytes"] / 1e9
        return (watch.cpu / gb, logs / gb, rate, watch.largest, seen["connections_most"]), exact(seen, wrote["lines"])


def backlogs(folder):
    print(f"{'backlog':8} {'zip':6} {'rules':>5} {'floor s/GB':>11} {'agent s/GB':>11} {'ratio':>6} {'logs s/GB':>10} "
          f"{'MB/CPU s':>9} {'floor MB/s':>11} {'agent MB/s':>11} {'PSS MiB':>8} {'conns':>6} once each", flush=True)
    files = {}
    for kind in sorted({row[0] for row in BACKLOGS}):
        path = folder / f"{kind}.log"
        files[kind] = path, write("backlog", path, kind, BACKLOG_MIB, 1)
        raw, rate = medians([run_floor(path, "raw", 0) for _ in range(RUNS)])
        print(f"{kind:8} {'raw':6} {'-':>5} {raw:11.2f} {'read, look for newlines, write':50} {rate:.0f} MB/s")
    for kind, how, level, rules in BACKLOGS:
        path, wrote = files[kind]
        floors, agents, flags = [], [], []
        for _ in range(RUNS):
            floors.append(run_floor(path, how, level))
            figures, flag = run_backlog(path, wrote, how, level, rules)
            agents.append(figures)
            flags.append(flag)
        floor, floor_rate = medians(floors)
        cpu, logs, rate, pss, conns = medians(agents)
        print(f"{kind:8} {how + '-' + str(level):6} {5 if rules else 0:5} {floor:11.2f} {cpu:11.2f} {cpu / floor:6.2f} "
              f"{logs:10.2f} {1000 / cpu:9.0f} {floor_rate:11.0f} {rate:11.0f} {pss:8.1f} {conns:6.0f} {once_each(flags)}", flush=True)


# --- at a rate -----------------------------------------------------------------------------------


def rotating(path, kind, rate, stream, rotate_mib):
    return start_writing("file", path, kind, rate, SECONDS, stream, 1, rotate_mib, 5)


def wait_for(hole, lines, limit=30):
    end = time.monotonic() + limit
    while hole.ask("check")["unique"] < lines and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(1.5)  # what comes twice comes now
    return hole.ask("check")


def run_rate(folder, files, kind, rate, latency_ms, more=None):
    """Cores, PSS in MiB, s from the last write to the last arrival, ages, connections; whether all arrived once.

    more: called with the agent once the load runs, waits for its own load.
    """
    place = pathlib.Path(tempfile.mkdtemp(dir=folder))
    with Blackhole("now", latency_ms) as hole, new_agent(hole, [source(place / "*.log")]) as agent:
        with Watch(agent) as watch:
            writers = [rotating(place / f"{i}.log", kind, rate, i, 50 if files > 1 else 32) for i in range(files)]
            if more:
                more(agent)
            wrote = finish_writing(writers)
            cpu, seconds = watch.cpu_now() - watch.before, time.monotonic() - watch.begin
            seen = wait_for(hole, sum(w["lines"] for w in wrote))
        lag = (seen["last_new_ms"] - max(w["end_ms"] for w in wrote)) / 1000
        figures = (cpu / seconds, watch.largest, lag, seen["age_p50_ms"] / 1000, seen["age_p99_ms"] / 1000,
                   seen["connections_most"])
    shutil.rmtree(place)
    return figures, exact(seen, sum(w["lines"] for w in wrote))


RATE_HEAD = (f"{'load':36} {'millicores':>10} {'PSS MiB':>8} {'lag s':>6} {'age p50 s':>9} {'p99 s':>6} {'conns':>6} "
             "once each")


def show_rate(name, runs):
    cores, pss, lag, p50, p99, conns = medians([figures for figures, _ in runs])
    print(f"{name:36} {cores * 1000:10.0f} {pss:8.1f} {lag:6.2f} {p50:9.2f} {p99:6.2f} {conns:6.0f} "
          f"{once_each([flag for _, flag in runs])}", flush=True)


def latencies(folder):
    print(RATE_HEAD)
    for ms in (0, 100, 500, 1000):
        show_rate(f"file_to_blackhole_{ms}ms 10 MiB/s", [run_rate(folder, 1, "apache", 10, ms) for _ in range(RUNS)])


def gates(folder):
    def metrics(agent):
        subprocess.run([TOOLS / "dogstatsd-send", agent.dsd_socket, "seed", "5000", "64", "1", str(int(SECONDS)), "20"],
                       check=True, capture_output=True)

    print(RATE_HEAD)
    rate = 500 / 1024
    show_rate("quality_gate_logs", [run_rate(folder, 2, "apache", rate, 75) for _ in range(RUNS)])
    show_rate("quality_gate_metrics_logs", [run_rate(folder, 2, "apache", rate, 75, metrics) for _ in range(RUNS)])


# --- much, and nothing ---------------------------------------------------------------------------


def settled_agent(folder, files, run):
    place = pathlib.Path(tempfile.mkdtemp(dir=folder))
    for i in range(files):
        (place / f"{i}.log").write_bytes(b"first\n")
    limit = {"open_files_limit": max(500, files), "batch_wait": 5, "file_scan_period": 10}
    with Blackhole("now") as hole, new_agent(hole, [source(place / "*.log")], limit) as agent:
        wait_until(lambda: agent.ctl("status")["numbers"]["logs"]["files.tailed"] >= files, 60)
        time.sleep(4)
        result = run(hole, agent, place)
    shutil.rmtree(place)
    return result


def run_still(seconds):
    """Cores and wake-ups a second without anything to do, PSS at its end."""
    def still(_hole, agent, _place):
        with Watch(agent) as watch:
            watch.done.set()  # looking at memory would be work
            before = sum(wakeups(pid) for pid in watch.pids)
            time.sleep(seconds)
        return watch.cpu / watch.seconds, (sum(wakeups(pid) for pid in watch.pids) - before) / watch.seconds, watch.pss()

    return still


def many_files(folder):
    count = 2000

    def busy(hole, agent, place):
        with Watch(agent) as watch:
            wrote = write("many", place, count, "apache", 20, SECONDS, 1)
            seen = wait_for(hole, wrote["lines"])
        return watch.cpu / watch.seconds, exact(seen, wrote["lines"])

    _, _, empty = settled_agent(folder, 1, run_still(1))
    cores, turns, pss = settled_agent(folder, count, run_still(SECONDS))
    traffic, flag = settled_agent(folder, count, busy)
    print(f"{count} files, one line a second for each hundred: {traffic:.2%} of a core, once each: {flag}; "
          f"without a line: {cores:.2%}, {turns:.1f} wake-ups/s; {(pss - empty) * 1024 / count:.1f} KiB a file")


def idle(folder):
    rows = [settled_agent(folder, 1, run_still(30)) for _ in range(min(RUNS, 3))]
    cores, turns, pss = medians(rows)
    print(f"idle, 30 s: {cores * 1000:.1f} millicores, {turns:.1f} wake-ups/s of all threads, PSS {pss:.1f} MiB")


def run_tcp(rate):
    """As run_rate(); None when nothing reads the port yet."""
    port = free_tcp_port()
    with Blackhole("now") as hole, new_agent(hole, [{"type": "tcp", "port": port, "service": "svc"}]) as agent:
        with Watch(agent) as watch:
            writer = start_writing("tcp", port, "syslog", rate, SECONDS, 0, 1)
            time.sleep(4)
            if hole.ask("check")["unique"] == 0:
                writer.kill()
                writer.communicate()
                return None
            wrote = finish_writing([writer])[0]
            cpu, seconds = watch.cpu_now() - watch.before, time.monotonic() - watch.begin
            seen = wait_for(hole, wrote["lines"])
        lag = (seen["last_new_ms"] - wrote["end_ms"]) / 1000
        return (cpu / seconds, watch.largest, lag, seen["age_p50_ms"] / 1000, seen["age_p99_ms"] / 1000,
                seen["connections_most"]), exact(seen, wrote["lines"])


def tcp(_folder):
    runs = []
    for _ in range(RUNS):
        runs.append(run_tcp(50))
        if runs[-1] is None:
            print("tcp_syslog_to_blackhole: not there yet (no line that was sent to the port arrived)")
            return
    print(RATE_HEAD)
    show_rate("tcp_syslog_to_blackhole 50 MiB/s", runs)


CASES = {"backlog": backlogs, "rate": latencies, "gates": gates, "files": many_files, "idle": idle, "tcp": tcp}


def main(cases=()):
    with tempfile.TemporaryDirectory(prefix="bh-bench-") as folder:
        for name in cases or CASES:
            CASES[name](pathlib.Path(folder))
            print(flush=True)

"""Figures of the spool and of what it costs (spec/durability.md §16): cases append, open, drain (also at a latency),
live, cost, tls.

BENCH_SPOOL_GIB sizes the store that `open` opens (2; 10 is the figure the design names).
"""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from common import RUNS, TOOLS, cpu_seconds, pss_kib
from harness import Agent, Intake, clean_env, wait_until
from hostile import Certificates, Nginx
from logs import SECONDS, Blackhole, medians, new_agent, rotating, source, write

GIB = float(os.environ.get("BENCH_SPOOL_GIB", "2"))
BACKLOG_MIB = int(os.environ.get("BENCH_BACKLOG_MIB", "256"))
AT_ONCE = {"spool_after": 0, "dogstatsd_flush_interval": 15}


def store(*args):
    out = subprocess.run([TOOLS / "spool-store", *map(str, args)], check=True, capture_output=True, env=clean_env())
    return json.loads(out.stdout or b"null")


def append(folder):
    """Payloads acknowledged after their commit, against the same bytes appended to a file and synced, in turn."""
    print(f"{'append':8} {'payload':>9} {'group':>6} {'store/s':>9} {'raw/s':>9} {'store MiB/s':>12} {'ratio':>6}")
    places = [("disk", folder), ("memory", pathlib.Path("/dev/shm"))]
    for name, base in places:
        for size, group in ((262144, 1), (262144, 16), (262144, 64), (1024, 64)):
            rows = []
            for _ in range(RUNS):
                place = tempfile.mkdtemp(dir=base)
                got = store("append", place, size, group, 2)
                shutil.rmtree(place)
                rows.append((got["store"], got["raw"], got["store"] / got["raw"]))
            kept, raw, ratio = medians(rows)
            print(f"{name:8} {size:9} {group:6} {kept:9.0f} {raw:9.0f} {kept * size / 2**20:12.1f} {ratio:6.2f}", flush=True)


def forget_pages(path):
    """The kernel's copy of the file goes, so that the next open reads the disk."""
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def opening(folder):
    place = pathlib.Path(tempfile.mkdtemp(dir=folder))
    payloads = int(GIB * 4096)
    store("fill", place, 262144, payloads)
    print(f"{'open':8} {'GiB':>5} {'rows':>7} {'pages':>6} {'open ms':>8} {'load ms':>8} {'RSS MiB':>8}")
    for cached in (False, True):
        rows = []
        for _ in range(RUNS):
            if not cached:
                forget_pages(place / "spool.db")
            got = store("open", place)
            rows.append((got["open_ms"], got["load_ms"], got["peak_kib"] / 1024))
        opened, loaded, peak = medians(rows)
        print(f"{'':8} {got['bytes'] / 2**30:5.1f} {got['rows']:7} {'warm' if cached else 'cold':>6} {opened:8.1f} "
              f"{loaded:8.1f} {peak:8.1f}", flush=True)
    shutil.rmtree(place)


class Asleep:
    """An intake that accepts and says nothing while the block runs."""

    def __init__(self, hole):
        self.pid = hole.proc.pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


def spooled_lines(agent):
    return sum(r["spooled"] for r in agent.ledger_rows("destination") if r["name"] == "logs")


def run_drain(path, wrote, latency_ms, backlog):
    """MB/s of raw lines at the intake; the forwarder's CPU s/GB and largest PSS in MiB."""
    with contextlib.ExitStack() as stack:
        hole = stack.enter_context(Blackhole("later", latency_ms))
        asleep = stack.enter_context(contextlib.ExitStack())
        if backlog:
            asleep.enter_context(Asleep(hole))
        agent = stack.enter_context(new_agent(hole, [source(path)], bulkhead=AT_ONCE if backlog else {}))
        pid = agent.child_pid("forwarder")
        if backlog:
            wait_until(lambda: spooled_lines(agent) == wrote["lines"], 100, lambda: agent.ctl("ledger"))
        cpu = cpu_seconds(pid)
        asleep.close()
        agent.run_ctl("spool", "replay")
        pss, last, since = 0, 0, time.monotonic()
        while time.monotonic() - since < 2 + 2 * latency_ms / 1000:
            now = hole.ask("stats")["log_bytes"]
            last, since = now, time.monotonic() if now != last or not now else since
            pss = max(pss, pss_kib(pid))
            time.sleep(0.1)
        seen = hole.ask("check")
        rate = wrote["bytes"] / max(1, seen["last_but_one_ns"] - seen["first_ns"]) * 1e3
        return rate, (cpu_seconds(pid) - cpu) / wrote["bytes"] * 1e9, pss / 1024


def drain(folder):
    """A backlog out of the spool against the same file delivered as it is read."""
    path = folder / "backlog.log"
    wrote = write("backlog", path, "apache", BACKLOG_MIB, 1)
    print(f"{'drain':8} {'latency':>8} {'MB/s':>7} {'live MB/s':>10} {'ratio':>6} {'fwd s/GB':>9} {'fwd PSS':>8}")
    for ms in (0, 100, 1000):
        spool = medians([run_drain(path, wrote, ms, True) for _ in range(RUNS)])
        live = medians([run_drain(path, wrote, ms, False) for _ in range(RUNS)])
        print(f"{'':8} {ms:5} ms {spool[0]:7.1f} {live[0]:10.1f} {spool[0] / live[0]:6.2f} {spool[1]:9.2f} {spool[2]:8.1f}",
              flush=True)


def watch_live(intake, stop, ages):
    """Ages of lines "live TIME" as they appear at the intake."""
    with open(intake.data, "rb") as f:
        while not stop.is_set():
            line = f.readline()
            if not line.endswith(b"\n"):
                f.seek(-len(line), os.SEEK_CUR)
                time.sleep(0.02)
                continue
            at = line.find(b'"live ')
            if at >= 0:
                ages.append(time.time() - float(line[at + 6 : line.index(b'"', at + 6)]))


def run_live(folder, order):
    """Ages in seconds of lines written while a backlog drains."""
    place = pathlib.Path(tempfile.mkdtemp(dir=folder))
    write("backlog", place / "old.log", "apache", 64, 1)
    ages, stop = [], threading.Event()
    with Intake() as intake:
        intake.stop()
        config = {"logs_config": {"disk_retry": {"replay_order": order}}, "bulkhead": AT_ONCE, "log_level": "warn"}
        with Agent(intake, logs=[source(place / "*.log")], config=config) as agent:
            wait_until(lambda: spooled_lines(agent) > 100000, 120)
            intake.start()
            watcher = threading.Thread(target=watch_live, args=(intake, stop, ages))
            watcher.start()
            agent.run_ctl("spool", "replay")
            with open(place / "new.log", "a", encoding="utf-8") as f:
                for _ in range(60):
                    f.write(f"live {time.time():.3f}\n")
                    f.flush()
                    time.sleep(0.1)
                    if agent.ctl("spool")["payloads"] == 0:
                        break
            wait_until(lambda: agent.ctl("spool")["payloads"] == 0, 120)
            time.sleep(2)
            stop.set()
            watcher.join()
    shutil.rmtree(place)
    return ages


def live(folder):
    print(f"{'live':8} {'replay_order':14} {'lines':>6} {'age p50 s':>10} {'p99 s':>7}   (batch_wait of 1 s is in it)")
    for order in ("oldest_first", "newest_first"):
        ages = sorted(run_live(folder, order))
        p99 = ages[min(len(ages) - 1, int(len(ages) * 0.99))] if ages else 0
        print(f"{'':8} {order:14} {len(ages):6} {statistics.median(ages) if ages else 0:10.2f} {p99:7.2f}", flush=True)


def run_cost(folder, rate):
    place = pathlib.Path(tempfile.mkdtemp(dir=folder))
    with Blackhole("now") as hole, new_agent(hole, [source(place / "*.log")]) as agent:
        pids = {role: agent.child_pid(role) for role in ("logs", "forwarder")}
        before = {role: cpu_seconds(pid) for role, pid in pids.items()}
        rotating(place / "a.log", "apache", rate, 0, 64).communicate()
        used = {role: cpu_seconds(pid) - before[role] for role, pid in pids.items()}
        pss = pss_kib(pids["forwarder"]) / 1024
    shutil.rmtree(place)
    return used["forwarder"], used["logs"], used["forwarder"] / used["logs"], pss


def cost(folder):
    print(f"{'cost':8} {'load':14} {'fwd CPU s':>10} {'logs CPU s':>11} {'share':>6} {'fwd PSS MiB':>12}")
    fwd, logs, share, pss = medians([run_cost(folder, 10) for _ in range(RUNS)])
    print(f"{'':8} {'10 MiB/s':14} {fwd:10.2f} {logs:11.2f} {share:6.1%} {pss:12.1f}", flush=True)


def tls(folder):
    """PSS of the forwarder that delivers over TLS, without and with a backlog."""
    print(f"{'tls':8} {'backlog MiB':>12} {'fwd PSS MiB':>12}")
    certificates = Certificates(tempfile.mkdtemp(dir=folder))
    for mib in (1, BACKLOG_MIB):
        place = pathlib.Path(tempfile.mkdtemp(dir=folder))
        wrote = write("backlog", place / "a.log", "ascii", mib, 1)
        with Blackhole(None) as hole, Nginx(hole, certificates) as nginx:
            hub = {"tls": {"ca_file": certificates.pem("ca")}, **AT_ONCE}
            config = {"logs_config": {"logs_dd_url": nginx.url, "use_compression": False}, "bulkhead": hub}
            config["log_level"] = "warn"
            with Agent(hole, logs=[source(place / "a.log")], config=config) as agent:
                wait_until(lambda: spooled_lines(agent) == wrote["lines"], 300)
                nginx.serve("good")
                agent.run_ctl("spool", "replay")
                pid, pss, end = agent.child_pid("forwarder"), 0, time.monotonic() + 120
                while spooled_lines(agent) and time.monotonic() < end:
                    pss = max(pss, pss_kib(pid))
                    time.sleep(0.05)
        print(f"{'':8} {mib:12} {pss / 1024:12.1f}", flush=True)
        shutil.rmtree(place)


CASES = {"append": append, "open": opening, "drain": drain, "live": live, "cost": cost, "tls": tls}


def main(names=()):
    unknown = [name for name in names if name not in CASES]
    if unknown:
        sys.exit(f"cases of spool: {' '.join(CASES)}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bh-bench-", dir="/tmp"))
    try:
        for name in names or CASES:
            CASES[name](folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {SECONDS:.0f} s a load")

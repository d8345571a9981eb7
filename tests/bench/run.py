#!/usr/bin/env python3
"""Figures of the first path: CPU of dogstatsd per message against the bare floor, in one session.

Medians of several runs, agent and floor in turn. A run counts only when the sum of all counters
that arrived equals the sum that was sent. Prints a table; nothing here passes or fails.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness import BUILD, Agent, Intake, wait_until  # noqa: E402

RUNS = int(os.environ.get("BENCH_RUNS", "5"))
LOADS = [("statsd", 10_000, 256), ("seed", 5_000, 256)]
TICKS = os.sysconf("SC_CLK_TCK")


def send(path, load, contexts, mib, seed):
    out = subprocess.run(
        [BUILD / "bench" / "dogstatsd-send", path, load, str(contexts), str(mib), str(seed)],
        check=True,
        capture_output=True,
    )
    return json.loads(out.stdout)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def pss_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def run_floor(load, contexts, mib, seed):
    with tempfile.TemporaryDirectory(prefix="bh-bench-") as folder:
        path = f"{folder}/floor.sock"
        floor = subprocess.Popen([BUILD / "bench" / "dogstatsd-floor", path], stdout=subprocess.PIPE)
        wait_until(lambda: os.path.exists(path), 10)
        sent = send(path, load, contexts, mib, seed)
        floor.terminate()
        got = json.loads(floor.communicate()[0])
        assert got["lines"] == sent["lines"]
        return got["cpu_s"], sent


def listener_received(agent):
    return sum(row["received"] for row in agent.ledger_rows("listener"))


def run_agent(load, contexts, mib, seed):
    config = {"bulkhead": {"dogstatsd_flush_interval": 15}, "log_level": "warn", "logs_enabled": False}
    with Intake() as intake, Agent(intake, config=config) as agent:
        pid = agent.child_pid("dogstatsd")
        before = cpu_seconds(pid)
        sent = send(agent.dsd_socket, load, contexts, mib, seed)
        last = [-1]

        def quiet():
            now = listener_received(agent)
            done, last[0] = now == last[0] and now >= sent["lines"], now
            return done

        wait_until(quiet, 30)
        cpu, pss = cpu_seconds(pid) - before, pss_kib(pid)
        agent.stop()
        arrived = sum(
            value * record["interval"]
            for record in intake.records("series")
            if record["type"] == "rate" and not record["metric"].startswith("datadog.")
            and not record["metric"].endswith(".count")
            for _, value in record["points"]
        )
        return cpu, pss, sent, arrived


def main():
    print(f"{'load':8} {'floor ns/line':>14} {'agent ns/line':>14} {'ratio':>6} {'floor s/GiB':>12} "
          f"{'agent s/GiB':>12} {'agent MiB/s':>12} {'PSS KiB':>8} {'sum ok':>6}")
    for load, contexts, mib in LOADS:
        floors, agents, rates, sizes, exact = [], [], [], [], True
        for seed in range(1, RUNS + 1):
            cpu, sent = run_floor(load, contexts, mib, seed)
            floors.append(cpu)
            cpu, pss, sent, arrived = run_agent(load, contexts, mib, seed)
            agents.append(cpu)
            sizes.append(pss)
            rates.append(sent["bytes"] / sent["seconds"] / 2**20)
            if load == "statsd":
                exact = exact and round(arrived) == sent["counter_sum"]
        lines, gib = sent["lines"], sent["bytes"] / 2**30
        floor, agent = statistics.median(floors), statistics.median(agents)
        print(f"{load:8} {floor / lines * 1e9:14.0f} {agent / lines * 1e9:14.0f} {agent / floor:6.2f} "
              f"{floor / gib:12.2f} {agent / gib:12.2f} {statistics.median(rates):12.0f} "
              f"{statistics.median(sizes):8.0f} {('yes' if exact else 'NO') if load == 'statsd' else '-':>6}")


if __name__ == "__main__":
    main()

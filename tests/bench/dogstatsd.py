"""Figures of dogstatsd: CPU per message against the bare floor, transports, pauses, memory.

Medians of several runs, agent and floor in turn. A run counts only when the sum of all counters
that arrived equals the sum that was sent. Prints a table; nothing here passes or fails.
"""

import json
import os
import statistics
import subprocess
import tempfile
import threading

from common import RUNS, TOOLS, cpu_seconds, pss_kib
from harness import Agent, Intake, free_udp_port, wait_until

LOADS = [("statsd", 10_000, 256), ("seed", 5_000, 256)]
MEMORY = [
    ("rss_dsd_low", 3_000, 1),
    ("rss_dsd_medium", 10_000, 10),
    ("rss_dsd_heavy", 100_000, 50),
    ("rss_dsd_ultraheavy", 250_000, 100),
]


def send(target, load, contexts, mib, seed, seconds=0, rate=None):
    out = subprocess.run(
        [TOOLS / "dogstatsd-send", target, load, str(contexts), str(mib), str(seed), str(seconds)]
        + ([str(rate)] if rate else []),
        check=True,
        capture_output=True,
    )
    return json.loads(out.stdout)


def run_floor(load, contexts, mib, seed):
    with tempfile.TemporaryDirectory(prefix="bh-bench-") as folder:
        path = f"{folder}/floor.sock"
        floor = subprocess.Popen([TOOLS / "dogstatsd-floor", path], stdout=subprocess.PIPE)
        wait_until(lambda: os.path.exists(path), 10)
        sent = send(path, load, contexts, mib, seed)
        floor.terminate()
        got = json.loads(floor.communicate()[0])
        assert got["lines"] == sent["lines"]
        return got["cpu_s"], sent


def listener_received(agent):
    return sum(row["received"] for row in agent.ledger_rows("listener"))


def settled(agent, at_least):
    """Waits until everything that was sent is read."""
    last = [-1]

    def quiet():
        now = listener_received(agent)
        done, last[0] = now == last[0] and now >= at_least, now
        return done

    wait_until(quiet, 60)


def quick_agent(intake, **config):
    return Agent(intake, config={"bulkhead": {"dogstatsd_flush_interval": 15, **config}, "log_level": "warn", "logs_enabled": False})


def run_agent(load, contexts, mib, seed):
    with Intake() as intake, quick_agent(intake) as agent:
        pid = agent.child_pid("dogstatsd")
        before = cpu_seconds(pid)
        sent = send(agent.dsd_socket, load, contexts, mib, seed)
        settled(agent, sent["lines"])
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


def run_transport(kind, load, contexts, mib, seed, rate=None):
    """CPU ns a line that was read, the share the kernel dropped (UDP), MiB and lines a second."""
    port = free_udp_port() if kind == "udp" else 0
    with Intake() as intake:
        agent = quick_agent(intake)
        stream = str(agent.dir / "stream.socket")
        agent.config.update({"dogstatsd_port": port, "dogstatsd_stream_socket": stream})
        agent.write_config()
        target = {"udp": f"udp:{port}", "datagram": agent.dsd_socket, "stream": f"stream:20:{stream}"}[kind]
        with agent:
            pid = agent.child_pid("dogstatsd")
            before = cpu_seconds(pid)
            sent = send(target, load, contexts, mib, seed, 3 if rate else 0, rate)
            settled(agent, 1 if kind == "udp" else sent["lines"])
            cpu = cpu_seconds(pid) - before
            rows = agent.ledger_rows("listener")
            read = sum(row["delivered"] for row in rows)
            dropped = sum(row["dropped"].get("kernel", 0) for row in rows)
            agent.stop()
            return (
                cpu / read * 1e9,
                dropped / sent["datagrams"],
                sent["bytes"] / sent["seconds"] / 2**20,
                read / sent["seconds"],
            )


def run_flush(contexts):
    """Waits of a blocking sender over two flushes and more, once every context is known."""
    with Intake() as intake, quick_agent(intake, dogstatsd_context_limit=2 * contexts) as agent:
        pid = agent.child_pid("dogstatsd")
        send(agent.dsd_socket, "statsd", contexts, 64, 1)
        sent = send(agent.dsd_socket, "statsd", contexts, 64, 1, 40)
        return sent, pss_kib(pid)


def run_memory(contexts, rate):
    """The largest PSS of dogstatsd while the seed load comes in at this rate for two flushes."""
    with Intake() as intake, quick_agent(intake) as agent:
        pid = agent.child_pid("dogstatsd")
        largest = [0]
        done = threading.Event()

        def watch():
            while not done.wait(0.5):
                largest[0] = max(largest[0], pss_kib(pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        before = cpu_seconds(pid)
        sent = send(agent.dsd_socket, "seed", contexts, max(64, contexts // 500), 1, 35, rate)
        cpu = cpu_seconds(pid) - before
        done.set()
        watcher.join()
        return largest[0] / 1024, cpu / sent["seconds"]


def idle_pss():
    with Intake() as intake, quick_agent(intake) as agent:
        return pss_kib(agent.child_pid("dogstatsd"))


def main():
    print(f"{'load':8} {'floor ns/line':>14} {'agent ns/line':>14} {'ratio':>6} {'floor s/GiB':>12} "
          f"{'agent s/GiB':>12} {'floor MiB/s':>12} {'agent MiB/s':>12} {'PSS KiB':>8} {'sum ok':>6}")
    for load, contexts, mib in LOADS:
        floors, agents, floor_rates, rates, sizes, exact = [], [], [], [], [], True
        for seed in range(1, RUNS + 1):
            cpu, sent = run_floor(load, contexts, mib, seed)
            floors.append(cpu)
            floor_rates.append(sent["bytes"] / sent["seconds"] / 2**20)
            cpu, pss, sent, arrived = run_agent(load, contexts, mib, seed)
            agents.append(cpu)
            sizes.append(pss)
            rates.append(sent["bytes"] / sent["seconds"] / 2**20)
            if load == "statsd":
                exact = exact and round(arrived) == sent["counter_sum"]
        lines, gib = sent["lines"], sent["bytes"] / 2**30
        floor, agent = statistics.median(floors), statistics.median(agents)
        print(f"{load:8} {floor / lines * 1e9:14.0f} {agent / lines * 1e9:14.0f} {agent / floor:6.2f} "
              f"{floor / gib:12.2f} {agent / gib:12.2f} {statistics.median(floor_rates):12.0f} {statistics.median(rates):12.0f} "
              f"{statistics.median(sizes):8.0f} {('yes' if exact else 'NO') if load == 'statsd' else '-':>6}")
    transports()
    pauses()


def transports():
    print(f"\n{'load':8} {'transport':12} {'agent ns/line':>14} {'MiB/s':>8} {'dropped by the kernel':>22}")
    for load, contexts, mib in LOADS:
        for kind in ("datagram", "stream", "udp"):
            if kind == "udp" and load == "seed":
                continue
            runs = [run_transport(kind, load, contexts, mib, seed) for seed in range(1, RUNS + 1)]
            ns, lost, rate, _ = (statistics.median(column) for column in zip(*runs))
            print(f"{load:8} {kind:12} {ns:14.0f} {rate:8.0f} {lost:21.1%}")
    print("\nstatsd over udp at a rate, default socket buffers")
    for wanted in (400, 200, 100, 50, 25):
        runs = [run_transport("udp", "statsd", 10_000, 256, seed, wanted) for seed in range(1, 4)]
        _, lost, rate, lines = (statistics.median(column) for column in zip(*runs))
        print(f"{rate:8.0f} MiB/s {lines / 1e6:8.2f} M lines/s {lost:12.3%} dropped")


def pauses():
    print(f"\n{'contexts':>9} {'wait p99.9 us':>14} {'longest us':>11} {'lines/s':>9} {'PSS MiB':>8}")
    for contexts in (10_000, 1_000_000):
        sent, pss = run_flush(contexts)
        print(f"{contexts:9} {sent['wait_p999_us']:14} {sent['wait_max_us']:11} "
              f"{sent['lines'] / sent['seconds']:9.0f} {pss / 1024:8.0f}")
    print(f"idle PSS of dogstatsd: {idle_pss()} KiB")
    print(f"\n{'load':20} {'contexts':>9} {'MiB/s':>6} {'PSS MiB':>8} {'cores':>6}")
    for name, contexts, rate in MEMORY:
        pss, cores = run_memory(contexts, rate)
        print(f"{name:20} {contexts:9} {rate:6} {pss:8.1f} {cores:6.3f}")

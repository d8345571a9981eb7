"""What the supervisor costs: start, restart, answers, memory, and a job around which it is wrapped."""

import os
import signal
import statistics
import subprocess
import time

from common import BUILD, RUNS, pss_kib
from harness import Agent, Intake, clean_env

JOB_RUNS = 4 * RUNS
RESTARTS = 20 * RUNS
ROLES = ("dogstatsd", "logs", "forwarder")


def ms(seconds):
    return f"{seconds * 1000:.1f} ms"


def row(name, values, budget):
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    print(f"{name:<34} median {ms(statistics.median(values)):>9}  p99 {ms(p99):>9}  budget {budget}", flush=True)


def seen(agent, text, since):
    """When the log says so."""
    while True:
        try:
            with open(agent.log, "rb") as f:
                f.seek(since)
                if text in f.read():
                    return time.monotonic()
        except FileNotFoundError:
            pass
        time.sleep(0.0005)


def starts(intake):
    values = []
    for _ in range(JOB_RUNS):
        agent = Agent(intake, config={"log_level": "info"})
        began = time.monotonic()
        agent.spawn()
        values.append(seen(agent, b"ready: every process runs", 0) - began)
        agent.stop()
        agent._remove()
    row("ready, empty state", values, "50 ms")


def restarts(intake):
    """The first end of each child: each counts once an agent."""
    values = {role: [] for role in ROLES}
    while len(values["logs"]) < RESTARTS:
        with Agent(intake, config={"log_level": "info"}) as agent:
            for role in ROLES:
                pid, since = agent.child_pid(role), agent.log.stat().st_size
                began = time.monotonic()
                os.kill(pid, signal.SIGKILL)
                values[role].append(seen(agent, b"state=RUNNING from=STARTING", since) - began)
    for role in ROLES:
        row(f"{role} killed, RUNNING again", values[role], "100 ms at p99")


def ask(agent, *words):
    began = time.monotonic()
    agent.run_ctl(*words)
    return time.monotonic() - began


def answers_and_memory(intake):
    with Agent(intake, config={"log_level": "info"}) as agent:
        row("bulkheadctl status", [ask(agent, "status") for _ in range(JOB_RUNS)], "20 ms")
        time.sleep(5)
        pids = {"supervisor": agent.proc.pid, **{role: agent.child_pid(role) for role in ROLES}}
        kib = {name: pss_kib(pid) for name, pid in pids.items()}
        parts = ", ".join(f"{name} {n / 1024:.1f}" for name, n in kib.items())
        print(f"{'idle, PSS':<34} {sum(kib.values()) / 1024:.1f} MiB ({parts})  budget 12 MiB", flush=True)


def run_job(command):
    began = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=clean_env())
    return time.monotonic() - began


def jobs(intake):
    job = ["sh", "-c", "sleep 0.005; echo done"]
    agent = Agent(intake, config={"log_level": "info"})
    bare = statistics.median(run_job(job) for _ in range(JOB_RUNS))
    wrapped = [run_job([BUILD / "bulkhead", "run", "-c", agent.dir, "--", *job]) for _ in range(JOB_RUNS)]
    row("run -- a 5 ms job, on top of it", [t - bare for t in wrapped], "100 ms")
    agent._remove()


def main():
    with Intake() as intake:
        starts(intake)
        jobs(intake)
        answers_and_memory(intake)
        restarts(intake)

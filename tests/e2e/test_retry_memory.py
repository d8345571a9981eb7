"""Metrics without a spool: what may wait in memory, and for how long it will do (spec/intake.md §13.4, §13.5)."""

import random
import time

from harness import Agent, Intake, wait_until

MEMORY = 20_000
POINTS = 100  # of a burst; names that do not compress: some 3 kB
OWN = "datadog.agent.retry_queue_duration."


def burst(agent, chooser):
    """Samples with a time, which wait for no bucket; returns their names."""
    names = [f"burst.{chooser.getrandbits(128):032x}" for _ in range(POINTS)]
    agent.send("\n".join(f"{name}:1|g|T{int(time.time())}" for name in names).encode())
    return names


def arrived(intake):
    return {r["metric"] for r in intake.records("series")}


def in_memory(agent):
    return agent.ctl("status")["numbers"]["forwarder"]["buffer/metrics_retry_memory:127.0.0.1/size_bytes"]


def test_metrics_without_a_spool_wait_in_the_memory_that_was_set():
    config = {
        "forwarder_storage_max_size_in_bytes": 0,
        "forwarder_retry_queue_payloads_max_size": MEMORY,
        "forwarder_retry_queue_capacity_time_interval_sec": 60,
        "forwarder_backoff_base": 0.1,
        "forwarder_backoff_max": 0.4,
    }
    chooser = random.Random(13)
    with Intake() as intake, Agent(intake, config=config) as agent:

        def row():
            return agent.destination("metrics")

        # While the intake takes them nothing is dropped, and the Agent's metrics say how long an outage may be.
        burst(agent, chooser)
        wait_until(lambda: OWN + "capacity_secs" in arrived(intake), 30)
        for one in ("capacity_secs", "bytes_per_sec", "capacity_bytes"):
            for r in intake.records("series", OWN + one):
                assert r["type"] == "gauge" and {"agent:core", f"domain:{intake.url}"} <= set(r["tags"]), r
        assert set(intake.values(OWN + "capacity_bytes")) == {MEMORY}
        assert all(n > 0 for n in intake.values(OWN + "bytes_per_sec"))
        assert row()["dropped"] == {}

        # Then the oldest go, and no more than that stays.
        intake.fault("status=503")
        sent = []

        def is_dropping():
            sent.append(burst(agent, chooser))
            return row()["dropped"].get("queue_full", 0) > POINTS

        wait_until(is_dropping, 60, row)
        wait_until(lambda: 0 < in_memory(agent) <= MEMORY, 30, row)
        assert set(row()["dropped"]) == {"queue_full"} and row()["spooled"] == 0

        # The end of it is seen by what is left, or comes next.
        delivered = row()["delivered"]
        intake.fault("clear=1")
        wait_until(lambda: row()["delivered"] > delivered, 30, row)
        last = burst(agent, chooser)
        wait_until(lambda: set(last) <= arrived(intake), 30, row)
        names = {name for names in sent for name in names}
        wait_until(lambda: len(names - arrived(intake)) <= row()["dropped"]["queue_full"], 30, row)
        assert names - arrived(intake)
        wait_until(agent.closes, 30, row)

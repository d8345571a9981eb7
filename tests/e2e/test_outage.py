"""A dead intake: what was taken in is kept over a stop and delivered once, later."""

import contextlib

from harness import Agent, Intake, wait_until

SLOW_ANSWERS = "latency_ms=400&path=/api/v2/logs"

LINES = 100_000
LINE = b"%07d " + b"x" * 492 + b"\n"  # 50 MB in all


@contextlib.contextmanager
def dead_intake():
    """An intake whose port refuses connections until the test starts it."""
    with Intake() as intake:
        assert intake.stop() == 0
        yield intake


def test_a_stop_with_a_dead_intake_and_50_mb_in_flight_loses_and_repeats_nothing(tmp_path):
    log = tmp_path / "big.log"
    with open(log, "wb") as f:
        f.writelines(LINE % i for i in range(LINES))
    size = log.stat().st_size
    logs = [{"path": str(log), "start_position": "beginning"}]
    with dead_intake() as intake, Agent(intake, logs=logs, config={"bulkhead": {"spool_after": 1}}) as agent:

        def taken_in():
            return sum(r["received"] for r in agent.ledger_rows("source"))

        wait_until(lambda: taken_in() == LINES, 60, taken_in)
        assert agent.stop(timeout=27) == 0  # the budget is 25 s
        assert agent.value("SELECT sum(items) FROM spool WHERE kind = 1") == LINES
        assert agent.value("SELECT count(*) FROM spool") == agent.value("SELECT count(*) FROM delivery")
        assert agent.value("SELECT safe FROM registry") == str(size)
        assert agent.value("SELECT delivered FROM registry") in ("", "0")
        report = agent.drain_report()
        assert sum(r.get("left", 0) for r in report["roles"]) == 0, report

        intake.start()
        agent.start()
        wait_until(lambda: intake.stats()["log_messages"] >= LINES, 90, intake.stats)
        wait_until(lambda: sum(r["spooled"] for r in agent.ctl("ledger")["rows"]) == 0, 30)
        assert agent.stop() == 0
        got = [int(m[:7]) for m in intake.messages()]
        assert len(got) == LINES, "a line came twice"
        assert sorted(got) == list(range(LINES))
        assert agent.value("SELECT count(*) FROM spool") == 0
        assert agent.query("SELECT safe, delivered, complete FROM registry") == [(str(size),) * 3]


def test_metrics_of_an_outage_arrive_once_after_a_restart():
    with dead_intake() as intake, Agent(intake, config={"bulkhead": {"spool_after": 0}}) as agent:
        agent.send(*[b"outage.hits:1|c\n"] * 500)
        assert agent.stop() == 0
        assert agent.value("SELECT count(*) FROM spool") > 0
        intake.start()
        agent.start()
        wait_until(lambda: round(intake.total("outage.hits"), 6) >= 500, 30)
        assert agent.stop() == 0
        assert round(intake.total("outage.hits"), 6) == 500
        assert agent.value("SELECT count(*) FROM spool") == 0


def test_the_spool_is_delivered_first_in_first_out(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"")
    config = {"bulkhead": {"spool_after": 0}, "logs_config": {"batch_max_size": 10, "batch_max_concurrent_send": 1}}
    logs = [{"path": str(log), "start_position": "beginning"}]
    with dead_intake() as intake, Agent(intake, logs=logs, config=config) as agent:
        with open(log, "ab") as f:
            f.writelines(b"n %d\n" % i for i in range(500))
        wait_until(lambda: sum(r["received"] for r in agent.ledger_rows("source")) == 500, 20)
        assert agent.stop() == 0
        assert agent.value("SELECT sum(items) FROM spool WHERE kind = 1") == 500
        intake.start()
        agent.start()
        wait_until(lambda: intake.stats()["log_messages"] >= 500, 30, intake.stats)
        assert agent.stop() == 0
        assert intake.messages() == [f"n {i}" for i in range(500)]


def test_a_spool_goes_out_through_slow_and_refused_answers_once(tmp_path):
    """While an answer is awaited the body is only on disk: it is read again to be sent again, cut, or kept."""
    log = tmp_path / "app.log"
    log.write_bytes(b"".join(b"%06d %0*d\n" % (i, 100, pow(7919, i + 50, 10**100)) for i in range(20000)))
    config = {"bulkhead": {"spool_after": 0}, "logs_config": {"batch_max_size": 100, "sender_backoff_base": 0.1}}
    logs = [{"path": str(log), "start_position": "beginning"}]
    with dead_intake() as intake, Agent(intake, logs=logs, config=config) as agent:
        wait_until(lambda: one_of(agent, "logs")["spooled"] == 20000, 30, lambda: agent.ctl("ledger"))
        intake.start()
        intake.fault(f"status=400&count=3&{SLOW_ANSWERS}")
        intake.fault(f"status=413&count=5&{SLOW_ANSWERS}")
        intake.fault(f"status=503&count=9&probability=0.2&{SLOW_ANSWERS}")
        intake.fault("mode=reset&count=5&probability=0.2&path=/api/v2/logs")
        intake.fault(SLOW_ANSWERS)
        agent.run_ctl("spool", "replay")
        wait_until(lambda: one_of(agent, "logs")["spooled"] == 0, 60, lambda: agent.ctl("ledger"))
        row = one_of(agent, "logs")
        assert row["delivered"] == 20000 - 300
        assert row["dropped"] == {"status_400": 300}
        intake.fault("clear=1")
        assert agent.ctl("quarantine", "replay")["replayed"] == 300
        wait_until(lambda: len(intake.messages()) >= 20000, 20, intake.stats)
        assert agent.stop() == 75, "what was refused counts as dropped"
        assert sorted(int(m[:6]) for m in intake.messages()) == list(range(20000))


def one_of(agent, destination):
    return next(r for r in agent.ledger_rows("destination") if r["name"] == destination)

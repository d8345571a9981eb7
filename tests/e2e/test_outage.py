"""A dead intake: what was taken in is kept over a stop and delivered once, later."""

import contextlib

from harness import Agent, Intake, wait_until

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

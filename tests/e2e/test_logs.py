"""Log files to the intake: what arrives, in what form, over rotations, truncations and restarts."""

import os

from harness import Agent, Intake, append, source, wait_until

MARK = "...TRUNCATED..."


def lines(prefix, count, start=0):
    return b"".join(b"%s %d\n" % (prefix, i) for i in range(start, start + count))


def numbered(prefix, count, start=0):
    return [f"{prefix} {i}" for i in range(start, start + count)]


def test_a_line_arrives_with_service_source_tags_and_host(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"hello\n")
    with Intake() as intake, Agent(intake, logs=[source(log, tags=["env:prod", "team:x"])]) as agent:
        intake.expect(["hello"])
        assert agent.stop() == 0
        record = intake.records("log")[0]
        assert {k: record[k] for k in ("status", "hostname", "service", "ddsource")} == {
            "status": "info",
            "hostname": "testhost",
            "service": "svc",
            "ddsource": "src",
        }
        assert record["ddtags"] == f"filename:app.log,dirname:{tmp_path},env:prod,team:x"
        assert isinstance(record["timestamp"], int) and record["timestamp"] > 1_600_000_000_000


def test_wildcards_take_all_files_and_those_that_come_later(tmp_path):
    for name in ("a.log", "b.log", "c.txt"):
        (tmp_path / name).write_bytes(f"{name}\n".encode())
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "d.log").write_bytes(b"d.log\n")
    logs = [source(tmp_path / "*.log"), source(tmp_path / "*" / "?.log", tags=["deep:1"])]
    with Intake() as intake, Agent(intake, logs=logs) as agent:
        wait_until(lambda: sorted(intake.messages()) == ["a.log", "b.log", "d.log"], 20, intake.messages)
        (tmp_path / "e.log").write_bytes(b"e.log\n")
        wait_until(lambda: "e.log" in intake.messages(), 20, intake.messages)
        assert agent.stop() == 0
        tags = {r["message"]: r["ddtags"] for r in intake.records("log")}
        assert tags["d.log"] == f"filename:d.log,dirname:{tmp_path}/sub,deep:1"
        assert tags["e.log"] == f"filename:e.log,dirname:{tmp_path}"
        assert len(intake.messages()) == 4


def test_a_file_found_at_the_start_is_read_from_its_end_by_default(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"old\n")
    with Intake() as intake, Agent(intake, logs=[{"path": str(log)}]) as agent:
        append(log, b"new\n")
        intake.expect(["new"])
        assert agent.stop() == 0
        assert intake.messages() == ["new"]


def test_nul_invalid_utf8_and_control_characters(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"a\0b \xff \xe4\xb8 \xed\xa0\x80 \x1b[31m \"q\\ \xc3\xa9\n")
    with Intake() as intake, Agent(intake, logs=[source(log)]) as agent:
        intake.expect(['a\0b \ufffd \ufffd\ufffd \ufffd\ufffd\ufffd \x1b[31m "q\\ é'])
        assert agent.stop() == 0


def test_white_space_is_trimmed_and_empty_lines_are_not_sent(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"  indented \r\n\n   \n\r\nlast\n")
    with Intake() as intake, Agent(intake, logs=[source(log)]) as agent:
        intake.expect(["indented", "last"])
        assert agent.ctl("ledger")["balanced"]
        assert agent.stop() == 0


def test_a_line_over_the_limit_is_cut_with_marks(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"x" * 2_000_000 + b"\n" + b"y" * 900_000 + b"\nshort\n")
    with Intake() as intake, Agent(intake, logs=[source(log)]) as agent:
        intake.expect(
            [
                "x" * 900_000 + MARK,
                MARK + "x" * 900_000 + MARK,
                MARK + "x" * 200_000,
                "y" * 900_000,
                "short",
            ],
        )
        assert agent.stop() == 0
        assert intake.stats()["decode_errors"] == 0


def test_an_unfinished_line_waits_for_its_end_also_over_a_restart(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"whole\nhal")
    with Intake() as intake, Agent(intake, logs=[source(log)]) as agent:
        intake.expect(["whole"])
        assert agent.stop() == 0
        append(log, b"f\n")
        agent.start()
        intake.expect(["whole", "half"])
        assert agent.stop() == 0


def test_a_rename_rotation_loses_nothing_and_keeps_the_order(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(lines(b"one", 100))
    with Intake() as intake, Agent(intake, logs=[source(log)]) as agent:
        old = open(log, "ab", buffering=0)
        wait_until(lambda: intake.stats()["log_messages"] >= 1, 20)
        old.write(lines(b"one", 100, 100))
        os.rename(log, tmp_path / "app.log.1")
        old.write(lines(b"one", 100, 200))  # a writer that has not reopened yet
        log.write_bytes(lines(b"two", 100))
        wait_until(lambda: intake.stats()["log_messages"] >= 400, 20, intake.stats)
        old.write(b"late\n")
        old.close()
        intake.expect([*numbered("one", 300), *numbered("two", 100), "late"])
        assert agent.stop() == 0


def test_two_rotations_while_the_agent_is_down_lose_nothing(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(lines(b"one", 10))
    with Intake() as intake, Agent(intake, logs=[source(log)]) as agent:
        intake.expect(numbered("one", 10))
        assert agent.stop() == 0
        append(log, lines(b"one", 10, 10))
        os.rename(log, tmp_path / "app.log.1")
        log.write_bytes(lines(b"two", 10))
        os.rename(tmp_path / "app.log.1", tmp_path / "app.log.2")
        os.rename(log, tmp_path / "app.log.1")
        log.write_bytes(lines(b"three", 10))
        agent.start()
        intake.expect([*numbered("one", 20), *numbered("two", 10), *numbered("three", 10)])
        assert agent.stop() == 0


def test_a_truncated_file_is_read_from_its_beginning(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(lines(b"before", 100))
    with Intake() as intake, Agent(intake, logs=[source(log)]) as agent:
        intake.expect(numbered("before", 100))
        os.truncate(log, 0)
        append(log, lines(b"after", 5))
        intake.expect([*numbered("before", 100), *numbered("after", 5)])
        assert agent.stop() == 0


def test_a_restart_goes_on_where_it_ended(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"")
    with Intake() as intake, Agent(intake, logs=[source(log)]) as agent:
        for round_ in range(3):
            append(log, lines(b"n", 50, 100 * round_))
            wait_until(lambda: intake.stats()["log_messages"] >= 100 * round_ + 50, 20)
            assert agent.stop() == 0
            append(log, lines(b"n", 50, 100 * round_ + 50))
            agent.start()
        intake.expect(numbered("n", 300))
        assert agent.stop() == 0


def test_an_unreadable_file_is_named_and_read_once_it_can_be(tmp_path):
    good, secret = tmp_path / "good.log", tmp_path / "secret.log"
    good.write_bytes(b"good\n")
    secret.write_bytes(b"secret\n")
    secret.chmod(0)
    # root reads everything unless these two are gone
    wrapper = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    logs = [source(secret), source(good), source(tmp_path / "missing.log"), source(tmp_path)]
    with Intake() as intake, Agent(intake, logs=logs, wrapper=wrapper) as agent:
        intake.expect(["good"])
        wait_until(lambda: "secret.log" in agent.log_text(), 10)
        assert "ermission denied" in agent.log_text()
        secret.chmod(0o644)
        intake.expect(["good", "secret"])
        assert agent.stop() == 0


def test_many_lines_arrive_once_in_bodies_the_service_takes(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(lines(b"x" * 300, 30_000))
    config = {"logs_config": {"batch_max_concurrent_send": 1}}  # then the order at the intake is exact
    with Intake() as intake, Agent(intake, logs=[source(log)], config=config) as agent:
        intake.expect(numbered("x" * 300, 30_000))
        stats = intake.stats()
        assert set(stats["requests"]["/api/v2/logs"]) == {"202"}
        assert agent.stop() == 0

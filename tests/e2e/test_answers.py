"""What becomes of data for each kind of answer (spec/intake.md §11): parts after 413, the key's budget
after 403, the quarantine. The ledger closes and every line arrives exactly once."""


import pytest
from harness import API_KEY, Agent, Intake, wait_until

FAST = {"sender_backoff_base": 0.1, "sender_backoff_max": 0.4}
TAIL = API_KEY[-5:]


def settings(**logs_config):
    return {
        "logs_config": {**FAST, **logs_config},
        "forwarder_backoff_base": 0.1,
        "forwarder_backoff_max": 0.4,
        "bulkhead": {"spool_after": 1},
    }


def write_lines(path, n, width=100):
    """Lines that do not compress to nothing: each has digits of its own."""
    with open(path, "ab") as f:
        for i in range(n):
            f.write(b"%06d %0*d\n" % (i, width, pow(7919, i + 50, 10**width)))


def numbers(intake):
    return [int(m[:6]) for m in intake.messages()]


def number(agent, name):
    return agent.ctl("status").get("numbers", {}).get("forwarder", {}).get(name, 0)


def note(agent, name):
    """A sentence of the status page; "" when there is none."""
    return next((n.partition(": ")[2] for n in agent.role("forwarder").get("notes", []) if n.startswith(name + ": ")), "")


def source(path):
    return [{"path": str(path), "start_position": "beginning"}]


@pytest.mark.parametrize("encoding", ["zstd", "gzip", "identity"])
def test_a_batch_that_is_too_large_arrives_in_parts(tmp_path, encoding):
    log = tmp_path / "app.log"
    write_lines(log, 3000)
    config = settings(use_compression=encoding != "identity", compression_kind=encoding if encoding != "identity" else "zstd")
    with Intake() as intake:
        intake.fault("status=413&above=9000&path=/api/v2/logs")
        with Agent(intake, logs=source(log), config=config) as agent:
            wait_until(lambda: len(intake.messages()) >= 3000, 40, intake.stats)
            wait_until(lambda: agent.destination("logs")["delivered"] == 3000, 10)
            assert agent.closes()
            assert number(agent, "destination.logs.splits") > 0
            assert agent.stop() == 0
            assert agent.value("SELECT complete FROM registry") == str(log.stat().st_size)
        assert sorted(numbers(intake)) == list(range(3000))
        assert intake.stats()["requests"]["/api/v2/logs"]["413"] > 10


def test_the_position_waits_for_the_last_part(tmp_path):
    log = tmp_path / "app.log"
    write_lines(log, 1000)
    with Intake() as intake:
        intake.fault("status=413&above=9000&path=/api/v2/logs")
        # two parts pass, then the intake is away: the parent is not acknowledged by halves
        intake.fault("latency_ms=1&count=2&path=/api/v2/logs")
        intake.fault("status=503&path=/api/v2/logs")
        with Agent(intake, logs=source(log), config=settings()) as agent:
            wait_until(lambda: number(agent, "spool.rows") > 0, 20)
            assert 0 < len(intake.messages()) < 1000
            assert agent.destination("logs")["delivered"] == 0
            assert agent.destination("logs")["spooled"] == 1000
            assert agent.closes()
            agent.kill("forwarder")
            wait_until(lambda: number(agent, "spool.rows") > 0, 20)
            sent = len(intake.messages())
            intake.fault("clear=1")
            wait_until(lambda: len(set(numbers(intake))) == 1000, 30)
            wait_until(lambda: agent.destination("logs")["delivered"] == 1000, 10)
            assert agent.stop() == 0
            assert agent.value("SELECT complete FROM registry") == str(log.stat().st_size)
        # a kill repeats the parts of payloads that were open, nothing else
        assert len(intake.messages()) <= 1000 + sent


def test_an_ordered_stop_between_parts_repeats_nothing(tmp_path):
    log = tmp_path / "app.log"
    write_lines(log, 1000)
    with Intake() as intake:
        intake.fault("status=413&above=9000&path=/api/v2/logs")
        intake.fault("latency_ms=1&count=2&path=/api/v2/logs")
        intake.fault("status=503&path=/api/v2/logs")
        with Agent(intake, logs=source(log), config=settings()) as agent:
            wait_until(lambda: number(agent, "spool.rows") > 0, 20)
            sent = len(intake.messages())
            assert 0 < sent < 1000
            assert agent.stop() == 0
            assert agent.value("SELECT sum(items) FROM spool") == 1000 - sent
            assert agent.value("SELECT pending_bytes FROM destination WHERE key='logs/primary'") == agent.value(
                "SELECT sum(body_len) FROM spool"
            )
            intake.fault("clear=1")
            agent.start()
            wait_until(lambda: len(intake.messages()) >= 1000, 30)
            wait_until(lambda: number(agent, "spool.rows") == 0, 10)
            assert agent.stop() == 0
            assert agent.value("SELECT complete FROM registry") == str(log.stat().st_size)
        assert sorted(numbers(intake)) == list(range(1000))


def test_a_line_too_large_alone_is_dropped_alone(tmp_path):
    log = tmp_path / "app.log"
    write_lines(log, 100)
    with open(log, "ab") as f:
        f.write(b"999999 " + b"".join(b"%040d" % pow(7919, i + 90, 10**40) for i in range(1000)) + b"\n")
    with Intake() as intake:
        intake.fault("status=413&above=9000&path=/api/v2/logs")
        with Agent(intake, logs=source(log), config=settings()) as agent:
            wait_until(lambda: agent.destination("logs")["delivered"] == 100, 30)
            row = agent.destination("logs")
            assert row["dropped"] == {"status_413": 1}, row
            assert agent.closes()
            assert number(agent, "quarantine.rows") == 1
            assert number(agent, "quarantine.items") == 1
            agent.stop()
            assert agent.value("SELECT complete FROM registry") == str(log.stat().st_size)
            assert agent.value("SELECT items FROM spool WHERE producer='quarantine' AND epoch=413") == 1
        assert sorted(numbers(intake)) == list(range(100))


def test_metrics_that_are_too_large_arrive_in_parts():
    with Intake() as intake:
        intake.fault("status=413&above=1200&path=/api")
        with Agent(intake, config={**settings(), "serializer_compressor_kind": "zlib"}) as agent:
            for i in range(0, 300, 20):
                agent.send(b"".join(b"split.count%d:1|c\n" % k for k in range(i, i + 20)))
                agent.send(b"".join(b"split.dist%d:%d|d\n" % (k, k) for k in range(i, i + 20)))
                agent.send(b"".join(b"_sc|split.check%d|0|m:%s\n" % (k, b"%04d" % k * 50) for k in range(i, i + 20)))
            for i in range(50):
                text = b"%04d" % i * 60
                agent.send(b"_e{5,%d}:hello|%s|s:src%d" % (len(text), text, i % 3))

            def checks():
                return [r for r in intake.records("check") if r["check"].startswith("split.")]

            wait_until(lambda: len(checks()) >= 300, 30, intake.stats)
            wait_until(lambda: len(intake.records("event")) >= 50, 30, intake.stats)
            wait_until(lambda: sum(intake.total(f"split.count{k}") for k in range(300)) >= 299.5, 30)
            wait_until(lambda: sum(r["metric"].startswith("split.dist") for r in intake.records("sketch")) >= 300, 30)
            assert number(agent, "destination.metrics.splits") > 0
            assert agent.stop() == 0
        assert round(sum(intake.total(f"split.count{k}") for k in range(300)), 3) == 300
        assert len(checks()) == 300
        assert len(intake.records("event")) == 50
        assert len(intake.records("sketch")) == 300


def test_v1_series_that_are_too_large_arrive_in_parts():
    with Intake() as intake:
        intake.fault("status=413&above=3000&path=/api")
        with Agent(intake, config={**settings(), "use_v2_api": {"series": False}, "serializer_compressor_kind": "none"}) as agent:
            for i in range(0, 200, 20):
                agent.send(b"".join(b"split.count%d:1|c\n" % k for k in range(i, i + 20)))
            wait_until(lambda: sum(intake.total(f"split.count{k}") for k in range(200)) >= 199.5, 30, intake.stats)
            assert number(agent, "destination.metrics.splits") > 0
            assert agent.stop() == 0
        assert round(sum(intake.total(f"split.count{k}") for k in range(200)), 3) == 200


def test_a_refused_key_loses_nothing_and_recovers_by_itself(tmp_path):
    log = tmp_path / "app.log"
    write_lines(log, 500)
    with Intake() as intake:
        intake.fault("status=403")  # the check of the key too
        with Agent(intake, logs=source(log), config=settings()) as agent:
            agent.send(*[b"key.hits:1|c\n"] * 10)
            wait_until(lambda: agent.destination("logs")["spooled"] == 500, 20)
            wait_until(lambda: "invalid" in note(agent, "api_key"), 20, lambda: note(agent, "api_key"))
            assert f"ending with {TAIL}" in note(agent, "api_key")
            assert "correct api_key" in note(agent, "api_key")
            wait_until(lambda: "no API key is valid" in agent.run_ctl("health").stdout, 20)
            assert API_KEY not in agent.log_text()
            assert f"the API key ending with {TAIL} is refused" in note(agent, "destination.logs")
            assert agent.closes()
            intake.fault("clear=1")
            wait_until(lambda: len(intake.messages()) >= 500, 30, intake.stats)
            wait_until(lambda: agent.destination("logs")["delivered"] == 500, 10)
            wait_until(lambda: note(agent, "api_key").endswith(": valid"), 10, lambda: note(agent, "api_key"))
            wait_until(lambda: agent.run_ctl("health").returncode == 0, 20)
            assert not agent.destination("logs")["dropped"]
            wait_until(lambda: round(intake.total("key.hits"), 6) == 10, 30, intake.stats)
            assert agent.closes()
            assert agent.stop() == 0
        assert sorted(numbers(intake)) == list(range(500))
        assert round(intake.total("key.hits"), 6) == 10


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_under_a_valid_key_is_dropped_after_three_answers(tmp_path, status):
    log = tmp_path / "app.log"
    write_lines(log, 5)
    with Intake() as intake:
        intake.fault(f"status={status}&path=/api/v2/logs")
        with Agent(intake, logs=source(log), config=settings()) as agent:
            wait_until(lambda: agent.destination("logs")["dropped"], 30)
            assert agent.destination("logs")["dropped"] == {f"status_{status}": 5}
            # one asks for the check, three come after it
            assert intake.stats()["requests"]["/api/v2/logs"][str(status)] == 4
            assert agent.closes()
            assert number(agent, "quarantine.items") == 5
            intake.fault("clear=1")
            write_lines(log, 1)
            wait_until(lambda: agent.destination("logs")["delivered"] == 1, 20)


def test_401_of_metrics_is_an_error_like_others():
    with Intake() as intake:
        intake.fault("status=401&count=6&path=/api/v2/series")
        with Agent(intake, config=settings()) as agent:
            agent.send(b"plain.hits:3|c\n")
            wait_until(lambda: intake.total("plain.hits") >= 2.9, 30)
            assert agent.stop() == 0


def test_what_is_refused_for_good_waits_in_the_quarantine(tmp_path):
    log = tmp_path / "app.log"
    write_lines(log, 50)
    with Intake() as intake:
        intake.fault("status=400&path=/api/v2/logs")
        with Agent(intake, logs=source(log), config=settings()) as agent:
            wait_until(lambda: agent.destination("logs")["dropped"], 20)
            assert agent.destination("logs")["dropped"] == {"status_400": 50}
            assert agent.closes()
            wait_until(lambda: number(agent, "quarantine.items") == 50, 10)
            assert "50 items" in note(agent, "quarantine")
            agent.stop()
            # it outlives the process, owes no position, and nobody sends it
            assert agent.value("SELECT complete FROM registry") == str(log.stat().st_size)
            intake.fault("clear=1")
            agent.start()
            assert number(agent, "quarantine.items") == 50
            assert number(agent, "spool.rows") == 0
            assert not intake.messages()
            assert agent.ctl("quarantine")["items"] == 50
            # sent again on command: refused once more, then taken
            intake.fault("status=400&count=1&path=/api/v2/logs")
            assert agent.ctl("quarantine", "replay")["replayed"] == 50
            wait_until(lambda: number(agent, "quarantine.items") > 0, 10)
            assert not intake.messages()
            assert agent.closes()
            result = agent.run_ctl("quarantine", "replay")
            assert (result.returncode, result.stdout) == (0, "50 items are sent again\n")
            wait_until(lambda: len(intake.messages()) >= 50, 20, intake.stats)
            wait_until(lambda: agent.destination("logs")["delivered"] == 50, 10)
            assert agent.closes()
            assert agent.ctl("quarantine")["payloads"] == 0
            agent.stop()
        assert sorted(numbers(intake)) == list(range(50))


def test_the_quarantine_is_bounded_and_can_be_off(tmp_path):
    log = tmp_path / "app.log"
    write_lines(log, 50)
    config = settings(batch_max_size=5)
    config["bulkhead"]["quarantine_max_payloads"] = 3
    with Intake() as intake:
        intake.fault("status=400&path=/api/v2/logs")
        with Agent(intake, logs=source(log), config=config) as agent:
            wait_until(lambda: agent.destination("logs")["dropped"] == {"status_400": 50}, 20)
            wait_until(lambda: number(agent, "quarantine.rows") == 3, 10)
            assert number(agent, "quarantine.pushed_out") == 7
            agent.stop()
            agent.config["bulkhead"]["quarantine"] = False
            agent.write_config()
            agent.start()
            write_lines(log, 5)
            wait_until(lambda: agent.destination("logs")["dropped"] == {"status_400": 5}, 20)
            assert number(agent, "quarantine.rows") == 3
            agent.stop()


def test_retry_after_is_heard_within_the_longest_pause(tmp_path):
    log = tmp_path / "app.log"
    write_lines(log, 5)
    with Intake() as intake:
        intake.fault("status=429&retry_after=3600&count=1&path=/api/v2/logs")
        with Agent(intake, logs=source(log), config=settings(sender_backoff_max=2)) as agent:
            wait_until(lambda: len(intake.messages()) == 5, 20)
            assert agent.stop() == 0

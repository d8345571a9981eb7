"""Several destinations: each reliable one gets everything once whatever the others do, an unreliable one delays
nobody and its losses are counted, and rows find their destination again after a restart."""

import collections
import copy
import os
import threading
import time

from harness import API_KEY, Agent, Intake, merge, wait_until

LONG = os.environ.get("BULKHEAD_CRASH") == "long"
PHASE = 60 if LONG else 1.2  # seconds that each destination fails
RATE = 400  # lines a second, and samples
BATCH = 20
KEYS = ["b" * 27 + "bbbb1", "c" * 27 + "cccc2", "d" * 27 + "dddd3"]
FAST = {
    "logs_config": {
        "sender_backoff_base": 0.1,
        "sender_backoff_max": 0.4,
        "batch_max_size": BATCH,
        "compression_kind": "zstd",
        "http_timeout": 4,  # of requests that are never answered
    },
    "forwarder_timeout": 4,
    "forwarder_backoff_base": 0.1,
    "forwarder_backoff_max": 0.4,
    "bulkhead": {"spool_after": 1},
}


def endpoint(intake, key=KEYS[0], **more):
    return {"host": "127.0.0.1", "port": intake.port, "use_ssl": False, "api_key": key, **more}


def settings(*logs, metrics=None, **more):
    config = copy.deepcopy(FAST)
    config["logs_config"]["additional_endpoints"] = list(logs)
    config["additional_endpoints"] = metrics or {}
    return merge(config, more)


def source(path):
    return [{"path": str(path), "start_position": "beginning"}]


def rows(agent):
    return {r["name"]: r for r in agent.ledger_rows("destination")}


def dropped(row):
    return sum(row.get("dropped", {}).values())


def spooled(agent):
    return sum(r["spooled"] for r in agent.ledger_rows("destination"))


def notes(agent):
    return "\n".join(agent.role("forwarder").get("notes", []))


def write(path, first, n):
    with open(path, "ab") as f:
        f.writelines(b"%07d some text\n" % i for i in range(first, first + n))


def numbers(intake, key=None):
    return [int(r["message"][:7]) for r in intake.records("log") if key is None or r["key"] == key[-5:]]


def everything(intake, n):
    return len(numbers(intake)) >= n and intake.total("dest.hits") >= n - 0.5


class Load(threading.Thread):
    """Lines and samples at a steady rate until it is told to end."""

    def __init__(self, agent, path):
        super().__init__(daemon=True)
        self.agent = agent
        self.path = path
        self.ending = threading.Event()
        self.n = 0

    def run(self):
        while not self.ending.is_set():
            write(self.path, self.n, BATCH)
            self.agent.send(*[b"dest.hits:1|c\n"] * BATCH)
            self.n += BATCH
            time.sleep(BATCH / RATE)  # pace of the load, not a synchronisation

    def end(self):
        self.ending.set()
        self.join()
        return self.n


def test_each_destination_failing_in_turn_costs_the_others_nothing(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"")
    with Intake() as one, Intake() as two, Intake() as loose:
        config = settings(
            endpoint(two), endpoint(loose, KEYS[1], is_reliable=False), metrics={two.url: [KEYS[0]]}
        )
        with Agent(one, logs=source(log), config=config) as agent:
            load = Load(agent, log)
            load.start()
            for failing, fault in ((one, "status=503"), (two, "mode=reset"), (loose, "status=503"), (two, "mode=hang")):
                failing.fault(fault)
                begin = time.monotonic()
                while time.monotonic() - begin < PHASE:
                    time.sleep(0.05)  # the length of the outage
                failing.fault("clear=1")
            n = load.end()
            for intake in (one, two):
                wait_until(lambda: everything(intake, n), 60, lambda: (n, intake.stats(), agent.ctl("ledger")))
            name = f"logs:127.0.0.1:{loose.port}#1"
            wait_until(lambda: rows(agent)[name]["in_flight"] == 0 and spooled(agent) == 0, 30)
            row = rows(agent)[name]
            assert row["received"] == n
            assert dropped(row) == n - len(numbers(loose)) == row["dropped"].get("queue_full", 0)
            assert row["delivered"] == len(set(numbers(loose))) == len(numbers(loose))
            for other in ("logs", f"logs:127.0.0.1:{two.port}#1"):
                assert rows(agent)[other]["delivered"] == n and dropped(rows(agent)[other]) == 0
            assert agent.closes()
            assert agent.stop() == (75 if dropped(row) else 0)  # a loss is told, also one that was allowed
            assert agent.query("SELECT count(*) FROM spool") == [(0,)]
            assert agent.query("SELECT safe, delivered, complete FROM registry") == [(str(log.stat().st_size),) * 3]
        for intake in (one, two):
            assert sorted(numbers(intake)) == list(range(n)), "a line came twice or not at all"
            assert round(intake.total("dest.hits"), 3) == n
        assert loose.records("series") == []


def test_a_dead_destination_delays_nobody_and_gets_everything_later(tmp_path):
    log = tmp_path / "app.log"
    n = 3000
    write(log, 0, n)
    with Intake() as one, Intake() as two:
        assert two.stop() == 0
        config = settings(endpoint(two), metrics={two.url: [KEYS[0]]})
        with Agent(one, logs=source(log), config=config) as agent:
            agent.send(*[b"dest.hits:1|c\n"] * n)
            wait_until(lambda: everything(one, n), 30, lambda: (one.stats(), agent.ctl("ledger")))
            wait_until(lambda: rows(agent)["logs"]["delivered"] == n, 10)
            away = f"logs:127.0.0.1:{two.port}#1"
            wait_until(lambda: rows(agent)[away]["spooled"] == n, 20, lambda: rows(agent)[away])
            assert f"destination.{away}" in notes(agent) and KEYS[0][-5:] in notes(agent)
            wait_until(lambda: rows(agent)["metrics"]["in_flight"] == 0, 10)
            agent.kill_and_wait("forwarder")
            wait_until(lambda: rows(agent).get(away, {}).get("spooled") == n, 30)
            assert KEYS[0] not in agent.log_text() + notes(agent)
            two.start()
            wait_until(lambda: everything(two, n), 60, lambda: (two.stats(), agent.ctl("ledger")))
            wait_until(lambda: spooled(agent) == 0, 20)
            assert agent.stop() == 0
            assert agent.query("SELECT count(*) FROM spool") == [(0,)]
            assert agent.query("SELECT safe, delivered, complete FROM registry") == [(str(log.stat().st_size),) * 3]
        for intake in (one, two):
            assert sorted(numbers(intake)) == list(range(n))
            assert round(intake.total("dest.hits"), 3) == n


def test_positions_say_what_each_destination_has(tmp_path):
    log = tmp_path / "app.log"
    n = 200
    write(log, 0, n)
    end = str(log.stat().st_size)
    with Intake() as one, Intake() as two:
        assert two.stop() == 0
        with Agent(one, logs=source(log), config=settings(endpoint(two), endpoint(two, KEYS[1]))) as agent:
            wait_until(lambda: len(numbers(one)) == n and spooled(agent) == 2 * n, 30)
            assert agent.stop() == 0
            assert agent.query("SELECT safe, delivered, complete FROM registry") == [(end, end, "0")]
            # one row and one body, whatever the number of those who are owed it
            bodies, owed = agent.query("SELECT (SELECT count(*) FROM spool_body), (SELECT count(*) FROM delivery)")[0]
            assert owed == 2 * bodies > 0
            assert agent.query("SELECT safe_ord >= delivered_ord AND delivered_ord > complete_ord FROM registry") == [(1,)]
            agent.start()
            two.start()
            wait_until(lambda: len(numbers(two)) == 2 * n and spooled(agent) == 0, 30)
            assert agent.stop() == 0
            assert agent.query("SELECT safe, delivered, complete FROM registry") == [(end,) * 3]
        assert sorted(numbers(one)) == list(range(n))
        for key in KEYS[:2]:
            assert sorted(numbers(two, key)) == list(range(n))


def test_a_destination_comes_and_goes_with_the_configuration(tmp_path):
    log = tmp_path / "app.log"
    write(log, 0, 100)
    with Intake() as one, Intake() as two, Intake() as three:
        assert two.stop() == 0
        away = f"logs/http://127.0.0.1:{two.port}#0"
        with Agent(one, logs=source(log), config=settings(endpoint(two))) as agent:
            wait_until(lambda: len(numbers(one)) == 100 and spooled(agent) == 100, 30)
            assert agent.stop() == 0

            # removed: its rows wait and are told of; another one begins with what comes from now on
            agent.config["logs_config"]["additional_endpoints"] = [endpoint(three, KEYS[1])]
            agent.write_config()
            agent.start()
            two.start()
            write(log, 100, 100)
            wait_until(lambda: len(numbers(one)) == 200 and len(numbers(three)) == 100, 30)
            assert rows(agent)[away]["spooled"] == 100
            assert "not in the configuration any more" in notes(agent)
            assert agent.closes()
            assert agent.stop() == 0
            assert numbers(two) == []

            # back, under another key: what it is owed goes out with that one
            agent.config["logs_config"]["additional_endpoints"] = [endpoint(three, KEYS[1]), endpoint(two, KEYS[2])]
            agent.write_config()
            agent.start()
            wait_until(lambda: len(numbers(two, KEYS[2])) == 100 and spooled(agent) == 0, 30)
            write(log, 200, 10)
            wait_until(lambda: min(len(numbers(i)) for i in (one, two, three)) >= 110 and len(numbers(one)) == 210, 30)
            assert agent.stop() == 0
        assert sorted(numbers(one)) == list(range(210))
        assert sorted(numbers(two)) == list(range(100)) + list(range(200, 210))
        assert sorted(numbers(three)) == list(range(100, 210))


def test_each_key_of_an_endpoint_is_a_destination(tmp_path):
    log = tmp_path / "app.log"
    write(log, 0, 50)
    with Intake() as one, Intake() as two:
        env = {"DD_ADDITIONAL_ENDPOINTS": f'{{"{two.url}": ["{KEYS[0]}", " {KEYS[1]} ", "{KEYS[0]}", ""], "{one.url}/": ["{API_KEY}", "{KEYS[2]}"]}}'}
        config = settings(endpoint(two), endpoint(two, KEYS[1]), endpoint(two), endpoint(one, API_KEY))
        config["logs_config"]["api_key"] = KEYS[2]
        del config["additional_endpoints"]
        with Agent(one, logs=source(log), config=config, env=env) as agent:
            agent.send(*[b"dest.hits:1|c\n"] * 30)
            wait_until(lambda: len(numbers(one)) == 100 and len(numbers(two)) == 100, 30)
            wait_until(lambda: min(round(i.total("dest.hits")) for i in (one, two)) == 60, 30)
            names = [r for r in rows(agent) if r != "quarantine"]
            assert len(names) == 4 + 4, names
            assert agent.closes()
            assert all(key not in agent.run_ctl("status").stdout + agent.log_text() for key in (*KEYS, API_KEY))
            assert agent.stop() == 0
            assert all(key not in f"{agent.query('SELECT key FROM destination')}" for key in KEYS)
        for intake, keys in ((one, (KEYS[2], API_KEY)), (two, KEYS[:2])):
            for key in keys:
                assert sorted(numbers(intake, key)) == list(range(50)), (intake.url, key)
            seen = collections.Counter(r["key"] for r in intake.records("series", "dest.hits"))
            want = (API_KEY, KEYS[2]) if intake is one else KEYS[:2]
            assert set(seen) == {key[-5:] for key in want}


def test_one_that_never_answers_holds_up_nobody(tmp_path):
    """More payloads than a producer may have outstanding, long before any of them times out or is old."""
    log = tmp_path / "app.log"
    n = 200 * BATCH
    write(log, 0, n)
    config = settings(bulkhead={"spool_after": 600}, forwarder_timeout=60)
    config["logs_config"]["http_timeout"] = 60
    with Intake() as one, Intake() as two:
        config["logs_config"]["additional_endpoints"] = [endpoint(two)]
        two.fault("mode=hang&path=/api/v2/logs")
        with Agent(one, logs=source(log), config=config) as agent:
            wait_until(lambda: len(numbers(one)) == n, 20, lambda: agent.ctl("ledger"))
            assert numbers(two) == []
            two.fault("clear=1")
            two.stop()  # what hangs is cut off
            two.start()
            wait_until(lambda: len(set(numbers(two))) == n and spooled(agent) == 0, 30, lambda: agent.ctl("ledger"))
            assert agent.stop() == 0
        assert sorted(numbers(one)) == sorted(numbers(two)) == list(range(n))


def test_without_a_spool_a_dead_destination_loses_and_the_other_goes_on(tmp_path):
    log = tmp_path / "app.log"
    n = 200 * BATCH
    write(log, 0, n)
    with Intake() as one, Intake() as two:
        assert two.stop() == 0
        config = settings(endpoint(two))
        config["logs_config"]["disk_retry"] = {"max_size_bytes": 0}
        name = f"logs:127.0.0.1:{two.port}#1"
        with Agent(one, logs=source(log), config=config) as agent:
            wait_until(lambda: len(numbers(one)) == n, 30, lambda: agent.ctl("ledger"))
            two.start()
            wait_until(lambda: rows(agent)[name]["received"] == n and rows(agent)[name]["in_flight"] == 0, 30)
            row = rows(agent)[name]
            assert dropped(row) == row["dropped"]["queue_full"] == n - len(numbers(two))
            assert agent.closes()
            assert agent.stop() == 75
        assert sorted(numbers(one)) == list(range(n))


def test_what_one_refuses_is_its_own_affair(tmp_path):
    """Parts after 413, the key's budget after 403, the quarantine after 400: for each destination by itself."""
    log = tmp_path / "app.log"
    n = 600
    with open(log, "wb") as f:
        for i in range(n):
            f.write(b"%07d %0100d\n" % (i, pow(7919, i + 50, 10**100)))
    config = settings()
    config["logs_config"]["batch_max_size"] = 300
    with Intake() as one, Intake() as two, Intake() as three:
        config["logs_config"]["additional_endpoints"] = [endpoint(two), endpoint(three, KEYS[1])]
        one.fault("status=413&above=9000&path=/api/v2/logs")
        two.fault("status=400&path=/api/v2/logs")
        three.fault("status=403")
        with Agent(one, logs=source(log), config=config) as agent:
            names = ["logs", f"logs:127.0.0.1:{two.port}#1", f"logs:127.0.0.1:{three.port}#1"]
            wait_until(lambda: rows(agent)[names[0]]["delivered"] == n, 30, lambda: agent.ctl("ledger"))
            wait_until(lambda: rows(agent)[names[1]].get("dropped", {}).get("status_400") == n, 20, lambda: agent.ctl("ledger"))
            wait_until(lambda: rows(agent)[names[2]]["spooled"] == n, 20, lambda: agent.ctl("ledger"))
            assert f"API key ending with {KEYS[1][-5:]}: invalid" in notes(agent)
            two.fault("clear=1")
            three.fault("clear=1")
            assert agent.run_ctl("quarantine", "replay").returncode == 0
            wait_until(lambda: len(numbers(two)) == n and len(numbers(three)) == n, 30, lambda: agent.ctl("ledger"))
            wait_until(lambda: spooled(agent) == 0, 20)
            assert agent.closes()
            assert agent.stop() == 75  # what was refused was counted as lost, before it was sent again
        for intake in (one, two, three):
            assert sorted(numbers(intake)) == list(range(n))

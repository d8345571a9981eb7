"""The ledger since the installation, the agent's own metrics, and the page of OpenMetrics."""

import os
import socket
import sqlite3

import openmetrics
from harness import API_KEY, Agent, Intake, free_tcp_port, kill_session, wait_until

TELEMETRY = {"telemetry": {"enabled": True}}
SLOW_FLUSH = {"bulkhead": {"dogstatsd_flush_interval": 60}}


def append(path, first, n):
    with open(path, "a") as f:
        f.writelines(f"line {i}\n" for i in range(first, first + n))


def total(agent, kind, name=None):
    rows = (agent.ctl("ledger")["totals"] or {"rows": []})["rows"]
    return next((r for r in rows if r["kind"] == kind and name in (None, r["name"])), None)


def is_settled(agent, n):
    """n lines since the installation, all of them at the intake and that in the book."""
    source, dest = total(agent, "source"), total(agent, "destination", "logs")
    return source and dest and source["delivered"] == n and dest["delivered"] == n and dest["in_flight"] == 0


def assert_balanced(agent):
    result = agent.run_ctl("ledger")
    assert result.returncode == 0, result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines()), result.stdout


# --- kept ---


def test_totals_are_kept_over_a_restart(tmp_path):
    log = tmp_path / "app.log"
    log.write_text("")
    with Intake() as intake, Agent(intake, logs=[{"path": str(log)}]) as agent:
        append(log, 0, 100)
        agent.send(b"not a metric\nok:1|c\n")
        wait_until(lambda: is_settled(agent, 100), 30, lambda: agent.ctl("ledger"))
        before = agent.ctl("ledger")
        agent.stop()
        agent.start()
        append(log, 100, 50)
        wait_until(lambda: is_settled(agent, 150), 30, lambda: agent.ctl("ledger"))
        after = agent.ctl("ledger")
        present = next(r for r in after["rows"] if r["kind"] == "source")
        assert present["received"] == 50 and after["totals"]["since"] == before["totals"]["since"]
        listener = total(agent, "listener")
        assert listener["received"] == 2 and listener["delivered"] == 1
        assert listener["dropped"] == {"parse_error": 1}
        assert_balanced(agent)


def test_the_answer_has_the_documented_form():
    with Intake() as intake, Agent(intake) as agent:
        wait_until(lambda: agent.ctl("ledger")["totals"], 20)
        ledger = agent.ctl("ledger")
        assert ledger["schema"] == 1 and ledger["missing"] == []
        assert (ledger["complete"], ledger["balanced"], ledger["totals"]["balanced"]) == (True, True, True)
        entries = {"role", "kind", "name", "received", "delivered", "spooled", "in_flight", "dropped", "gap"}
        for row in ledger["rows"] + ledger["totals"]["rows"]:
            assert set(row) == entries, row
            assert row["received"] == sum(
                (row["delivered"], row["spooled"], row["in_flight"], *row["dropped"].values())
            )


def test_killed_producers_leave_a_ledger_that_closes(tmp_path):
    log = tmp_path / "app.log"
    log.write_text("")
    with Intake() as intake, Agent(intake, logs=[{"path": str(log)}], config=SLOW_FLUSH) as agent:
        append(log, 0, 20)
        agent.send(b"\n".join(b"held:1|c" for _ in range(30)))
        wait_until(lambda: is_settled(agent, 20), 30, lambda: agent.ctl("ledger"))
        wait_until(lambda: (total(agent, "listener") or {}).get("received") == 30, 20)
        assert total(agent, "listener")["in_flight"] == 30  # in buckets that no flush took
        for role in ("dogstatsd", "logs"):
            agent.kill_and_wait(role)
            assert_balanced(agent)
        listener = total(agent, "listener")
        assert (listener["received"], listener["dropped"]) == (30, {"unproven": 30})
        append(log, 20, 20)
        wait_until(lambda: is_settled(agent, 40), 30, lambda: agent.ctl("ledger"))
        assert total(agent, "source")["dropped"] == {}
        assert_balanced(agent)
        assert agent.run_ctl("ledger").stdout.count("unproven") == 1


def test_a_killed_forwarder_counts_what_is_in_the_spool_once(tmp_path):
    log = tmp_path / "app.log"
    log.write_text("")
    config = {"bulkhead": {"spool_after": 0}}
    with Intake() as intake:
        intake.fault("path=/api/v2/logs&status=503")
        with Agent(intake, logs=[{"path": str(log)}], config=config) as agent:
            append(log, 0, 40)
            wait_until(lambda: (total(agent, "destination", "logs") or {}).get("spooled") == 40, 30)
            agent.kill_and_wait("forwarder")
            row = total(agent, "destination", "logs")
            assert (row["received"], row["spooled"], row["gap"]) == (40, 40, 0)
            assert_balanced(agent)
            intake.fault("clear=1")
            wait_until(lambda: is_settled(agent, 40), 40, lambda: agent.ctl("ledger"))
            assert total(agent, "destination", "logs")["received"] == 40
            # All at once, without a word to anybody.
            pid, agent.proc = agent.proc.pid, None
            kill_session(pid)
            os.waitpid(pid, 0)
            agent.start()
            wait_until(lambda: total(agent, "destination", "logs"), 20)
            row = total(agent, "destination", "logs")
            assert (row["received"], row["delivered"]) == (40, 40)
            assert_balanced(agent)


def test_a_row_that_does_not_close_is_said_and_is_the_exit_status():
    with Intake() as intake, Agent(intake) as agent:
        wait_until(lambda: (total(agent, "destination", "metrics") or {}).get("delivered"), 20)
        agent.stop()
        with sqlite3.connect(agent.store) as db:
            db.execute("UPDATE ledger SET n=n+7 WHERE kind='destination' AND name='metrics' AND entry='received'")
        db.close()
        agent.start()
        result = wait_until(lambda: (r := agent.run_ctl("ledger")).returncode == 1 and r, 20)
        assert "DOES NOT CLOSE: 7" in result.stdout and "NOT BALANCED" in result.stdout


# --- the page ---


def ask(address, request=b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"):
    """(status, headers, body) of one request; the connection ends with the answer."""
    with connect(address) as s:
        s.sendall(request)
        raw = read_all(s)
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    return int(lines[0].split(" ")[1]), dict(line.split(": ", 1) for line in lines[1:]), body.decode()


def connect(address):
    s = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    s.settimeout(40)
    s.connect(address)
    return s


def read_all(s):
    parts = []
    while part := s.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_the_page_is_strict_openmetrics_and_says_what_the_ledger_says(tmp_path):
    log = tmp_path / 'q"uo\\te.log'
    log.write_text("")
    port = free_tcp_port()
    config = {**TELEMETRY, "bulkhead": {"metrics_port": port}}
    with Intake() as intake, Agent(intake, logs=[{"path": str(log)}], config=config) as agent:
        append(log, 0, 25)
        wait_until(lambda: is_settled(agent, 25), 30, lambda: agent.ctl("ledger"))
        unix = str(agent.run_dir / "metrics.sock")
        for address in (unix, ("127.0.0.1", port)):
            status, headers, body = ask(address)
            assert status == 200 and headers["Content-Length"] == str(len(body.encode()))
            assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
            page = openmetrics.parse(body)
            assert openmetrics.pick(page, "bulkhead_ledger_received_total", kind="source", name=str(log)) == 25
            assert openmetrics.pick(page, "bulkhead_ledger_gap") == 0
            assert openmetrics.pick(page, "bulkhead_up") == 3
            memory = {"component_id": "logs_dest:127.0.0.1", "component_type": "datadog_logs"}
            for name in ("received", "sent"):
                assert openmetrics.pick(page, f"bulkhead_buffer_{name}_events_total", **memory) == 25
            assert openmetrics.pick(page, "bulkhead_buffer_size_events", **memory) == 0
        assert ask(unix, b"HEAD /metrics HTTP/1.1\r\n\r\n")[2] == ""
        assert os.stat(unix).st_mode & 0o777 == 0o660
        agent.stop()
        assert not os.path.exists(unix)


def test_hostile_clients_of_the_page_harm_nobody(tmp_path):
    log = tmp_path / "app.log"
    log.write_text("")
    with Intake() as intake, Agent(intake, logs=[{"path": str(log)}], config=TELEMETRY) as agent:
        path = str(agent.run_dir / "metrics.sock")
        for request, status in (
            (b"\x00\xff\n\n", 400),
            (b"GET /etc/passwd HTTP/1.1\r\n\r\n", 404),
            (b"DELETE /metrics HTTP/1.1\r\n\r\n", 405),
            (b"GET /metrics HTTP/1.1\r\nX: " + b"y" * 9000, 431),
        ):
            # With a reset behind it when bytes were left unread: what came before that counts.
            with connect(path) as s:
                s.sendall(request)
                assert int(s.recv(65536).split(b" ")[1]) == status, request[:40]
        half = [connect(path) for _ in range(12)]
        for s in half[:8]:
            s.sendall(b"GET /metrics HT")
        # Those beyond the places were told; those that never end their request are closed.
        assert all(b" 503 " in read_all(s) for s in half[8:])
        append(log, 0, 10)
        wait_until(lambda: is_settled(agent, 10), 30, lambda: agent.ctl("ledger"))
        assert agent.is_ready()
        assert all(read_all(s) == b"" for s in half[:8])
        for s in half:
            s.close()
        openmetrics.parse(ask(path)[2])
        # A client that asks and leaves.
        for _ in range(20):
            with connect(path) as s:
                s.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        wait_until(lambda: ask(path)[0] == 200, 20)


def test_the_page_is_off_unless_it_is_asked_for_and_a_taken_port_is_a_note():
    with Intake() as intake, Agent(intake) as agent:
        assert not (agent.run_dir / "metrics.sock").exists()
        agent.stop()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            agent.config["bulkhead"]["metrics_port"] = port
            agent.write_config()
            agent.start()
            assert any(f"127.0.0.1:{port}" in note for note in agent.ctl("status")["notes"])
            assert ask(str(agent.run_dir / "metrics.sock"))[0] == 200


# --- the agent's own metrics ---


def test_own_metrics_arrive_at_the_intake(tmp_path):
    log = tmp_path / "app.log"
    log.write_text("")
    with Intake() as intake, Agent(intake, logs=[{"path": str(log)}]) as agent:
        append(log, 0, 30)

        def counted(metric, *tags):
            return sum(
                value
                for r in intake.records("series", metric)
                if set(tags) <= set(r["tags"])
                for _, value in r["points"]
            )

        memory = ("component_id:logs_dest:127.0.0.1", "component_type:datadog_logs")
        wait_until(lambda: counted("bulkhead.buffer_received_events_total", *memory) == 30, 30)
        wait_until(lambda: counted("bulkhead.buffer_sent_events_total", *memory) == 30, 30)
        logs = ("kind:destination", "name:logs", "role:forwarder")
        wait_until(lambda: intake.records("series", "bulkhead.ledger_in_flight"), 30)
        assert counted("bulkhead.ledger_delivered_total", *logs) <= 30
        types = {r["type"] for r in intake.records("series", "bulkhead.buffer_sent_events_total")}
        assert types == {"count"}
        sizes = intake.records("series", "bulkhead.buffer_size_bytes")
        assert {r["type"] for r in sizes} == {"gauge"} and {r["host"] for r in sizes} == {"testhost"}
        assert_balanced(agent)


# --- buffers (spec/intake.md §16) ---

SOURCES = {"dogstatsd_packets": "dogstatsd", "logs_tail_input": "logs", "metrics_ipc": "forwarder"}
PROCESSORS = {"logs_processor": "logs", "logs_payloads": "logs"}
DESTINATIONS = {
    "metrics_retry_memory:127.0.0.1": "datadog_metrics",
    "metrics_retry_disk:127.0.0.1": "datadog_metrics",
    "logs_dest:127.0.0.1": "datadog_logs",
    "logs_spool:127.0.0.1": "datadog_logs",
}
SMALL_BATCHES = {"batch_max_size": 20, "sender_backoff_base": 0.1, "sender_backoff_max": 0.4}


def components(page, metric):
    """{component_id: component_type} of those that have it."""
    labels = [dict(labels) for name, labels in page if name == "bulkhead_" + metric]
    return {one["component_id"]: one["component_type"] for one in labels}


def assert_buffers_hold_what_came_and_did_not_leave(page):
    def counted(metric, component):
        samples = (n for (name, labels), n in page.items() if name == metric and ("component_id", component) in labels)
        return sum(samples)

    assert components(page, "buffer_size_events") == DESTINATIONS
    for component in DESTINATIONS:
        for unit in ("events", "bytes"):
            received, sent, discarded = (
                counted(f"bulkhead_buffer_{what}_{unit}_total", component) for what in ("received", "sent", "discarded")
            )
            size = counted(f"bulkhead_buffer_size_{unit}", component)
            assert received - sent - discarded == size, (component, unit, received, sent, discarded, size)


def test_buffers_and_the_ledger_close_for_each_class_of_data(tmp_path):
    """Logs and metrics of a failing intake go to the spool; an unreliable destination of logs, on the same host, drops.
    One file waits for the rest of a message."""
    log, group = tmp_path / "app.log", tmp_path / "group.log"
    log.write_text("")
    group.write_text("begin\n")
    rule = {"type": "multi_line", "name": "begin", "pattern": "begin"}
    sources = [{"path": str(log)}, {"path": str(group), "start_position": "beginning", "log_processing_rules": [rule]}]
    with Intake() as intake, Intake() as loose:
        loose_end = {"host": "127.0.0.1", "port": loose.port, "use_ssl": False, "api_key": API_KEY, "is_reliable": False}
        config = {
            **TELEMETRY,
            "logs_config": {**SMALL_BATCHES, "aggregation_timeout": 60000, "additional_endpoints": [loose_end]},
            "forwarder_backoff_base": 0.1,
            "forwarder_backoff_max": 0.4,
            "bulkhead": {"spool_after": 0},
        }
        intake.fault("status=503")
        loose.fault("status=503")
        with Agent(intake, logs=sources, config=config) as agent:
            page = {}

            def say(metric, **labels):
                """Of a page of now, of which each must be right."""
                page.clear()
                page.update(openmetrics.parse(ask(str(agent.run_dir / "metrics.sock"))[2]))
                assert_buffers_hold_what_came_and_did_not_leave(page)
                found = [n for (name, have), n in page.items() if name == metric and labels.items() <= dict(have).items()]
                return sum(found)

            append(log, 0, 1010)
            agent.send(*[b"book:1|c"] * 300)
            lost = {"component_id": "logs_dest:127.0.0.1", "reason": "queue_full", "intentional": "true"}
            for metric, labels in (
                ("bulkhead_buffer_discarded_events_total", lost),
                ("bulkhead_buffer_size_events", {"component_id": "logs_spool:127.0.0.1"}),
                ("bulkhead_buffer_size_bytes", {"component_id": "metrics_retry_disk:127.0.0.1"}),
                ("bulkhead_source_buffer_utilization_level", {"component_id": "logs_tail_input"}),
            ):
                wait_until(lambda: say(metric, **labels) > 0, 30, lambda: (metric, page))
            assert_balanced(agent)
            # What a turn took out of the sockets is a level; together they are the datagrams.
            packets = {"component_id": "dogstatsd_packets"}
            wait_until(lambda: say("bulkhead_source_buffer_utilization_sum", **packets) == 300, 30, lambda: page)
            for sort, those in (("source", SOURCES), ("transform", PROCESSORS)):
                for part in ("_bucket", "_count", "_sum", "_level", "_mean"):
                    assert components(page, f"{sort}_buffer_utilization{part}") == those
                assert components(page, f"{sort}_buffer_max_size_events") == those
            most = "bulkhead_source_buffer_max_size_events"
            assert say(most, component_id="logs_tail_input") == 2  # a message each file
            assert say(most, component_id="metrics_ipc") == 63
            assert say("bulkhead_transform_buffer_max_size_events", component_id="logs_processor") == 20
            intake.fault("clear=1")
            loose.fault("clear=1")

            def is_over():
                rows = [r for r in agent.ctl("ledger")["totals"]["rows"] if r["kind"] == "destination"]
                logs = [r for r in rows if r["name"].startswith("logs")]
                return all(r["received"] == 1010 for r in logs) and not any(r["spooled"] + r["in_flight"] for r in logs)

            wait_until(lambda: is_over() and intake.total("book") == 300, 40, lambda: agent.ctl("ledger"))
            dropped = say("bulkhead_buffer_discarded_events_total", **lost)
            assert 0 < dropped == total(agent, "destination", f"logs:127.0.0.1:{loose.port}#1")["dropped"]["queue_full"]
            assert_balanced(agent)

            def sent(metric, tags):
                series = intake.records("series", metric)
                return sum(n for r in series if set(tags) <= set(r["tags"]) for _, n in r["points"])

            tags = [f"{key}:{value}" for key, value in lost.items()]
            wait_until(lambda: sent("bulkhead.buffer_discarded_events_total", tags) == dropped, 30)
            for component in ("dogstatsd_packets", "logs_tail_input"):
                tags = [f"component_id:{component}", f"component_type:{SOURCES[component]}"]
                wait_until(lambda: sent("bulkhead.source_buffer_utilization.sum", tags) > 0, 30)
                wait_until(lambda: sent("bulkhead.source_buffer_utilization.bucket", [*tags, "le:+Inf"]) > 0, 30)
                wait_until(lambda: sent("bulkhead.source_buffer_utilization_mean", tags) > 0, 30)
            types = {r["type"] for r in intake.records("series", "bulkhead.source_buffer_utilization.count")}
            assert types == {"count"}
            agent.stop()

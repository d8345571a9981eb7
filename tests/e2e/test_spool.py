"""bulkheadctl spool: what waits for delivery, while the agent runs and while it does not."""

import base64
import json
import re
import sqlite3
import subprocess
import time

from harness import REPO, Agent, Intake, kill_session, wait_until

LINES = 2500  # three payloads
SPOOL_NOW = {"bulkhead": {"spool_after": 0}}


def write_log(path, first=0, n=LINES):
    with open(path, "a", encoding="utf-8") as f:
        f.writelines(f"line {i}\n" for i in range(first, first + n))


def source(path):
    return {"path": str(path), "start_position": "beginning"}


def backlog(agent, logs=3):
    """Waits until so many payloads of logs wait, and a metric."""

    def there():
        rows = agent.ctl("spool")["rows"]
        kinds = [r["kind"] for r in rows]
        return kinds.count("logs") >= logs and "series" in kinds and rows

    return wait_until(there, 30, lambda: agent.ctl("spool"))


class Outage:
    """An agent whose intake is down, with logs and a metric in its spool."""

    def __init__(self, tmp_path, config=None, **kw):
        self.log = tmp_path / "app.log"
        write_log(self.log)
        self.intake = Intake()
        self.config = config or SPOOL_NOW
        self.kw = kw

    def __enter__(self):
        self.intake.start()
        self.intake.stop()
        self.agent = Agent(self.intake, logs=[source(self.log)], config=self.config, **self.kw)
        self.agent.__enter__()
        self.agent.send(b"spool.test:1|c")
        return self.agent, self.intake

    def __exit__(self, *args):
        self.agent.__exit__(*args)
        self.intake.__exit__(*args)


def test_the_spool_is_listed_shown_and_exported(tmp_path):
    with Outage(tmp_path) as (agent, _):
        rows = backlog(agent)
        logs = [r for r in rows if r["kind"] == "logs"]
        assert sum(r["items"] for r in logs) == LINES
        assert all(r["destinations"] == ["logs/primary"] and r["expires_ms"] > r["created_ms"] for r in logs)
        only = agent.ctl("spool", "ls", "--class", "metrics")
        assert only["payloads"] >= 1 and not any(r["kind"] == "logs" for r in only["rows"])
        assert agent.ctl("spool", "ls", "--older", "1h")["payloads"] == 0
        assert agent.ctl("spool", "ls", "--older", "0")["payloads"] >= 4
        assert agent.ctl("spool", "ls", "--destination", "nobody")["payloads"] == 0
        table = agent.run_ctl("spool").stdout.splitlines()
        assert table[0].split()[0] == "ID" and table[-1].endswith("wait")
        shown = agent.ctl("spool", "show", str(logs[0]["id"]))
        assert shown["damaged"] is False
        assert shown["origins"][0]["identifier"] == f"file:{tmp_path}/app.log"
        assert shown["origins"][0]["from"] == "0" and int(shown["origins"][0]["to"]) > 0
        missing = agent.run_ctl("spool", "show", "999999")
        assert missing.returncode == 1 and "no such payload" in missing.stderr
        out = tmp_path / "export"
        assert agent.run_ctl("spool", "export", str(out), "--class", "logs").returncode == 0
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        assert [r["id"] for r in lines] == [r["id"] for r in logs]
        assert all(len(base64.b64decode(r["body"])) == r["bytes"] and not r["damaged"] for r in lines)
        again = agent.run_ctl("spool", "export", str(out))
        assert again.returncode == 1 and "exists" in again.stderr
        # what is wrong with a question is said before anybody is asked
        for words in (["show"], ["show", "x"], ["purge"], ["ls", "x"], ["ls", "--older", "1y"], ["ls", "--class", "x"]):
            assert agent.run_ctl("spool", *words).returncode == 2, words


def manual_queries():
    """The questions of bulkhead-spool(5), from the page itself."""
    page = (REPO / "deploy/man/bulkhead-spool.5").read_text()
    return [q.replace("\\-", "-") for q in re.findall(r"^\.EX\n(.*?)^\.EE$", page, re.M | re.S)]


def ask(db, query, *options):
    run = subprocess.run(
        ["sqlite3", "-json", *options, db, query], capture_output=True, text=True, timeout=30, check=False
    )
    assert run.returncode == 0, (query, run.stderr)
    return json.loads(run.stdout or "[]")


def check_answers(db, agent_log, *options):
    queries = manual_queries()
    assert len(queries) == 10
    answers = [ask(db, q, *options) for q in queries]
    waits = {r["key"]: r["pending_rows"] for r in answers[0]}
    assert waits["logs/primary"] == 3 and waits["metrics/primary"] >= 1 and waits["quarantine"] == 0
    assert all(r["came"] >= r["pending_rows"] for r in answers[1])
    assert {r["key"] for r in answers[2]} == {"logs/primary", "metrics/primary"}
    assert all(0 <= r["age"] < 600 for r in answers[2])
    kinds = {r["data"]: r for r in answers[3]}
    assert kinds["logs"]["items"] == LINES and kinds["series"]["payloads"] >= 1
    assert len(answers[4]) >= 4 and answers[4][0]["body_len"] >= answers[4][-1]["body_len"]
    assert answers[5] == []
    assert sum(r["payloads"] for r in answers[6]) == len(ask(db, "SELECT ord FROM spool", *options))
    assert answers[7] == [
        {
            "source": f"file:{agent_log}",
            "delivered": "0",
            "safe": str(agent_log.stat().st_size),
            "waiting": agent_log.stat().st_size,
        }
    ]
    assert answers[8] == []
    assert answers[9] == [{"faults": 0}]
    assert ask(db, "PRAGMA integrity_check", *options) == [{"integrity_check": "ok"}]


def test_the_manual_answers_ten_questions_on_a_snapshot_and_on_a_stopped_store(tmp_path):
    with Outage(tmp_path) as (agent, intake):
        backlog(agent)
        copy = tmp_path / "copy.db"
        assert agent.run_ctl("spool", "snapshot", str(copy)).returncode == 0
        check_answers(copy, tmp_path / "app.log")
        assert not list(agent.store.parent.glob("snapshot-*"))
        # the file itself belongs to the one who writes it
        refused = subprocess.run(["sqlite3", agent.store, "SELECT 1 FROM spool"], capture_output=True, check=False)
        assert refused.returncode != 0 and b"locked" in refused.stderr
        assert agent.stop() == 0
        check_answers(agent.store, tmp_path / "app.log", "-readonly")
        second = tmp_path / "second.db"
        assert agent.run_ctl("spool", "snapshot", str(second)).returncode == 0
        check_answers(second, tmp_path / "app.log")
        # nothing was lost by looking
        intake.start()
        agent.start()
        wait_until(lambda: intake.stats()["log_messages"] >= LINES, 30, intake.stats)
        wait_until(lambda: agent.ctl("spool")["payloads"] == 0, 30)
        assert len(set(intake.messages())) == len(intake.messages()) == LINES


def test_without_a_forwarder_the_file_is_read_and_nothing_is_changed(tmp_path):
    with Outage(tmp_path) as (agent, _):
        rows = backlog(agent)
        assert agent.run_ctl("stop", "logs", "dogstatsd", timeout=60).returncode == 0
        assert agent.run_ctl("stop", "forwarder", timeout=60).returncode == 0
        stopped = agent.ctl("spool")
        assert not stopped["running"]
        ids = [r["id"] for r in stopped["rows"]]
        assert ids[: len(rows)] == [r["id"] for r in rows]
        assert agent.ctl("spool", "show", str(ids[0]))["damaged"] is False
        refused = agent.run_ctl("spool", "replay")
        assert refused.returncode == 1 and "what waits is sent when bulkhead starts" in refused.stderr
        # after a kill the newest commits are in the WAL
        agent.run_ctl("start", "all")
        wait_until(agent.is_ready, 30)
        write_log(tmp_path / "app.log", LINES, 500)
        wait_until(lambda: sum(r["items"] for r in agent.ctl("spool", "--class", "logs")["rows"]) == LINES + 500, 30)
        kill_session(agent.proc.pid)
        agent.proc.wait()
        agent.proc = None
        assert (agent.store.parent / "spool.db-wal").stat().st_size > 0
        found = wait_until(lambda: not agent.run_ctl("spool").returncode and agent.ctl("spool"), 30)
        assert sum(r["items"] for r in found["rows"] if r["kind"] == "logs") == LINES + 500


def test_a_live_process_of_another_agent_is_named(tmp_path):
    with Outage(tmp_path) as (agent, _):
        backlog(agent)
        # one that cannot find the control socket, as with another run_dir
        refused = agent.run_ctl("-s", str(tmp_path / "none.sock"), "spool")
        assert refused.returncode == 1
        assert f"held by process {agent.child_pid('forwarder')}" in refused.stderr


def test_purge_counts_as_dropped_and_lets_the_positions_pass(tmp_path):
    log = tmp_path / "app.log"
    with Outage(tmp_path) as (agent, intake):
        backlog(agent)
        before = {r["identifier"]: r for r in agent.ctl("registry")["rows"]}[f"file:{log}"]
        assert before["delivered"] == "0" and before["safe"] == str(log.stat().st_size)
        assert agent.ctl("spool", "purge", "--yes", "--class", "logs", "--older", "1h")["payloads"] == 0
        # one payload may be on its way to the intake that is down: it stays until its turn is over

        def purge():
            agent.run_ctl("spool", "purge", "--yes", "--class", "logs")
            return agent.ctl("spool", "--class", "logs")["payloads"] == 0

        wait_until(purge, 30)
        row = agent.destination("logs")
        assert row["dropped"] == {"purged": LINES} and row["spooled"] == 0
        assert agent.ctl("spool")["payloads"] >= 1, "metrics stay"
        after = {r["identifier"]: r for r in agent.ctl("registry")["rows"]}[f"file:{log}"]
        assert after["delivered"] == after["safe"] == str(log.stat().st_size)
        assert agent.run_ctl("ledger").returncode == 0
        kept = wait_until(lambda: agent.ctl("ledger")["totals"], 20)
        row = next(r for r in kept["rows"] if (r["kind"], r["name"]) == ("destination", "logs"))
        assert (row["received"], row["dropped"], row["gap"]) == (LINES, {"purged": LINES}, 0)
        assert "spool-purge asked by uid=" in agent.log_text()
        # the file is not read again, what is new is delivered
        intake.start()
        write_log(log, LINES, 10)
        agent.run_ctl("spool", "replay")
        wait_until(lambda: len(intake.messages()) >= 10, 30)
        assert set(intake.messages()) == {f"line {i}" for i in range(LINES, LINES + 10)}


def test_a_stopped_store_is_purged_as_a_running_one(tmp_path):
    with Outage(tmp_path) as (agent, intake):
        backlog(agent)
        agent.stop()
        assert agent.ctl("spool", "purge", "--yes", "--class", "logs")["items"] == LINES
        left = {r["kind"] for r in agent.ctl("spool")["rows"]}
        assert "series" in left and "logs" not in left
        # the file is not read again, what is new is delivered, and it is known what became of the rest
        intake.start()
        write_log(tmp_path / "app.log", LINES, 10)
        agent.start()
        wait_until(lambda: len(intake.messages()) >= 10, 30)
        wait_until(lambda: agent.destination("logs")["delivered"] == 10, 20)
        assert set(intake.messages()) == {f"line {i}" for i in range(LINES, LINES + 10)}
        kept = wait_until(lambda: agent.ctl("ledger")["totals"], 20)
        row = next(r for r in kept["rows"] if (r["kind"], r["name"]) == ("destination", "logs"))
        assert (row["received"], row["dropped"], row["gap"]) == (LINES + 10, {"purged": LINES}, 0)
        assert agent.run_ctl("ledger").returncode == 0


def test_replay_ends_the_pause_of_a_destination(tmp_path):
    slow = {"logs_config": {"sender_backoff_base": 100, "sender_backoff_max": 120}, **SPOOL_NOW}
    with Outage(tmp_path, slow) as (agent, intake):
        backlog(agent)
        wait_until(lambda: "retrying in" in agent.run_ctl("status").stdout, 30)
        intake.start()
        told = agent.ctl("spool", "replay", "--class", "logs")
        assert told["items"] == LINES
        wait_until(lambda: len(intake.messages()) == LINES, 30, intake.stats)


def test_a_class_has_its_own_bound_and_policy(tmp_path):
    """Logs may take 2 MiB and lose the newest; metrics go on being spooled."""
    bound = {
        "logs_config": {
            "use_compression": False,
            "disk_retry": {"max_size_bytes": 2097152, "when_full": "drop_newest"},
        },
        **SPOOL_NOW,
    }
    log = tmp_path / "app.log"
    with Outage(tmp_path, bound) as (agent, _):
        backlog(agent)
        with open(log, "a", encoding="utf-8") as f:
            f.writelines(f"{i} {'x' * 1000}\n" for i in range(20000))
        wait_until(lambda: agent.destination("logs")["dropped"].get("spool_full", 0) > 0, 30)
        wait_until(lambda: agent.destination("logs")["received"] == LINES + 20000, 60)
        assert agent.ctl("spool", "--class", "logs")["bytes"] <= 2097152
        # spec/durability.md §15 I16: ten times the bound was pushed through
        assert agent.store.stat().st_size <= 2 * 2097152
        assert agent.store.with_name("spool.db-wal").stat().st_size <= (64 + 16) << 20
        assert agent.destination("metrics")["dropped"] == {}
        assert agent.run_ctl("ledger").returncode == 0


def test_a_stop_with_a_full_spool_and_a_dead_intake_ends_in_time(tmp_path):
    """What has no room stays in its file, and is read from there by the next start."""
    bound = {
        "logs_config": {"use_compression": False, "disk_retry": {"max_size_bytes": 2097152}},
        "bulkhead": {"spool_after": 0, "shutdown_budget": 5},
    }
    with Outage(tmp_path, bound) as (agent, intake):
        backlog(agent)
        with open(tmp_path / "app.log", "a", encoding="utf-8") as f:
            f.writelines(f"{i} {'x' * 1000}\n" for i in range(5000))
        wait_until(lambda: "full" in agent.run_ctl("status").stdout, 30, lambda: agent.run_ctl("status").stdout)
        began = time.monotonic()
        # 75: logs waited for what has no room until its deadline
        assert agent.stop() in (0, 75)
        assert time.monotonic() - began < 20  # the budget is 5 s
        intake.start()
        agent.start()
        wait_until(lambda: len(set(intake.messages())) == LINES + 5000, 60, intake.stats)
        assert len(intake.messages()) == LINES + 5000, "a line came twice"


def test_a_snapshot_is_whole_while_payloads_come_and_go(tmp_path):
    with Outage(tmp_path) as (agent, intake):
        backlog(agent)
        intake.start()
        for i in range(3):
            write_log(tmp_path / "app.log", LINES * (i + 1))
            copy = tmp_path / f"copy{i}.db"
            assert agent.run_ctl("spool", "snapshot", str(copy)).returncode == 0
            with sqlite3.connect(copy) as db:
                assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                faults = db.execute(manual_queries()[9]).fetchone()[0]
            assert faults == 0
        wait_until(lambda: len(set(intake.messages())) == 4 * LINES, 60, intake.stats)


def test_a_damaged_row_is_shown_as_such_and_stops_nobody(tmp_path):
    with Outage(tmp_path) as (agent, intake):
        backlog(agent)
        assert agent.stop() == 0
        with sqlite3.connect(agent.store) as db:
            first = db.execute("SELECT min(ord) FROM spool WHERE kind = 1").fetchone()[0]
            lost = db.execute("SELECT items FROM spool WHERE ord = ?", (first,)).fetchone()[0]
            db.execute("UPDATE spool_body SET body = zeroblob(length(body)) WHERE ord = ?", (first,))
        db.close()
        assert agent.ctl("spool", "show", str(first))["damaged"] is True
        intake.start()
        agent.start()
        wait_until(lambda: len(intake.messages()) == LINES - lost, 30, intake.stats)
        wait_until(lambda: agent.destination("logs")["dropped"] == {"corrupt": lost}, 30)

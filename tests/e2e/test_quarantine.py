"""What an intake refused for good can be listed, shown, sent again and thrown away, one payload or all of them, while the
forwarder runs and while nothing does (bulkheadctl spool). What is sent again arrives once, and the ledger closes."""

import pytest
from harness import Agent, Intake, wait_until

FAST = {
    "logs_config": {"sender_backoff_base": 0.1, "sender_backoff_max": 0.4, "batch_max_size": 20, "batch_wait": 1},
    "forwarder_backoff_base": 0.1,
    "forwarder_backoff_max": 0.4,
    "bulkhead": {"spool_after": 1},
}
QUARANTINE = ("--destination", "quarantine")
SMALL, GIANTS = 60, 3


def write_lines(path):
    """In each batch one line is too large for the relay, whatever is left out beside it."""
    with open(path, "w", encoding="utf-8") as f:
        for i in range(SMALL):
            f.write(f"small {i}\n")
            if i % 20 == 10:
                f.write(f"giant {i} " + "".join(f"{pow(7919, k + i + 90, 10**40):040d}" for k in range(1000)) + "\n")


def heads(intake):
    return [" ".join(m.split()[:2]) for m in intake.messages()]


def kept(agent):
    return agent.ctl("spool", *QUARANTINE)["rows"]


def settled(agent):
    rows = kept(agent)
    kinds = [r["kind"] for r in rows]
    return kinds.count("logs") == GIANTS and "series" in kinds and rows


def row(agent, name):
    return next(r for r in agent.ledger_rows("destination") if r["name"] == name)


@pytest.fixture
def refused(tmp_path):
    """An agent with pieces of three payloads of logs and with series in its quarantine; the intake takes all again."""
    log = tmp_path / "app.log"
    write_lines(log)
    with Intake() as intake:
        intake.fault("status=413&above=9000&path=/api/v2/logs")
        intake.fault("status=400&count=1&path=/api/v2/series")
        source = {"path": str(log), "start_position": "beginning"}
        with Agent(intake, logs=[source], config=FAST) as agent:
            agent.send(b"refused.count:7|c")
            rows = wait_until(lambda: settled(agent), 40, lambda: kept(agent))
            wait_until(lambda: row(agent, "logs")["delivered"] == SMALL, 20)
            assert row(agent, "logs")["dropped"] == {"status_413": GIANTS}
            assert agent.run_ctl("ledger").returncode == 0
            intake.fault("clear=1")
            yield agent, intake, rows


def look(agent, rows):
    """One is shown with who refused it and how; without its name the quarantine is no part of what waits."""
    giants = [r for r in rows if r["kind"] == "logs"]
    shown = agent.ctl("spool", "show", str(giants[0]["id"]))
    assert (shown["status"], shown["refused_by"], shown["items"]) == (413, "logs/primary", 1)
    assert shown["destinations"] == ["quarantine"] and not shown["damaged"]
    assert next((r["status"], r["refused_by"]) for r in rows if r["kind"] == "series") == (400, "metrics/primary")
    text = agent.run_ctl("spool", "show", str(giants[0]["id"])).stdout
    assert "refused by     logs/primary, status 413" in text
    assert "quarantine" not in [d for r in agent.ctl("spool")["rows"] for d in r["destinations"]]
    return giants


def change(agent, rows):
    """The first giant is thrown away, the second is sent alone, then all the rest: what is left is nothing."""
    giants = look(agent, rows)
    gone = agent.ctl("spool", "purge", str(giants[0]["id"]), "--yes")
    assert (gone["payloads"], gone["items"]) == (1, 1)
    unknown = agent.run_ctl("spool", "replay", str(giants[0]["id"]))
    assert unknown.returncode == 1 and "no such payload" in unknown.stderr
    again = agent.ctl("spool", "replay", str(giants[1]["id"]))
    assert (again["payloads"], again["items"]) == (1, 1)
    none = agent.ctl("spool", "replay", *QUARANTINE, "--older", "1h")
    assert none["payloads"] == 0
    rest = agent.run_ctl("spool", "replay", *QUARANTINE)
    assert rest.returncode == 0 and "are sent again" in rest.stdout, rest
    assert kept(agent) == []
    assert agent.ctl("spool", "replay", *QUARANTINE)["payloads"] == 0
    return rest.stdout


def arrives(agent, intake, received):
    """Once, all but the giant that was thrown away; the ledger has each replay as received anew."""
    wait_until(lambda: sum(h.startswith("giant") for h in heads(intake)) >= GIANTS - 1, 30, intake.stats)
    wait_until(lambda: intake.total("refused.count") >= 7 - 1e-6, 30, intake.stats)
    wait_until(lambda: agent.ctl("spool")["payloads"] == 0, 20)
    wait_until(lambda: row(agent, "logs")["delivered"] == received, 20, lambda: row(agent, "logs"))
    assert agent.run_ctl("ledger").returncode == 0
    # the same since the installation
    kept_since = wait_until(lambda: agent.ctl("ledger")["totals"], 20)
    logs = next(r for r in kept_since["rows"] if (r["kind"], r["name"]) == ("destination", "logs"))
    assert (logs["received"], logs["delivered"], logs["gap"]) == (SMALL + 2 * GIANTS - 1, SMALL + GIANTS - 1, 0)
    agent.stop()
    assert len(set(heads(intake))) == len(heads(intake)) == SMALL + GIANTS - 1
    assert sum(h.startswith("giant") for h in heads(intake)) == GIANTS - 1
    assert round(intake.total("refused.count"), 3) == 7


def test_while_the_forwarder_runs(refused):
    agent, intake, rows = refused
    change(agent, rows)
    arrives(agent, intake, SMALL + GIANTS - 1)


def test_while_nothing_runs(refused):
    agent, intake, rows = refused
    agent.stop()
    assert "when bulkhead starts" in change(agent, rows)
    assert not agent.ctl("spool")["running"]
    waits = agent.run_ctl("spool", "replay")
    assert waits.returncode == 1 and "sent when bulkhead starts" in waits.stderr
    assert all(not h.startswith("giant") for h in heads(intake))
    agent.start()
    arrives(agent, intake, GIANTS - 1)

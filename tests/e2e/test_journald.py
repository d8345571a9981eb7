"""Journal files to the intake: systemd-journal-remote writes them, since no journald runs here."""

import json
import subprocess

from harness import Agent, Intake, wait_until

TOOL = "/lib/systemd/systemd-journal-remote"


def write(folder, name, entries, first=0):
    """Entries: dicts of fields; each a second after the one before."""
    export = folder / "export.tmp"
    with open(export, "w") as f:
        for i, fields in enumerate(entries):
            second = 1_700_000_000 + first + i
            f.write(f"__REALTIME_TIMESTAMP={second}000000\n__MONOTONIC_TIMESTAMP={first + i + 1}000000\n")
            f.write("_BOOT_ID=0123456789abcdef0123456789abcdef\n")
            f.write("".join(f"{k}={v}\n" for k, v in fields.items()) + "\n")
    subprocess.run([TOOL, "-o", folder / name, export], check=True, capture_output=True)
    export.unlink()


def entry(text, unit="app.service", priority=6, **more):
    return {"MESSAGE": text, "_SYSTEMD_UNIT": unit, "PRIORITY": priority, "SYSLOG_IDENTIFIER": unit.split(".")[0], **more}


def source(folder, **extra):
    return {"type": "journald", "path": str(folder), "start_position": "beginning", **extra}


def texts(intake):
    return [json.loads(m).get("message") for m in intake.messages()]


def test_entries_arrive_once_over_restarts(tmp_path):
    write(tmp_path, "a.journal", [entry("one"), entry("two", priority=3)])
    with Intake() as intake, Agent(intake, logs=[source(tmp_path, tags=["env:prod"])]) as agent:
        wait_until(lambda: texts(intake) == ["one", "two"], 20, intake.messages)
        assert agent.ctl("ledger")["balanced"]
        assert agent.stop() == 0
        write(tmp_path, "b.journal", [entry("three")], first=10)
        agent.start()
        wait_until(lambda: texts(intake) == ["one", "two", "three"], 20, intake.messages)
        assert agent.run_ctl("restart", "logs").returncode == 0
        write(tmp_path, "c.journal", [entry("four", _HOSTNAME="x")], first=20)
        wait_until(lambda: texts(intake) == ["one", "two", "three", "four"], 20, intake.messages)
        assert agent.stop() == 0
        records = intake.records("log")
        assert [r["status"] for r in records] == ["info", "error", "info", "info"]
        assert {(r["service"], r["ddsource"], r["ddtags"]) for r in records} == {("app", "app", "env:prod")}
        assert json.loads(records[3]["message"])["journald"]["_HOSTNAME"] == "x"


def test_units_are_chosen_and_rules_see_the_message_alone(tmp_path):
    write(tmp_path, "a.journal", [entry("card 1234"), entry("noise", unit="other.service"), entry("bye")])
    rules = [{"type": "mask_sequences", "name": "card", "pattern": r"^card \d+$", "replace_placeholder": "card"}]
    chosen = source(
        tmp_path, include_units=["app.service"], process_raw_message=False, log_processing_rules=rules, service="svc"
    )
    with Intake() as intake, Agent(intake, logs=[chosen]) as agent:
        wait_until(lambda: texts(intake) == ["card", "bye"], 20, intake.messages)
        assert agent.stop() == 0
        assert {r["service"] for r in intake.records("log")} == {"svc"}


def test_a_directory_that_comes_later_is_read(tmp_path):
    late = tmp_path / "late"
    with Intake() as intake, Agent(intake, logs=[source(late)]) as agent:
        wait_until(lambda: str(late) in agent.log_text(), 10)
        late.mkdir()
        write(late, "a.journal", [entry("here")])
        wait_until(lambda: texts(intake) == ["here"], 20, intake.messages)
        assert agent.stop() == 0

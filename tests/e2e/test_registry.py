"""The registry of log positions: the Agent's file at the first start, and bulkheadctl registry."""

import json
import os

from harness import Agent, Intake, source, wait_until

FINGERPRINT = {
    "Value": 18446744073709551615,
    "Config": {"fingerprint_strategy": "line_checksum", "count": 1, "count_to_skip": 0, "max_bytes": 10000},
}


def entry(offset, **extra):
    return {"LastUpdated": "2026-01-02T03:04:05.123456789Z", "Offset": str(offset), "TailingMode": "end", **extra}


def write_registry(path, entries, version=2):
    path.write_text(json.dumps({"Version": version, "Registry": entries}))
    return path


def first_start(tmp_path, **extra):
    """A configuration that looks for the Agent's file in the test's folder."""
    return {"logs_config": {"run_path": str(tmp_path), **extra}}


def test_the_first_start_takes_over_the_agents_positions(tmp_path):
    write_registry(
        tmp_path / "registry.json",
        {
            "file:/var/log/a.log": entry(4096, IngestionTimestamp=1704164645123456789, Fingerprint=FINGERPRINT),
            "docker:abc": entry("2026-01-02T03:04:05Z"),
            "journald:default": entry("s=1;i=2"),
            "file:/var/log/none.log": entry(""),
        },
    )
    before = (tmp_path / "registry.json").read_bytes()
    with Intake() as intake, Agent(intake, config=first_start(tmp_path)) as agent:
        assert f"{tmp_path}/registry.json: version 2, 3 rows imported, 1 entries" in agent.log_text()
        found = agent.registry()
        assert found.keys() == {"file:/var/log/a.log", "docker:abc", "journald:default"}
        row = found["file:/var/log/a.log"]
        assert row["path"] == "/var/log/a.log" and row["imported"] and row["state"] == "live"
        assert (row["delivered"], row["safe"], row["tailing_mode"]) == ("4096", "4096", "end")
        assert (row["dev"], row["ino"]) == ("0", "0") and row["generation"] != "0"
        assert row["ingestion_ns"] == 1704164645123456789
        assert row["fingerprint"] == {"value": "18446744073709551615", "config": "line_checksum:1:0:10000"}
        assert found["journald:default"]["safe"] == "s=1;i=2"
        # nothing is taken a second time, not even for a file whose row is gone
        assert agent.run_ctl("registry", "forget", "file:/var/log/a.log").returncode == 0
        assert agent.stop() == 0
        agent.start()
        assert agent.registry().keys() == {"docker:abc", "journald:default"}
        assert agent.stop() == 0
    assert (tmp_path / "registry.json").read_bytes() == before


def test_a_tail_resumes_where_the_agent_stopped(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"old 1\nold 2\nnew 1\nnew 2\n")
    write_registry(tmp_path / "registry.json", {f"file:{log}": entry(12)})
    with Intake() as intake, Agent(intake, logs=[source(log)], config=first_start(tmp_path)) as agent:
        wait_until(lambda: intake.stats()["log_messages"] >= 2, 20, intake.messages)
        agent.wait_delivered(log, 24)
        assert intake.messages() == ["new 1", "new 2"]
        assert not agent.registry()[f"file:{log}"]["imported"]
        assert agent.stop() == 0


def test_an_import_that_is_larger_than_the_file_begins_at_its_start(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"one\ntwo\n")
    write_registry(tmp_path / "registry.json", {f"file:{log}": entry(4096)})
    with Intake() as intake, Agent(intake, logs=[source(log)], config=first_start(tmp_path)) as agent:
        wait_until(lambda: intake.stats()["log_messages"] >= 2, 20, intake.messages)
        assert intake.messages() == ["one", "two"]
        assert agent.stop() == 0


def test_a_file_that_cannot_be_read_is_named_and_tried_again(tmp_path):
    path = tmp_path / "registry.json"
    path.write_text('{"Version":2,"Registry":{"file:/a":{"Offset":"1"},}}')
    with Intake() as intake, Agent(intake, config=first_start(tmp_path)) as agent:
        note = f"{path}: byte 51: "
        assert note in agent.log_text()
        assert note in agent.run_ctl("--json", "status").stdout
        assert agent.registry() == {}
        assert agent.stop() == 0
        write_registry(path, {"file:/a": entry(1)})
        agent.start()
        assert agent.registry().keys() == {"file:/a"}
        assert note not in agent.run_ctl("--json", "status").stdout
        assert agent.stop() == 0


def test_import_takes_what_is_not_known(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"one\n")
    path = write_registry(tmp_path / "a.json", {f"file:{log}": entry(0), "file:/b": entry(7), "file:/c": entry("")})
    with Intake() as intake, Agent(intake, logs=[source(log)]) as agent:
        agent.wait_delivered(log, 4)
        answer = agent.ctl("registry", "import", os.path.relpath(path))
        assert {k: answer[k] for k in ("version", "imported", "skipped", "ignored")} == {
            "version": 2,
            "imported": 1,
            "skipped": 1,
            "ignored": 1,
        }
        assert agent.registry()["file:/b"]["safe"] == "7"
        # a row that came from an import is replaced by the next one
        write_registry(path, {f"file:{log}": {"Offset": 0}, "/b": {"Offset": 9}}, version=0)
        result = agent.run_ctl("registry", "import", str(path))
        assert result.returncode == 0 and "version 0: 2 imported, 0 skipped" in result.stdout
        found = agent.ctl("registry", "ls")["rows"]
        assert sorted((r["identifier"], r["safe"]) for r in found) == sorted(
            [(f"file:{log}", "4"), ("file:/b", "9"), (f"file:file:{log}", "0")]
        )
        assert agent.stop() == 0
        agent.start()
        assert agent.registry()["file:/b"]["safe"] == "9"
        assert agent.stop() == 0


def test_an_import_that_fails_changes_nothing(tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text('{"Version":2,"Registry":{"file:/a":{"Offset":"1"}}')
    with Intake() as intake, Agent(intake) as agent:
        result = agent.run_ctl("registry", "import", str(broken))
        assert result.returncode == 1
        assert f"{broken}: byte 50: " in result.stderr
        write_registry(broken, {}, version=3)
        assert f"{broken}: byte 12: a Version other than" in agent.run_ctl("registry", "import", str(broken)).stderr
        assert "No such file" in agent.run_ctl("registry", "import", str(tmp_path / "none")).stderr
        assert "not a regular file" in agent.run_ctl("registry", "import", str(tmp_path)).stderr
        with open(broken, "wb") as f:
            f.truncate((64 << 20) + 1)
        assert "larger than 64 MiB" in agent.run_ctl("registry", "import", str(broken)).stderr
        assert agent.registry() == {}
        for words in (["import"], ["show"], ["forget", "a", "b"], ["list"], ["ls", "x"]):
            assert agent.run_ctl("registry", *words).returncode == 2, words
        assert agent.run_ctl("stop", "forwarder").returncode == 0
        assert "forwarder does not run" in agent.run_ctl("registry").stderr
        assert agent.stop() == 0


def test_what_is_tailed_is_listed_and_not_forgotten(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"one\ntwo\n")
    name = f"file:{log}"
    with Intake() as intake, Agent(intake, logs=[source(log)]) as agent:
        agent.wait_delivered(log, 8)
        listed = agent.run_ctl("registry").stdout.splitlines()
        assert listed[0].split() == ["STATE", "DELIVERED", "SAFE", "SIZE", "PATH"]
        assert listed[1].split() == ["live", "8", "8", "8", str(log)]
        shown = dict(line.split(maxsplit=1) for line in agent.run_ctl("registry", "show", name).stdout.splitlines() if " " in line.strip())
        stat = log.stat()
        assert (shown["identifier"], shown["ino"], shown["dev"]) == (name, str(stat.st_ino), str(stat.st_dev))
        result = agent.run_ctl("registry", "forget", name)
        assert result.returncode == 1 and "the logs process tails it" in result.stderr
        assert agent.run_ctl("stop", "logs").returncode == 0
        assert agent.run_ctl("registry", "forget", name).stdout == "1 forgotten\n"
        assert "no such identifier" in agent.run_ctl("registry", "show", name).stderr
        assert agent.run_ctl("registry", "forget", name).returncode == 1
        assert agent.run_ctl("start", "logs").returncode == 0
        wait_until(lambda: intake.stats()["log_messages"] >= 4, 20, intake.messages)
        assert intake.messages() == ["one", "two", "one", "two"]
        assert agent.stop() == 0


def test_a_row_of_the_spool_may_outlive_what_is_forgotten(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"one\n")
    with Intake() as intake, Agent(intake, logs=[source(log)], config={"bulkhead": {"spool_after": 0}}) as agent:
        wait_until(lambda: intake.stats()["log_messages"] >= 1, 20)
        intake.stop()
        with open(log, "ab") as f:
            f.write(b"two\n")
        wait_until(lambda: agent.registry()[f"file:{log}"]["safe"] == "8", 20, lambda: agent.registry())
        assert agent.registry()[f"file:{log}"]["open_parts"] == 1
        assert agent.run_ctl("stop", "logs").returncode == 0
        assert agent.run_ctl("registry", "forget", f"file:{log}").returncode == 0
        agent.kill_and_wait("forwarder")
        intake.start()
        wait_until(lambda: intake.messages() == ["one", "two"], 30, intake.messages)
        assert agent.stop() == 0


def test_names_of_files_are_bytes_of_any_kind_and_length(tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    odd = os.fsencode(folder) + b"/a\xff 100%\n\\.log"
    with open(odd, "wb") as f:
        f.write(b"one\n")
    text = f"file:{folder}/a%FF 100%25%0A%5C.log"
    long = "file:/" + "x" * 4094
    imported = write_registry(tmp_path / "long.json", {long: entry(3)})
    with Intake() as intake, Agent(intake, logs=[source(f"{folder}/*.log")]) as agent:
        wait_until(lambda: text in agent.registry(), 20, lambda: agent.registry())
        assert agent.ctl("registry", "import", str(imported))["imported"] == 1
        assert agent.ctl("registry", "show", text)["rows"][0]["identifier"] == text
        assert agent.ctl("registry", "show", "file:" + os.fsdecode(odd))["rows"][0]["identifier"] == text
        assert agent.ctl("registry", "show", long)["rows"][0]["path"] == long[5:]
        assert f"  {folder}/a%FF 100%25%0A%5C.log\n" in agent.run_ctl("registry").stdout
        assert agent.ctl("registry", "forget", long)["forgotten"] == 1
        assert agent.registry().keys() == {text}
        assert agent.stop() == 0


def test_many_rows_come_whole(tmp_path):
    count = 20000
    path = write_registry(tmp_path / "many.json", {f"file:/var/log/{i}.log": entry(i) for i in range(count)})
    with Intake() as intake, Agent(intake) as agent:
        assert agent.ctl("registry", "import", str(path))["imported"] == count
        found = agent.registry()
        assert len(found) == count
        assert all(found[f"file:/var/log/{i}.log"]["safe"] == str(i) for i in range(count))
        assert agent.stop() == 0


def test_export_is_what_the_agent_reads(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"one\n")
    path = write_registry(
        tmp_path / "a.json",
        {"file:/b": entry(7, IngestionTimestamp=5, Fingerprint=FINGERPRINT), "journald:default": entry("s=1;i=2")},
    )
    with Intake() as intake, Agent(intake, logs=[source(log)]) as agent:
        agent.wait_delivered(log, 4)
        assert agent.ctl("registry", "import", str(path))["imported"] == 2
        text = agent.run_ctl("registry", "export").stdout
        exported = json.loads(text)
        assert exported["Version"] == 2
        assert exported["Registry"].keys() == {f"file:{log}", "file:/b", "journald:default"}
        assert exported["Registry"][f"file:{log}"]["Offset"] == "4"
        b = exported["Registry"]["file:/b"]
        assert b["LastUpdated"].endswith("Z") and b["Fingerprint"] == FINGERPRINT
        assert (b["Offset"], b["TailingMode"], b["IngestionTimestamp"]) == ("7", "end", 5)
        assert agent.stop() == 0
    (tmp_path / "registry.json").write_text(text)
    with Intake() as intake, Agent(intake, config=first_start(tmp_path)) as agent:
        assert {name: r["safe"] for name, r in agent.registry().items()} == {
            name: e["Offset"] for name, e in exported["Registry"].items()
        }
        assert agent.stop() == 0

"""Which files are read and from where: start positions, kinds of files, limits, odd inputs
(spec/logs.md §3, §4.3, §4.5)."""

import gzip
import os
import shutil

import pytest

from harness import Agent, Intake, append, wait_until

CONFIG = {"logs_config": {"batch_wait": 1, "file_scan_period": 0.5, "close_timeout": 1}}


def lines(prefix, count, start=0):
    return b"".join(b"%s %d\n" % (prefix, i) for i in range(start, start + count))


def numbered(prefix, count, start=0):
    return [f"{prefix} {i}" for i in range(start, start + count)]


def config(**logs):
    return {"logs_config": {**CONFIG["logs_config"], **logs}}


def number(agent, name):
    return agent.ctl("status")["numbers"]["logs"][name]


def arrive(intake, want, deadline=20):
    """These, in any order, none twice."""
    wait_until(lambda: intake.stats()["log_messages"] >= len(want), deadline, intake.messages)
    assert sorted(intake.messages()) == sorted(want)


@pytest.mark.parametrize("mode", ("", "end", "beginning", "forceBeginning", "forceEnd"))
def test_start_position_and_what_a_restart_makes_of_it(tmp_path, mode):
    log = tmp_path / "app.log"
    log.write_bytes(lines(b"old", 3))
    source = {"path": str(log), **({"start_position": mode} if mode else {})}
    begin = numbered("old", 3) if mode in ("beginning", "forceBeginning") else []
    with Intake() as intake, Agent(intake, logs=[source], config=CONFIG) as agent:
        append(log, b"while up\n")
        want = [*begin, "while up"]
        arrive(intake, want)
        # a killed logs process resumes, forced or not (§4.3, 1)
        agent.kill("logs")
        append(log, b"while killed\n")
        want += ["while killed"]
        arrive(intake, want)
        assert agent.stop() == 0
        append(log, b"while down\n")
        agent.start()
        append(log, b"last\n")
        if mode == "forceBeginning":
            want += [*numbered("old", 3), "while up", "while killed"]
        if mode != "forceEnd":
            want += ["while down"]
        want += ["last"]
        arrive(intake, want)
        assert agent.stop() == 0
        assert len(intake.messages()) == len(want)


def test_a_mode_that_changed_to_end_skips_and_to_beginning_does_not(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"one\n")
    path = str(log)
    logs = [{"path": path, "start_position": "beginning"}]
    with Intake() as intake, Agent(intake, logs=logs, config=CONFIG) as agent:
        arrive(intake, ["one"])
        assert agent.stop() == 0
        append(log, b"skipped\n")
        agent.write_logs([{"path": path, "start_position": "end"}])
        agent.start()
        append(log, b"two\n")
        arrive(intake, ["one", "two"])
        assert agent.stop() == 0
        append(log, b"kept\n")
        agent.write_logs([{"path": path, "start_position": "beginning"}])
        agent.start()
        arrive(intake, ["one", "two", "kept"])
        assert agent.stop() == 0


def test_at_the_end_an_unfinished_line_is_read_whole(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"old\nhalf")
    with Intake() as intake, Agent(intake, logs=[{"path": str(log)}], config=CONFIG) as agent:
        append(log, b" and half\n")
        arrive(intake, ["half and half"])
        assert agent.stop() == 0


def test_a_hole_of_nuls_after_a_truncation_is_skipped(tmp_path):
    log = tmp_path / "app.log"
    with open(log, "wb", buffering=0) as writer:  # without O_APPEND: it goes on at its offset
        writer.write(lines(b"before", 3000))
        with Intake() as intake, Agent(
            intake, logs=[{"path": str(log), "start_position": "beginning"}], config=CONFIG
        ) as agent:
            want = numbered("before", 3000)
            arrive(intake, want)
            hole = writer.tell()
            os.truncate(log, 0)
            writer.write(b"after\n")
            want += ["after"]
            arrive(intake, want)
            assert number(agent, "files.nul_bytes_skipped") == hole
            assert agent.stop() == 0
            hole = writer.tell()
            os.truncate(log, 0)
            writer.write(b"while down\n")
            agent.start()
            want += ["while down"]
            arrive(intake, want)
            assert number(agent, "files.nul_bytes_skipped") == hole
            assert agent.stop() == 0


def test_links_to_one_file_are_read_once(tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(b"once\n")
    os.link(log, tmp_path / "b.log")
    (tmp_path / "c.log").symlink_to("a.log")
    (tmp_path / "dangling.log").symlink_to("nothing")
    source = {"path": str(tmp_path / "*.log"), "start_position": "beginning"}
    with Intake() as intake, Agent(intake, logs=[source], config=CONFIG) as agent:
        arrive(intake, ["once"])
        append(tmp_path / "b.log", b"more\n")
        arrive(intake, ["once", "more"])
        assert number(agent, "files.tailed") == 1
        assert agent.stop() == 0


def test_what_is_no_text_file_is_skipped_with_a_word(tmp_path):
    os.mkfifo(tmp_path / "fifo.log")
    (tmp_path / "folder.log").mkdir()
    with gzip.open(tmp_path / "packed.log.gz", "wb") as f:
        f.write(b"packed\n")
    (tmp_path / "named.log.gz").write_bytes(b"only named so\n")
    (tmp_path / "good.log").write_bytes(b"good\n")
    logs = [
        {"path": str(tmp_path / "*.log*"), "start_position": "beginning"},
        {"path": str(tmp_path / "folder.log"), "start_position": "beginning"},
    ]
    with Intake() as intake, Agent(intake, logs=logs, config=CONFIG) as agent:
        arrive(intake, ["good", "only named so"])
        notes = str(agent.ctl("status"))
        assert "not a regular file" in notes and "fifo.log" in notes
        assert "folder.log is a directory" in notes
        assert agent.stop() == 0


def test_a_directory_without_permission_is_read_once_it_has_it(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir()
    (folder / "a.log").write_bytes(b"a\n")
    folder.chmod(0)
    wrapper = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    logs = [{"path": str(folder / "*.log"), "start_position": "beginning"}]
    with Intake() as intake, Agent(intake, logs=logs, config=CONFIG, wrapper=wrapper) as agent:
        wait_until(lambda: "could not find any file" in agent.log_text(), 10)
        folder.chmod(0o755)
        arrive(intake, ["a"])
        assert agent.stop() == 0


def test_a_folder_that_is_removed_and_comes_back(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.log").write_bytes(b"one\n")
    logs = [{"path": str(folder / "*.log"), "start_position": "beginning"}]
    with Intake() as intake, Agent(intake, logs=logs, config=CONFIG) as agent:
        arrive(intake, ["one"])
        append(folder / "a.log", b"two\n")
        shutil.rmtree(folder)
        arrive(intake, ["one", "two"])
        folder.mkdir()
        (folder / "a.log").write_bytes(b"three\n")
        arrive(intake, ["one", "two", "three"])
        assert agent.stop() == 0


def test_files_beyond_the_limit_wait_and_are_read_where_they_were(tmp_path):
    for i in range(6):
        (tmp_path / f"{i}.log").write_bytes(b"old\n")
    logs = [{"path": str(tmp_path / "*.log")}]
    with Intake() as intake, Agent(intake, logs=logs, config=config(open_files_limit=3)) as agent:
        wait_until(lambda: number(agent, "files.waiting") == 3, 10)
        for i in range(6):
            append(tmp_path / f"{i}.log", f"new {i}\n".encode())
        arrive(intake, [f"new {i}" for i in (3, 4, 5)])  # the last names first
        for i in (3, 4, 5):
            (tmp_path / f"{i}.log").unlink()
        want = [f"new {i}" for i in range(6)]
        arrive(intake, want)
        assert number(agent, "files.waiting") == 0
        assert agent.stop() == 0
        agent.start()
        append(tmp_path / "0.log", b"again\n")
        arrive(intake, [*want, "again"])
        assert agent.stop() == 0


def test_by_modification_time_the_latest_come_first(tmp_path):
    for i in range(4):
        log = tmp_path / f"{i}.log"
        log.write_bytes(b"%d\n" % i)
        os.utime(log, (1_700_000_000 - i, 1_700_000_000 - i))
    logs = [{"path": str(tmp_path / "*.log"), "start_position": "beginning"}]
    limits = config(open_files_limit=2, file_wildcard_selection_mode="by_modification_time")
    with Intake() as intake, Agent(intake, logs=logs, config=limits) as agent:
        arrive(intake, ["0", "1"])
        assert agent.stop() == 0


def test_recursive_patterns_and_exclusions(tmp_path):
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (tmp_path / "top.log").write_bytes(b"top\n")
    (deep / "deep.log").write_bytes(b"deep\n")
    (deep / "not.log").write_bytes(b"not\n")
    source = {
        "path": str(tmp_path / "**" / "*.log"),
        "start_position": "beginning",
        "exclude_paths": [str(deep / "n*.log")],
    }
    with Intake() as intake, Agent(intake, logs=[source], config=config(enable_recursive_glob=True)) as agent:
        arrive(intake, ["deep", "top"])
        assert agent.stop() == 0


def test_five_thousand_files(tmp_path):
    for i in range(5000):
        (tmp_path / f"{i:04d}.log").write_bytes(b"%d\n" % i)
    logs = [{"path": str(tmp_path / "*.log"), "start_position": "beginning"}]
    with Intake() as intake, Agent(intake, logs=logs, config=config(open_files_limit=6000)) as agent:
        want = [str(i) for i in range(5000)]
        arrive(intake, want, 30)
        assert agent.stop() == 0
        append(tmp_path / "4711.log", b"again\n")
        agent.start()
        arrive(intake, [*want, "again"], 30)
        assert agent.stop() == 0


def test_lines_of_ten_megabytes_and_nuls(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"x" * 10_000_000 + b"\n" + b"\0" * 5000 + b"y\n" + b"end\n")
    with Intake() as intake, Agent(
        intake, logs=[{"path": str(log), "start_position": "beginning"}], config=CONFIG
    ) as agent:
        wait_until(lambda: "end" in intake.messages(), 30, lambda: len(intake.messages()))
        got = intake.messages()
        assert sum(m.count("x") for m in got) == 10_000_000
        assert got[-2:] == ["\0" * 5000 + "y", "end"]
        assert agent.stop() == 0


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    log = tmp_path / "app.log"
    with open(log, "wb") as f:
        f.write(lines(b"line", 400_000))
    with Intake() as intake, Agent(
        intake, logs=[{"path": str(log), "start_position": "beginning"}], config=config(batch_max_concurrent_send=1)
    ) as agent:
        os.truncate(log, 0)
        append(log, lines(b"fresh", 10))
        wait_until(lambda: "fresh 9" in intake.messages(), 30)
        got = intake.messages()
        old = got[:-10]
        assert got[-10:] == numbered("fresh", 10)
        # what was read of the old content is whole but for its last line
        assert old[:-1] == numbered("line", len(old))[:-1]
        assert f"line {len(old) - 1}".startswith(old[-1])
        assert agent.stop() == 0

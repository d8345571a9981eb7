"""What becomes of lines between the file and the intake: joining, rules, encodings, container files."""

import pytest

from harness import Agent, Intake, source, wait_until


def rule(kind, name, pattern=None, placeholder=None):
    one = {"type": kind, "name": name}
    if pattern is not None:
        one["pattern"] = pattern
    if placeholder is not None:
        one["replace_placeholder"] = placeholder
    return one


def run(tmp_path, data, want, config=None, tags=None, **extra):
    log = tmp_path / "app.log"
    log.write_bytes(data)
    with Intake() as intake, Agent(intake, logs=[source(log, **extra)], config=config) as agent:
        intake.expect(want)
        assert agent.ctl("ledger")["balanced"]
        assert agent.stop() == 0
        assert intake.stats()["decode_errors"] == 0
        records = intake.logs()
        if tags is not None:
            assert [r["ddtags"].split(",")[2:] for r in records] == tags
        return records


def test_global_rules_come_before_those_of_the_source(tmp_path):
    both = {"logs_config": {"processing_rules": [rule("mask_sequences", "card", r"\d{4}-\d{4}", "[card]")]}}
    run(
        tmp_path,
        b"pay 1234-5678 now\nhealth check\npay [card] twice\n",
        ["pay card now", "pay card twice"],
        config=both,
        log_processing_rules=[
            rule("exclude_at_match", "health", "^health"),
            rule("mask_sequences", "again", r"\[(card)\]", "$1"),
        ],
    )


def test_a_source_with_a_broken_pattern_is_named_and_the_others_run(tmp_path):
    good, bad = tmp_path / "good.log", tmp_path / "bad.log"
    good.write_bytes(b"good\n")
    bad.write_bytes(b"bad\n")
    logs = [source(bad, log_processing_rules=[rule("exclude_at_match", "ahead", "a(?=b)")]), source(good)]
    with Intake() as intake, Agent(intake, logs=logs) as agent:
        intake.expect(["good"])
        assert "invalid pattern a(?=b) for processing rule: ahead" in agent.log_text()
        assert agent.stop() == 0
        assert intake.messages() == ["good"]


def test_lines_of_a_stack_trace_become_one_message(tmp_path):
    run(
        tmp_path,
        b"2024-01-02 one\n  at a\n  at b\n2024-01-03 two\n",
        ["2024-01-02 one\\n  at a\\n  at b", "2024-01-03 two"],
        config={"logs_config": {"tag_multi_line_logs": True}},
        tags=[["multiline:multi_line"], []],
        log_processing_rules=[rule("multi_line", "date", r"\d{4}-\d{2}-\d{2}")],
    )


def test_lines_are_joined_automatically(tmp_path):
    run(
        tmp_path,
        b'2024-03-28 13:45:30 one\n  at a\n2024-03-28 13:45:31 two\n{"a":1,\n"b":2}\n',
        ["2024-03-28 13:45:30 one\\n  at a", "2024-03-28 13:45:31 two", '{"a":1,"b":2}'],
        config={"logs_config": {"auto_multi_line": {"tag_aggregated_json": True}}},
        tags=[[], [], ["aggregated_json:true"]],
        auto_multi_line_detection=True,
    )


def test_by_default_lines_that_could_be_joined_are_tagged(tmp_path):
    run(
        tmp_path,
        b"2024-03-28 13:45:30 one\n  at a\n2024-03-28 13:45:31 two\n",
        ["2024-03-28 13:45:30 one", "at a", "2024-03-28 13:45:31 two"],
        tags=[["auto_multiline_detected:true"], [], []],
    )


def test_utf_16_and_shift_jis_arrive_as_utf_8(tmp_path):
    run(tmp_path, "é one\n二\n".encode("utf-16-le"), ["é one", "二"], encoding="utf-16-le")
    run(tmp_path, "é one\n二\n".encode("utf-16-be"), ["é one", "二"], encoding="utf-16-be")
    run(tmp_path, "日本\nabc\n".encode("shift-jis"), ["日本", "abc"], encoding="shift-jis")


def test_container_files_lose_their_wrapper(tmp_path):
    docker = (
        b'{"log":"part one, ","stream":"stdout","time":"2024-01-02T03:04:05.1Z"}\n'
        b'{"log":"oops\\n","stream":"stderr","time":"2024-01-02T03:04:05.2Z"}\n'
        b'{"log":"part two\\n","stream":"stdout","time":"2024-01-02T03:04:05.3Z"}\n'
    )
    records = run(tmp_path, docker, ["oops", "part one, part two"], format="docker")
    assert [r["status"] for r in records] == ["error", "info"]
    cri = (
        b"2024-01-02T03:04:05.1Z stdout P one \n"
        b"2024-01-02T03:04:05.2Z stdout F two\n"
        b"2024-01-02T03:04:05.3Z stderr F bad\n"
    )
    records = run(tmp_path, cri, ["one two", "bad"], format="cri")
    assert [r["status"] for r in records] == ["info", "error"]


def test_an_open_group_is_sent_at_a_stop_and_its_lines_are_not_read_again(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"2024-01-02 one\n  at a\n")
    slow = {"logs_config": {"aggregation_timeout": 60000}}
    rules = [rule("multi_line", "date", r"\d{4}-")]
    with Intake() as intake, Agent(intake, logs=[source(log, log_processing_rules=rules)], config=slow) as agent:
        wait_until(lambda: agent.ctl("status")["numbers"]["logs"]["files.bytes_read"] == log.stat().st_size, 10)
        assert intake.messages() == []
        assert agent.stop() == 0
        assert intake.messages() == ["2024-01-02 one\\n  at a"]
        with open(log, "ab") as f:
            f.write(b"2024-01-03 two\n")
        agent.start()
        assert agent.stop() == 0
        assert intake.messages() == ["2024-01-02 one\\n  at a", "2024-01-03 two"]


@pytest.mark.parametrize(
    "config", [{}, {"compression_kind": "gzip", "compression_level": 6}, {"use_compression": False}], ids=str
)
def test_bodies_arrive_whole_however_they_are_compressed(tmp_path, config):
    text = [f"line {i} of some length, as lines have" for i in range(3000)]
    run(tmp_path, "".join(f"{t}\n" for t in text).encode(), text, config={"logs_config": {"batch_max_concurrent_send": 1, **config}})

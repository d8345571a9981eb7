"""The local intake itself: tests can only trust what it says if it never records what it refused."""

import gzip
import json
import re
import signal
import socket
import subprocess
import threading
import zlib

import pytest

from harness import API_KEY, BUILD, Intake, clean_env, wait_until

JSON = {"DD-API-KEY": API_KEY, "Content-Type": "application/json"}
LOGS = "/api/v2/logs"


def post_log(intake, text, **headers):
    body = json.dumps([{"message": text}]).encode()
    return intake.post(LOGS, body, {**JSON, **headers})


def run_intake(*args):
    return subprocess.run(
        [BUILD / "bulkhead-intake", *args], capture_output=True, text=True, timeout=30, env=clean_env(), check=False
    )


def test_accepted_data_is_in_the_file_when_the_answer_arrives():
    with Intake() as intake:
        for i in range(50):
            status, _, body = post_log(intake, f"line {i}")
            assert (status, body) == (202, {})
            assert intake.messages()[-1] == f"line {i}"
        assert [r["req"] for r in intake.records("log")] == list(range(1, 51))
        assert {r["key"] for r in intake.records("log")} == {API_KEY[-5:]}


@pytest.mark.parametrize("encoding, pack", [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)])
def test_encodings_are_decoded(encoding, pack):
    with Intake() as intake:
        body = pack(json.dumps([{"message": "packed"}]).encode())
        assert intake.post(LOGS, body, {**JSON, "Content-Encoding": encoding})[0] == 202
        assert intake.messages() == ["packed"]


REFUSED = [
    (LOGS, b"[]", {"Content-Type": "application/json"}, 403, "API key"),
    (LOGS, b"[]", {**JSON, "DD-API-KEY": ""}, 403, "API key"),
    (LOGS, b"[{]", JSON, 400, "line 1, column 3"),
    (LOGS, b"[1]", JSON, 400, "log 0"),
    (LOGS, b"[]", {"DD-API-KEY": "k", "Content-Type": "text/plain"}, 415, "Content-Type"),
    (LOGS, b"[]", {**JSON, "Content-Encoding": "br"}, 415, "Content-Encoding"),
    (LOGS, b"x", {**JSON, "Content-Encoding": "zstd"}, 400, "zstd"),
    (LOGS, gzip.compress(b"[" + b" " * 5_000_000 + b"]"), {**JSON, "Content-Encoding": "gzip"}, 413, "5000000"),
    (LOGS, json.dumps([{"message": "m"}] * 1001).encode(), JSON, 413, "1000 items"),
    ("/api/v2/series", b"x" * 512_001, {**JSON, "Content-Type": "application/x-protobuf"}, 413, "large"),
    ("/api/v2/series", b"x", {**JSON, "Content-Type": "application/x-protobuf"}, 400, "MetricPayload"),
    ("/api/v1/validate", b"", JSON, 405, "method"),
    ("/intake", b"{}", JSON, 404, "found"),
]


@pytest.mark.parametrize(
    "path, body, headers, status, cause", REFUSED, ids=[f"{case[3]} {case[4]}" for case in REFUSED]
)
def test_what_is_refused_says_why_and_leaves_no_record(path, body, headers, status, cause):
    with Intake() as intake:
        got, _, answer = intake.post(path, body, headers)
        assert got == status
        assert cause in answer["errors"][0]
        assert intake.all_records() == []


def test_each_path_answers_as_the_service_does():
    with Intake() as intake:
        for path, body, status, answer in (
            ("/api/v1/series", {"series": []}, 202, {"status": "ok"}),
            ("/api/v1/check_run", [], 202, {"status": "ok"}),
            ("/intake/", {"internalHostname": "h"}, 202, {"status": "ok"}),
            ("/api/v1/metadata", {}, 202, {"status": "ok"}),
            (LOGS, {}, 202, {}),
            ("/v1/input", [{"message": "old"}], 200, {}),
        ):
            assert intake.post(path, json.dumps(body).encode(), JSON)[::2] == (status, answer), path
        assert intake.get("/api/v1/validate?api_key=k") == {"valid": True}
        assert intake.get("/_/ping") == {"ok": True}


def test_max_body_lowers_the_limit_of_every_path():
    with Intake("--max-body", "100") as intake:
        assert post_log(intake, "x" * 50)[0] == 202
        assert post_log(intake, "x" * 100)[0] == 413
        assert len(intake.messages()) == 1


def test_a_status_on_request_is_answered_and_not_recorded():
    with Intake("--fault", "status=429&retry_after=3&count=1") as intake:
        status, headers, _ = post_log(intake, "refused")
        assert status == 429 and headers["Retry-After"] == "3"
        assert post_log(intake, "taken")[0] == 202
        assert intake.messages() == ["taken"]
        assert intake.stats()["requests"][LOGS] == {"429": 1, "202": 1}


@pytest.mark.parametrize("mode, kept", [("reset", []), ("lost", ["x"])])
def test_an_aborted_request_is_recorded_only_when_the_answer_is_lost(mode, kept):
    with Intake() as intake:
        intake.fault(f"mode={mode}&count=1")
        with pytest.raises(OSError):
            post_log(intake, "x")
        assert intake.messages() == kept
        assert intake.stats()["faults"][mode] == 1


def test_a_slow_answer_whose_client_left_is_not_recorded():
    with Intake() as intake:
        intake.fault("latency_ms=60000&count=1")
        body = b'[{"message":"gone"}]'
        with socket.create_connection(("127.0.0.1", intake.port)) as s:
            s.sendall(
                b"POST /api/v2/logs HTTP/1.1\r\nHost: x\r\nDD-API-KEY: k\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            wait_until(lambda: intake.stats()["faults"]["delay"] == 1, 10)
            open_before = intake.stats()["connections_open"]
        wait_until(lambda: intake.stats()["connections_open"] < open_before, 10)
        assert intake.messages() == []


def test_a_hanging_answer_does_not_hold_up_others_or_the_stop():
    with Intake() as intake:
        intake.fault("mode=hang&count=1")
        hung = threading.Thread(target=lambda: pytest.raises(OSError, post_log, intake, "hung"))
        hung.start()
        wait_until(lambda: intake.stats()["faults"]["hang"] == 1, 10)
        assert post_log(intake, "taken")[0] == 202
        assert intake.messages() == ["taken"]
        assert intake.stop() == 0
        hung.join()


def test_faults_are_cleared_and_wrong_ones_refused():
    with Intake() as intake:
        intake.fault("status=500")
        assert post_log(intake, "x")[0] == 500
        assert intake.fault("clear=1") == {"rules": 0}
        assert post_log(intake, "x")[0] == 202
        with pytest.raises(AssertionError, match="staus=500"):
            intake.fault("staus=500")


def test_parallel_clients_are_all_recorded_whole():
    with Intake() as intake:
        threads = [
            threading.Thread(target=lambda n=n: [post_log(intake, f"{n}-{i}" + "x" * 5000) for i in range(20)])
            for n in range(8)
        ]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert len(set(intake.messages())) == 160


def test_ipv6_and_both_stop_signals():
    for number in (signal.SIGTERM, signal.SIGINT):
        proc = subprocess.Popen(
            [BUILD / "bulkhead-intake", "--listen", "[::1]:0"], stdout=subprocess.PIPE, text=True, env=clean_env()
        )
        assert re.fullmatch(r"listening on \[::1\]:\d+\n", proc.stdout.readline())
        proc.send_signal(number)
        assert proc.wait(20) == 0
        proc.stdout.close()


def test_a_busy_port_and_wrong_arguments_are_clear():
    with Intake() as intake:
        busy = run_intake("--listen", f"127.0.0.1:{intake.port}")
        assert busy.returncode == 1 and f"listen on 127.0.0.1:{intake.port}: Address already in use" in busy.stderr
    for args, cause in (
        ((), "--listen"),
        (("--listen", "nowhere"), "nowhere"),
        (("--listen", "127.0.0.1:0", "--fault", "mode=melt"), "mode=melt"),
        (("--listen", "127.0.0.1:0", "--max-body", "-1"), "--max-body -1"),
        (("--listen", "127.0.0.1:0", "--data", "/nonexistent/x"), "/nonexistent/x"),
        (("--listen", "127.0.0.1:0", "extra"), "extra"),
    ):
        result = run_intake(*args)
        assert result.returncode in (1, 2) and cause in result.stderr, args


def test_show_prints_a_line_a_record_with_control_characters_escaped():
    proc = subprocess.Popen(
        [BUILD / "bulkhead-intake", "--listen", "127.0.0.1:0", "--show"], stdout=subprocess.PIPE, env=clean_env()
    )
    intake = Intake()
    try:
        intake.port = int(proc.stdout.readline().rpartition(b":")[2])
        intake.post(LOGS, json.dumps([{"message": "a\x1b[31m\0", "service": "web"}]).encode(), JSON)
        assert proc.stdout.readline() == b"log     web: a\\x1b[31m\\x00\n"
    finally:
        proc.terminate()
        proc.wait(20)
        proc.stdout.close()
        intake._remove()

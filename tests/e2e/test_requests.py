"""What goes over the wire, to the letter: where each kind is sent to and with which headers (spec/intake.md §1, §2, §4),
and what the keys that choose it do (§17)."""

import contextlib
import http.server
import threading
import time
import urllib.parse

from harness import API_KEY, Agent, wait_until

AGENT = "datadog-agent/7.70.1 bulkhead/0.1.0"
PROTOBUF = {"dd-api-key": API_KEY, "dd-agent-version": "7.70.1", "user-agent": AGENT, "content-type": "application/x-protobuf",
            "content-encoding": "zstd", "dd-agent-payload": "4.87.0"}
JSON = {k: v for k, v in PROTOBUF.items() if k != "dd-agent-payload"} | {"content-type": "application/json"}
LOGS = {"dd-api-key": API_KEY, "user-agent": AGENT, "content-type": "application/json", "content-encoding": "zstd",
        "dd-protocol": "agent-json", "dd-evp-origin": "agent", "dd-evp-origin-version": "7.70.1"}
CHECK = {"dd-agent-version": "7.70.1", "user-agent": AGENT}
OF_HTTP = {"host", "accept", "content-length"}


class Recorder:
    """An intake that takes everything and remembers the head of each request."""

    def __init__(self, off_s=0):
        seen = self.seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                url = urllib.parse.urlsplit(self.path)
                seen.append((url.path, {k.lower(): v for k, v in self.headers.items()}, url.query, time.time()))
                body = b'{"valid":true}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def date_time_string(self, timestamp=None):
                return super().date_time_string(time.time() - off_s)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def paths(self):
        return {path for path, *_ in self.seen}

    def headers(self, path):
        return next(headers for p, headers, *_ in self.seen if p == path)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()


@contextlib.contextmanager
def running(tmp_path, recorder, **config):
    log = tmp_path / "app.log"
    log.write_text("hello\n")
    with Agent(recorder, logs=[{"path": str(log), "start_position": "beginning"}], config=config) as agent:
        agent.send(b"req.count:1|c", b"req.dist:1|d", b"_sc|req.check|0", b"_e{5,4}:title|text")
        yield agent


def own(headers):
    return {k: v for k, v in headers.items() if k not in OF_HTTP and not k.startswith(("dd-message-t", "dd-current-t"))}


def test_each_kind_has_its_path_and_its_headers(tmp_path):
    want = {
        "/api/v2/series": PROTOBUF,
        "/api/beta/sketches": PROTOBUF,
        "/api/v1/check_run": JSON,
        "/intake/": JSON,
        "/api/v2/logs": LOGS,
        "/api/v1/validate": CHECK,
    }
    with Recorder() as intake, running(tmp_path, intake) as agent:
        wait_until(lambda: intake.paths() >= set(want), 30, intake.paths)
        for path, headers in want.items():
            assert own(intake.headers(path)) == headers, path
            assert "content-length" in intake.headers(path) or path == "/api/v1/validate"
        assert intake.paths() == set(want)
        at = next(t for path, _, _, t in intake.seen if path == "/api/v2/logs") * 1000
        logs = intake.headers("/api/v2/logs")
        assert at - 20000 < int(logs["dd-message-timestamp"]) <= int(logs["dd-current-timestamp"]) < at + 1000
        assert next(q for path, _, q, _ in intake.seen if path == "/api/v1/validate") == f"api_key={API_KEY}"
        # the first payloads of metrics that are taken have a line each (logging_frequency)
        wait_until(lambda: "metrics: 5 payloads are taken since the start" in agent.log_text(), 20)


def test_bodies_without_compression_and_arbitrary_tags_say_so(tmp_path):
    config = {"logs_config": {"use_compression": False, "use_v2_api": False}, "serializer_compressor_kind": "none",
              "allow_arbitrary_tags": True, "use_v2_api": {"series": False},
              "enable_payloads": {"json_to_v1_intake": False}, "logging_frequency": 7}
    want = {"/api/v1/series", "/api/v1/check_run", "/v1/input", "/api/v1/validate"}
    with Recorder() as intake, running(tmp_path, intake, **config) as agent:
        wait_until(lambda: intake.paths() >= want, 30, intake.paths)
        wait_until(lambda: "metrics: 7 payloads are taken" in agent.log_text(), 20)
        for path in want - {"/api/v1/validate"}:
            assert "content-encoding" not in intake.headers(path)
        for path in ("/api/v1/series", "/api/v1/check_run"):
            assert intake.headers(path)["allow-arbitrary-tag-value"] == "true"
        assert "allow-arbitrary-tag-value" not in intake.headers("/v1/input")
        assert intake.paths() - {"/api/beta/sketches"} == want, "events are not sent to /intake/"
        assert "metrics: 6 payloads are taken" not in agent.log_text()


def test_a_worker_stands_before_series_and_logs(tmp_path):
    with Recorder() as intake, Recorder() as worker:
        config = {
            "observability_pipelines_worker": {"metrics": {"enabled": True, "url": worker.url + "/"}},
            "vector": {"logs": {"enabled": True, "url": worker.url}},
        }
        with running(tmp_path, intake, **config):
            wait_until(lambda: worker.paths() >= {"/api/v2/series", "/api/v2/logs"}, 30, worker.paths)
            wait_until(lambda: intake.paths() >= {"/api/v1/check_run", "/intake/", "/api/v1/validate"}, 30, intake.paths)
            assert worker.paths() <= {"/api/v2/series", "/api/beta/sketches", "/api/v2/logs"}
            assert intake.paths() == {"/api/v1/check_run", "/intake/", "/api/v1/validate"}


def test_a_clock_that_is_off_is_told_by_the_answers(tmp_path):
    with Recorder(off_s=1000) as intake, running(tmp_path, intake) as agent:

        def notes():
            return "\n".join(agent.role("forwarder").get("notes", []))

        wait_until(lambda: "ahead of the intake's" in notes(), 30, notes)
        offset = agent.ctl("status")["numbers"]["forwarder"]["corechecks_net_ntp_intake_time_offset"]
        assert 990 <= offset <= 1030
        assert agent.log_text().count("synchronise the clock") == 1

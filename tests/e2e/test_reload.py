"""reload: what changed is applied, nothing else notices, nothing is lost or sent twice."""

import json
import signal
import socket
import threading

import pytest

from harness import Agent, Intake, free_tcp_port, free_udp_port, wait_until
from test_journald import entry, source as journal, texts, write


def pids(agent):
    return {r["name"]: r.get("pid") for r in agent.ctl("status")["roles"]}


def replaced(agent, before):
    after = pids(agent)
    return {name for name in after if after[name] != before[name]}


def reload(agent, code=0):
    result = agent.run_ctl("reload", timeout=60)
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout


def configure(agent, **changes):
    agent.config.update(changes)
    agent.write_config()


class Writer:
    """Appends numbered lines to files, one after the other, until it is told to stop."""

    def __init__(self, *paths):
        self.paths = paths
        self.n = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        files = [open(p, "a", buffering=1) for p in self.paths]
        while not self.done.wait(0.005):  # the pace of the load
            for f in files:
                for i in range(20):
                    f.write(f"{f.name} {self.n + i}\n")
            self.n += 20
        for f in files:
            f.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def wait_for_more(self, lines=400):
        goal = self.n + lines
        wait_until(lambda: self.n >= goal, 20)

    def expected(self, path):
        return [f"{path} {i}" for i in range(self.n)]


def test_without_a_change_nothing_happens():
    with Intake() as intake, Agent(intake) as agent:
        before = pids(agent)
        assert reload(agent) == "nothing changed\n"
        assert agent.ctl("reload") == {
            "schema": 1,
            "applied": True,
            "findings": [],
            "results": [],
            "needs_start": [],
        }
        assert not replaced(agent, before)
        assert agent.stop() == 0


def test_a_configuration_with_an_error_keeps_the_old_one(tmp_path):
    log = tmp_path / "a.log"
    log.touch()
    with Intake() as intake, Agent(intake, logs=[{"path": str(log)}]) as agent:
        before = pids(agent)
        good = (agent.dir / "datadog.yaml").read_text()
        sock = str(agent.run_dir / "ctl.sock")
        for text, place in ((good.replace('"batch_wait": 1', '"batch_wait": 1,\n"batch_max_size": "x"'), ":"), ("a: [", ":")):
            (agent.dir / "datadog.yaml").write_text(text)
            agent.write_logs([])
            result = agent.run_ctl("-s", sock, "reload")
            assert result.returncode == 1
            assert "error: " + str(agent.dir / "datadog.yaml") + place in result.stdout, result.stdout
            assert result.stdout.endswith("nothing changed: the old configuration acts\n")
        configure(agent, api_key="")
        assert ": api_key is not set: set it in" in agent.run_ctl("reload").stdout
        assert not replaced(agent, before)
        with open(log, "a") as f:
            f.write("still read\n")
        wait_until(lambda: intake.messages() == ["still read"], 20, intake.messages)
        assert agent.stop() == 0


def test_file_sources_come_change_and_go_under_load(tmp_path):
    a, b, c = (tmp_path / f"{n}.log" for n in "abc")
    for path in (a, b, c):
        path.touch()
    with Intake() as intake, Agent(intake, logs=[{"path": str(a)}, {"path": str(b)}]) as agent:
        before = pids(agent)
        with Writer(a, b) as w:
            wait_until(lambda: f"{b} 0" in intake.messages(), 20)
            agent.write_logs([{"path": str(a)}, {"path": str(b), "tags": ["new:tag"]}])
            assert reload(agent) == "logs: 1 source changed, 1 unchanged\n"
            w.wait_for_more()
            agent.write_logs([{"path": str(b), "tags": ["new:tag"]}, {"path": str(c)}, {"path": str(a)}])
            assert reload(agent) == "logs: 1 source added, 2 unchanged\n"
            w.wait_for_more()
            agent.write_logs([{"path": str(a)}])  # b rests …
            assert reload(agent) == "logs: 2 sources removed, 1 unchanged\n"
            w.wait_for_more()
            agent.write_logs([{"path": str(a), "service": "s"}, {"path": str(tmp_path / "*.log")}])  # … and goes on
            assert reload(agent) == "logs: 1 source added, 1 changed\n"
            w.wait_for_more()
            for i in range(6):
                agent.write_logs([{"path": str(p), "tags": [f"round:{i}"]} for p in (a, b)])
                assert reload(agent).startswith("logs: ")
                w.wait_for_more(40)
        wait_until(lambda: intake.stats()["log_messages"] >= 2 * w.n, 60, intake.stats)
        assert not replaced(agent, before)
        ledger = agent.ctl("ledger")
        assert ledger["balanced"]
        gone = [r for r in ledger["rows"] if r["name"] == "(sources no longer configured)"]
        assert gone[0]["received"] > 0
        assert agent.stop() == 0
        for path in (a, b):
            got = [m for m in intake.messages() if m.startswith(f"{path} ")]
            assert sorted(got) == sorted(w.expected(path))  # requests overtake each other
        assert len(intake.messages()) == 2 * w.n
        first = [r["ddtags"] for r in intake.records("log") if r["message"] == f"{b} 0"]
        assert "new:tag" not in first[0]
        assert any("new:tag" in r["ddtags"] for r in intake.records("log") if r["message"].startswith(str(b)))
        assert any("round:5" in r["ddtags"] for r in intake.records("log"))


def test_what_a_removed_source_holds_is_sent_and_an_unfinished_line_waits_for_its_return(tmp_path):
    log = tmp_path / "a.log"
    log.touch()
    rule = {"type": "multi_line", "name": "n", "pattern": "^BEGIN"}
    source = {"path": str(log), "log_processing_rules": [rule]}
    config = {"logs_config": {"aggregation_timeout": 3600000}}
    with Intake() as intake, Agent(intake, logs=[source], config=config) as agent:
        with open(log, "a") as f:
            f.write("BEGIN one\n more\nBEG")
        size = log.stat().st_size
        wait_until(lambda: agent.ctl("status")["numbers"]["logs"].get("files.bytes_read") == size, 20)
        agent.write_logs([])
        assert reload(agent) == "logs: 1 source removed\n"
        wait_until(lambda: intake.messages() == ["BEGIN one\\n more"], 20, intake.messages)
        with open(log, "a") as f:
            f.write("IN two\n")
        agent.write_logs([{"path": str(log), "start_position": "forceBeginning"}])
        assert reload(agent) == "logs: 1 source added\n"
        wait_until(lambda: intake.messages()[1:] == ["BEGIN two"], 20, intake.messages)
        assert agent.ctl("ledger")["balanced"]
        assert agent.stop() == 0


def test_a_file_that_rotated_while_its_source_was_away_is_read_to_its_end(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("")
    with Intake() as intake, Agent(intake, logs=[{"path": str(log)}]) as agent:
        with open(log, "a") as f:
            f.write("one\n")
        wait_until(lambda: intake.messages() == ["one"], 20, intake.messages)
        agent.write_logs([])
        reload(agent)
        with open(log, "a") as f:
            f.write("two\n")
        log.rename(tmp_path / "a.log.1")
        log.write_text("three\n")
        agent.write_logs([{"path": str(log), "tags": ["x:y"]}])
        reload(agent)
        wait_until(lambda: intake.messages() == ["one", "two", "three"], 20, intake.messages)
        assert agent.stop() == 0


def test_a_connection_survives_the_change_of_another_source(tmp_path):
    log, port = tmp_path / "a.log", free_tcp_port()
    log.touch()
    tcp = {"type": "tcp", "port": port}
    with Intake() as intake, Agent(intake, logs=[{"path": str(log)}, tcp]) as agent:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
            s.sendall(b"one\nunfinis")
            wait_until(lambda: intake.messages() == ["one"], 20, intake.messages)
            agent.write_logs([tcp, {"path": str(log), "service": "other"}])
            assert reload(agent) == "logs: 1 source changed, 1 unchanged\n"
            s.sendall(b"hed\n")
            wait_until(lambda: intake.messages() == ["one", "unfinished"], 20, intake.messages)
        assert agent.stop() == 0


def test_ports_change_hands_and_go_without_a_restart(tmp_path):
    tcp, udp, other = free_tcp_port(), free_udp_port(), free_tcp_port()
    logs = [{"type": "tcp", "port": tcp}, {"type": "udp", "port": udp}, {"type": "tcp", "port": other}]
    with Intake() as intake, Agent(intake, logs=logs) as agent, socket.socket(type=socket.SOCK_DGRAM) as dgram:
        before = pids(agent)
        dgram.connect(("127.0.0.1", udp))
        stays = socket.create_connection(("127.0.0.1", other), timeout=10)
        stays.sendall(b"a\n")
        with socket.create_connection(("127.0.0.1", tcp), timeout=10) as s:
            s.sendall(b"b\nthe rest")
            dgram.send(b"c")
            wait_until(lambda: sorted(intake.messages()) == ["a", "b", "c"], 20, intake.messages)
            s.sendall(b" of it")
            agent.write_logs([{**logs[0], "service": "new"}, {**logs[1], "service": "new"}, logs[2]])
            assert reload(agent) == "logs: 2 sources changed, 1 unchanged\n"
            assert s.recv(1) == b""  # it belonged to a source that is gone
        wait_until(lambda: "the rest of it" in intake.messages(), 20, intake.messages)
        with socket.create_connection(("127.0.0.1", tcp), timeout=10) as s:
            s.sendall(b"d\n")
        dgram.send(b"e")
        stays.sendall(b"f\n")
        wait_until(lambda: {"d", "e", "f"} <= set(intake.messages()), 20, intake.messages)
        agent.write_logs([logs[2]])
        assert reload(agent) == "logs: 2 sources removed, 1 unchanged\n"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", tcp), timeout=5)
        stays.sendall(b"g\n")
        wait_until(lambda: "g" in intake.messages(), 20, intake.messages)
        stays.close()
        assert not replaced(agent, before)
        assert agent.ctl("ledger")["balanced"]
        assert agent.stop() == 0
        services = {r["message"]: r["service"] for r in intake.records("log")}
        assert sorted(services) == ["a", "b", "c", "d", "e", "f", "g", "the rest of it"]
        assert {m for m, s in services.items() if s == "new"} == {"d", "e"}


def test_datagrams_sent_while_their_source_changes_arrive_once():
    port = free_udp_port()
    with Intake() as intake, Agent(intake, logs=[{"type": "udp", "port": port}]) as agent:
        sent, done = [0], threading.Event()

        def send():
            with socket.socket(type=socket.SOCK_DGRAM) as s:
                while not done.wait(0.001):
                    for _ in range(10):
                        s.sendto(b"%d" % sent[0], ("127.0.0.1", port))
                        sent[0] += 1

        sender = threading.Thread(target=send)
        sender.start()
        for i in range(5):
            agent.write_logs([{"type": "udp", "port": port, "tags": [f"round:{i}"]}])
            assert reload(agent) == "logs: 1 source changed\n"
        done.set()
        sender.join()
        wait_until(lambda: intake.stats()["log_messages"] >= sent[0], 30, intake.stats)
        assert agent.ctl("ledger")["balanced"]
        assert agent.stop() == 0
        assert sorted(map(int, intake.messages())) == list(range(sent[0]))


def test_new_ports_come_with_a_restart_of_the_logs_process(tmp_path):
    first, second, udp = free_tcp_port(), free_tcp_port(), free_udp_port()
    with Intake() as intake, Agent(intake, logs=[{"type": "tcp", "port": first}]) as agent:
        before = pids(agent)
        agent.write_logs([{"type": "tcp", "port": second}, {"type": "udp", "port": udp}])
        assert reload(agent) == "logs: restarted\n"
        assert replaced(agent, before) == {"logs"}
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", first), timeout=5)
        with socket.create_connection(("127.0.0.1", second), timeout=5) as s:
            s.sendall(b"tcp\n")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"udp\n", ("127.0.0.1", udp))
        wait_until(lambda: sorted(intake.messages()) == ["tcp", "udp"], 20, intake.messages)
        # the same port at another address: its old socket must go before the new one comes
        agent.write_logs([{"type": "tcp", "port": second, "bind_host": "127.0.0.1"}])
        assert reload(agent) == "logs: restarted\n"
        with socket.create_connection(("127.0.0.1", second), timeout=5) as s:
            s.sendall(b"again\n")
        wait_until(lambda: "again" in intake.messages(), 20, intake.messages)
        assert "is in use" not in agent.run_ctl("status").stdout
        assert agent.stop() == 0


def test_a_port_that_was_in_use_is_tried_again_at_a_reload():
    busy = socket.socket()
    busy.bind(("0.0.0.0", 0))
    busy.listen()
    port = busy.getsockname()[1]
    with Intake() as intake, Agent(intake, logs=[{"type": "tcp", "port": port, "bind_host": "0.0.0.0"}]) as agent:
        assert reload(agent) == "nothing changed\n"
        busy.close()
        assert reload(agent) == "logs: restarted\n"
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            s.sendall(b"heard\n")
        wait_until(lambda: intake.messages() == ["heard"], 20, intake.messages)
        assert reload(agent) == "nothing changed\n"
        assert agent.stop() == 0


def test_a_journal_that_changes_goes_on_where_it_was(tmp_path):
    folder = tmp_path / "j"
    folder.mkdir()
    write(folder, "a.journal", [entry("one")])
    with Intake() as intake, Agent(intake, logs=[journal(folder)]) as agent:
        wait_until(lambda: texts(intake) == ["one"], 20, intake.messages)
        agent.write_logs([journal(folder, service="other", start_position="forceBeginning")])
        assert reload(agent) == "logs: 1 source changed\n"
        write(folder, "b.journal", [entry("two")], first=10)
        wait_until(lambda: texts(intake) == ["one", "two"], 20, intake.messages)
        assert intake.logs()[1]["service"] == "other"
        agent.write_logs([])
        assert reload(agent) == "logs: 1 source removed\n"
        assert agent.stop() == 0
        assert texts(intake) == ["one", "two"]


def test_an_option_restarts_those_who_read_it_and_no_line_is_lost(tmp_path):
    log = tmp_path / "a.log"
    log.touch()
    with Intake() as intake, Agent(intake, logs=[{"path": str(log)}]) as agent:
        with Writer(log) as w:
            for key, value, who in (
                ("logs_config", {**agent.config["logs_config"], "batch_max_size": 500}, {"logs"}),
                ("dogstatsd_tags", ["a:b"], {"dogstatsd"}),
                ("forwarder_timeout", 19, {"forwarder"}),
                ("tags", ["c:d"], {"dogstatsd", "logs"}),
                ("log_level", "info", {"dogstatsd", "logs", "forwarder"}),
            ):
                w.wait_for_more()
                before = pids(agent)
                agent.send(b"hits:1|c")
                configure(agent, **{key: value})
                want = "".join(f"{r}: restarted\n" for r in ("dogstatsd", "logs", "forwarder") if r in who)
                assert reload(agent) == want
                assert replaced(agent, before) == who
            w.wait_for_more()
        wait_until(lambda: intake.stats()["log_messages"] >= w.n, 60, intake.stats)
        assert agent.stop() == 0
        assert sorted(intake.messages()) == sorted(w.expected(log))
        assert intake.total("hits") == pytest.approx(5)


def test_another_intake_gets_what_comes_from_then_on_and_nothing_is_lost(tmp_path):
    log = tmp_path / "a.log"
    log.touch()
    with Intake() as one, Intake() as two, Agent(one, logs=[{"path": str(log)}]) as agent:
        with Writer(log) as w:
            w.wait_for_more()
            before = pids(agent)
            configure(agent, dd_url=two.url, logs_config={**agent.config["logs_config"], "logs_dd_url": two.url})
            assert reload(agent) == "forwarder: restarted\n"
            assert replaced(agent, before) == {"forwarder"}
            w.wait_for_more()
        wait_until(lambda: one.stats()["log_messages"] + two.stats()["log_messages"] >= w.n, 60, two.stats)
        assert agent.stop() == 0
        assert sorted(one.messages() + two.messages()) == sorted(w.expected(log))
        assert two.messages()


def test_options_that_act_at_a_start_are_named_and_keep_their_value(tmp_path):
    with Intake() as intake, Agent(intake) as agent:
        before = pids(agent)
        configure(agent, run_path=str(tmp_path / "elsewhere"), dogstatsd_port=free_udp_port(), logs_enabled=False)
        text = "; the old value acts\n"
        assert reload(agent) == "".join(
            f"{key}: needs a start of bulkhead{text}" for key in ("run_path", "logs_enabled", "dogstatsd_port")
        )
        assert not replaced(agent, before)
        assert not (tmp_path / "elsewhere").exists()
        assert agent.stop() == 0


def test_a_process_that_was_stopped_stays_so_and_takes_the_configuration_later():
    with Intake() as intake, Agent(intake) as agent:
        assert agent.run_ctl("stop", "dogstatsd").returncode == 0
        configure(agent, dogstatsd_tags=["late:yes"])
        assert reload(agent) == "dogstatsd: is stopped; its next start takes the new configuration\n"
        assert agent.child_pid("dogstatsd") == 0
        assert agent.run_ctl("start", "dogstatsd").returncode == 0
        agent.send(b"hits:1|c")
        assert agent.stop() == 0
        assert "late:yes" in intake.records("series", "hits")[0]["tags"]


def test_hup_does_the_same_and_the_log_tells_of_it(tmp_path):
    log = tmp_path / "a.log"
    log.touch()
    other = {"path": str(tmp_path / "b.log")}  # its directory is open to logs already
    with Intake() as intake, Agent(intake, logs=[other]) as agent:
        agent.write_logs([other, {"path": str(log), "start_position": "beginning"}])
        agent.proc.send_signal(signal.SIGHUP)
        wait_until(lambda: "reload: logs: 1 source added" in agent.log_text(), 20, agent.log_text)
        with open(log, "a") as f:
            f.write("heard\n")
        wait_until(lambda: intake.messages() == ["heard"], 20, intake.messages)
        (agent.dir / "datadog.yaml").write_text(json.dumps(agent.config)[:-1])
        agent.proc.send_signal(signal.SIGHUP)
        wait_until(lambda: "nothing changed, the old one acts" in agent.log_text(), 20, agent.log_text)
        agent.write_config()
        agent.proc.send_signal(signal.SIGHUP)
        wait_until(lambda: agent.log_text().count("reload: nothing changed") == 1, 20, agent.log_text)
        assert agent.stop() == 0


def test_requests_that_come_together_are_all_answered(tmp_path):
    with Intake() as intake, Agent(intake) as agent:
        configure(agent, dogstatsd_tags=["a:b"])
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(agent.run_ctl("reload", timeout=60))) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert [a.returncode for a in answers] == [0] * 4
        assert {a.stdout for a in answers} <= {"dogstatsd: restarted\n", "nothing changed\n"}
        assert agent.stop() == 0

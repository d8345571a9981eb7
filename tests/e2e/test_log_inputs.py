"""Log sources of type tcp and udp: raw sockets, syslog, real producers; limits, blocked intake, restarts."""

import contextlib
import socket
import struct
import subprocess
import time

import pytest
from harness import BUILD, Agent, Intake, clean_env, free_tcp_port, free_udp_port, wait_until

LOGS = {"aggregation_timeout": 200}


def tcp_source(**extra):
    return {"type": "tcp", "port": free_tcp_port(), "service": "svc", "source": "src", **extra}


def udp_source(**extra):
    return {"type": "udp", "port": free_udp_port(), "service": "svc", "source": "src", **extra}


@contextlib.contextmanager
def running(*sources, config=None, intake_args=()):
    config = {**(config or {}), "logs_config": {**LOGS, **(config or {}).get("logs_config", {})}}
    with Intake(*intake_args) as intake, Agent(intake, logs=sources, config=config) as agent:
        yield intake, agent


def connect(source, host="127.0.0.1"):
    return socket.create_connection((host, source["port"]), timeout=10)


def send_tcp(source, data, host="127.0.0.1"):
    """A connection that ends in order, its bytes taken by the agent."""
    with connect(source, host) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1) == b""


def send_udp(source, *datagrams, host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        for data in datagrams:
            s.sendto(data, (host, source["port"]))


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def expect(intake, want):
    """Exactly these messages, in any order."""
    wait_until(lambda: intake.stats()["log_messages"] >= len(want), 20, intake.messages)
    assert sorted(intake.messages()) == sorted(want)


def row(agent, source):
    return next(r for r in agent.ledger_rows("source") if r["name"] == f"{source['type']}:{source['port']}")


def number(agent, name):
    return agent.ctl("status")["numbers"]["logs"].get(name, 0)


def tags(intake):
    return {r["message"]: r["ddtags"] for r in intake.records("log")}


# --- tcp ---


def test_lines_of_a_connection_arrive_with_names_and_the_sender():
    source = tcp_source(tags=["env:prod"])
    with running(source) as (intake, agent):
        send_tcp(source, b"over v4\n  trimmed \r\n\n")
        send_tcp(source, b"over v6\n", "::1")
        expect(intake, ["over v4", "trimmed", "over v6"])
        assert agent.ctl("ledger")["balanced"]
        assert row(agent, source)["dropped"] == {"empty": 1}
        assert agent.stop() == 0
        assert tags(intake)["over v4"] == "source_host:127.0.0.1,env:prod"
        assert tags(intake)["over v6"] == "source_host:::1,env:prod"
        record = intake.records("log")[0]
        assert (record["service"], record["ddsource"], record["status"]) == ("svc", "src", "info")


def test_without_use_sourcehost_tag_nothing_tells_the_sender():
    source = tcp_source()
    config = {"logs_config": {"use_sourcehost_tag": False}}
    with running(source, config=config) as (intake, agent):
        send_tcp(source, b"a\n")
        expect(intake, ["a"])
        assert agent.stop() == 0
        assert tags(intake) == {"a": ""}


def test_a_line_in_pieces_is_one_line_and_the_unfinished_rest_is_sent_at_an_orderly_end():
    source = tcp_source()
    with running(source) as (intake, agent):
        with connect(source) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for part in (b"f", b"ir", b"st\nsec", b"ond\nthe re", b"st"):
                s.sendall(part)
                time.sleep(0.02)
        expect(intake, ["first", "second", "the rest"])
        assert agent.stop() == 0


def test_after_a_reset_whole_lines_are_sent_and_the_rest_is_counted():
    source = tcp_source()
    with running(source) as (intake, agent):
        s = connect(source)
        s.sendall(b"whole\nunfin")
        wait_until(lambda: row(agent, source)["received"] == 1, 10)
        reset(s)
        wait_until(lambda: row(agent, source)["dropped"].get("unterminated") == 1, 10, lambda: row(agent, source))
        expect(intake, ["whole"])
        assert agent.ctl("ledger")["balanced"]
        assert agent.stop() == 0


def test_a_silent_connection_is_closed_and_its_rest_is_sent():
    source = tcp_source(idle_timeout="400ms")
    with running(source) as (intake, agent):
        with connect(source) as talks, connect(source) as silent:
            silent.sendall(b"half a line")
            silent.settimeout(10)
            started = time.monotonic()
            talks.sendall(b"one\n")
            for _ in range(12):
                time.sleep(0.1)
                talks.sendall(b"still here\n")
            assert silent.recv(1) == b""
            assert time.monotonic() - started < 5
            talks.sendall(b"last\n")
            expect(intake, ["half a line", "one", *["still here"] * 12, "last"])
        assert agent.stop() == 0


def test_connections_over_the_limit_are_closed_at_once():
    source = tcp_source(max_connections=2)
    with running(source) as (intake, agent):
        with connect(source) as a, connect(source) as b:
            a.sendall(b"a\n")
            b.sendall(b"b\n")
            expect(intake, ["a", "b"])
            with connect(source) as c:
                c.settimeout(5)
                with contextlib.suppress(ConnectionResetError):
                    assert c.recv(1) == b""
            wait_until(lambda: number(agent, "sockets.rejected") == 1, 10)
        wait_until(lambda: number(agent, "sockets.connections") == 0, 10)
        send_tcp(source, b"room again\n")
        expect(intake, ["a", "b", "room again"])
        assert agent.stop() == 0


def test_addresses_that_are_not_allowed_are_not_heard():
    only_v6 = tcp_source(allowed_ips=["::1"])
    not_v4 = udp_source(denied_ips=["127.0.0.0/8"])
    with running(only_v6, not_v4) as (intake, agent):
        with connect(only_v6) as s:
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                s.sendall(b"refused\n")
                assert s.recv(1) == b""
        send_udp(not_v4, b"refused")
        send_tcp(only_v6, b"tcp\n", "::1")
        send_udp(not_v4, b"udp", host="::1")
        expect(intake, ["tcp", "udp"])
        wait_until(lambda: number(agent, "sockets.rejected") == 1, 10)
        wait_until(lambda: number(agent, "sockets.udp_rejected") == 1, 10)
        assert agent.stop() == 0


def test_a_line_over_the_limit_is_cut():
    source = tcp_source()
    config = {"logs_config": {"max_message_size_bytes": 20_000, "frame_size": 1000}}
    with running(source, config=config) as (intake, agent):
        send_tcp(source, b"x" * 30_000 + b"\nshort\n")
        expect(intake, ["x" * 20_000 + "...TRUNCATED...", "...TRUNCATED..." + "x" * 10_000, "short"])
        assert agent.stop() == 0


def test_lines_join_within_a_connection_only():
    source = tcp_source(log_processing_rules=[{"type": "multi_line", "name": "m", "pattern": "\\d{4}"}])
    with running(source) as (intake, agent):
        with connect(source) as a, connect(source) as b:
            a.sendall(b"2024 a\n")
            b.sendall(b"2024 b\n")
            wait_until(lambda: number(agent, "sockets.connections") == 2, 5)
            a.sendall(b"more a\n")
            b.sendall(b"more b\n")
            expect(intake, ["2024 a\\nmore a", "2024 b\\nmore b"])  # while the connections are open
        assert agent.stop() == 0


def test_many_connections_at_once():
    source = tcp_source()
    with running(source) as (intake, agent):
        with contextlib.ExitStack() as stack:
            all_ = [stack.enter_context(connect(source)) for _ in range(400)]
            for round_ in range(5):
                for i, s in enumerate(all_):
                    s.sendall(b"c%d r%d\n" % (i, round_))
            wait_until(lambda: number(agent, "sockets.connections") == 400, 10)
        expect(intake, [f"c{i} r{r}" for i in range(400) for r in range(5)])
        assert agent.ctl("ledger")["balanced"]
        assert agent.stop() == 0


def test_a_stop_reads_what_the_receive_buffers_hold():
    source, datagrams = tcp_source(), udp_source()
    with running(source, datagrams) as (intake, agent):
        with connect(source) as s:
            s.sendall(b"".join(b"line %d\n" % i for i in range(2000)) + b"rest")
            send_udp(datagrams, *(b"datagram %d" % i for i in range(500)))
            assert agent.stop() == 0
        want = [*(f"line {i}" for i in range(2000)), "rest", *(f"datagram {i}" for i in range(500))]
        expect(intake, want)


# --- udp ---


def test_datagrams_are_lines_with_their_sender():
    source = udp_source()
    with running(source) as (intake, agent):
        send_udp(source, b"one", b"two\n", b"three\nfour\r\n", b"", b"\n")
        send_udp(source, b"five", host="::1")
        expect(intake, ["one", "two", "three", "four", "five"])
        assert agent.ctl("ledger")["balanced"]
        assert agent.stop() == 0
        assert tags(intake)["four"] == "source_host:127.0.0.1"
        assert tags(intake)["five"] == "source_host:::1"


def test_of_a_long_datagram_the_beginning_is_used_and_the_loss_counted():
    source = udp_source()
    with running(source, config={"logs_config": {"frame_size": 100}}) as (intake, agent):
        send_udp(source, b"a" * 100, b"b" * 101, b"c" * 5000)
        expect(intake, ["a" * 100, "b" * 100, "c" * 100])
        wait_until(lambda: number(agent, "sockets.udp_truncated") == 2, 10)
        assert row(agent, source)["dropped"] == {"truncated_datagram": 2}
        assert agent.ctl("ledger")["balanced"]
        assert agent.stop() == 0


def test_lines_join_over_the_datagrams_of_one_sender():
    source = udp_source(log_processing_rules=[{"type": "multi_line", "name": "m", "pattern": "\\d{4}"}])
    with running(source, config={"logs_config": {"aggregation_timeout": 1000}}) as (intake, agent):
        send_udp(source, b"2024 a")
        send_udp(source, b"2024 other", host="::1")
        send_udp(source, b"  more a\n")
        send_udp(source, b"2025 b")
        expect(intake, ["2024 a\\n  more a", "2024 other", "2025 b"])
        assert agent.stop() == 0
        assert tags(intake)["2024 other"] == "source_host:::1"


def test_more_senders_than_are_held_apart_lose_nothing():
    source = udp_source(log_processing_rules=[{"type": "multi_line", "name": "m", "pattern": "\\d{4}"}])
    count = 100
    with running(source, config={"logs_config": {"aggregation_timeout": 10_000}}) as (intake, agent):
        for i in range(1, count + 1):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.bind((f"127.0.0.{i}", 0))
                s.sendto(b"2024 from %d" % i, ("127.0.0.1", source["port"]))
                s.sendto(b"more of %d" % i, ("127.0.0.1", source["port"]))
        wait_until(lambda: intake.stats()["log_messages"] >= count - 64, 8, intake.stats)  # those that made room
        assert agent.stop() == 0
        want = {f"2024 from {i}\\nmore of {i}": f"source_host:127.0.0.{i}" for i in range(1, count + 1)}
        assert tags(intake) == want
        assert len(intake.messages()) == count


def test_drops_of_the_kernel_are_counted_while_the_intake_is_blocked():
    source = udp_source()
    config = {"bulkhead": {"spool_after": 1000}, "logs_config": {"disk_retry": {"max_size_bytes": 0}}}
    with running(source, config=config) as (intake, agent):
        intake.fault("status=503")
        sent = 0
        data = b"x" * 8000
        while not number(agent, "sockets.udp_kernel_drops"):
            send_udp(source, *[data] * 2000)
            sent += 2000
            assert sent < 400_000, "the process took it all"

        def known():
            r = row(agent, source)
            return r["received"] - r["dropped"].get("kernel", 0)

        intake.fault("clear=1")
        wait_until(lambda: row(agent, source)["received"] == sent, 60, lambda: (sent, row(agent, source)))
        assert known() > 0 and agent.ctl("ledger")["balanced"]


# --- syslog ---


def syslog_records(intake):
    return sorted((r["message"], r["status"], r["service"], r["ddsource"]) for r in intake.records("log"))


FRAMES = {
    "<11>1 2024-01-02T03:04:05Z host app 1 - - five four": ("error", "app"),
    "<30>Oct 11 22:14:15 host su[12]: bsd": ("info", "su"),
    "<0>Oct 11 22:14:15 host kernel: panic": ("emergency", "kernel"),
    "neither": ("info", ""),
}


def test_syslog_frames_over_both_transports():
    tcp, udp = ({"type": t, "port": f(), "format": "syslog"} for t, f in (("tcp", free_tcp_port), ("udp", free_udp_port)))
    frames = [f.encode() for f in FRAMES]
    want = sorted((f, status, app, app) for f, (status, app) in FRAMES.items())
    with running(tcp, udp) as (intake, agent):
        send_tcp(tcp, b"".join(f + b"\n" for f in frames))
        wait_until(lambda: intake.stats()["log_messages"] >= 4, 20)
        assert syslog_records(intake) == want
        send_tcp(tcp, b"".join(b"%d %s" % (len(f), f) for f in frames))
        wait_until(lambda: intake.stats()["log_messages"] >= 8, 20)
        assert syslog_records(intake) == sorted(want * 2)
        send_udp(udp, *frames)
        wait_until(lambda: intake.stats()["log_messages"] >= 12, 20)
        assert syslog_records(intake) == sorted(want * 3)
        assert agent.stop() == 0


def test_newlines_inside_a_counted_frame_or_a_datagram_belong_to_it_and_names_that_are_set_win():
    tcp, udp = tcp_source(format="syslog"), udp_source(format="syslog", source="")
    frame = b"<14>1 - - app - - - first\nsecond"
    with running(tcp, udp) as (intake, agent):
        send_tcp(tcp, b"%d %s\n%d %s" % (len(frame), frame, len(frame), frame))
        send_udp(udp, frame)
        expect(intake, [frame.decode()] * 3)
        assert agent.stop() == 0
        assert sorted(r["ddsource"] for r in intake.records("log")) == ["app", "src", "src"]
        assert {r["service"] for r in intake.records("log")} == {"svc"}


def test_a_long_syslog_frame_keeps_its_head_in_all_pieces():
    tcp, udp = ({"type": t, "port": f(), "format": "syslog"} for t, f in (("tcp", free_tcp_port), ("udp", free_udp_port)))
    frame = b"<11>1 - - app - - - " + b"x" * 3000
    with running(tcp, udp, config={"logs_config": {"max_message_size_bytes": 1000}}) as (intake, agent):
        send_tcp(tcp, b"%d %s" % (len(frame), frame))
        send_udp(udp, frame)
        wait_until(lambda: intake.stats()["log_messages"] >= 8, 20)
        assert {(r["status"], r["service"]) for r in intake.records("log")} == {("error", "app")}
        assert agent.stop() == 0
        assert len(intake.messages()) == 8


# --- pressure and restarts ---


def test_a_blocked_intake_stops_tcp_senders_and_loses_nothing():
    source = tcp_source()
    config = {"logs_config": {"disk_retry": {"max_size_bytes": 0}}}  # nothing goes to the disk
    with running(source, config=config) as (intake, agent):
        intake.fault("status=503")
        sent, line = 0, b"%08d " + b"x" * 990 + b"\n"
        with connect(source) as s:
            s.settimeout(3)
            blocked = False
            while not blocked and sent < 400_000:
                data = b"".join(line % i for i in range(sent, sent + 100))
                left = memoryview(data)
                while left:
                    try:
                        left = left[s.send(left) :]
                    except TimeoutError:
                        blocked = True
                        intake.fault("clear=1")
                        s.settimeout(60)
                sent += 100
            assert blocked, "the process took it all"
        wait_until(lambda: intake.stats()["log_messages"] >= sent, 120, intake.stats)
        assert sorted({int(m[:8]) for m in intake.messages()}) == list(range(sent))
        assert agent.ctl("ledger")["balanced"]


def test_busy_loop_is_not_what_waits_for_credit():
    source = tcp_source()
    config = {"logs_config": {"disk_retry": {"max_size_bytes": 0}}}
    with running(source, config=config) as (intake, agent):
        intake.fault("mode=hang")
        pid = agent.child_pid("logs")
        chunk = b"y" * 999 + b"\n"
        socks = [connect(source) for _ in range(4)]
        for s in socks:
            s.settimeout(1)
            with contextlib.suppress(TimeoutError):
                for _ in range(400):
                    s.sendall(chunk * 1000)
        reset(socks[0])  # hangs up while nobody reads

        def cpu():
            with open(f"/proc/{pid}/stat", encoding="ascii") as f:
                return sum(map(int, f.read().rpartition(")")[2].split()[11:13]))

        before = cpu()
        time.sleep(2)
        assert cpu() - before < 40, "of 200 ticks"
        intake.fault("clear=1")
        for s in socks[1:]:
            s.close()


def test_datagrams_wait_while_the_logs_process_restarts():
    source = udp_source()
    with running(source) as (intake, agent):

        def send(first, last):
            for i in range(first, last):
                send_udp(source, b"n %d" % i)

        # Never more at once than the queue of a socket of the usual size holds.
        for first in range(0, 1000, 100):
            send(first, first + 100)
            wait_until(lambda: row(agent, source)["received"] == first + 100, 20)
        restart = subprocess.Popen(
            [BUILD / "bulkheadctl", "-c", agent.dir, "restart", "logs"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        send(1000, 1150)
        assert restart.wait(60) == 0
        send(1150, 1200)
        expect(intake, [f"n {i}" for i in range(1200)])
        assert agent.stop() == 0


def test_connections_work_again_after_the_logs_process_was_killed():
    source = tcp_source()
    with running(source) as (intake, agent):
        send_tcp(source, b"before\n")
        expect(intake, ["before"])
        with connect(source) as s:
            s.sendall(b"x\n")
            wait_until(lambda: row(agent, source)["received"] == 2, 10)
            wait_until(lambda: intake.stats()["log_messages"] >= 2, 10)
            agent.kill("logs")
            s.settimeout(10)
            with contextlib.suppress(ConnectionResetError):
                assert s.recv(1) == b""
        send_tcp(source, b"after\n")  # waits in the backlog
        expect(intake, ["before", "x", "after"])
        assert agent.stop() == 0


def test_a_port_that_is_taken_is_told_by_the_source():
    with socket.socket() as busy:
        busy.bind(("0.0.0.0", 0))
        busy.listen()
        source = tcp_source(port=busy.getsockname()[1], bind_host="0.0.0.0")
        with running(source) as (_, agent):
            text = " ".join(agent.run_ctl("status").stdout.split())
            assert f"Error: tcp port {source['port']} is not read" in text
            assert agent.stop() == 0


# --- real producers ---


@pytest.mark.parametrize(
    "transport, form",
    [(t, f) for t in ("tcp", "udp") for f in ("--rfc5424", "--rfc3164")] + [("tcp", "--octet-count")],
)
def test_logger(transport, form):
    source = {"type": transport, "port": free_tcp_port() if transport == "tcp" else free_udp_port(), "format": "syslog"}
    with running(source) as (intake, agent):
        for i in range(20):
            subprocess.run(
                ["logger", "-n", "127.0.0.1", "-P", str(source["port"]), "-T" if transport == "tcp" else "-d", form]
                + ["-t", "backup", "-p", "daemon.warning", f"round {i}"],
                check=True,
                timeout=20,
                env=clean_env(),
            )
        wait_until(lambda: intake.stats()["log_messages"] >= 20, 20, intake.stats)
        assert agent.stop() == 0
        records = intake.records("log")
        assert sorted(int(r["message"].split()[-1]) for r in records) == list(range(20))
        assert {(r["status"], r["service"], r["ddsource"]) for r in records} == {("warn", "backup", "backup")}


RSYSLOG = """
global(workDirectory="{dir}")
module(load="imfile")
template(name="old" type="string" string="<%PRI%>%TIMESTAMP% %HOSTNAME% %syslogtag%%msg:::sp-if-no-1st-sp%%msg%")
input(type="imfile" File="{dir}/in.log" Tag="shop:" Severity="error" Facility="local1" PersistStateInterval="1000")
action(type="omfwd" Target="127.0.0.1" Port="{port}" Protocol="{protocol}" {extra})
"""


@pytest.mark.parametrize(
    "protocol, extra",
    [
        ("tcp", 'template="old"'),
        ("tcp", 'TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"'),
        ("tcp", 'TCP_Framing="octet-counted" template="RSYSLOG_ForwardFormat"'),
        ("udp", 'template="RSYSLOG_SyslogProtocol23Format"'),
        ("udp", 'template="old"'),
    ],
)
def test_rsyslogd(tmp_path, protocol, extra):
    count = 5000
    source = {"type": protocol, "port": free_tcp_port() if protocol == "tcp" else free_udp_port(), "format": "syslog"}
    conf = tmp_path / "rsyslog.conf"
    conf.write_text(RSYSLOG.format(dir=tmp_path, port=source["port"], protocol=protocol, extra=extra))
    (tmp_path / "in.log").write_text("".join(f"order {i}\n" for i in range(count)))
    with running(source) as (intake, agent):
        with open(tmp_path / "rsyslogd.log", "wb") as out:
            daemon = subprocess.Popen(
                ["/usr/sbin/rsyslogd", "-n", "-f", conf, "-i", tmp_path / "pid"], stdout=out, stderr=out, env=clean_env()
            )
        try:
            wait_until(
                lambda: intake.stats()["log_messages"] >= count,
                60,
                lambda: (intake.stats(), (tmp_path / "rsyslogd.log").read_text()[-2000:]),
            )
        finally:
            daemon.terminate()
            daemon.wait(20)
        assert agent.ctl("ledger")["balanced"]
        assert agent.stop() == 0
        records = [r for r in intake.records("log") if "order" in r["message"]]
        assert sorted(int(r["message"].split()[-1]) for r in records) == list(range(count))
        assert {(r["status"], r["service"], r["ddsource"]) for r in records} == {("error", "shop", "shop")}

"""Sources of logs as the supervisor holds them: ports that outlive the logs process, and sources that do not run."""

import os
import pathlib
import socket

from harness import Agent, Intake, free_tcp_port, free_udp_port, wait_until


def inodes(pid):
    """Inodes of the sockets a process holds."""
    found = set()
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def inode_of(table, port):
    """The one socket of /proc/net/<table>* that is bound to the port (and listens, for tcp)."""
    found = []
    for name in (table, table + "6"):
        for line in pathlib.Path("/proc/net", name).read_text().splitlines()[1:]:
            f = line.split()
            if int(f[1].rpartition(":")[2], 16) == port and (table == "udp" or f[3] == "0A"):
                found.append(f[9])
    assert len(found) == 1, found
    return found[0]


def test_ports_stay_open_while_the_logs_process_comes_back(tmp_path):
    tcp, udp = free_tcp_port(), free_udp_port()
    logs = [{"type": "tcp", "port": tcp}, {"type": "udp", "port": udp}]
    with Intake() as intake, Agent(intake, logs=logs) as agent:
        held = {inode_of("tcp", tcp), inode_of("udp", udp)}
        first = agent.child_pid("logs")
        assert held <= inodes(first)
        agent.kill("logs")
        socket.create_connection(("127.0.0.1", tcp), timeout=5).close()  # there is no moment of refusal
        wait_until(lambda: agent.child_pid("logs") not in (first, 0, None), 20)
        assert held == {inode_of("tcp", tcp), inode_of("udp", udp)}
        wait_until(lambda: held <= inodes(agent.child_pid("logs")), 20)
        assert agent.stop() == 0


def test_a_port_in_use_and_sources_that_cannot_run_are_told_and_stop_nothing(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"hello\n")
    with socket.socket() as busy:
        busy.bind(("0.0.0.0", 0))
        busy.listen()
        port = busy.getsockname()[1]
        logs = [
            {"type": "tcp", "port": port, "bind_host": "0.0.0.0"},
            {"path": str(log), "start_position": "beginning"},
            {"path": str(log)},
            {"type": "docker"},
        ]
        with Intake() as intake, Agent(intake, logs=logs) as agent:
            wait_until(lambda: intake.messages() == ["hello"], 20, intake.messages)
            text = " ".join(agent.run_ctl("status").stdout.split())
            assert f"TCP port {port} of 0.0.0.0 is in use by another process" in text
            assert "Error: /" in text and "/app.log is read already by the source at" in text  # long paths are shortened
            assert "Error: type docker is not supported by bulkhead" in text
            assert agent.stop() == 0


def test_a_wrong_rule_for_all_stops_the_logs_and_nothing_else(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"hello\n")
    rules = {"logs_config": {"processing_rules": [{"name": "r", "type": "drop", "pattern": "x"}]}}
    logs = [{"path": str(log), "start_position": "beginning"}]
    with Intake() as intake, Agent(intake, logs=logs, config=rules) as agent:
        agent.send(b"m:1|c")
        text = " ".join(agent.run_ctl("status").stdout.split())
        assert "Error: type drop is not supported for processing rule `r`" in text
        assert agent.stop() == 0
        assert intake.total("m") == 1
        assert intake.messages() == []

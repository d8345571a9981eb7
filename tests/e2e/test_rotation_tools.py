"""Debian's logrotate and nginx as they are: every line they write or rotate arrives once."""

import collections
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

from harness import Agent, Intake, free_tcp_port, wait_until

LONG = os.environ.get("BULKHEAD_CRASH") == "long"
ROUNDS = 20 if LONG else 4
CONFIG = {"logs_config": {"batch_wait": 1, "file_scan_period": 0.5, "close_timeout": 2}}
MODES = {
    "create": "create",
    "create_dateext": "create\ndateext\ndateformat -%Y%m%d-%s",
    "create_compress": "create\ncompress",
    "create_delaycompress": "create\ncompress\ndelaycompress",
    "copytruncate": "copytruncate",
    "copytruncate_delaycompress": "copytruncate\ncompress\ndelaycompress",
}


def tool(name):
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    assert found, f"{name} is missing: tests/setup installs it"
    return found


def once(intake, want, deadline=30):
    """Each of them, none of them twice."""
    wait_until(lambda: intake.stats()["log_messages"] >= len(want), deadline, intake.stats)
    got = collections.Counter(intake.messages())
    assert not set(want) - set(got), sorted(set(want) - set(got))[:5]
    assert got == collections.Counter(want)


class Writer(threading.Thread):
    """Numbered lines without end into one file, opened again when told: what a daemon does."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path = path
        self.lines = []
        self.pause = threading.Lock()
        self.ended = threading.Event()
        self.handle = open(path, "ab", buffering=0)

    def reopen(self):
        with self.pause:
            self.handle.close()
            self.handle = open(self.path, "ab", buffering=0)

    def run(self):
        while not self.ended.wait(0.001):
            with self.pause:
                for _ in range(5):
                    line = f"line {len(self.lines):06d} of a writer that never rests"
                    self.handle.write(f"{line}\n".encode())
                    self.lines.append(line)

    def end(self):
        self.ended.set()
        self.join()
        self.handle.close()


def opened(agent):
    return agent.log_text().count("discovery: reading ")


@pytest.mark.parametrize("mode", MODES)
def test_logrotate(tmp_path, mode):
    folder = tmp_path / "logs"
    folder.mkdir(mode=0o755)
    log = folder / "app.log"
    log.touch()
    conf = tmp_path / "logrotate.conf"
    conf.write_text(f"{log} {{\nrotate 50\nmissingok\n{MODES[mode]}\n}}\n")
    conf.chmod(0o644)

    def rotate():
        command = [tool("logrotate"), "-f", "-s", tmp_path / "state", conf]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr

    with Intake() as intake, Agent(intake, logs=[{"path": str(log)}], config=CONFIG) as agent:
        writer = Writer(log)
        writer.start()
        for n in range(ROUNDS):
            wait_until(lambda n=n: len(writer.lines) >= 200 * (n + 1), 30)
            if "copytruncate" in mode:
                with writer.pause:  # what is written between copy and truncation is the tool's to lose
                    rotate()
            else:
                rotate()
                writer.reopen()
            if "compress" in mode:
                # what is compressed before it was ever seen cannot be read (spec/logs.md §15.4)
                wait_until(lambda n=n: opened(agent) >= n + 2, 10)
            if "dateext" in mode:
                second = int(time.time())  # its names differ by the second
                wait_until(lambda s=second: time.time() > s + 1.1, 5)  # time(2) lags behind a little
        wait_until(lambda: len(writer.lines) >= 200 * (ROUNDS + 1), 30)
        writer.end()
        once(intake, writer.lines)
        assert agent.ctl("status")["numbers"]["logs"]["files.generations_lost"] == 0
        assert agent.stop() == 0
        once(intake, writer.lines)


NGINX = """
daemon off;
worker_processes 2;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ worker_connections 64; }}
http {{
    log_format numbered '$request_uri $status';
    access_log {dir}/access.log numbered;
    client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
    uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
    server {{ listen 127.0.0.1:{port}; location / {{ return 204; }} }}
}}
"""


def ask(connection, n):
    connection.sendall(f"GET /{n:06d} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(4096)


def is_listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_nginx_access_log(tmp_path):
    folder = tmp_path / "nginx"
    folder.mkdir()
    log = folder / "access.log"
    port = free_tcp_port()
    conf = folder / "nginx.conf"
    user = "user root;\n" if os.geteuid() == 0 else ""
    conf.write_text(user + NGINX.format(dir=folder, port=port))
    server = subprocess.Popen([tool("nginx"), "-p", folder, "-e", folder / "error.log", "-c", conf])
    try:
        wait_until(lambda: is_listening(port), 10)
        with Intake() as intake, Agent(intake, logs=[{"path": str(log)}], config=CONFIG) as agent:
            n = 0
            for turn in range(ROUNDS):
                # two connections, so both workers write, also into a file that was renamed already
                with socket.create_connection(("127.0.0.1", port)) as a, socket.create_connection(
                    ("127.0.0.1", port)
                ) as b:
                    for step in range(300):
                        if step == 150:
                            os.rename(log, folder / f"access.log.{turn + 1}")
                        if step == 200:
                            server.send_signal(signal.SIGUSR1)
                        ask(a if n % 2 else b, n)
                        n += 1
                wait_until(log.exists, 10)
            want = [f"/{i:06d} 204" for i in range(n)]
            once(intake, want)
            assert agent.stop() == 0
            once(intake, want)
    finally:
        server.terminate()
        server.wait()

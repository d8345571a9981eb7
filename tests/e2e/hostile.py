"""The bad neighbourhood of test_hostile_intake.py: certificates of every bad kind, nginx as a TLS
front, a server that answers as it likes, proxies."""

import base64
import contextlib
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading

from harness import SLOW, clean_env, free_tcp_port, kill_session, wait_until

# --- certificates ---


def openssl(folder, *args):
    subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True, timeout=60)


class Certificates:
    """A CA, one that nobody trusts, and what they signed: NAME.pem and NAME.key."""

    KEYS = {"weak": ("-newkey", "rsa:1024")}
    EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")

    def __init__(self, folder):
        self.dir = pathlib.Path(folder)
        for ca in ("ca", "other-ca"):
            self._request(ca, ca)
            (self.dir / f"{ca}.ext").write_text("basicConstraints=critical,CA:TRUE\n")
            self._sign(ca, None)
        for name, ca, alt, days in (
            ("good", "ca", "IP:127.0.0.1", 2),
            ("good2", "ca", "IP:127.0.0.1", 2),
            ("expired", "ca", "IP:127.0.0.1", -1),
            ("wrong-host", "ca", "DNS:elsewhere.example", 2),
            ("self-signed", None, "IP:127.0.0.1", 2),
            ("unknown-ca", "other-ca", "IP:127.0.0.1", 2),
            ("weak", "ca", "IP:127.0.0.1", 2),
            ("client", "ca", "DNS:client.example", 2),
        ):
            self._request(name, name)
            (self.dir / f"{name}.ext").write_text(f"subjectAltName={alt}\n")
            self._sign(name, ca, days)

    def _request(self, name, subject):
        key = self.KEYS.get(name, self.EC)
        args = ("-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={subject}")
        openssl(self.dir, "req", "-new", *key, *args)

    def _sign(self, name, ca, days=2):
        by = ["-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial"] if ca else ["-signkey", f"{name}.key"]
        files = ("-in", f"{name}.csr", "-out", f"{name}.pem", "-extfile", f"{name}.ext")
        openssl(self.dir, "x509", "-req", "-days", str(days), *by, *files)

    def pem(self, name):
        return str(self.dir / f"{name}.pem")

    def key(self, name):
        return str(self.dir / f"{name}.key")

    def pin(self, name):
        run = {"cwd": self.dir, "check": True, "capture_output": True, "timeout": 60}
        public = subprocess.run(["openssl", "pkey", "-in", f"{name}.key", "-pubout", "-outform", "DER"], **run).stdout
        digest = subprocess.run(["openssl", "dgst", "-sha256", "-binary"], input=public, **run).stdout
        return "sha256//" + base64.b64encode(digest).decode()


# --- nginx ---


class Nginx:
    """nginx in front of an intake; serve() starts it, or again with another certificate."""

    CONF = """
daemon off;
master_process off;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ worker_connections 64; }}
http {{
  log_format seen '$server_protocol $connection $ssl_client_verify "$http_proxy_authorization" $request_uri';
  access_log {dir}/access.log seen;
  client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  client_max_body_size 16m;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {pem};
    ssl_certificate_key {key};
    {extra}
    location / {{ proxy_pass {intake}; }}
  }}
}}
"""

    def __init__(self, intake, certificates):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="bh-nginx-", dir="/tmp"))
        self.intake, self.certificates = intake, certificates
        self.port = free_tcp_port()
        self.proc = None

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def serve(self, name, extra=""):
        self.stop()
        conf = self.dir / "nginx.conf"
        pem, key = self.certificates.pem(name), self.certificates.key(name)
        conf.write_text(
            self.CONF.format(dir=self.dir, port=self.port, pem=pem, key=key, extra=extra, intake=self.intake.url)
        )
        self.proc = subprocess.Popen(
            ["nginx", "-c", conf, "-p", self.dir, "-e", self.dir / "error.log"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=clean_env(),
            start_new_session=True,
        )
        wait_until(self._listens, 10, lambda: (self.dir / "error.log").read_text())
        return self

    def _listens(self):
        assert self.proc.poll() is None, (self.dir / "error.log").read_text()
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.proc:
            kill_session(self.proc.pid)
            self.proc.wait()
        self.proc = None

    def requests(self):
        """One (protocol, connection, client certificate, proxy's credentials, path) for each."""
        path = self.dir / "access.log"
        text = path.read_text() if path.exists() else ""
        return [tuple(re.match(r'(\S+) (\d+) (\S+) "(.*)" (\S+)$', line).groups()) for line in text.splitlines()]

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(f"--- nginx\n{(self.dir / 'error.log').read_text()[-4000:]}")
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


# --- a server of our own ---


def read_head(conn):
    """The head of a request and what came behind it; None when there was none."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = conn.recv(65536)
        if not part:
            return None
        data += part
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def read_request(conn):
    """The head of a request, its body read to the end; None when there was none."""
    got = read_head(conn)
    if not got:
        return None
    head, rest = got
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    left = int(length[1]) - len(rest) if length else 0
    while left > 0:
        part = conn.recv(65536)
        if not part:
            return None
        left -= len(part)
    return head


def pump(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def relay(conn, port, first=b""):
    with socket.create_connection(("127.0.0.1", port)) as there:
        there.sendall(first)
        back = threading.Thread(target=pump, args=(there, conn), daemon=True)
        back.start()
        pump(conn, there)
        back.join(10)


class Server:
    """A port where each connection is given to `behave`, which tests change on the way. Sends that
    go on for ever end when the agent hangs up."""

    def __init__(self, behave=None):
        self.behave = behave or (lambda conn: None)
        self.connections = 0
        self.heads = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        conn.settimeout(30 * SLOW)
        self.open.add(conn)
        with contextlib.suppress(OSError), conn:
            self.behave(conn)
        self.open.discard(conn)

    def hang_up(self):
        """What was promised to connections of before is over."""
        for conn in list(self.open):
            with contextlib.suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.hang_up()


class Proxy(Server):
    """An HTTP proxy. password None: none wanted. eat: bodies of plain requests vanish."""

    def __init__(self, password=None):
        super().__init__(self._proxy)
        self.password = password
        self.eat = False
        self.deny = False

    def _allowed(self, head):
        if self.password is None:
            return True
        sent = re.search(rb"(?i)\r\nproxy-authorization: basic (\S+)", head)
        return bool(sent) and base64.b64decode(sent[1]) == b"user:" + self.password.encode()

    def _proxy(self, conn):
        got = read_head(conn)
        if not got:
            return
        head, rest = got
        self.heads.append(head)
        if self.deny:
            conn.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        elif not self._allowed(head):
            answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x\r\n"
            conn.sendall(answer + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
        elif head.startswith(b"CONNECT "):
            conn.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            relay(conn, int(head.split()[1].rpartition(b":")[2]))
        else:
            self._plain(conn, head, rest)

    def _plain(self, conn, head, rest):
        """One request, the rest of the connection belongs to it."""
        port, path = re.match(rb"POST http://127\.0\.0\.1:(\d+)(\S*) ", head).groups()
        lines = [b"POST " + path + b" HTTP/1.1", b"Connection: close"]
        lines += [line for line in head.split(b"\r\n")[1:] if not line.lower().startswith(b"proxy-")]
        if self.eat:
            rest = b""
            with socket.create_connection(("127.0.0.1", int(port))) as there:
                there.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
                while conn.recv(65536):
                    pass
            return
        relay(conn, int(port), b"\r\n".join(lines) + b"\r\n\r\n" + rest)


class Tinyproxy:
    """The real one, with a password."""

    def __init__(self, user, password):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="bh-tinyproxy-", dir="/tmp"))
        self.port = free_tcp_port()
        self.log = self.dir / "log"
        (self.dir / "conf").write_text(
            f"Port {self.port}\nListen 127.0.0.1\nTimeout 30\nMaxClients 20\nBasicAuth {user} {password}\n"
            f'LogFile "{self.log}"\nLogLevel Connect\n'
        )

    def __enter__(self):
        self.proc = subprocess.Popen(
            ["tinyproxy", "-d", "-c", self.dir / "conf"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=clean_env(),
            start_new_session=True,
        )
        wait_until(self._listens, 10)
        return self

    def _listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *_):
        kill_session(self.proc.pid)
        self.proc.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

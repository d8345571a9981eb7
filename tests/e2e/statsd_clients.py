"""Sends one of each kind with a real client; run as a program by test_clients.py.

usage: statsd_clients.py datadogpy|statsd TARGET    TARGET: udp:PORT, unix:PATH, unixstream:PATH
"""

import socket
import struct
import sys


def send_with_datadogpy(kind, where):
    from datadog.dogstatsd.base import DogStatsd

    if kind == "udp":
        client = DogStatsd(host="127.0.0.1", port=int(where), constant_tags=["service:shop"])
    else:
        # its sockets do not wait by default: more than the kernel queues (10 datagrams) would be lost
        client = DogStatsd(socket_path=f"{kind}://{where}", constant_tags=["service:shop"], socket_timeout=10)
    for _ in range(10):
        client.increment("app.orders")
    client.increment("app.orders", 5, tags=["region:eu"])
    client.decrement("app.orders", 2, tags=["region:eu"])
    client.gauge("app.queue", 43.25)
    for ms in (1, 10, 4, 5, 2, 2):
        client.histogram("app.latency", ms)
    for value in (1, 1, 2):
        client.distribution("app.size", value)
    for user in ("ann", "bob", "ann"):
        client.set("app.users", user)
    client.event("deployed", "version 7\nby ann", alert_type="success", tags=["region:eu"])
    client.service_check("app.db.up", client.CRITICAL, message="no answer", tags=["region:eu"])
    client.flush()
    client.close_socket()


def transport(base, kind, where):
    """python3-statsd knows UDP; this puts what it formats on a Unix socket."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM if kind == "unixstream" else socket.SOCK_DGRAM)
    sock.connect(where)

    class Client(base):
        def _send(self, data):
            data = data.encode()
            sock.sendall(struct.pack("<I", len(data)) + data if kind == "unixstream" else data)

    return Client()


def send_with_statsd(kind, where):
    import statsd

    if kind == "udp":
        client = statsd.StatsClient("127.0.0.1", int(where), prefix="app", maxudpsize=1400)
    else:
        client = transport(statsd.StatsClient, kind, where)
        client._prefix = "app"
    with client.pipeline() as pipe:
        for _ in range(10):
            pipe.incr("orders")
        pipe.gauge("queue", 43.25)
        for ms in (1, 10, 4, 5, 2, 2):
            pipe.timing("latency", ms)
        for user in ("ann", "bob", "ann"):
            pipe.set("users", user)


def main():
    client, target = sys.argv[1:]
    kind, where = target.split(":", 1)
    {"datadogpy": send_with_datadogpy, "statsd": send_with_statsd}[client](kind, where)


main()

"""A thousand clients that recover at once, beside a fan-out whose latency is measured.

``python -m benchmarks.recovery PORT`` is the crowd: it connects, says ``ready``, and subscribes when it is told to on
standard input. With ``--past N`` each asks for that many messages of the history, else for nothing but what is live.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import time
from typing import Final

from benchmarks.generator import ROOT, Report
from benchmarks.servers import PRODUCT, Server

CLIENTS: Final = 1000
PAST: Final = 200
PLACE: Final = "/topic/past/bench"
LIVE: Final = "/topic/bench"
HEARERS: Final = 20
PER_S: Final = 100
CONNECT: Final = b"CONNECT\naccept-version:1.2\nhost:localhost\nheart-beat:0,0\n\n\0"


class Client:
    """A WebSocket with as much of STOMP as is needed to send, and to count what comes."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(
            f"GET /stomp HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Protocol: v12.stomp\r\n\r\n".encode()
        )
        self.data = b""
        self.wait(b"\r\n\r\n")
        self.send(CONNECT)
        self.wait(b"CONNECTED\n")

    def send(self, frame: bytes) -> None:
        """One frame in one message, masked with zeros."""
        length = len(frame)
        head = bytes((0x81, 0x80 | length)) if length < 126 else b"\x81\xfe" + length.to_bytes(2, "big")
        self.sock.sendall(head + b"\0\0\0\0" + frame)

    def subscribe(self, destination: str, *headers: str) -> None:
        """SUBSCRIBE, whose RECEIPT says ``live``."""
        lines = "".join(f"{header}\n" for header in headers)
        self.send(f"SUBSCRIBE\nid:0\ndestination:{destination}\nreceipt:live\n{lines}\n\0".encode())

    def publish(self, destination: str, body: str) -> None:
        """SEND."""
        self.send(f"SEND\ndestination:{destination}\n\n{body:<200}\0".encode())

    def read(self) -> int:
        """Takes what is there; returns how many messages ended in it."""
        self.data += self.sock.recv(1 << 18)
        before, zero, rest = self.data.rpartition(b"\0")
        if not zero:
            return 0
        self.data = rest
        return before.count(b"\nmessage-id:")

    def wait(self, what: bytes) -> None:
        """Reads until it has come; all of that is forgotten."""
        while what not in self.data:
            came = self.sock.recv(65536)
            if not came:
                raise EOFError(f"the server closed instead of saying {what!r}")
            self.data += came
        self.data = b""


def crowd(port: int, past: int) -> Report:
    """Connects, waits for a line on standard input, subscribes all at once, and waits for all that is missed."""
    clients = [Client(port) for _ in range(CLIENTS)]
    print("ready", flush=True)
    sys.stdin.readline()
    selector = selectors.DefaultSelector()
    begin = time.perf_counter()
    got = dict.fromkeys(clients, 0)
    for client in clients:
        client.subscribe(PLACE, *([f"history-last:{past}"] if past else []))
        selector.register(client.sock, selectors.EVENT_READ, client)
    if not past:
        for client in clients:
            client.wait(b"receipt-id:live")
        return {"ok": True, "recoveredMs": round(1000 * (time.perf_counter() - begin), 1), "messages": 0}
    missing = set(clients)
    while missing and time.perf_counter() - begin < 60:
        for key, _ in selector.select(1):
            client = key.data
            got[client] += client.read()
            if got[client] >= past:
                missing.discard(client)
    took = time.perf_counter() - begin
    return {
        "ok": set(got.values()) == {past},
        "recoveredMs": round(1000 * took, 1),
        "messages": sum(got.values()),
    }


class Fan:
    """A steady fan-out; how late its messages come."""

    def __init__(self, port: int) -> None:
        self.publisher = Client(port)
        self.hearers = [Client(port) for _ in range(HEARERS)]
        self.selector = selectors.DefaultSelector()
        for hearer in self.hearers:
            hearer.subscribe(LIVE)
            hearer.wait(b"receipt-id:live")
            self.selector.register(hearer.sock, selectors.EVENT_READ, hearer)
        self.late_us: list[float] = []
        self.published = 0
        self.heard = 0

    def run(self, seconds: float, until: subprocess.Popen[str] | None = None) -> None:
        """Publishes and hears for some time, or until a process has ended and some time after."""
        step = 1 / PER_S
        due = begin = time.perf_counter()
        end = begin + seconds
        while True:
            now = time.perf_counter()
            if until is not None and until.poll() is None:
                end = now + seconds
            if now >= end and self.heard == self.published * HEARERS:
                return
            if now >= end + 10:
                return
            if now >= due and now < end:
                self.publisher.publish(LIVE, repr(time.perf_counter()))
                self.published += 1
                due += step
            for key, _ in self.selector.select(max(0.0, min(0.005, due - now))):
                self._hear(key.data)

    def _hear(self, hearer: Client) -> None:
        hearer.data += hearer.sock.recv(65536)
        *frames, hearer.data = hearer.data.split(b"\0")
        now = time.perf_counter()
        for frame in frames:
            sent = float(frame.rpartition(b"\n\n")[2])
            self.late_us.append(1e6 * (now - sent))
            self.heard += 1


def run_recovery(server_core: int, load_core: int, *, past: int = PAST) -> Report:
    """One run on a new server; ``past`` 0: the crowd subscribes and gets nothing."""
    with Server(PRODUCT, server_core) as server:
        fan = Fan(server.port)
        for number in range(PAST):
            fan.publisher.publish(PLACE, str(number))
        command = [sys.executable, "-m", "benchmarks.recovery", str(server.port), "--past", str(past)]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {load_core}),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdout.readline()
            fan.run(0.5)
            fan.late_us.clear()
            process.stdin.write("go\n")
            process.stdin.flush()
            fan.run(0.3, process)
            report: Report = json.loads(process.stdout.read())
        finally:
            process.kill()
            process.wait()
    late = statistics.quantiles(fan.late_us, n=100)
    return {
        **report,
        "ok": report["ok"] and fan.heard == fan.published * HEARERS,
        "p50Us": round(late[49]),
        "p99Us": round(late[98]),
        "mostUs": round(max(fan.late_us)),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--past", type=int, default=0)
    given = parser.parse_args()
    print(json.dumps(crowd(given.port, given.past)))

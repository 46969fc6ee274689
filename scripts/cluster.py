"""Three nodes, the Redis that they share, and HAProxy before them, on this machine until Ctrl-C: ``make cluster``."""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

from stompede.auth import TokenIssuer

HAPROXY: Final = Path(__file__).resolve().parents[1] / "deploy" / "haproxy"
NODES: Final = 3
READY_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 30.0
LOOK_EVERY_S: Final = 0.1
TOKEN_S: Final = 7 * 86400.0
WHAT_TO_TRY: Final = """
  {url}/         HAProxy, and the live map behind it
  {url}/#stomp   the STOMP test page: open it twice, and two nodes talk to each other
{nodes}
  stompede simulate riders --riders 50 --url {websocket}
  stompede nodes --url {url} --token "$(cat {folder}/token)"
  stompede drain NODE --url {url} --token "$(cat {folder}/token)"

Kill a node: its clients go on at another one. Demo members: cook/cook, guest/guest, admin/admin.
The logs are in {folder}. Ctrl-C ends all.
"""


class Children:
    """Programs that end together, those that were started last first. Ctrl-C reaches this process alone.

    Args:
        folder: their working directory, and that of their logs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str, **environment: str) -> int:
        """Starts a program; returns its process id."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("STOMPEDE_")}
        with (self._folder / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(  # noqa: S603 - our own programs
                command,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self._folder, process_group=0,
                env={**clean, **environment},
            )  # fmt: skip
        self._running[name] = child
        return child.pid

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Waits until something is so; ends this process where a program ends before, or it takes too long."""
        end = time.monotonic() + READY_WITHIN_S
        while not condition():
            for name in self.ended():
                log = (self._folder / f"{name}.log").read_text(errors="replace")
                sys.exit(f"cluster: {name} ended\n{log[-2000:]}")
            if time.monotonic() > end:
                sys.exit(f"cluster: not ready within {READY_WITHIN_S:g} s")
            time.sleep(LOOK_EVERY_S)

    def ended(self) -> list[str]:
        """Those that have ended since the last look."""
        names = [name for name, child in self._running.items() if child.poll() is not None]
        for name in names:
            del self._running[name]
        return names

    def watch(self) -> None:
        """Tells of each that ends, until none is left."""
        while self._running:
            for name in self.ended():
                say(f"{name} has ended\n")
            time.sleep(LOOK_EVERY_S)

    def stop(self) -> None:
        """Ends all; at once those that take too long, and all when it is interrupted."""
        try:
            for child in reversed(self._running.values()):
                child.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(STOP_WITHIN_S)
        finally:
            for child in self._running.values():
                child.kill()
                child.wait()


def start(children: Children, folder: Path, programs: dict[str, str], ports: list[int]) -> str:
    """Starts all, and waits until clients may come; returns what to try."""
    front, *own = ports
    url, websocket = f"http://localhost:{front}", f"ws://localhost:{front}/stomp"
    redis, secret = free_port(0), secrets.token_hex(32)
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(TokenIssuer(secret=secret).issue("operator", ["admin"], TOKEN_S, time.time()))
    children.start(
        "redis", programs["redis-server"], "--port", str(redis), "--bind", "127.0.0.1", "--save", ""
    )
    children.wait_until(lambda: answers(redis))
    settings = {
        "STOMPEDE_BUS": f"redis://127.0.0.1:{redis}",
        "STOMPEDE_JWT_SECRET": secret,
        "STOMPEDE_PUBLIC_URL": websocket,
        "STOMPEDE_TRUSTED_PROXIES": "127.0.0.1",
    }
    lines = []
    for number, port in enumerate(own, 1):
        serve = [sys.executable, "-m", "stompede", "serve", "--demo", "--port", str(port)]
        pid = children.start(f"node{number}", *serve, **settings)
        lines.append(f"  http://localhost:{port}/         node {number}, process {pid}\n")
    children.wait_until(lambda: all(map(is_ready, own)))
    addresses = {f"NODE_{number}": f"127.0.0.1:{port}" for number, port in enumerate(own, 1)}
    # All clients of this machine have one address.
    limits = {"CONNECTS_PER_10S": "100000", "CONNECTIONS_AT_ONCE": "4000", "MAX_CONNECTIONS": "4000"}
    places = {"LISTEN": f"127.0.0.1:{front}", "CONF_DIR": str(HAPROXY), "RUN_DIR": str(folder)}
    config = str(HAPROXY / "haproxy.cfg")
    children.start("haproxy", programs["haproxy"], "-W", "-f", config, **addresses, **limits, **places)
    children.wait_until(lambda: is_ready(front))
    return WHAT_TO_TRY.format(url=url, websocket=websocket, nodes="".join(lines), folder=folder)


def free_port(wanted: int) -> int:
    """A port that nobody listens on; any one for 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            sys.exit(f"cluster: port {wanted} is taken; name others: make cluster PORT=9080")
        return int(probe.getsockname()[1])


def is_ready(port: int) -> bool:
    """Whether a node takes clients, or somebody behind HAProxy."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def answers(port: int) -> bool:
    """Whether a Redis serves commands."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def say(text: str) -> None:
    """Tells the user."""
    sys.stdout.write(text)
    sys.stdout.flush()


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """Both signals end it as Ctrl-C does."""
    raise KeyboardInterrupt


def main() -> None:
    """Runs until it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--port", type=int, default=8080, help="of HAProxy; the nodes have those after it; 0 for free ones"
    )
    port = parser.parse_args().port
    programs = {name: shutil.which(name) for name in ("redis-server", "haproxy")}
    found = {name: path for name, path in programs.items() if path is not None}
    if len(found) < len(programs):
        sys.exit(
            "cluster: needs redis-server and haproxy; `make services` installs them on Debian and Ubuntu"
        )
    ports = [free_port(port and port + number) for number in range(NODES + 1)]
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: in the background it begins as ignored
        signal.signal(number, interrupt)
    with contextlib.suppress(KeyboardInterrupt), tempfile.TemporaryDirectory(prefix="stompede-") as folder:
        children = Children(Path(folder))
        try:
            say(start(children, Path(folder), found, ports))
            children.watch()
        finally:
            children.stop()


if __name__ == "__main__":
    main()

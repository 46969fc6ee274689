"""HAProxy and nginx of a test's own, with the configurations that are shipped, before real nodes that share a Redis."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from stompede.auth import TokenIssuer
from subprocesses import Process, running

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
SECRET = "a-secret-for-tests-that-is-long-enough"
PATIENCE_S = 20.0


class Node(NamedTuple):
    """A node in a process of its own."""

    process: Process
    url: str

    @property
    def address(self) -> str:
        return self.url.removeprefix("http://")

    def drain(self) -> None:
        """Does what ``stompede drain`` does."""
        token = TokenIssuer(secret=SECRET).issue("ops", ["admin"], 60, time.time())
        with urllib.request.urlopen(f"{self.url}/health/ready", timeout=5) as answer:
            name = json.load(answer)["node"]
        request = urllib.request.Request(
            f"{self.url}/api/v1/nodes/{name}/drain?rate=100", b"", {"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status == 202


@contextlib.contextmanager
def running_nodes(count: int, bus: str, public_url: str) -> Iterator[list[Node]]:
    """Nodes of the example chat that share a bus and stand behind one balancer."""
    environment = {
        "STOMPEDE_BUS": bus,
        "STOMPEDE_JWT_SECRET": SECRET,
        "STOMPEDE_LOG_FORMAT": "json",
        "STOMPEDE_PUBLIC_URL": public_url,
        "STOMPEDE_TRUSTED_PROXIES": "127.0.0.1",
        "PYTHONPATH": str(ROOT / "docs" / "examples"),
    }
    command = ["-m", "stompede", "serve", "chat:app", "--port", "0"]
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(running(command, **environment)) for _ in range(count)]
        yield [Node(process, process.wait_log(r'"url": "(http://[^"]+)"')[1]) for process in started]


class HAProxy:
    """A HAProxy with `deploy/haproxy/haproxy.cfg`.

    Args:
        folder: for its sockets, its log and its map.
        port: where it listens.
        environment: values for the variables of the configuration.
    """

    def __init__(self, folder: Path, port: int, environment: Mapping[str, str]) -> None:
        self.http = f"http://127.0.0.1:{port}"
        self.url = f"ws://127.0.0.1:{port}/stomp"
        self.map = folder / "active.map"
        self._folder = folder
        shutil.copy(DEPLOY / "haproxy" / "active.map", self.map)
        places = {"LISTEN": f"127.0.0.1:{port}", "CONF_DIR": str(folder), "RUN_DIR": str(folder)}
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                ["haproxy", "-W", "-f", str(DEPLOY / "haproxy" / "haproxy.cfg")],
                stdout=log, stderr=log, env={**os.environ, "MAX_CONNECTIONS": "2000", **places, **environment},
            )  # fmt: skip

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")

    def ask(self, command: str) -> str:
        """Asks the admin socket."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(str(self._folder / "admin.sock"))
            connection.sendall(f"{command}\n".encode())
            with connection.makefile() as answer:
                return answer.read()

    def figures(self, name: str, backend: str = "blue") -> list[str]:
        """What it counts of each server of a backend: ``scur``, ``stot``, ``status``."""
        rows = csv.DictReader(self.ask("show stat").removeprefix("# ").splitlines())
        return [row[name] for row in rows if row["pxname"] == backend and row["svname"] != "BACKEND"]

    def sessions(self, backend: str = "blue") -> list[int]:
        """How many connections each server has."""
        return [int(number) for number in self.figures("scur", backend)]

    def reload(self) -> None:
        """Reads the configuration again, and waits until the new worker serves."""
        before = self.log.count("Loading success")
        self.process.send_signal(signal.SIGUSR2)
        wait_until(lambda: self.log.count("Loading success") > before, "the new worker does not come")


@contextlib.contextmanager
def running_haproxy(nodes: Sequence[Node], port: int, **environment: str) -> Iterator[HAProxy]:
    """HAProxy before nodes that it has found ready; skips where it is not installed."""
    if shutil.which("haproxy") is None:
        pytest.skip("needs haproxy: `make services`, or apt-get install haproxy")
    addresses = {f"NODE_{number}": node.address for number, node in enumerate(nodes, 1)}
    with tempfile.TemporaryDirectory(prefix="stompede-haproxy-") as folder:
        proxy = HAProxy(Path(folder), port, {"CONNECTS_PER_10S": "100000", **addresses, **environment})
        with _ended(proxy.process):
            _wait_ready(proxy.process, proxy.http, lambda: proxy.log)
            wait_until(lambda: set(proxy.figures("status")) == {"UP"}, "a node is not ready")
            yield proxy


@contextlib.contextmanager
def running_nginx(nodes: Sequence[Node], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """nginx with `deploy/nginx/nginx.conf` before nodes; skips where it is not installed."""
    if shutil.which("nginx") is None:
        pytest.skip("needs nginx: `make services`, or apt-get install nginx-light")
    text = (DEPLOY / "nginx" / "nginx.conf").read_text("utf-8")
    for number, node in enumerate(nodes, 1):
        text = text.replace(f"127.0.0.1:808{number}", node.address)
    with tempfile.TemporaryDirectory(prefix="stompede-nginx-") as folder:
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        own = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
        text = text.replace("http {", f"http {{ {own}").replace("/run/nginx.pid", f"{folder}/pid")
        text = re.sub(r"listen 8080;", f"listen 127.0.0.1:{port};", text)
        config, log = Path(folder, "nginx.conf"), Path(folder, "log")
        config.write_text(text, "utf-8")
        process = subprocess.Popen(["nginx", "-c", str(config), "-e", str(log), "-g", "daemon off;"])
        with _ended(process):
            _wait_ready(process, f"http://127.0.0.1:{port}", log.read_text)
            yield process


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Ends a process that has processes of its own, which it ends with itself."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_ready(process: subprocess.Popen[bytes], url: str, log: Callable[[], str]) -> None:
    wait_until(lambda: process.poll() is not None or is_ready(url), f"nothing serves {url}")
    assert process.poll() is None, log()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Waits for what other processes do."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


async def until(condition: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
    """Waits for what other processes do, while the clients of the test go on."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - another process knows it
            await asyncio.sleep(0.02)


def is_ready(url: str) -> bool:
    """Whether somebody behind a URL takes clients."""
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


async def ended_address(nodes: Sequence[Node], session: str) -> str:
    """Waits for the end of a session; returns the client's address, as the log of its node has it."""
    found: list[str] = []

    def ended() -> bool:
        lines = "".join(node.process.log for node in nodes).splitlines()
        found[:] = [line for line in lines if f'"session": "{session}"' in line and '"session ended"' in line]
        return bool(found)

    await until(ended)
    return str(json.loads(found[0])["address"])

"""A probe: a small program that tries a running server with a client that others wrote, and prints what came of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from chromium import chromium

HERE: Final = Path(__file__).parent
CHECKS: Final = (
    "connect", "subscribe_send", "receipts", "ack_auto", "ack_client", "ack_client_individual", "nack", "commit",
    "abort", "ack_in_transaction", "heart_beats", "text_1mb", "binary_1mb", "not_utf8", "order_10000",
)  # fmt: skip
LIMIT_S: Final = 200.0


@dataclass(frozen=True)
class Probe:
    """One client over one transport.

    Attributes:
        client: its name, as its probe says it.
        transport: ``websocket``, ``tcp``, or one of SockJS's.
        command: what runs the probe; the URL follows, and after it `further`.
        needs: files that `make clients` brings, the first in the folder of its ecosystem, and programs.
        ordered: how many messages must keep their order.
        cannot: checks that the client cannot do, with the reason that its probe gives.
    """

    client: str
    transport: str
    command: tuple[str, ...]
    needs: tuple[str, ...]
    cannot: Mapping[str, str] = field(default_factory=dict)
    further: tuple[str, ...] = ()
    ordered: int = 10_000

    def __str__(self) -> str:
        return f"{self.client}-{self.transport}"

    def require(self) -> None:
        """Skips where something is not installed."""
        for need in self.needs:
            if not ((HERE / need).exists() or shutil.which(need)):
                pytest.skip(f"{need} is not there; `make clients` installs what the probes of clients need")

    def run(self, url: str) -> dict[str, Any]:
        """What the probe printed. It runs in the folder of its ecosystem."""
        folder = HERE / self.needs[0].partition("/")[0]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("STOMPEDE_")}
        environment = {**inherited, "PYTHONPATH": str(HERE), "ORDERED": str(self.ordered)}
        ran = subprocess.run(
            [*self.command, url, *self.further],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        lines = ran.stdout.splitlines()
        assert lines, f"{self} ended with {ran.returncode}\n{ran.stderr[-4000:]}"
        result: dict[str, Any] = json.loads(lines[-1])
        return result


@dataclass(frozen=True)
class Served:
    """Where the server is."""

    websocket: str
    tcp: str

    def url(self, transport: str) -> str:
        return self.tcp if transport == "tcp" else self.websocket


def npm(client: str, program: str, transport: str = "websocket", **cannot: str) -> Probe:
    return Probe(client, transport, ("node", f"probes/{program}.mjs"), ("npm/node_modules", "node"), cannot)


def sockjs_in_node(transport: str) -> Probe:
    needs = ("sockjs/node_modules", "npm/node_modules", "node")
    return Probe(
        "sockjs-client in Node.js", transport, ("node", "stomp-in-node.mjs"), needs, TOLD, (transport,)
    )


def sockjs_in_chromium(transport: str) -> Probe:
    command = (sys.executable, "stomp_in_chromium.py")
    browser = chromium() or "chromium"
    needs = ("sockjs/node_modules", browser)
    return Probe("sockjs-client in Chromium", transport, command, needs, TOLD, (transport, browser))


def python(client: str, program: str, transport: str, **cannot: str) -> Probe:
    return Probe(client, transport, (".venv/bin/python", f"{program}.py"), ("python/.venv",), cannot)


def debian(client: str, language: str, program: str, **cannot: str) -> Probe:
    command = (sys.executable, "../lines.py", client, "tcp")
    return Probe(client, "tcp", command, (f"debian/{program}", language), cannot, (language, program))


def spring(kind: str, transport: str, **cannot: str) -> Probe:
    client = f"Spring's {kind}"
    command = (sys.executable, "../lines.py", client, transport)
    options = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto")
    java = ("java", *options, "-cp", "target/classes:target/lib/*", "Probe", transport)
    needs = ("maven/target/classes", "java")
    if transport != "sockjs-xhr":
        return Probe(client, transport, command, needs, cannot, java)
    cannot["order_10000"] = "makes a request for each message; the order of 1,000 was kept"
    return Probe(client, transport, command, needs, cannot, java, ordered=1000)


STRINGS: Final = dict.fromkeys(("binary_1mb", "not_utf8"), "bodies are strings")
TEXT_ONLY: Final = dict.fromkeys(("binary_1mb", "not_utf8"), "sends text WebSocket messages only")
OLD: Final = {"nack": "speaks STOMP 1.0, which has no NACK", "heart_beats": "knows no heart-beats"}
NO_TRANSACTIONS: Final = dict.fromkeys(
    ("commit", "abort", "ack_in_transaction"), "StompSession knows no transactions"
)
NO_TRANSACTION_OF_ACKS: Final = {"ack_in_transaction": "its transactions have SEND only"}
SOCKJS: Final = dict.fromkeys(("binary_1mb", "not_utf8"), "SockJS carries text only")
TOLD: Final = {
    "binary_1mb": "SockJS carries text only",
    "not_utf8": "SockJS carries text only; a subscriber that is sent such a body is told so and closed with 1003",
}
IN_NODE: Final = ("websocket", "xhr-streaming", "eventsource", "xhr-polling")
IN_CHROMIUM: Final = (
    *IN_NODE, "htmlfile", "jsonp-polling", "iframe-eventsource", "iframe-htmlfile", "iframe-xhr-polling",
)  # fmt: skip
PROBES: Final = (
    npm("@stomp/stompjs", "stomp-stompjs"),
    python("stomp.py", "probe_stomp_py", "tcp"),
    python("stomp.py", "probe_stomp_py", "websocket"),
    npm("webstomp-client", "webstomp-client", **STRINGS),
    npm("stompjs", "stompjs", **STRINGS),
    npm("@stomp/rx-stomp", "stomp-rx-stomp"),
    python("stompman", "probe_stompman", "tcp", **NO_TRANSACTION_OF_ACKS),
    python("stompman", "probe_stompman", "websocket", **TEXT_ONLY, **NO_TRANSACTION_OF_ACKS),
    npm("stompit", "stompit", "tcp"),
    debian("Ruby's stomp", "ruby", "stomp.rb"),
    debian("PHP's stomp", "php", "stomp.php", **OLD),
    debian("Perl's Net::Stomp", "perl", "stomp.pl", **OLD),
    spring("WebSocketStompClient", "websocket", **NO_TRANSACTIONS),
    spring("SockJsClient", "sockjs-websocket", **NO_TRANSACTIONS, **SOCKJS),
    spring("SockJsClient", "sockjs-xhr", **NO_TRANSACTIONS, **SOCKJS),
    *map(sockjs_in_node, IN_NODE),
    *map(sockjs_in_chromium, IN_CHROMIUM),
)

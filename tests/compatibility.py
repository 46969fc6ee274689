"""A plugin of pytest that writes what came of suites and clients that others wrote: see ``make conformance``."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

CLIENTS = Path(__file__).parent / "clients"
SOCKJS = "tests/clients/test_sockjs_client.py"
VECTORS = "tests/conformance/test_vectors.py"
SHOWN = {
    "connect": "connect",
    "subscribe_send": "subscribe, send",
    "receipts": "receipts",
    "ack_auto": "ack: auto",
    "ack_client": "ack: client",
    "ack_client_individual": "ack: client-individual",
    "nack": "NACK",
    "commit": "COMMIT",
    "abort": "ABORT",
    "ack_in_transaction": "ACK in a transaction",
    "heart_beats": "heart-beats",
    "text_1mb": "1 MB text",
    "binary_1mb": "1 MB binary",
    "not_utf8": "not UTF-8",
    "order_10000": "order of 10,000",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--compatibility-page", type=Path, required=True)


class Collected:
    """What the tests told."""

    def __init__(self) -> None:
        self.probes: list[dict[str, Any]] = []
        self.suites: list[dict[str, Any]] = []
        self.vectors: Counter[str] = Counter()
        self.sockjs: Counter[str] = Counter()
        self.commit = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False
        ).stdout.strip()

    def take(self, report: pytest.TestReport) -> None:
        """Takes the report of one phase of one test."""
        if report.when != "call":
            return
        if report.nodeid.startswith(VECTORS):
            self.vectors[report.outcome] += 1
        if report.nodeid.startswith(SOCKJS):
            self.sockjs[report.outcome] += 1
        told = dict(report.user_properties)
        if "probe" in told:
            self.probes.append(told["probe"])
        if "suite" in told:
            self.suites.append(told["suite"])

    def page(self) -> str:
        """The page, in Markdown."""
        lines = [
            "<!-- Written by `make conformance`; change tests/clients, not this. -->",
            "",
            f"Commit `{self.commit}`, Python {platform.python_version()}.",
            "",
            "| Client | Version | Transport | Does | Does not |",
            "|---|---|---|---|---|",
            *map(row, self.probes),
            "",
            "| Suite | Result |",
            "|---|---|",
            f"| STOMP vectors, over WebSocket and TCP | {counted(self.vectors)} |",
        ]
        sockjs = f"sockjs-client {sockjs_version()} without STOMP, over each of its transports in Node.js"
        lines.append(f"| {sockjs} | {counted(self.sockjs)} |")
        for suite in self.suites:
            left = "".join(f"; `{name}` does not count: it {why}" for name, why in suite["left"].items())
            lines.append(f"| {suite['suite']} | {suite['passed']} passed{left} |")
        if not shutil.which("wstest"):
            reason = "not run: no `wstest` on the machine, which needs Python 2.7"
            lines.append(f"| Autobahn Testsuite, fuzzingclient | {reason} |")
        return "\n".join(lines) + "\n"


def row(probe: dict[str, Any]) -> str:
    """A client's line of the table."""
    checks = {name: outcome for name, outcome in probe["checks"].items() if outcome != "ok"}
    does = (
        "everything"
        if not checks
        else f"{len(probe['checks']) - len(checks)} of {len(probe['checks'])} checks"
    )
    does_not = "; ".join(
        f"{SHOWN[name]}: {outcome.removeprefix('unsupported: ')}" for name, outcome in checks.items()
    )
    return f"| {probe['client']} | {probe['version']} | {probe['transport']} | {does} | {does_not} |"


def sockjs_version() -> str:
    """As the lock says."""
    lock = json.loads((CLIENTS / "sockjs" / "package-lock.json").read_text("utf-8"))
    version: str = lock["packages"]["node_modules/sockjs-client"]["version"]
    return version


def counted(outcomes: Counter[str]) -> str:
    """``285 passed, 1 failed``."""
    return ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()) or "not run"


def pytest_configure(config: pytest.Config) -> None:
    collected = Collected()
    page: Path = config.getoption("--compatibility-page")

    class Writer:
        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            collected.take(report)

        def pytest_sessionfinish(self) -> None:
            if collected.probes:
                page.write_text(collected.page(), "utf-8")

    config.pluginmanager.register(Writer())

"""Fills the documentation's tables from the code: ``<!-- made: NAME -->`` in a page becomes what `MAKERS` makes."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent))

import structlog
from docs_cli import command_line
from docs_states import state_diagram
from prometheus_client.metrics_core import Metric

from stompede import Stompede
from stompede._app.transport_metrics import TransportCollector
from stompede.cli._markdown import settings_markdown, table
from stompede.messaging.problem import ERROR_CODES
from stompede.server.metrics import NodeCollector
from stompede.server.session.disconnects import Disconnects
from stompede.server.settings import Settings
from stompede.wire.stomp.tables import RULES
from stompede.wire.stomp.versions import ALL_VERSIONS

ROOT: Final = Path(__file__).parent.parent
_MARK: Final = re.compile(r"<!-- made: ([a-z-]+) -->")


def error_codes() -> str:
    """The table of soft errors."""
    return table(("Code", "Meaning"), ((f"`{code}`", meaning) for code, meaning in ERROR_CODES.items()))


def disconnects() -> str:
    """The table of all ways in which a connection ends."""
    rows = (
        (str(row.code), f"`{row.reason}`", "yes" if row.reconnect else "no", row.value.meaning)
        for row in Disconnects
    )
    return table(("Code", "Reason", "Come back?", "Meaning"), rows)


def stomp_commands() -> str:
    """What each STOMP command requires."""
    rows = []
    for rule in RULES.values():
        required = [_required(rule.required.get(version)) for version in ALL_VERSIONS]
        rows.append((f"`{rule.command}`", rule.sender.value, *required, "yes" if rule.body else "no"))
    versions = [version.value for version in ALL_VERSIONS]
    return table(("Command", "Sent by", *(f"Required in {version}" for version in versions), "Body"), rows)


def _required(headers: tuple[tuple[str, ...], ...] | None) -> str:
    if headers is None:
        return "not there"
    return ", ".join(" or ".join(f"`{name}`" for name in choice) for choice in headers) or "nothing"


def metrics() -> str:
    """The table of what ``/metrics`` shows."""
    families = asyncio.run(_metric_families())
    rows = (
        (f"`{family.name}{'_total' if family.type == 'counter' else ''}`", family.type, family.documentation)
        for family in families
    )
    return table(("Name", "Kind", "Meaning"), rows)


async def _metric_families() -> list[Metric]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    app = Stompede(settings=Settings(jwt_secret=secrets.token_hex()))
    async with app.running():
        transports = TransportCollector(
            app._endpoints, app._compressing, app._tls_handshakes, app._complaints
        )
        return [*NodeCollector(lambda: app.node).collect(), *transports.collect()]


def benchmark_results() -> str:
    """What `make bench` wrote last."""
    path = ROOT / "docs" / "benchmarks-results.md"
    return path.read_text("utf-8") if path.exists() else "No results are recorded yet."


def compatibility_results() -> str:
    """What `make conformance` wrote last."""
    path = ROOT / "docs" / "compatibility-results.md"
    return path.read_text("utf-8") if path.exists() else "No results are recorded yet."


MAKERS: Final[Mapping[str, Callable[[], str]]] = {
    "benchmark-results": benchmark_results,
    "command-line": command_line,
    "compatibility-results": compatibility_results,
    "disconnects": disconnects,
    "error-codes": error_codes,
    "metrics": metrics,
    "settings": settings_markdown,
    "stomp-commands": stomp_commands,
    "stomp-states": state_diagram,
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs for each page."""
    return _MARK.sub(lambda found: MAKERS[found[1]](), markdown)

"""``stompede bench``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from stompede.cli._load import LoadPlan, LoadReport, run_load
from stompede.errors import StompedeError


def bench(
    url: Annotated[str, typer.Argument(metavar="[URL]", help="The node.")] = "ws://127.0.0.1:8080/stomp",
    subscribers: Annotated[int, typer.Option(min=1, help="Clients that listen.")] = 100,
    window: Annotated[int, typer.Option(min=1, help="Publications in flight.")] = 8,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to publish.")] = 5.0,
    body_bytes: Annotated[int, typer.Option(min=24, help="Size of each body.")] = 200,
    destination: Annotated[str, typer.Option(help="Topic to publish to.")] = "/topic/bench",
    token: Annotated[str | None, typer.Option(help="Token of all clients.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
) -> None:
    """Measure the fan-out of a running node: one client publishes, the others listen and count.

    The clients are Python's, in this one process, and usually slower than the node: it says what these clients get, and
    whether they get everything. The project's own figures come from `make bench`, whose load generator is written in C.
    Exit code 1: something was missing or out of order.
    """
    plan = LoadPlan(url, destination, subscribers, window, seconds, body_bytes, token)
    console = Console(stderr=True)
    try:
        report = asyncio.run(run_load(plan, lambda text: console.print(text, style="dim")))
    except* StompedeError as group:
        error = group.exceptions[0]
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
    if as_json:
        typer.echo(msgspec.json.encode(report).decode())
    else:
        Console().print(_table(report))
    if not report.whole:
        raise typer.Exit(1)


def _table(report: LoadReport) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    table.add_row("published", f"{report.published:,}")
    table.add_row("deliveries expected", f"{report.expected:,}")
    table.add_row("deliveries received", f"{report.received:,}", style=None if report.whole else "bold red")
    table.add_row("out of order", f"{report.out_of_order:,}")
    table.add_row("deliveries a second", f"{report.deliveries_per_s:,.0f}")
    table.add_row("latency p50, p99, max", f"{report.p50_ms:g}, {report.p99_ms:g}, {report.max_ms:g} ms")
    return table

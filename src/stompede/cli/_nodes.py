"""``stompede nodes``: the nodes of a running system, by the REST API of any of them."""

from __future__ import annotations

import math
from typing import Annotated
from urllib.parse import quote, urlencode

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from stompede._app.nodes_rest import NodeReport, Nodes
from stompede.cli._rest import ask
from stompede.errors import ConfigurationError

Url = Annotated[str, typer.Option(help="HTTP URL of any node.")]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="STOMPEDE_TOKEN",
        help="Token with the scope admin; or STOMPEDE_TOKEN, which the list of processes does not show.",
        show_default=False,
        show_envvar=False,
    ),
]
NodeId = Annotated[str, typer.Argument(metavar="NODE", help="Id of the node.", show_default=False)]
Rate = Annotated[str, typer.Option(metavar="N/s", help="Sessions that are moved in a second.")]
Within = Annotated[float, typer.Option(min=1, help="Seconds; whoever is left then is moved at once.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the node's answer as JSON.")]


def nodes(url: Url = "http://localhost:8080", token: Token = None, as_json: AsJson = False) -> None:
    """The nodes that are alive: where they are, how many sessions they serve, whether they take more."""
    body = ask("GET", url, "/api/v1/nodes", token)
    if as_json:
        typer.echo(body)
        return
    table = _table(Nodes.model_validate_json(body).nodes)
    console, wide = Console(), Console(width=10_000)
    console.width = max(console.width, Measurement.get(wide, wide.options, table).maximum)
    console.print(table)


def drain(
    node_id: NodeId,
    rate: Rate = "500/s",
    within: Within = 300,
    url: Url = "http://localhost:8080",
    token: Token = None,
) -> None:
    """Move the clients of a node to others: stompede drain 1795298846750/ac64... --rate 500/s"""
    query = urlencode({"rate": _per_second(rate), "within": within})
    ask("POST", url, f"/api/v1/nodes/{quote(node_id, safe='/')}/drain?{query}", token, b"")
    typer.echo(f"{node_id} drains; `stompede nodes` shows what is left")


def _per_second(text: str) -> float:
    number, _, unit = text.partition("/")
    try:
        rate = float(number)
    except ValueError:
        rate = 0
    if unit not in ("", "s") or not 0 < rate < math.inf:
        raise ConfigurationError(f"--rate {text}: write sessions in a second, 500/s")
    return rate


def _table(found: list[NodeReport]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("node", "URL", "region", "version", "state"):
        table.add_column(title, no_wrap=True)
    for title in ("sessions", "CPU"):
        table.add_column(title, justify="right")
    for node in found:
        state = "draining" if node.draining else "ready" if node.ready else "deaf"
        table.add_row(
            node.id, node.url, node.region, node.version,
            Text(state, style="green" if state == "ready" else "yellow"), str(node.sessions), f"{node.cpu:.0%}",
        )  # fmt: skip
    return table

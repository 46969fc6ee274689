"""``stompede sessions``: who is connected to a node, and closing sessions, by its REST API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote, urlencode

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from stompede._app.sessions_rest import MOST_SESSIONS, Closed, KnownSession, SessionPage
from stompede.cli._rest import ask

sessions = typer.Typer(
    name="sessions", help="Who is connected to a running node, and closing sessions.", no_args_is_help=True
)

Url = Annotated[str, typer.Option(help="The node's HTTP URL.")]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="STOMPEDE_TOKEN",
        help="Token with the scope admin; or STOMPEDE_TOKEN, which the list of processes does not show.",
        show_default=False,
        show_envvar=False,
    ),
]
User = Annotated[
    str | None, typer.Option(help="Sessions of this member alone, on all nodes.", show_default=False)
]
Limit = Annotated[int, typer.Option(min=1, max=MOST_SESSIONS, help="Most sessions to show.")]
After = Annotated[str, typer.Option(help="Sessions behind this id: the next page.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print the node's answer as JSON.")]
SessionId = Annotated[str, typer.Argument(metavar="ID", help="Id of the session.", show_default=False)]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the member.", show_default=False)]
DEFAULT_URL = "http://localhost:8080"


@sessions.callback()
def _sessions() -> None:
    """Who is connected to a running node, and closing sessions."""


@sessions.command("list")
def list_sessions(
    url: Url = DEFAULT_URL,
    token: Token = None,
    user: User = None,
    limit: Limit = 100,
    after: After = "",
    as_json: AsJson = False,
) -> None:
    """Who is connected to a node, or who a member is on all nodes: address, since when, and what waits for it."""
    query = {"limit": str(limit), "after": after, **({} if user is None else {"user": user})}
    body = ask("GET", url, f"/api/v1/sessions?{urlencode(query)}", token)
    if as_json:
        typer.echo(body)
        return
    page = SessionPage.model_validate_json(body)
    console = Console()
    if not page.sessions:
        console.print("no sessions")
        return
    table = _table(page.sessions)
    wide = Console(width=10_000)
    # Never narrower than its content: an id that is cut off cannot be given to `close`.
    console.width = max(console.width, Measurement.get(wide, wide.options, table).maximum)
    console.print(table)
    if page.next is not None:
        console.print(f"there are more: --after {page.next}", soft_wrap=True)


@sessions.command("close")
def close(session_id: SessionId, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Close one session. Its client is told to stay away."""
    body = ask("DELETE", url, f"/api/v1/sessions/{quote(session_id, safe='')}", token)
    typer.echo(f"its node was told to close {session_id}" if body else f"closed {session_id}")


@sessions.command("close-user")
def close_user(name: Name, url: Url = DEFAULT_URL, token: Token = None) -> None:
    """Close all sessions of a member. Its clients are told to stay away; its tokens count until they run out."""
    body = ask("DELETE", url, f"/api/v1/users/{quote(name, safe='')}/sessions", token)
    done = Closed.model_validate_json(body)
    elsewhere = f"; other nodes were told to close {done.told}" if done.told else ""
    typer.echo(f"closed {done.closed} session{'' if done.closed == 1 else 's'} of {name}{elsewhere}")


def _table(found: list[KnownSession]) -> Table:
    now = datetime.now(UTC)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("session", "member", "address", "since", "last seen", "STOMP"):
        table.add_column(title, no_wrap=True)
    for title in ("subscriptions", "queued"):
        table.add_column(title, justify="right")
    on_many = len({one.node_id for one in found}) > 1
    if on_many:
        table.add_column("node", no_wrap=True)
    for one in found:
        table.add_row(
            one.id,
            Text("guest", style="dim") if one.user is None else Text(one.user),
            Text(one.address or ""),
            _ago(now, one.connected_at),
            _ago(now, one.last_seen_at),
            one.version or "",
            "" if one.subscriptions is None else str(one.subscriptions),
            f"{one.queued_bytes} B" if one.queued_bytes else "",
            *((one.node_id,) if on_many else ()),
        )
    return table


def _ago(now: datetime, then: datetime | None) -> str:
    if then is None:
        return ""
    seconds = max(0, int((now - then).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"

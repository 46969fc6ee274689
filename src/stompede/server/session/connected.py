"""Who is connected to a node, for operators and for code: reports of sessions, and their end."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from stompede.server.session.disconnects import Disconnects

if TYPE_CHECKING:
    from stompede.server.node import Node
    from stompede.server.session.session import Session

_WHY: Final = "the session was closed by the server"


class SessionReport(BaseModel):
    """One session, as operators see it."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    id: str = Field(description="Unique id of the session.")
    user: str | None = Field(description="Name of the member; null for a guest.")
    scopes: tuple[str, ...] = Field(description="What the member's token allows.")
    address: str = Field(description="Where the client connects from.")
    node_id: str = Field(description="Node that holds the connection.")
    version: str = Field(description="STOMP version.")
    connected_at: datetime = Field(description="When the connection was made.")
    last_seen_at: datetime = Field(description="When the client gave its last sign of life.")
    expires_at: datetime | None = Field(description="When its token runs out, if it does.")
    subscriptions: int = Field(description="How many subscriptions it has.")
    queued_bytes: int = Field(description="Bytes that wait because the client reads too slowly.")


def report(session: Session) -> SessionReport:
    """What there is to say of a session now."""
    node, principal = session.node, session.principal
    offset = node.unix_now() - node.now()
    expires_at = None if principal is None else principal.expires_at
    return SessionReport(
        id=session.id,
        user=None if principal is None else principal.name,
        scopes=() if principal is None else tuple(sorted(principal.scopes)),
        address=session.client_address,
        node_id=session.node_id,
        version=session.version,
        connected_at=_utc(session.started + offset),
        last_seen_at=_utc(max(session.last_seen, session.answered) + offset),
        expires_at=None if expires_at is None else _utc(expires_at),
        subscriptions=len(session.subscriptions),
        queued_bytes=session.outbox.queued_bytes,
    )


def sessions(node: Node, *, user: str | None, limit: int, after: str) -> list[SessionReport]:
    """At most ``limit`` sessions of a node, by their ids, beginning behind ``after``.

    Costs one look at each session, and a report of those that are returned. A page in the middle stays where it is
    while sessions come and go.
    """
    found: Iterable[Session] = node.sessions.values() if user is None else node.users.get(user, ())
    behind = (session for session in found if session.connected and session.id > after)
    return [report(session) for session in heapq.nsmallest(limit, behind, key=lambda session: session.id)]


def close(node: Node, session_id: str) -> bool:
    """Closes a session of a node; false if there is none of that id."""
    session = node.sessions.get(session_id)
    if session is None:
        return False
    session.error_and_end(Disconnects.CLOSED_BY_SERVER, _WHY)
    return True


def close_user(node: Node, name: str) -> int:
    """Closes all sessions of a member on a node; returns how many there were."""
    found = [session for session in node.users.get(name, ()) if session.connected]
    for session in found:
        session.error_and_end(Disconnects.CLOSED_BY_SERVER, _WHY)
    return len(found)


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds, 3), UTC)

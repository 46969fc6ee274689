"""Who is connected to a node, for operators and for code: reports of sessions, and their end; and who is elsewhere."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from stompede.registry import SessionRecord
from stompede.server.session.disconnects import Disconnects

if TYPE_CHECKING:
    from stompede.server.node import Node
    from stompede.server.session.session import Session

MOST_ELSEWHERE: Final = 10_000
"""More sessions of one member on other nodes are not looked for."""
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
        connected_at=utc(session.started + offset),
        last_seen_at=utc(max(session.last_seen, session.answered) + offset),
        expires_at=None if expires_at is None else utc(expires_at),
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


async def elsewhere(node: Node, user: str) -> list[SessionRecord]:
    """Sessions of a member on other nodes, as the registry knows them: nobody is asked.

    Raises:
        BusError: the registry does not answer.
    """
    if not node.backends.shared:
        return []
    found = await node.backends.registry.sessions_of(user, limit=MOST_ELSEWHERE, now=node.unix_now())
    return [record for record in found if record.node_id != node.id]


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


def utc(seconds: float) -> datetime:
    """A time that is given in seconds of the Unix epoch."""
    return datetime.fromtimestamp(round(seconds, 3), UTC)

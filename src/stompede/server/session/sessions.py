"""Who is on a node: sessions from the handshake until the socket is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, final

import msgspec

from stompede.registry import SessionEntry, SessionReporter
from stompede.server.session.disconnects import Disconnect

if TYPE_CHECKING:
    from stompede.server.aging import Aging
    from stompede.server.session.session import Session
    from stompede.server.session.telling import Teller


class SessionsStatistics(msgspec.Struct, frozen=True, rename="camel"):
    """What `Sessions.statistics` tells.

    Attributes:
        sessions: sessions now.
        connections: sockets now, those that have not sent CONNECT and those that are closing included.
        members: principals with a session here.
        accepted_total: sockets since the start, those that never sent CONNECT included: so many as have ended, and are.
        connected_total: sessions since the start.
        connecting: sockets that have not sent CONNECT.
        refused_total: handshakes refused because the node was full or stopping, or the address came too often.
        ended: sessions that ended, by reason, those that never got CONNECTED included.
    """

    sessions: int
    connections: int
    members: int
    accepted_total: int
    connected_total: int
    connecting: int
    refused_total: int
    ended: Mapping[str, int]


@final
class Sessions:
    """The sessions of one node.

    Args:
        teller: tells listeners of starts and ends.
        unix_now: seconds of the Unix epoch.

    Attributes:
        reporter: tells the registry of them; ``None`` where the node is alone.
        aging: moves those that are too old; ``None`` where none is.
        connected: those that got CONNECTED, by id.
        users: those of each principal, by its name.
        blocked: those whose socket takes no bytes now.
        transports: those whose socket is there, whether they have sent CONNECT or not.
        ends: how many ended, by reason.
        connecting: how many have not got CONNECTED yet.
    """

    def __init__(self, teller: Teller, unix_now: Callable[[], float]) -> None:
        self._teller = teller
        self._unix_now = unix_now
        self.reporter: SessionReporter | None = None
        self.aging: Aging | None = None
        self._entries: dict[str, SessionEntry] = {}
        self.connected: dict[str, Session] = {}
        self.users: dict[str, dict[Session, None]] = {}
        self.blocked: dict[Session, None] = {}
        self.transports: dict[Session, None] = {}
        self.ends: dict[str, int] = {}
        self.connecting = 0
        self._accepted_total = 0
        self._connected_total = 0
        self._refused_total = 0
        self._all_gone = asyncio.Event()
        self._fewer_blocked = asyncio.Event()
        self._freed: list[Session] = []  # since somebody waits for it
        self._waited_for = False

    def statistics(self) -> SessionsStatistics:
        """Figures of now and since the start."""
        return SessionsStatistics(
            len(self.connected),
            len(self.transports),
            len(self.users),
            self._accepted_total,
            self._connected_total,
            self.connecting,
            self._refused_total,
            dict(self.ends),
        )

    def refused(self) -> None:
        """A handshake was refused."""
        self._refused_total += 1

    def accepted(self, session: Session) -> None:
        """A handshake was done; nothing was said yet."""
        self.transports[session] = None
        self._accepted_total += 1
        self.connecting += 1

    def begun(self, session: Session) -> None:
        """CONNECTED was sent."""
        self.connected[session.id] = session
        self._connected_total += 1
        self.connecting -= 1
        if self.reporter is not None:
            self._enter(session, self.reporter)
        if self.aging is not None:
            self.aging.begun(session)
        self._teller.tell("session-start", session)

    def _enter(self, session: Session, reporter: SessionReporter) -> None:
        user = None if session.principal is None else session.principal.name
        entry = self._entries[session.id] = SessionEntry(session.id, self._unix_now(), user)
        reporter.entered(entry)

    def became_member(self, session: Session) -> None:
        """An anonymous session has a member now."""
        assert session.principal is not None
        self.users.setdefault(session.principal.name, {})[session] = None
        before = self._entries.get(session.id)
        if before is not None and self.reporter is not None:
            self.reporter.left(before)
            self._enter(session, self.reporter)

    def entries(self) -> Iterable[SessionEntry]:
        """All that the registry is to know."""
        return list(self._entries.values())

    def ended(self, session: Session, why: Disconnect) -> None:
        """A session ended, for whatever reason; its socket may still be closing."""
        self.ends[why.reason] = self.ends.get(why.reason, 0) + 1
        principal = session.principal
        if principal is not None:
            theirs = self.users.get(principal.name)
            if theirs is not None:
                theirs.pop(session, None)
                if not theirs:
                    del self.users[principal.name]
        if self.reporter is not None:
            entry = self._entries.pop(session.id, None)
            if entry is not None:
                self.reporter.left(entry)
        if self.aging is not None:
            self.aging.ended(session)
        if self.connected.pop(session.id, None) is not None:
            self._teller.tell("session-end", session, why)
        else:
            self.connecting -= 1

    def unblocked(self, session: Session) -> None:
        """A session's socket takes bytes again, or the session has ended."""
        if self.blocked.pop(session, self) is None:
            self._fewer_blocked.set()
            if self._waited_for:
                self._freed.append(session)

    def gone(self, session: Session) -> None:
        """The socket of a session is gone."""
        self.transports.pop(session, None)
        if not self.transports:
            self._all_gone.set()

    async def wait_fewer_blocked(self) -> list[Session]:
        """Waits until one more socket takes bytes; returns whose have done so meanwhile. For one caller at a time."""
        self._fewer_blocked.clear()
        self._waited_for = True
        try:
            await self._fewer_blocked.wait()
        finally:
            self._waited_for = False
            freed, self._freed = self._freed, []
        return freed

    async def wait_all_gone(self) -> None:
        """Waits until no socket is left."""
        self._all_gone.clear()
        if self.transports:
            await self._all_gone.wait()

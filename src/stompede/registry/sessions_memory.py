"""The session registry of nodes in one process: dictionaries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import nsmallest
from itertools import islice
from typing import final

from stompede.registry.session_format import member_uid
from stompede.registry.sessions import (
    NodeInfo,
    SessionEntry,
    SessionPage,
    SessionRecord,
    SessionRegistryStatistics,
)


class _Node:
    """A node and its sessions."""

    __slots__ = ("batch", "ends_at", "info", "sessions", "users")

    def __init__(self, info: NodeInfo) -> None:
        self.info = info
        self.ends_at = float("-inf")
        self.replace({}, None)

    def replace(self, sessions: dict[str, SessionEntry], batch: int | None) -> None:
        self.batch = batch  # None: it has said nothing in this life
        self.sessions: dict[str, SessionEntry] = {}
        self.users: dict[str, dict[str, None]] = {}
        for entry in sessions.values():
            self.enter(entry)

    def enter(self, entry: SessionEntry) -> None:
        self.sessions[entry.id] = entry
        if entry.user is not None:
            self.users.setdefault(entry.user, {})[entry.id] = None

    def leave(self, entry: SessionEntry) -> None:
        self.sessions.pop(entry.id, None)
        if entry.user is not None and (ids := self.users.get(entry.user)) is not None:
            ids.pop(entry.id, None)
            if not ids:
                del self.users[entry.user]

    def record(self, entry: SessionEntry) -> SessionRecord:
        at = round(entry.connected_at * 1000) / 1000
        return SessionRecord(self.info.id, entry.id, at, entry.id, member_uid(entry.user))


@final
class MemorySessionRegistry:
    """A session registry in this process; the promises are those of `SessionRegistry`."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}
        self._written = self._replaced = self._buried = 0

    async def refresh(self, node: NodeInfo, *, ttl_s: float, batch: int, now: float) -> bool:
        """Begin a node's life, or let it go on; see `SessionRegistry`."""
        for node_id in [one.info.id for one in self._nodes.values() if one.ends_at <= now]:
            del self._nodes[node_id]
            self._buried += node_id != node.id
        known = self._nodes.get(node.id)
        if known is None:
            known = self._nodes[node.id] = _Node(node)
        known.info = node
        known.ends_at = now + ttl_s
        return known.batch == batch

    async def update(
        self,
        node_id: str,
        entered: Sequence[SessionEntry],
        left: Sequence[SessionEntry],
        *,
        batch: int,
        now: float,
    ) -> bool:
        """Take sessions that entered and that left; see `SessionRegistry`."""
        node = self._alive(node_id, now)
        if node is None or node.batch not in {batch - 1, batch}:
            return False
        for entry in left:
            node.leave(entry)
        for entry in entered:
            node.enter(entry)
        node.batch = batch
        self._written += len(entered) + len(left)
        return True

    async def replace(
        self, node_id: str, sessions: Sequence[SessionEntry], *, batch: int, now: float
    ) -> bool:
        """Take all sessions of a node; see `SessionRegistry`."""
        node = self._alive(node_id, now)
        if node is None:
            return False
        node.replace({entry.id: entry for entry in sessions}, batch)
        self._replaced += len(sessions)
        return True

    async def end(self, node_id: str, *, now: float) -> None:  # noqa: ARG002 - it ends in any case
        """End a node's life now."""
        self._nodes.pop(node_id, None)

    async def nodes(self, *, now: float) -> list[NodeInfo]:
        """The nodes that are alive, in no order."""
        return [node.info for node in self._living(now)]

    async def sessions(
        self, node_id: str, *, after: str | None = None, limit: int = 100, now: float
    ) -> SessionPage:
        """A part of a node's sessions; see `SessionRegistry`."""
        node = self._alive(node_id, now)
        if node is None:
            return SessionPage([], None)
        rest = nsmallest(limit + 1, (id_ for id_ in node.sessions if after is None or id_ > after))
        page = [node.record(node.sessions[id_]) for id_ in rest[:limit]]
        return SessionPage(page, page[-1].session_id if len(rest) > limit else None)

    async def sessions_of(self, user: str, *, limit: int = 100, now: float) -> list[SessionRecord]:
        """At most ``limit`` sessions of a member."""
        found = (
            node.record(node.sessions[id_]) for node in self._living(now) for id_ in node.users.get(user, ())
        )
        return list(islice(found, limit))

    async def find(self, session_id: str, *, now: float) -> SessionRecord | None:
        """A session by its id, or ``None``."""
        for node in self._living(now):
            if (entry := node.sessions.get(session_id)) is not None:
                return node.record(entry)
        return None

    async def count(self, *, now: float) -> int:
        """How many sessions all nodes serve."""
        return sum(len(node.sessions) for node in self._living(now))

    def statistics(self) -> SessionRegistryStatistics:
        """Figures since the start."""
        return SessionRegistryStatistics(self._written, self._replaced, self._buried)

    async def aclose(self) -> None:
        """Nothing to close."""

    def _alive(self, node_id: str, now: float) -> _Node | None:
        node = self._nodes.get(node_id)
        return node if node is not None and now < node.ends_at else None

    def _living(self, now: float) -> Iterator[_Node]:
        return (node for node in self._nodes.values() if now < node.ends_at)

"""The presence table of a node that is alone: dictionaries."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import final

from stompede.registry.presence import (
    Change,
    Counts,
    Enter,
    Guests,
    Here,
    Leave,
    Outcome,
    PresenceTableStatistics,
)

_Ways = tuple[tuple[str, bytes], ...]  # node and info, the newest last; nearly always one


class _Room:
    """Who is on one destination."""

    __slots__ = ("guest_count", "guests", "members")

    def __init__(self) -> None:
        self.members: dict[str, _Ways] = {}
        self.guests: dict[str, int] = {}  # by node, where there are any
        self.guest_count = 0

    def counts(self) -> Counts:
        return Counts(len(self.members), self.guest_count)


class _Node:
    """What one node reported."""

    __slots__ = ("ends_at", "entries", "rooms")

    def __init__(self) -> None:
        self.ends_at = float("-inf")
        self.entries: dict[tuple[str, str], None] = {}  # destination and user
        self.rooms: dict[str, None] = {}  # destinations where it has guests


@final
class MemoryPresenceTable:
    """A presence table in this process; the promises are those of `PresenceTable`.

    Args:
        max_entries: most members times destinations times nodes.
    """

    def __init__(self, *, max_entries: int = 1_000_000) -> None:
        self._max_entries = max_entries
        self._rooms: dict[str, _Room] = {}
        self._nodes: dict[str, _Node] = {}
        self._entries = self._refused = self._expired = 0

    async def refresh(self, node_id: str, *, ttl_s: float, now: float) -> bool:
        """Begin a node's life, or let it go on; see `PresenceTable`."""
        node = self._nodes.get(node_id)
        alive = node is not None and now < node.ends_at
        if node is None:
            node = self._nodes[node_id] = _Node()
        node.ends_at = now + ttl_s
        return alive

    async def update(self, node_id: str, changes: Sequence[Change], *, now: float) -> list[Outcome] | None:
        """Take changes of a node; see `PresenceTable`."""
        node = self._nodes.get(node_id)
        if node is None or node.ends_at <= now:
            return None
        return [self._change(node_id, node, change) for change in changes]

    async def members(self, destination: str, *, limit: int, now: float) -> list[Here]:  # noqa: ARG002 - no clock
        """At most ``limit`` members of a destination."""
        room = self._rooms.get(destination)
        if room is None:
            return []
        return [Here(user, ways[-1][1]) for user, ways in islice(room.members.items(), limit)]

    async def count(self, destination: str, *, now: float) -> Counts:  # noqa: ARG002 - no clock
        """How many are on a destination."""
        return self._counts(destination)

    async def expire(self, *, limit: int, now: float) -> list[Outcome]:
        """Take out what dead nodes left behind; see `PresenceTable`."""
        told: list[Outcome] = []
        for node_id in [node_id for node_id, node in self._nodes.items() if node.ends_at <= now]:
            node = self._nodes[node_id]
            while node.entries and limit > 0:
                limit -= 1
                self._expired += 1
                told.append(self._leave(node_id, node, *next(iter(node.entries))))
            while node.rooms and limit > 0:
                limit -= 1
                told.append(self._set_guests(node_id, node, next(iter(node.rooms)), 0))
            if not node.entries and not node.rooms:
                del self._nodes[node_id]
        return [outcome for outcome in told if outcome.what != "none"]

    def statistics(self) -> PresenceTableStatistics:
        """Figures of now and since the start."""
        return PresenceTableStatistics(self._entries, self._refused, self._expired)

    async def aclose(self) -> None:
        """Nothing to close."""

    def _counts(self, destination: str) -> Counts:
        room = self._rooms.get(destination)
        return Counts() if room is None else room.counts()

    def _change(self, node_id: str, node: _Node, change: Change) -> Outcome:
        match change:
            case Enter():
                return self._enter(node_id, node, change)
            case Leave():
                return self._leave(node_id, node, change.destination, change.user)
            case Guests():
                return self._set_guests(node_id, node, change.destination, change.count)

    def _enter(self, node_id: str, node: _Node, change: Enter) -> Outcome:
        destination, user, info = change.destination, change.user, change.info
        key = (destination, user)
        if key not in node.entries:
            if self._entries >= self._max_entries:
                self._refused += 1
                return Outcome("full", destination, self._counts(destination), user, info)
            node.entries[key] = None
            self._entries += 1
        room = self._room(destination)
        ways = room.members.get(user)
        others = () if ways is None else tuple(way for way in ways if way[0] != node_id)
        room.members[user] = (*others, (node_id, info))
        return Outcome("none" if ways else "join", destination, room.counts(), user, info)

    def _leave(self, node_id: str, node: _Node, destination: str, user: str) -> Outcome:
        if (destination, user) not in node.entries:
            return Outcome("none", destination, self._counts(destination), user)
        del node.entries[destination, user]
        self._entries -= 1
        room = self._rooms[destination]
        ways = room.members[user]
        rest = tuple(way for way in ways if way[0] != node_id)
        if rest:
            room.members[user] = rest
        else:
            del room.members[user]
        self._tidy(destination, room)
        return Outcome("none" if rest else "leave", destination, room.counts(), user, ways[-1][1])

    def _set_guests(self, node_id: str, node: _Node, destination: str, count: int) -> Outcome:
        room = self._room(destination)
        before = room.guests.pop(node_id, 0)
        room.guest_count += count - before
        if count:
            room.guests[node_id] = count
            node.rooms[destination] = None
        else:
            node.rooms.pop(destination, None)
        self._tidy(destination, room)
        return Outcome("none" if count == before else "guests", destination, room.counts())

    def _room(self, destination: str) -> _Room:
        room = self._rooms.get(destination)
        if room is None:
            room = self._rooms[destination] = _Room()
        return room

    def _tidy(self, destination: str, room: _Room) -> None:
        if not room.members and not room.guests:
            del self._rooms[destination]

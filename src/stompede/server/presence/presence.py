"""Who is on the destinations of this node: from subscriptions to the presence table, and from there to events.

A member is on a destination while any of its sessions is subscribed to it, and for ``presence_grace_s`` afterwards: who
reconnects, or loads a page anew, neither leaves nor joins. Sessions without a member are guests, who are counted.

What goes to the table and comes from it is in `reporting`, what subscribers are told in `events`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, final

import msgspec
import structlog

from stompede.messaging.message import Message
from stompede.registry import (
    Change,
    Counts,
    Enter,
    Guests,
    Here,
    Leave,
    PresenceTable,
    PresenceTableStatistics,
)
from stompede.server.presence.events import JSON, Announcer, Present, present, present_body
from stompede.server.presence.graces import Graces
from stompede.server.presence.reporting import Key, Reporter
from stompede.server.session.subscription import Subscription

if TYPE_CHECKING:
    from stompede.server.node import Node
    from stompede.server.session.attaching import Attached
    from stompede.server.session.session import Session

log = structlog.get_logger("stompede.presence")
_GRACES_AT_ONCE: Final = 1000  # ended in one turn of the loop, which has other things to do
_NO_INFO: Final = b"null"


class PresenceStatistics(msgspec.Struct, frozen=True, rename="camel"):
    """What `Presence.statistics` tells.

    Attributes:
        members: members times destinations with presence, on this node; those in their grace included.
        guests: anonymous sessions times destinations with presence, on this node.
        leaving: of the members, those in their grace.
        told: joins and leaves published one by one.
        withheld: joins and leaves that went into a count, because ``presence_events_per_s`` were told.
        counted: counts published.
        failed: updates of the table that failed and were told again, and events that the bus did not take.
        unnoted: members of this node that the table has no room for.
        info_refused: times that what the application tells of a member failed or was too large.
        table: the presence table.
    """

    members: int = 0
    guests: int = 0
    leaving: int = 0
    told: int = 0
    withheld: int = 0
    counted: int = 0
    failed: int = 0
    unnoted: int = 0
    info_refused: int = 0
    table: PresenceTableStatistics = PresenceTableStatistics(0, 0, 0)


class _Member:
    """A member on a destination, through this node."""

    __slots__ = ("info", "subscriptions")

    def __init__(self) -> None:
        self.subscriptions = 0
        self.info = _NO_INFO


class _Room:
    """Who is on a destination, through this node."""

    __slots__ = ("guests", "members")

    def __init__(self) -> None:
        self.members: dict[str, _Member] = {}
        self.guests: dict[Session, int] = {}  # subscriptions of each


@final
class Presence:
    """The presence of one node. There is one only where the application asks for presence.

    Args:
        node: whose subscriptions these are.
        table: what all nodes know.
        info: what the application tells of a member, if anything.

    Attributes:
        reporter: what goes to the table.
        start: begins this node's life in the table.
        stop: lets it end.
    """

    def __init__(self, node: Node, table: PresenceTable, info: Any) -> None:
        self._node = node
        self._info = info
        self._rooms: dict[str, _Room] = {}
        self._attending: dict[Subscription, tuple[Session, str | None]] = {}
        self._graces = Graces(node.settings.max_subscriptions)
        self._members = self._guests = self._info_refused = 0
        self._announcer = Announcer(
            node.prefixes, node.settings.presence_events_per_s, node.publisher.publish_message, node.spawn
        )
        self.reporter = Reporter(node, table, self._announcer, self._truth, self._everything)
        self.start = self.reporter.start
        self.stop = self.reporter.stop

    def statistics(self) -> PresenceStatistics:
        """Figures of now and since the start."""
        told = self._announcer
        return PresenceStatistics(
            self._members, self._guests, len(self._graces), told.told, told.withheld, told.counted,
            self.reporter.failed + told.failed, self.reporter.unnoted, self._info_refused,
            self.reporter.table.statistics(),
        )  # fmt: skip

    def each_second(self, now: float) -> None:
        """Lets those leave whose grace is over, publishes counts, and keeps this node alive in the table."""
        self._end_graces(now)
        self._announcer.end_second()
        self.reporter.each_second(now)

    # Subscriptions.

    def attached(self, session: Session, subscription: Subscription, outcome: Attached) -> Attached:
        """A subscription to a topic or queue has begun; returns what its RECEIPT waits for and says."""
        if session.closed:
            return outcome
        destination = subscription.destination
        if self._node.routes.spoken_of(destination) is not None:
            return self._present_first(session, subscription, outcome)
        if self._node.routes.has_presence(destination) and subscription not in self._attending:
            self._enter(session, subscription)
        return outcome

    def dropped(self, subscription: Subscription) -> None:
        """A subscription ended, or is suspended."""
        attending = self._attending.pop(subscription, None)
        if attending is not None:
            self._leave(subscription.destination, *attending)

    def logged_in(self, session: Session) -> None:
        """An anonymous session is a member's from now on: a guest leaves, and the member enters."""
        for subscription in session.subscriptions.values():
            if subscription in self._attending:
                self.dropped(subscription)
                self._enter(session, subscription)

    def _enter(self, session: Session, subscription: Subscription) -> None:
        destination, principal = subscription.destination, session.principal
        user = None if principal is None else principal.name
        self._attending[subscription] = (session, user)
        room = self._rooms.get(destination)
        if room is None:
            room = self._rooms[destination] = _Room()
        if user is None:
            room.guests[session] = room.guests.get(session, 0) + 1
            if room.guests[session] == 1:
                self._guests += 1
                self.reporter.note(destination, None)
            return
        member = room.members.get(user)
        if member is None:
            member = room.members[user] = _Member()
            self._members += 1
        member.subscriptions += 1
        if member.subscriptions == 1:
            self._graces.came_back(destination, user)
            member.info = self._info_of(session, destination)
            self.reporter.note(destination, user)

    def _leave(self, destination: str, session: Session, user: str | None) -> None:
        room = self._rooms[destination]
        if user is None:
            room.guests[session] -= 1
            if not room.guests[session]:
                del room.guests[session]
                self._guests -= 1
                self._tidy(destination, room)
                self.reporter.note(destination, None)
            return
        member = room.members[user]
        member.subscriptions -= 1
        if member.subscriptions:
            return
        grace_s = self._node.settings.presence_grace_s
        if not grace_s or not self._graces.begin(destination, user, self._node.now() + grace_s):
            self._gone(destination, room, user)

    def _end_graces(self, now: float) -> None:
        over = self._graces.take_over(now, _GRACES_AT_ONCE)
        for destination, user in over:
            self._gone(destination, self._rooms[destination], user)
        if len(over) == _GRACES_AT_ONCE:
            self._node.call_soon(lambda: self._end_graces(now))

    def _gone(self, destination: str, room: _Room, user: str) -> None:
        del room.members[user]
        self._members -= 1
        self._tidy(destination, room)
        self.reporter.note(destination, user)

    def _tidy(self, destination: str, room: _Room) -> None:
        if not room.members and not room.guests:
            del self._rooms[destination]

    def _info_of(self, session: Session, destination: str) -> bytes:
        """What is told of a member; nothing where that fails: who is there matters more."""
        if self._info is None:
            return _NO_INFO
        allowed = self._node.settings.presence_info_bytes
        try:
            info = msgspec.json.encode(self._info(session, destination))
        except Exception as error:
            self._info_refused += 1
            self._node.problems.log_failure(session, error, destination, "presence info failed")
            return _NO_INFO
        if len(info) > allowed:
            self._info_refused += 1
            log.warning(
                "presence info is too large, so nothing is told of the member",
                session=session.id, destination=destination, bytes=len(info), presence_info_bytes=allowed,
            )  # fmt: skip
            return _NO_INFO
        return info

    # For the table.

    def _truth(self, destination: str, user: str | None) -> Change:
        room = self._rooms.get(destination)
        if user is None:
            return Guests(destination, 0 if room is None else len(room.guests))
        member = None if room is None else room.members.get(user)
        return Leave(destination, user) if member is None else Enter(destination, user, member.info)

    def _everything(self) -> Iterator[Key]:
        for destination, room in self._rooms.items():
            for user in room.members:
                yield destination, user
            if room.guests:
                yield destination, None

    # Who is there.

    async def present(self, destination: str, limit: int) -> Present:
        """Who is on a destination: at most ``limit`` members, and how many there are."""
        return present(*await self._ask(destination, limit))

    async def _ask(self, destination: str, limit: int) -> tuple[list[Here], Counts]:
        table, now = self.reporter.table, self._node.unix_now()
        members = await table.members(destination, limit=limit, now=now)
        return members, await table.count(destination, now=now)

    async def count(self, destination: str) -> int:
        """How many are on a destination, members and guests."""
        return (await self.reporter.table.count(destination, now=self._node.unix_now())).everybody

    async def _present_first(
        self, session: Session, subscription: Subscription, outcome: Attached
    ) -> Mapping[str, str]:
        """Who subscribes to the changes is told first what they change."""
        said = outcome if isinstance(outcome, Mapping) else await outcome
        destination = self._node.routes.spoken_of(subscription.destination)
        assert destination is not None
        body = present_body(*await self._ask(destination, self._node.settings.presence_listed))
        if not session.closed and session.subscriptions.get(subscription.id) is subscription:
            session.deliver(subscription, Message(subscription.destination, body, JSON))
        return said

"""What is told of who is on a destination, and no more of it than its subscribers can use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, final

import msgspec
import structlog

from stompede.messaging.destinations import Prefixes
from stompede.messaging.message import Message
from stompede.registry import Counts, Here, Outcome

log = structlog.get_logger("stompede.presence")
JSON: Final = "application/json"


class PresentUser(msgspec.Struct, frozen=True, rename="camel"):
    """A member that is on a destination.

    Attributes:
        user: name of the member.
        info: what the application tells of it; ``None`` where it tells nothing.
    """

    user: str
    info: Any = None


class Present(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="present"):
    """Who is on a destination now.

    Attributes:
        users: members, in no order; not all of them where ``count`` says that there are more.
        count: members, each of them once, and guests.
        guests: of those, the guests.
    """

    users: list[PresentUser]
    count: int
    guests: int


class _OfOne(msgspec.Struct, frozen=True, rename="camel", tag_field="type"):
    """What is told of one member.

    Attributes:
        user: name of the member.
        info: what the application tells of it.
        count: members and guests that are there now.
        guests: of those, the guests.
    """

    user: str
    info: Any
    count: int
    guests: int


class Joined(_OfOne, frozen=True, tag="join"):
    """A member has come to a destination."""


class Left(_OfOne, frozen=True, tag="leave"):
    """A member has left a destination."""


class Counted(msgspec.Struct, frozen=True, rename="camel", tag_field="type", tag="count"):
    """How many are on a destination, where guests came or left, or more members than are told one by one.

    Attributes:
        count: members and guests that are there now.
        guests: of those, the guests.
    """

    count: int
    guests: int


PRESENCE_TYPES: Final = (Present, Joined, Left, Counted)


def present(members: list[Here], counts: Counts) -> Present:
    """Who is there, from what a table says."""
    users = [PresentUser(one.user, msgspec.json.decode(one.info)) for one in members]
    return Present(users, counts.everybody, counts.guests)


def present_body(members: list[Here], counts: Counts) -> bytes:
    """The same as it goes out. A whole crowd may ask at once, so what is JSON already is not read again."""
    users = [PresentUser(one.user, msgspec.Raw(one.info)) for one in members]
    return msgspec.json.encode(Present(users, counts.everybody, counts.guests))


@final
class Announcer:
    """Publishes what happened: at most ``events_per_s`` joins and leaves of a destination in a second one by one; the
    rest, and guests, as one count at its end.

    Args:
        prefixes: of destinations.
        events_per_s: of one destination.
        publish: takes a message to the bus.
        spawn: runs what nobody waits for.

    Attributes:
        told: joins and leaves that were published.
        withheld: those that went into a count.
        counted: counts that were published.
        failed: messages that the bus did not take at once.
    """

    def __init__(
        self,
        prefixes: Prefixes,
        events_per_s: int,
        publish: Callable[[Message], Awaitable[None] | None],
        spawn: Callable[[Coroutine[Any, Any, Any], str], None],
    ) -> None:
        self._prefixes = prefixes
        self._events_per_s = events_per_s
        self._publish = publish
        self._spawn = spawn
        self._this_second: dict[str, int] = {}  # events of each destination
        self._to_count: dict[str, Counts] = {}
        self.told = self.withheld = self.counted = self.failed = 0

    def announce(self, outcome: Outcome) -> None:
        """Tells of a change, now or at the end of the second."""
        destination, counts = outcome.destination, outcome.counts
        if destination in self._to_count:
            self._to_count[destination] = counts
        if outcome.what == "guests":
            self._to_count[destination] = counts
        elif outcome.what in ("join", "leave"):
            told = self._this_second.get(destination, 0)
            if told >= self._events_per_s:
                self.withheld += 1
                self._to_count[destination] = counts
                return
            self._this_second[destination] = told + 1
            self.told += 1
            assert outcome.user is not None
            kind = Joined if outcome.what == "join" else Left
            info = msgspec.Raw(outcome.info)
            self._send(destination, kind(outcome.user, info, counts.everybody, counts.guests))

    def end_second(self) -> None:
        """A second is over: what was not told one by one is told as a count."""
        self._this_second.clear()
        to_count, self._to_count = self._to_count, {}
        for destination, counts in to_count.items():
            self.counted += 1
            self._send(destination, Counted(counts.everybody, counts.guests))

    def _send(self, destination: str, event: Joined | Left | Counted) -> None:
        message = Message(self._prefixes.presence_of(destination), msgspec.json.encode(event), JSON)
        try:
            taken = self._publish(message)
        except Exception as error:
            self.failed += 1
            log.warning("a presence event was not published", destination=destination, error=str(error))
            return
        if taken is not None:
            self._spawn(_wait(taken), "a presence event was not published")


async def _wait(taken: Awaitable[None]) -> None:
    await taken

"""One subscription on its way from a history into the hub; what becomes of it stands in `recovery`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Coroutine, Mapping
from typing import TYPE_CHECKING, Final, final

import msgspec

from stompede.messaging.message import Message, size_of
from stompede.messaging.problem import Problem
from stompede.server.recovery.outlets import Outlet
from stompede.server.recovery.pages import Items
from stompede.server.session.subscription import Subscription
from stompede.store import Page, Position
from stompede.wire import stomp

if TYPE_CHECKING:
    from stompede.server.recovery.recovery import Recoverer
    from stompede.server.session.session import Session

Said = Mapping[str, str]
"""What the RECEIPT of a SUBSCRIBE says."""

_NOWHERE: Final = Position("", 0)  # in no stream: the id of another server, or of before there was a history


class RecoveryStatistics(msgspec.Struct, frozen=True, rename="camel"):
    """What `Recoverer.statistics` tells.

    Attributes:
        running: recoveries that read or write now.
        waiting: recoveries that wait for their turn, because ``max_recoveries`` run.
        blocked: recoveries whose socket takes nothing now, or whose client has as many unacknowledged as it may.
        recovered: SUBSCRIBE frames that got all they had missed.
        refused: SUBSCRIBE frames that got nothing, because something was no longer kept.
        messages: messages delivered from histories.
        outrun: recoveries that were slower than their history forgot; their sessions were closed as slow consumers, or
            went on with the newest messages where the destination drops for slow consumers.
        encoded: pieces of histories encoded.
        shared: pieces taken as another recovery had encoded them.
        kept_bytes: bytes of encoded pieces that are kept for others now.
    """

    running: int
    waiting: int
    blocked: int
    recovered: int
    refused: int
    messages: int
    outrun: int
    encoded: int
    shared: int
    kept_bytes: int


class Collector:
    """What a destination carries live while subscriptions to it recover; one for all of them, bounded in bytes.

    Attributes:
        recoveries: whose it is.
    """

    __slots__ = ("_bytes", "_live", "_max_bytes", "_recoverer", "_working", "recoveries")

    def __init__(self, recoverer: Recoverer, max_bytes: int) -> None:
        self._recoverer = recoverer
        self._max_bytes = max_bytes
        self._live: deque[tuple[Position, str, Message]] = deque()
        self._bytes = 0
        self._working: set[Recovery] = set()
        self.recoveries: dict[Recovery, None] = {}

    def take(self, message_id: str, message: Message) -> None:
        """See `Listener`."""
        if self._working:
            position = Position.parse(message_id)
            if position is not None:
                self._live.append((position, message_id, message))
                self._bytes += size_of(message)
                while self._bytes > self._max_bytes:  # whoever needs it reads it from the history
                    self._bytes -= size_of(self._live.popleft()[2])
        self._recoverer.came(self)

    def begin(self, recovery: Recovery) -> None:
        """A recovery is about to read: from now on it is collected for it."""
        self._working.add(recovery)

    def end(self, recovery: Recovery) -> None:
        """A recovery needs nothing for now."""
        self._working.discard(recovery)
        if not self._working:
            self._live.clear()
            self._bytes = 0

    def after(self, last: Position) -> list[tuple[Position, str, Message]]:
        """What came after a position, as far as it is collected."""
        found = []
        for one in reversed(self._live):
            if one[0].epoch == last.epoch and one[0].offset <= last.offset:
                break
            found.append(one)
        found.reverse()
        return found


class Recovery:
    """One subscription on its way from the history into the hub. See the module.

    Attributes:
        after: what the client has already; ``None`` where it asked for the last ``newest`` messages.
        resumed: whether the subscription was suspended, and is taken up again.
        behind: whether more was delivered to others than it has read.
        last: position of the last message that was written for it.
        items: what was read and not written yet, from index `next` on.
        collector: has what came since it began to read.
        outlet: where it writes.
        answer: what the RECEIPT will say.
        told: whether it was said.
        ended: whether it is over: in the hub, or the subscription dropped.
    """

    __slots__ = (
        "after", "answer", "behind", "collector", "destination", "ended", "items", "last", "newest", "next", "outlet",
        "ready", "recoverer", "resumed", "session", "subscription", "told",
    )  # fmt: skip

    def __init__(
        self,
        recoverer: Recoverer,
        session: Session,
        subscription: Subscription,
        after: Position | None,
        newest: int,
        *,
        resumed: bool,
    ) -> None:
        self.recoverer = recoverer
        self.session = session
        self.subscription = subscription
        self.destination = subscription.destination
        self.after = after
        self.newest = newest
        self.resumed = resumed
        self.last: Position | None = None
        self.items: Items = ()
        self.next = 0
        self.collector: Collector
        self.outlet: Outlet
        self.ready: list[Awaitable[None]] = []
        self.answer: asyncio.Future[Said] = asyncio.get_running_loop().create_future()
        self.told = self.ended = self.behind = False

    def close(self) -> None:
        """Nothing more is read for it."""
        self.ended = True
        self.items = ()
        for one in self.ready:
            if isinstance(one, Coroutine):
                one.close()
        self.ready.clear()

    def answered(self) -> None:
        """The RECEIPT is written: messages may follow."""
        self.recoverer.answered(self)

    def drop(self, session: Session, subscription: Subscription) -> None:  # noqa: ARG002 - they are known
        """See `Source`."""
        self.recoverer.drop(self)


@final
class Blocked:
    """Recoveries that can write nothing now, by their sessions."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[Session, dict[Recovery, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def add(self, recovery: Recovery) -> None:
        """A recovery is blocked."""
        self._of.setdefault(recovery.session, {})[recovery] = None

    def discard(self, recovery: Recovery) -> bool:
        """A recovery is blocked no more; returns whether it was."""
        of_session = self._of.get(recovery.session)
        if of_session is None or recovery not in of_session:
            return False
        del of_session[recovery]
        if not of_session:
            del self._of[recovery.session]
        return True

    def of(self, session: Session) -> list[Recovery]:
        """Those of a session."""
        return list(self._of.get(session, ()))


def before(page: Page[Message]) -> Position:
    if not page.items:
        return page.top
    first = page.items[0].position
    return Position(first.epoch, first.offset - 1)


def asked(head: stomp.Head) -> tuple[Position | None, int]:
    """What a SUBSCRIBE asks for: what came after a position, or the newest messages.

    Raises:
        Problem: ``invalid-header``.
    """
    after = head.forwarded.get("recover-from")
    if after is not None:
        return Position.parse(after) or _NOWHERE, 0
    newest = head.forwarded.get("history-last", "0")
    if not (newest.isascii() and newest.isdigit() and len(newest) <= 9):
        raise Problem("invalid-header", "history-last is a number of messages")
    return None, int(newest)

"""One subscription on its way from a history into the hub; what becomes of it stands in `recovery`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Mapping
from typing import TYPE_CHECKING

from stompede.messaging.message import Message
from stompede.messaging.problem import Problem
from stompede.server.recovery_pages import Items
from stompede.server.subscription import Subscription
from stompede.store import Page, Position
from stompede.wire import stomp

if TYPE_CHECKING:
    from stompede.server.recovery import Recoverer
    from stompede.server.session import Session

Said = Mapping[str, str]
"""What the RECEIPT of a SUBSCRIBE says."""


class Recovery:
    """One subscription on its way from the history into the hub. See the module.

    Attributes:
        after: what the client has already; ``None`` where it asked for the last ``newest`` messages.
        resumed: whether the subscription was suspended, and is taken up again.
        last: position of the last message that was written for it.
        items: what was read and not written yet, from index `next` on.
        live: what came since it listens; ``None``: more than is collected.
        answer: what the RECEIPT will say.
        told: whether it was said.
        ended: whether it is over: in the hub, or the subscription dropped.
    """

    __slots__ = (
        "after", "answer", "destination", "ended", "items", "last", "live", "live_bytes", "newest", "next", "ready",
        "recoverer", "resumed", "session", "subscription", "told",
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
        self.live: list[tuple[Position, str, Message]] | None = None
        self.live_bytes = 0
        self.ready: list[Awaitable[None]] = []
        self.answer: asyncio.Future[Said] = asyncio.get_running_loop().create_future()
        self.told = self.ended = False

    def take(self, message_id: str, message: Message) -> None:
        """See `Listener`: collects what is live."""
        position = Position.parse(message_id)
        if self.live is None or position is None:
            return
        self.live.append((position, message_id, message))
        self.live_bytes += len(message.body)
        if self.live_bytes > self.recoverer.max_live_bytes:
            self.forget_live()
        self.recoverer.came(self)

    def forget_live(self) -> None:
        """Nothing is collected any more; the history has it."""
        self.live = None
        self.live_bytes = 0

    def close(self) -> None:
        """Nothing more is read for it."""
        self.ended = True
        self.items = ()
        self.forget_live()
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
        position = Position.parse(after)
        if position is None:
            raise Problem("invalid-header", "recover-from is no message-id of a destination with history")
        return position, 0
    newest = head.forwarded.get("history-last", "0")
    if not (newest.isascii() and newest.isdigit() and len(newest) <= 9):
        raise Problem("invalid-header", "history-last is a number of messages")
    return None, int(newest)

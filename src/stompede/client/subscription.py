"""Subscriptions of a client: a bounded queue between the socket and the one who iterates.

Messages arrive in the connection's callback and are taken by whoever calls `Subscription.next` or iterates.
Between them stands a queue, bounded in count and bytes. Decoding happens when a message is taken, so that a
body of a wrong shape is raised where it can be handled, and costs nothing when nobody looks.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Generic, Self, TypeVar, final

import msgspec

from stompede.client.acks import AckMode, Book, Given, subscribe_headers
from stompede.client.calls import Calls
from stompede.client.changes import Changes
from stompede.client.received import Received
from stompede.client.standing import Standing
from stompede.errors import (
    LocalProtocolError,
    RemoteProtocolError,
    SessionClosedError,
    SlowConsumerError,
    StompedeError,
)
from stompede.messaging.problem import Problem

T = TypeVar("T")

# Where a server keeps what was not acknowledged, by the names that all of them use.
KEPT: Final = ("/queue/", "/temp-queue/")


class Overflow(enum.Enum):
    """What happens when messages arrive faster than they are taken."""

    FAIL = "fail"
    """The subscription ends: who iterates gets what is queued, then `SlowConsumerError`. Nothing is lost
    silently. The default.
    """

    DROP_OLDEST = "drop-oldest"
    """The oldest queued messages are dropped and counted: right for positions and other states."""


class Raw(msgspec.Struct, frozen=True):
    """A message before its body is decoded."""

    body: bytes
    headers: Mapping[str, str]
    recovered: bool | None
    given: Given | None


class SubscriptionStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of one subscription since it was made.

    Attributes:
        queued: messages that wait to be taken.
        queued_bytes: bytes of their bodies.
        received: messages that arrived.
        dropped: messages dropped by `Overflow.DROP_OLDEST`, or that arrived after the end.
        gaps: how often messages may have been missed, by a lost connection or an expired token.
        repeated: messages that came again after an interruption; they were not passed on.
        unacknowledged: messages that came and are not acknowledged, queued ones included.
    """

    queued: int
    queued_bytes: int
    received: int
    dropped: int
    gaps: int
    repeated: int
    unacknowledged: int


@final
class Subscription(Generic[T]):
    """What `Client.subscribe` returns: a context manager, and an iterator over what arrives.

    On entering, the SUBSCRIBE frame is sent and its RECEIPT awaited: nothing that is published afterwards is
    missed. On leaving it is unsubscribed. A lost connection does not end it: the client subscribes again
    before it sends anything else, and asks for what it missed where the destination keeps history.

    Several tasks may take messages from one subscription; each message goes to one of them. Cancelling a wait
    loses no message.

    Where messages are acknowledged (`Received.ack`), those that still wait to be taken when the connection is lost are
    dropped, and so are those at the subscription's end: the server delivers them again.
    """

    def __init__(
        self,
        calls: Calls,
        destination: str,
        decode: Callable[[bytes], T],
        *,
        ack: AckMode,
        prefetch: int | None,
        headers: Mapping[str, str],
        max_queued: int,
        max_queued_bytes: int,
        overflow: Overflow,
    ) -> None:
        self.destination = destination
        self._calls = calls
        self._standing: Standing | None = None
        self._ack = ack
        self._prefetch = prefetch
        self._headers = {**headers, **subscribe_headers(ack, prefetch)}
        self._decode = decode
        self._max_queued = max_queued
        self._max_queued_bytes = max_queued_bytes
        self._overflow = overflow
        self._queue: deque[Raw] = deque()
        self._queued_bytes = 0
        self._changes = Changes()
        self._failure: StompedeError | None = None
        self._ended = False
        self._after_gap = False
        self._received = self._dropped = self._gaps = 0

    # For the one who reads.

    async def __aenter__(self) -> Self:
        if self._standing is not None:
            raise LocalProtocolError(
                f"the subscription to {self.destination} was entered before; make another one"
            )
        courier = self._calls.open().courier
        self._standing = Standing(
            courier.next_subscription(),
            self.destination,
            self._deliver,
            headers=self._headers,
            on_end=self._end,
            on_gap=self._gap,
            on_lost=self._lost,
            kept=self._ack != "auto" and self.destination.startswith(KEPT),
            acknowledged=self._ack != "auto",
        )
        self._open_book()
        courier.subscribe(self._standing)
        try:
            await self._standing.wait_live()
        except BaseException:
            self._end(None, left=True)
            courier.unsubscribe(self._standing, confirm=False)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end(None, left=True)
        try:
            supervisor = self._calls.open()
        except SessionClosedError:
            return  # the subscription went with its session
        assert self._standing is not None
        # A cancelled task has no time for a round trip; the UNSUBSCRIBE frame leaves all the same.
        wait = not isinstance(error, asyncio.CancelledError)
        frame = supervisor.courier.unsubscribe(self._standing, confirm=wait)
        if frame is not None and wait:
            await supervisor.wait_unsubscribed(frame)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Received[T]:
        raw = await self._take()
        if raw is None:
            raise StopAsyncIteration
        return self._received_from(raw)

    async def next(self, timeout_s: float | None = None) -> Received[T]:
        """Waits for the next message.

        Args:
            timeout_s: longest wait in seconds; for ever where ``None``.

        Raises:
            TimeoutError: nothing came in time. No message is lost by that.
            RemoteProtocolError: the body does not have the type that was asked for; the next call goes on
                behind it.
            SlowConsumerError: messages came faster than they were taken, and the policy is `Overflow.FAIL`.
            RequestError: the server refused the subscription when the client came back, or when its token was
                renewed.
            SessionClosedError: the subscription was left, or the client has closed for good.
        """
        async with asyncio.timeout(timeout_s):
            raw = await self._take()
        if raw is None:
            raise SessionClosedError(f"the subscription to {self.destination} has ended")
        return self._received_from(raw)

    def statistics(self) -> SubscriptionStatistics:
        """Counters at this moment."""
        return SubscriptionStatistics(
            queued=len(self._queue),
            queued_bytes=self._queued_bytes,
            received=self._received,
            dropped=self._dropped,
            gaps=self._gaps,
            repeated=0 if self._standing is None else self._standing.repeated,
            unacknowledged=len(self._book or ()),
        )

    async def _take(self) -> Raw | None:
        """The next message; ``None`` after a normal end. The message leaves the queue in the same step in
        which it is returned.
        """
        if not self._queue:
            await self._changes.until(lambda: bool(self._queue) or self._ended)
        if not self._queue:
            if self._failure is not None:
                raise self._failure
            return None
        raw = self._queue.popleft()
        self._queued_bytes -= len(raw.body)
        return raw

    def _received_from(self, raw: Raw) -> Received[T]:
        destination = raw.headers.get("destination", self.destination)
        try:
            body = self._decode(raw.body)
        except Problem as problem:
            raise RemoteProtocolError(
                f"a message of {destination} has an unexpected body: {problem.detail}"
            ) from problem
        name = raw.headers.get("message-id", "")
        return Received(body, destination, raw.headers, name, raw.recovered, raw.given)

    # For the courier.

    def _deliver(self, headers: Mapping[str, str], body: bytes) -> None:
        """A message arrived."""
        if self._ended:
            self._dropped += 1
            return
        self._received += 1
        if not self._make_room(len(body)):
            self._dropped += 1
            if self._standing is not None:
                self._calls.open().courier.unsubscribe(self._standing, confirm=False)
            return
        recovered: bool | None = None
        if self._after_gap or "recovered" in headers:
            self._after_gap = False
            recovered = headers.get("recovered") == "true"
        given = None if self._book is None else self._book.add(headers.get("message-id", ""))
        self._queue.append(Raw(body, headers, recovered, given))
        self._queued_bytes += len(body)
        self._changes.signal()

    def _make_room(self, size: int) -> bool:
        """Whether one more message of ``size`` bytes fits; ends or drops by the policy when not."""
        while len(self._queue) >= self._max_queued or (
            self._queue and self._queued_bytes + size > self._max_queued_bytes
        ):
            if self._overflow is Overflow.FAIL:
                self._end(
                    SlowConsumerError(
                        f"{len(self._queue)} messages of {self.destination} wait to be taken (max_queued="
                        f"{self._max_queued}, max_queued_bytes={self._max_queued_bytes}); read faster, or subscribe "
                        "with overflow=Overflow.DROP_OLDEST"
                    )
                )
                return False
            dropped = self._queue.popleft()
            self._queued_bytes -= len(dropped.body)
            self._dropped += 1
            if dropped.recovered is False:
                # What was said about the gap must still be said, on the message that takes this one's room.
                self._after_gap = True
        return True

    def _gap(self) -> None:
        """Messages may be missing before the next one: the connection was lost, or the token had run out."""
        self._gaps += 1
        self._after_gap = True

    @property
    def _book(self) -> Book | None:
        """Of the messages to acknowledge that came over this connection."""
        return None if self._standing is None else self._standing.book

    def _open_book(self) -> None:
        assert self._standing is not None
        if self._ack != "auto":
            self._standing.book = Book(self.destination, self._ack, self._calls, self._prefetch)

    def _lost(self) -> None:
        """The connection is gone: what was not acknowledged comes again."""
        self._close_book(left=False)
        if not self._ended:
            self._open_book()

    def _close_book(self, *, left: bool) -> None:
        if self._book is None:
            return
        self._book.end(left=left)
        self._queue.clear()
        self._queued_bytes = 0

    def _end(self, failure: StompedeError | None, *, left: bool = False) -> None:
        """Nothing more will come; what is queued can still be taken. The first end counts."""
        if self._ended:
            return
        self._close_book(left=left)
        self._ended = True
        self._failure = failure
        self._changes.signal()

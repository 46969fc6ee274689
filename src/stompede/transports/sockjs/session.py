"""A session over HTTP: one response at a time carries its messages, each request brings some of the client's.

Between two responses there is nothing to write to. Then the first write is kept and the receiver is told to pause, as
with a socket that takes nothing: what follows waits above, under the policies that stand there. The next response
takes what was kept, and what the receiver writes when it is told to go on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING, Final, final

from stompede.transports.base import NOBODY, Acceptor, Receiver
from stompede.transports.sockjs.framing import MESSAGES_OF_A_TURN, NOT_TEXT, SOCKJS, UNSUPPORTED_DATA
from stompede.wire.sockjs import HEART_BEAT, OPEN, array_frame, close_frame

if TYPE_CHECKING:
    from stompede.transports.sockjs.responses import FrameResponse
    from stompede.transports.sockjs.service import SockJsService

_HIGH_WATER_BYTES: Final = 64 * 1024
INTERRUPTED: Final = close_frame(1002, "Connection interrupted")


@final
class SockJsSession:
    """See the module; a `Transport`.

    Args:
        service: the endpoint; it keeps the time.
        key: the id that the client chose.
        address: IP address of the client.

    Attributes:
        posts: requests that bring messages now, or wait for their turn.
        fresh: whether the receiver has not said anything yet.
    """

    __slots__ = (
        "_beat_due",
        "_close",
        "_gone",
        "_inbox",
        "_opened",
        "_paused",
        "_pending",
        "_pending_bytes",
        "_progress",
        "_reading",
        "_response",
        "_service",
        "_unsaid",
        "_waiting",
        "address",
        "fresh",
        "key",
        "posts",
        "receiver",
    )  # fmt: skip
    framing = SOCKJS

    def __init__(self, service: SockJsService, key: str, address: str) -> None:
        self.address = address
        self.key = key
        self.receiver: Receiver = NOBODY
        self._service = service
        self._response: FrameResponse | None = None
        self._opened = False
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._paused = False
        self._beat_due = False
        self._close: bytes | None = None
        self._unsaid = False
        self._gone = False
        self._inbox: asyncio.Lock | None = None
        self.posts = 0
        self.fresh = True
        self._waiting: set[asyncio.Timeout] = set()
        self._reading: asyncio.Future[None] | None = None
        self._progress = False

    # `Transport`.

    def write(self, data: bytes) -> None:
        """See `Transport`."""
        if self._close is not None or self._gone or self._unsaid:
            return
        if self.fresh:
            self.fresh = False
            self._service.spoke(self)
        quoted, all_text = SOCKJS.quoted(data)
        if not all_text:
            self._unsaid = True  # and nothing behind it is said
            asyncio.get_running_loop().call_soon(self._refuse_unsaid)
        if quoted:
            self._pending.append(quoted)
            self._pending_bytes += len(quoted)
        response = self._response
        if response is not None:
            response.wake()
        if response is None or self._pending_bytes > _HIGH_WATER_BYTES:
            self._pause()

    def _refuse_unsaid(self) -> None:
        self._unsaid = False
        self.receiver.broke(UNSUPPORTED_DATA, NOT_TEXT)

    def ping(self) -> bool:
        """See `Transport`. HTTP has no pings: the response ends, and a client that lives asks for the next one."""
        if self._response is not None:
            self._response.renew()
            self.beat()
        return True

    def progressed(self) -> bool:
        """See `Transport`."""
        progress, self._progress = self._progress, False
        return progress

    def unsent_bytes(self) -> int:
        """See `Transport`."""
        return self._pending_bytes + (0 if self._response is None else self._response.unsent_bytes())

    def pause_reading(self) -> None:
        """Lets requests wait for their answer, and those behind them for their turn."""
        if self._reading is None:
            self._reading = asyncio.get_running_loop().create_future()

    def resume_reading(self) -> None:
        """See `Transport`."""
        waiting, self._reading = self._reading, None
        if waiting is not None:
            waiting.set_result(None)

    def close(self, code: int, reason: str) -> None:
        """See `Transport`. The close frame waits for a response for the disconnect delay."""
        if self._close is not None or self._gone:
            return
        self._close = close_frame(code, reason)
        self.resume_reading()
        self._service.leaves(self)
        if self._response is not None:
            self._response.wake()

    def abort(self) -> None:
        """See `Transport`."""
        self.end(None, "")

    # What the responses ask and tell.

    def open(self, acceptor: Acceptor) -> None:
        """Asks for what receives from this session."""
        self.receiver = acceptor.accept(self)
        if self._paused:  # by what it wrote already
            self.receiver.paused()

    @property
    def taken(self) -> bool:
        """Whether a response carries the messages now."""
        return self._response is not None

    def attach(self, response: FrameResponse) -> None:
        """A response carries the messages from now on."""
        self._response = response
        if self._close is None:
            self._service.stays(self)
        if self._opened:
            self.receiver.alive()

    def detach(self) -> None:
        """The response is over; the next one is awaited."""
        self._response = None
        self._beat_due = False
        self._service.leaves(self)
        if self._pending:
            self._pause()
        elif self._paused:
            self._paused = False
            self.receiver.resumed()

    def next_frame(self) -> bytes | None:
        """What the response is to send now; ``None`` for nothing."""
        frame = None if self._gone else self._next_frame()
        if frame is not None and self._close is None:
            self._service.stays(self)
        return frame

    def _next_frame(self) -> bytes | None:
        if not self._opened:
            self._opened = True
            return OPEN
        while self._paused and self._close is None and self._pending_bytes <= _HIGH_WATER_BYTES:
            self._paused = False
            self.receiver.resumed()
        if self._pending:
            frame = array_frame(self._pending)
            self._pending.clear()
            self._pending_bytes = 0
            return frame
        if self._close is not None:
            return self._close
        if self._beat_due:
            self._beat_due = False
            return HEART_BEAT
        return None

    def interrupted(self) -> None:
        """The client has left its response: what was on the way may be lost, so the session ends."""
        self.end(INTERRUPTED, "the client left its request")

    def closed(self) -> None:
        """The close frame was sent."""
        self.end(self._close, "")

    # What the service tells.

    def beat(self) -> None:
        """Nothing was sent for the heart-beat's time."""
        self._beat_due = True
        if self._response is not None:
            self._response.wake()

    def expired(self) -> None:
        """The disconnect delay has run out."""
        self.end(None, "no request of the client came in time")

    def end(self, last: bytes | None, reason: str) -> None:
        """Ends the session; `Receiver.lost` follows. Idempotent.

        Args:
            last: the close frame that further requests get, for a while.
            reason: for the receiver.
        """
        if self._gone:
            return
        self._gone = True
        self._service.forget(self, last)
        response, self._response = self._response, None
        if response is not None:
            response.stop()
        self._pending.clear()
        self._pending_bytes = 0
        self.resume_reading()
        loop = asyncio.get_running_loop()
        for scope in self._waiting:
            if not scope.expired():  # its own time may be over in this very turn
                scope.reschedule(loop.time())
        receiver, self.receiver = self.receiver, NOBODY
        loop.call_soon(receiver.lost, None, reason)

    # What requests bring.

    def inbox(self) -> asyncio.Lock:
        """Held while a request's body is read and handed over: one at a time, in order."""
        if self._inbox is None:
            self._inbox = asyncio.Lock()
        return self._inbox

    @contextlib.asynccontextmanager
    async def while_it_lives(self) -> AsyncIterator[asyncio.Timeout]:
        """Bounds a request that waits or is read by the life of the session.

        Raises:
            TimeoutError: the session has ended, or the time is over that was set by ``reschedule``.
        """
        async with asyncio.timeout(None) as scope:
            self._waiting.add(scope)
            try:
                yield scope
            finally:
                self._waiting.discard(scope)

    def progress(self) -> None:
        """A part of a request's body came."""
        self._progress = True

    def refuse(self, code: int, reason: str) -> None:
        """A request broke a rule: the receiver is told, and ends the session."""
        asyncio.get_running_loop().call_soon(self.receiver.broke, code, reason)

    async def take(self, messages: Iterable[bytes]) -> None:
        """Hands messages to the receiver; waits while it does not read."""
        waiting = deque(messages)
        loop = asyncio.get_running_loop()
        while waiting and self._close is None and not self._gone:
            if self._reading is not None:
                await asyncio.shield(self._reading)
                continue
            handed = loop.create_future()
            # A receiver is called from the loop, outside of any task.
            loop.call_soon(self._hand_over, waiting, handed)
            await handed

    def _hand_over(self, waiting: deque[bytes], handed: asyncio.Future[None]) -> None:
        try:
            for _ in range(min(len(waiting), MESSAGES_OF_A_TURN)):
                if self._reading is not None or self._close is not None:
                    break
                self.receiver.received(waiting.popleft())
        finally:
            if not handed.done():
                handed.set_result(None)

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self.receiver.paused()

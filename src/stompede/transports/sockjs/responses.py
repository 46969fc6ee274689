"""The responses that carry frames: one frame for polling, many for streaming."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, final

from stompede.transports.asgi import Receive, Send
from stompede.transports.sockjs.session import SockJsSession
from stompede.wire.sockjs import Wrapping

Headers = list[tuple[bytes, bytes]]

_CLOSE: Final = b"c"


async def start_frames(send: Send, wrapping: Wrapping, headers: Headers) -> None:
    """Sends the head, and the prelude where there is one."""
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if wrapping.prelude:
        await send({"type": "http.response.body", "body": wrapping.prelude, "more_body": True})


async def send_last(send: Send, wrapping: Wrapping, frame: bytes) -> None:
    """Sends one frame and ends the response."""
    await send({"type": "http.response.body", "body": wrapping.wrap(frame), "more_body": False})


@final
class FrameResponse:
    """One response that a session's messages leave by.

    While there is nothing to send, its one task waits to hear that the client has gone; a second one lives only as
    long as something is being sent.

    Args:
        session: whose messages.
        wrapping: the form of the transport.
        limit_bytes: the response ends after so many; only where it streams.
        send: ASGI send.
        cut: closes the client's connection at once, where the server lets us.
        unsent: how much the client has not taken yet, where the server says so.
    """

    __slots__ = (
        "_busy",
        "_cut",
        "_limit_bytes",
        "_over",
        "_renewed",
        "_send",
        "_sender",
        "_sent_bytes",
        "_session",
        "_unsent",
        "_wrapping",
    )

    def __init__(
        self,
        session: SockJsSession,
        wrapping: Wrapping,
        limit_bytes: int,
        send: Send,
        cut: Callable[[], None] | None,
        unsent: Callable[[], int] | None,
    ) -> None:
        self._session = session
        self._wrapping = wrapping
        self._limit_bytes = limit_bytes
        self._send = send
        self._cut = cut
        self._unsent = unsent
        self._sent_bytes = 0
        self._over = False
        self._renewed = False
        self._busy = True
        self._sender: asyncio.Task[None] | None = None

    async def run(self, receive: Receive, headers: Headers) -> None:
        """Sends until the response is over or the client is gone."""
        self._session.attach(self)
        try:
            await start_frames(self._send, self._wrapping, headers)
            await self._pump()
            while not self._over:
                # Once a response is complete, this tells of a disconnect, too (ASGI, "Disconnect - receive event").
                if (await receive())["type"] == "http.disconnect":
                    break
        finally:
            sender, self._sender = self._sender, None
            if not self._over:
                self._over = True
                self._session.interrupted()
                if sender is not None:
                    sender.cancel()
            if sender is not None and not sender.done():
                await asyncio.wait((sender,))

    def wake(self) -> None:
        """There is something to send."""
        if not (self._busy or self._over):
            self._busy = True
            self._sender = asyncio.get_running_loop().create_task(self._pump())

    def unsent_bytes(self) -> int:
        """How much of what was sent the client has not taken yet, as far as the server says so."""
        return 0 if self._unsent is None else self._unsent()

    def renew(self) -> None:
        """The next frame is the last one here: the client shall ask anew."""
        self._renewed = True

    def stop(self) -> None:
        """The session has ended: so does the response, if it has not."""
        if self._over:
            return
        self._over = True
        if self._cut is not None:
            self._cut()
        elif not self._busy:
            self._busy = True
            self._sender = asyncio.get_running_loop().create_task(self._finish())

    async def _finish(self) -> None:
        with contextlib.suppress(OSError):
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self) -> None:
        try:
            while not self._over:
                frame = self._session.next_frame()
                if frame is None:
                    return
                await self._send_frame(frame)
        except OSError:
            pass  # the client is gone; `receive` tells it, too
        finally:
            self._busy = False

    async def _send_frame(self, frame: bytes) -> None:
        body = self._wrapping.wrap(frame)
        self._sent_bytes += len(body)
        closes = frame.startswith(_CLOSE)
        full = not self._wrapping.streaming or self._sent_bytes >= self._limit_bytes
        last = closes or full or self._renewed
        if last:
            self._over = True
            if not closes:
                self._session.detach()  # before the client can have this frame and ask for the next
        await self._send({"type": "http.response.body", "body": body, "more_body": not last})
        if closes:
            self._session.closed()

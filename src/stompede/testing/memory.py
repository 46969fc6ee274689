"""Connections without a port: two faces over two bounded pipes.

`MemoryTransport` is what the node sees, `MemoryLink` what the client sees. Between them nothing is framed: STOMP frames
delimit themselves. Everything is passed on by callbacks of the loop, never from within a call, as with a socket; so
neither side is ever entered while it is at work.

Flow control is a socket's: what one side has not read waits in a pipe of ``capacity_bytes``; beyond that the writer is
told to pause, and to resume when all fits again. `MemoryLink.pause_reading` makes a client that does not read,
`MemoryLink.cut` a broken line.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol, final

import msgspec

from stompede.client.link import LinkEvents
from stompede.transports.base import Framing, Receiver, Unframed

# What Linux gives a loopback socket to begin with, roughly.
CAPACITY_BYTES: Final = 64 * 1024


MEMORY: Final[Framing] = Unframed()


class End(msgspec.Struct, frozen=True):
    """The last thing in a pipe: a close frame, or ``code=None`` for a line that broke."""

    code: int | None
    reason: str


class Writer(Protocol):
    """Who writes into a pipe."""

    def paused(self) -> None:
        """The pipe is full."""
        ...

    def resumed(self) -> None:
        """All fits again."""
        ...


@final
class Pipe:
    """One direction: bytes in order, then perhaps an end.

    Args:
        capacity_bytes: what fits before the writer is told to pause.
        deliver: gets every payload.
        ended: gets the end, after all payloads.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        capacity_bytes: int,
        deliver: Callable[[bytes], None],
        ended: Callable[[End], None],
    ) -> None:
        self._loop = loop
        self._capacity_bytes = capacity_bytes
        self._deliver = deliver
        self._ended = ended
        self._waiting: deque[bytes] = deque()
        self._end: End | None = None
        self._over = False
        self._reading = True
        self._full = False
        self._scheduled = False
        self.writer: Writer | None = None
        self.waiting_bytes = 0

    def write(self, data: bytes) -> None:
        """Takes bytes; those after an end go nowhere."""
        if self._end is not None or not data:
            return
        self._waiting.append(data)
        self.waiting_bytes += len(data)
        self._schedule()
        if self.waiting_bytes > self._capacity_bytes and not self._full and not self._reading:
            # While the other side reads, a turn of the loop empties the pipe: a socket would not fill up either.
            self._full = True
            if self.writer is not None:
                self.writer.paused()

    def end(self, end: End, *, at_once: bool = False) -> None:
        """Nothing follows. ``at_once`` loses what was not read, also by one who does not read."""
        if self._over or (self._end is not None and not at_once):
            return
        self._end = end
        if at_once:
            self._waiting.clear()
            self.waiting_bytes = 0
            self._reading = True
        self._schedule()

    def pause(self) -> None:
        """The other side stops reading."""
        self._reading = False

    def resume(self) -> None:
        """The other side reads again."""
        self._reading = True
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._scheduled = False
        while self._reading and self._waiting:
            data = self._waiting.popleft()
            self.waiting_bytes -= len(data)
            self._deliver(data)
        if self._full and self.waiting_bytes <= self._capacity_bytes:
            self._full = False
            if self.writer is not None:
                self.writer.resumed()
        if self._end is not None and not self._waiting and self._reading and not self._over:
            self._over = True
            self._ended(self._end)


@final
class MemoryTransport:
    """The node's face; see `stompede.transports.base.Transport`."""

    def __init__(self, connection: MemoryConnection, address: str) -> None:
        self._connection = connection
        self._closed = False
        self.framing = MEMORY
        self.address = address

    def write(self, data: bytes) -> None:
        """Sends to the client."""
        if not self._closed:
            self._connection.to_client.write(data)

    def ping(self) -> bool:
        """A client that reads is alive."""
        self._connection.ping()
        return True

    def progressed(self) -> bool:
        """Messages come whole."""
        return False

    def unsent_bytes(self) -> int:
        """What the client has not read."""
        return self._connection.to_client.waiting_bytes

    def pause_reading(self) -> None:
        """Leaves in the pipe what the client writes."""
        self._connection.to_server.pause()

    def resume_reading(self) -> None:
        """Reads again."""
        self._connection.to_server.resume()

    def close(self, code: int, reason: str) -> None:
        """The client reads what was written, then the end."""
        if not self._closed:
            self._closed = True
            self._connection.server_closes(End(code, reason))

    def abort(self) -> None:
        """Breaks the line."""
        self._closed = True
        self._connection.breaks()


@final
class MemoryLink:
    """The client's face; see `stompede.client.link.Link`. Tests get it from `stompede.testing.link_of`."""

    def __init__(self, connection: MemoryConnection) -> None:
        self._connection = connection
        self._closed = False

    def write(self, payload: bytes) -> None:
        """Sends to the node."""
        if not self._closed:
            self._connection.to_server.write(payload)

    def close(self, code: int, reason: str) -> None:
        """The node reads what was written, then the end."""
        if not self._closed:
            self._closed = True
            self._connection.client_closes(End(code, reason))

    def abort(self) -> None:
        """Breaks the line."""
        self._closed = True
        self._connection.breaks()

    # For tests.

    def pause_reading(self) -> None:
        """Makes the client a slow consumer: it reads nothing until `resume_reading`."""
        self._connection.to_client.pause()

    def resume_reading(self) -> None:
        """Reads what waits, and what comes."""
        self._connection.to_client.resume()

    def cut(self) -> None:
        """Breaks the line without a close frame: both sides see a lost connection."""
        self._connection.breaks()

    @property
    def unread_bytes(self) -> int:
        """What the node wrote and the client has not read."""
        return self._connection.to_client.waiting_bytes


@final
class MemoryConnection:
    """The two pipes and who stands at their ends.

    Args:
        client: what the client's side is told.
        address: the client's address, as the node sees it.
        capacity_bytes: of each pipe.
    """

    def __init__(self, client: LinkEvents, address: str, capacity_bytes: int = CAPACITY_BYTES) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._client = client
        self._receiver: Receiver | None = None
        self._lost = [False, False]
        self.to_client = Pipe(loop, capacity_bytes, client.received, self._client_ended)
        self.to_server = Pipe(loop, capacity_bytes, self._received, self._server_ended)
        self.to_server.writer = client
        self.transport = MemoryTransport(self, address)
        self.link = MemoryLink(self)

    def serve(self, receiver: Receiver) -> None:
        """Says who receives on the node's side; called before anything is written."""
        self._receiver = receiver
        self.to_client.writer = receiver

    def ping(self) -> None:
        """The client's side answers as soon as it has read what was written before; here, at once."""
        assert self._receiver is not None
        self._loop.call_soon(self._receiver.alive)

    def server_closes(self, end: End) -> None:
        """The node's close frame; the client's side answers it, and both are done."""
        self.to_server.end(end, at_once=True)
        self.to_client.end(end)

    def client_closes(self, end: End) -> None:
        """The client's close frame; the node's side answers it, and both are done."""
        self.to_server.end(end)

    def breaks(self) -> None:
        """The line breaks for both."""
        end = End(None, "")
        self.to_server.end(end, at_once=True)
        self.to_client.end(end, at_once=True)

    def _received(self, data: bytes) -> None:
        assert self._receiver is not None
        self._receiver.received(data)

    def _server_ended(self, end: End) -> None:
        assert self._receiver is not None
        self.transport.close(1000 if end.code is None else end.code, "")
        self._receiver.lost(end.code, end.reason)

    def _client_ended(self, end: End) -> None:
        self._client.lost(end.code, end.reason)

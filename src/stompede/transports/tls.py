"""Ports with TLS: handshakes that are counted and bounded, and that are known to end.

A server of the loop tells nobody of a handshake: a protocol hears of one that succeeded, and only then. So connections
are accepted here, and each handshake is awaited. One too many is refused before TLS has made anything of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable
from typing import Any, Final, final

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 64
"""Connections that are accepted before others have their turn."""
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_EXHAUSTED_S: Final = 1.0


@final
class TlsHandshakes:
    """The TLS handshakes of a node, on all its ports.

    Args:
        most: that may go on at once; a further connection is closed.
        refused: told of each that was.

    Attributes:
        running: that go on now.
        failed: that have failed.
    """

    def __init__(self, most: int, refused: Callable[[], None]) -> None:
        self._most = most
        self._refused = refused
        self.running = 0
        self.failed = 0

    def admit(self) -> bool:
        """Whether one more may begin; it counts from now on."""
        if self.running >= self._most:
            self._refused()
            return False
        self.running += 1
        return True

    def ended(self, *, failed: bool) -> None:
        """One that was admitted has come to its end."""
        self.running -= 1
        self.failed += failed


@final
class TlsListener:
    """Accepts connections with TLS, by the transports that the running loop makes of a socket now.

    Args:
        protocol: makes what a connection is given to when its handshake has succeeded.
        listener: a bound socket; it is owned from now on.
        backlog: connections that the kernel keeps until they are accepted.
        handshakes: where they are counted.
        options: of ``loop.connect_accepted_socket``: the certificate and the time-outs.
    """

    def __init__(
        self,
        protocol: Callable[[], asyncio.BaseProtocol],
        listener: socket.socket,
        backlog: int,
        handshakes: TlsHandshakes,
        **options: Any,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._protocol = protocol
        self._listener = listener
        self._handshakes = handshakes
        self._options = options
        self._connect = loop.connect_accepted_socket
        listener.setblocking(False)
        listener.listen(backlog)
        self._tasks: set[asyncio.Task[None]] = set()
        self._spawn(self._accept())

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """Where it listens; nowhere when it was closed."""
        return (self._listener,) if self._listener.fileno() >= 0 else ()

    def close(self) -> None:
        """Takes no new connections, and gives up those within their handshake; the others stay. Idempotent."""
        for task in self._tasks:
            task.cancel()

    async def wait_closed(self) -> None:
        """Waits until `close` has come to its end."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, coro: Any) -> None:
        task = asyncio.get_running_loop().create_task(coro)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                for _ in range(_AT_ONCE):
                    try:
                        connection, _address = await loop.sock_accept(self._listener)
                    except OSError as error:  # of a connection, if nothing is exhausted: it has gone already
                        if self._listener.fileno() < 0:
                            return
                        if error.errno in _EXHAUSTED:
                            logger.error("no connections are taken for a second: %s", error)
                            await asyncio.sleep(_EXHAUSTED_S)
                    else:
                        if self._handshakes.admit():
                            self._spawn(self._shake(connection))
                        else:
                            connection.close()
                await asyncio.sleep(0)
        finally:
            self._listener.close()

    async def _shake(self, connection: socket.socket) -> None:
        failed = True
        try:
            await self._connect(self._protocol, connection, **self._options)
            failed = False
        except Exception as error:
            logger.debug("a TLS handshake failed: %r", error)
            # Its frames know the future that it came from, and so itself.
            error.__traceback__ = None
        finally:
            self._handshakes.ended(failed=failed)
            if failed:
                with contextlib.suppress(OSError):
                    connection.close()

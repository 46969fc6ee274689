"""A TCP proxy that cuts each connection at a random byte, in one direction or the other."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator

_REQUESTS = 700  # bytes: what a subscriber says, from its handshake to its SUBSCRIBE


class CuttingProxy:
    """Passes connections on to a port, and cuts them.

    Args:
        port: where connections go.
        chance: decides where each is cut.
        longest: most bytes that come back over a connection.

    Attributes:
        port: where the proxy listens.
        cuts: connections that were cut in the middle.
        cutting: whether connections that begin now are cut.
    """

    def __init__(self, port: int, chance: random.Random, longest: int) -> None:
        self._target = port
        self._chance = chance
        self._longest = longest
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server
        self.port = 0
        self.cuts = 0
        self.cutting = True

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[CuttingProxy]:
        """Listens until the end of the block."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.gather(*(one.wait_closed() for one in self._writers), return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # asyncio's server reports a cancelled handler as a failure; the end of the proxy is none.
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            self._writers.append(writer)
            ours, theirs = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.append(theirs)
            down = self._bytes(self._longest)
            up = self._bytes(_REQUESTS) if self._chance.random() < 0.2 else None
            passing = [
                asyncio.create_task(self._pass(ours, writer, down)),
                asyncio.create_task(self._pass(reader, theirs, up)),
            ]
            try:
                await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in passing:
                    one.cancel()
                await asyncio.gather(*passing, return_exceptions=True)
                self._end(writer)
                self._end(theirs)

    def _bytes(self, longest: int) -> int | None:
        return self._chance.randrange(1, longest) if self.cutting else None

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int | None
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if left is not None:
                    data = data[:left]
                    left -= len(data)
                writer.write(data)
                await writer.drain()
                if left == 0:
                    self.cuts += 1
                    return

    def _end(self, writer: asyncio.StreamWriter) -> None:
        """With FIN, or with RST, which loses what was on its way."""
        if self._chance.random() < 0.5:
            sock = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            writer.transport.abort()
        else:
            writer.close()

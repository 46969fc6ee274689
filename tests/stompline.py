"""`StompSocket` without WebSocket: the same client over plain TCP or TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from typing import Self
from urllib.parse import urlsplit

from stompsocket import PATIENCE_S, Closed, StompSocket


class StompLine(StompSocket):
    """One TCP connection. Made by `dial`; plain TCP is read only when a method waits for something."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock, None)  # type: ignore[arg-type]  # nothing of WebSocket is used
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @classmethod
    async def dial(
        cls, url: str, *, receive_buffer: int | None = None, trust: ssl.SSLContext | None = None
    ) -> Self:
        """Connects to ``stomp://host:port``; by TLS where ``trust`` is given."""
        target = urlsplit(url)
        sock = socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        self = cls(sock)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (target.hostname, target.port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if trust is not None:
                self._streams = await asyncio.open_connection(
                    sock=sock, ssl=trust, server_hostname=target.hostname
                )
        except BaseException:
            sock.close()
            raise
        return self

    def drop(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
        else:
            self.sock.close()

    async def send_bytes(self, data: bytes) -> None:
        if self._streams is None:
            await super().send_bytes(data)
        else:
            self._streams[1].write(data)
            await self._streams[1].drain()

    async def send_ws(
        self,
        payload: bytes,
        *,
        text: bool = True,
        fin: bool = True,
        opcode: int | None = None,
    ) -> None:
        assert fin, "there are no messages, and so no kinds and parts of them"
        assert opcode is None
        await self.send_bytes(payload)

    def reset(self) -> None:
        """Ends the connection without a word."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.drop()

    def half_close(self) -> None:
        """Says that nothing more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)

    async def closed(self) -> Closed:
        closed = await super().closed()
        self.drop()
        return closed

    async def _receive(self) -> None:
        if self._eof:
            raise Closed(None, "")
        try:
            if self._streams is None:
                data = await asyncio.get_running_loop().sock_recv(self.sock, 65536)
            else:
                data = await self._streams[0].read(65536)
        except ConnectionError as error:
            self._eof = True
            raise Closed(None, str(error)) from None
        if not data:
            self._eof = True
            return
        self.messages.append((True, data))
        self.frames += self.parser.feed(data)


__all__ = ["PATIENCE_S", "StompLine"]

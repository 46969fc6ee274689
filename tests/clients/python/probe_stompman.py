"""stompman, over TCP and over WebSocket."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import uuid4

import stompman
from checks import PATIENCE_S, Message, Transaction, Unsupported, run
from stompman.connection import Connection
from stompman.connection_ws import WebSocketConnection

URL = urlsplit(sys.argv[1])
OVER_WEBSOCKET = URL.scheme == "ws"


class Stompman:
    """A session of stompman."""

    def __init__(self, client: stompman.Client) -> None:
        self._client = client
        self._subscriptions: list[Any] = []
        self._first = self._current()

    @classmethod
    async def connect(cls, beat_ms: int) -> Stompman:
        assert URL.hostname is not None
        assert URL.port is not None
        server = stompman.ConnectionParameters(URL.hostname, URL.port, "guest", "guest", ws_uri_path=URL.path)
        client = stompman.Client(
            [server],
            heartbeat=stompman.Heartbeat(beat_ms or 1000, beat_ms or 1000),
            connection_class=WebSocketConnection if OVER_WEBSOCKET else Connection,
            read_max_chunk_size=4 * 1024 * 1024,
            connect_retry_attempts=1,
        )
        await client.__aenter__()
        return cls(client)

    async def send(self, destination: str, body: bytes, content_type: str) -> None:
        if OVER_WEBSOCKET and content_type != "text/plain":
            raise Unsupported("sends text WebSocket messages only")
        await self._client.send(body, destination, content_type=content_type)

    async def flush(self) -> None:
        await self._client.send(b"", f"/topic/{uuid4()}", receipt_timeout=PATIENCE_S)

    async def subscribe(self, destination: str, put: Callable[[Message], None], ack: str) -> Any:
        async def take(frame: stompman.AckableMessageFrame) -> None:
            async def ack(transaction: str = "") -> None:
                if transaction:
                    raise Unsupported("its transactions have SEND only")
                await frame.ack()

            put(Message(frame.body, cast("dict[str, str]", frame.headers), ack, frame.nack))

        mode = cast("stompman.AckMode", ack)
        subscription = await self._client.subscribe_with_manual_ack(destination, take, ack=mode)
        self._subscriptions.append(subscription)
        return subscription

    async def unsubscribe(self, subscription: Any) -> None:
        self._subscriptions.remove(subscription)
        await subscription.unsubscribe()

    async def begin(self) -> Transaction:
        context = self._client.begin()
        return StompmanTransaction(context, await context.__aenter__())

    async def close(self) -> None:
        for subscription in self._subscriptions:
            await subscription.unsubscribe()
        await self._client.__aexit__(None, None, None)

    def _current(self) -> object:
        return self._client._connection_manager._active_connection_state

    async def alive(self) -> bool:
        # It connects again without a word.
        return self._client.is_alive() and self._current() is self._first


class StompmanTransaction:
    def __init__(self, context: Any, transaction: Any) -> None:
        self._context = context
        self._transaction = transaction
        self.id: str = transaction.id

    async def send(self, destination: str, body: bytes) -> None:
        await self._transaction.send(body, destination)

    async def commit(self) -> None:
        await self._context.__aexit__(None, None, None)

    async def abort(self) -> None:
        failure = RuntimeError("abort")
        with contextlib.suppress(RuntimeError):
            await self._context.__aexit__(RuntimeError, failure, None)


run("stompman", version("stompman"), "websocket" if OVER_WEBSOCKET else "tcp", Stompman.connect)

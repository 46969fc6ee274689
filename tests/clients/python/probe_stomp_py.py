"""stomp.py, over TCP and over WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import stomp
from checks import PATIENCE_S, Message, Transaction, run
from stomp.adapter.ws import WSStompConnection

URL = urlsplit(sys.argv[1])
OVER_WEBSOCKET = URL.scheme == "ws"


class Listener(stomp.ConnectionListener):
    """Carries what the client's thread hears into the event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.receipts: dict[str, asyncio.Event] = {}
        self.inboxes: dict[str, Callable[[Any], None]] = {}
        self.beats = 0

    def on_heartbeat(self) -> None:
        self.beats += 1

    def on_message(self, frame: Any) -> None:
        self.loop.call_soon_threadsafe(self._message, frame)

    def _message(self, frame: Any) -> None:
        if put := self.inboxes.get(frame.headers["subscription"]):
            put(frame)

    def on_receipt(self, frame: Any) -> None:
        self.loop.call_soon_threadsafe(self._receipt, frame.headers["receipt-id"])

    def _receipt(self, receipt_id: str) -> None:
        self.receipts[receipt_id].set()


class StompPy:
    """A session of stomp.py; what may block runs in a thread."""

    def __init__(self, connection: Any, listener: Listener) -> None:
        self._connection = connection
        self._listener = listener

    @classmethod
    async def connect(cls, beat_ms: int) -> StompPy:
        where = [(URL.hostname, URL.port)]
        options = {"heartbeats": (beat_ms, beat_ms), "auto_decode": False, "reconnect_attempts_max": 1}
        connection = (
            WSStompConnection(where, ws_path=URL.path, binary_mode=True, **options)
            if OVER_WEBSOCKET
            else stomp.Connection12(where, **options)
        )
        listener = Listener()
        connection.set_listener("", listener)
        await asyncio.to_thread(connection.connect, "guest", "guest", wait=True)
        return cls(connection, listener)

    async def send(self, destination: str, body: bytes, content_type: str) -> None:
        self._connection.send(destination, body, content_type)

    async def flush(self) -> None:
        async with self._receipt() as receipt:
            self._connection.send(f"/topic/{receipt}", b"", receipt=receipt)

    @contextlib.asynccontextmanager
    async def _receipt(self) -> Any:
        receipt = str(uuid4())
        came = self._listener.receipts[receipt] = asyncio.Event()
        yield receipt
        await asyncio.wait_for(came.wait(), PATIENCE_S)

    async def subscribe(self, destination: str, put: Callable[[Message], None], ack: str) -> str:
        subscription = str(uuid4())

        def answer(method: Callable[..., None], frame: Any) -> Callable[..., Awaitable[None]]:
            async def call(transaction: str = "") -> None:
                method(frame.headers["ack"], transaction)

            return call

        def take(frame: Any) -> None:
            # This client reads UTF-8 bodies as bytes too, where auto_decode is off.
            ack, nack = answer(self._connection.ack, frame), answer(self._connection.nack, frame)
            put(Message(frame.body or b"", frame.headers, ack, nack))

        self._listener.inboxes[subscription] = take
        self._connection.subscribe(destination, subscription, ack)
        return subscription

    async def unsubscribe(self, subscription: str) -> None:
        self._connection.unsubscribe(subscription)

    async def begin(self) -> Transaction:
        return StompPyTransaction(self._connection)

    async def close(self) -> None:
        async with self._receipt() as receipt:
            await asyncio.to_thread(self._connection.disconnect, receipt)

    async def alive(self) -> bool:
        return bool(self._connection.is_connected()) and self._listener.beats > 1


class StompPyTransaction:
    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.id: str = connection.begin()

    async def send(self, destination: str, body: bytes) -> None:
        self._connection.send(destination, body, transaction=self.id)

    async def commit(self) -> None:
        self._connection.commit(self.id)

    async def abort(self) -> None:
        self._connection.abort(self.id)


run("stomp.py", version("stomp.py"), "websocket" if OVER_WEBSOCKET else "tcp", StompPy.connect)

"""A hub with readers, without sockets and without a loop."""

from collections.abc import Callable

import pytest

from stompede.messaging.message import Message
from stompede.server.fanout.hub import Hub
from stompede.server.fanout.outbox import Outbox, OutboxCounters
from stompede.server.fanout.policies import Cut, SlowPolicy
from stompede.transports.asgi import split_frames
from stompede.transports.websocket import WEBSOCKET
from stompede.wire.stomp import Version, escape, message_parts, message_without_subscription
from stompsocket import Parser


class Plain:
    """A framing that adds nothing, as the connection in memory has it."""

    compression = None
    trailer = b""

    def header(self, length: int, text: bool) -> bytes:
        return b""


PLAIN = Plain()


class Loop:
    """The one thing the hub wants of a loop."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[], object]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)

    def turn(self) -> None:
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            callback()


class Reader:
    """A subscriber's socket."""

    def __init__(self, house: "House", max_bytes: int = 10_000) -> None:
        self.house = house
        self.writes: list[bytes] = []
        self.full_after: int | None = None
        self.overflows = 0
        self.outbox = Outbox(self.write, max_bytes, house.counters, self.overflow)

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        if self.full_after is not None:
            self.full_after -= len(data)
            if self.full_after < 0:
                self.outbox.block(0.0)

    def overflow(self) -> None:
        self.overflows += 1

    def joins(
        self,
        destination: str,
        sid: str | None = "0",
        version: Version = Version.V1_2,
        framing: object = WEBSOCKET,
    ) -> tuple[object, Version, str | None]:
        key = (framing, version, sid)
        self.house.hub.add(destination, key, self.outbox)
        return key

    @property
    def bodies(self) -> list[str]:
        payloads = b"".join(payload for write in self.writes for _, payload in split_frames(write))
        return [frame.text for frame in Parser().feed(payloads)]


class House:
    def __init__(self, policy: SlowPolicy | None = None) -> None:
        self.loop = Loop()
        self.counters = OutboxCounters()
        self.hub = Hub(self.loop.call_soon, "boot", lambda _: policy or Cut())

    def publish(self, *bodies: str | bytes, to: str = "/topic/a") -> None:
        for body in bodies:
            self.hub.publish(Message(to, body.encode() if isinstance(body, str) else body))


@pytest.fixture
def house() -> House:
    return House()


def single(framing: object, version: Version, sid: str | None, message_id: str, message: Message) -> bytes:
    """One frame, encoded alone."""
    if sid is None:
        payload = message_without_subscription(version, message_id, message)
    else:
        before, after = message_parts(version, message_id, message)
        payload = before + escape(version, sid).encode() + after
    try:
        message.body.decode()
    except UnicodeDecodeError:
        text = False
    else:
        text = True
    return framing.header(len(payload), text) + payload  # type: ignore[attr-defined, no-any-return]

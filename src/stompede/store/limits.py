"""Bounds of what is kept, as applications give them to ``app.destination``."""

from __future__ import annotations

from typing import Literal

import msgspec


class History(msgspec.Struct, frozen=True):
    """How much of a destination's past is kept. Whatever bound is reached first, the oldest messages go.

    Attributes:
        count: messages.
        size_bytes: what they take together: bytes of bodies, destinations and headers, 128 for each header, and 384 for
            each message.
        age_s: age of the oldest, in seconds; ``None`` for any age.
    """

    count: int = 100
    size_bytes: int = 1024 * 1024
    age_s: float | None = None


class Queue(msgspec.Struct, frozen=True):
    """What a queue holds, and what becomes of messages that nobody takes.

    Attributes:
        max_messages: messages that wait or are with a consumer.
        max_bytes: what they take together, counted as in `History`.
        ttl_s: longest life of a message in seconds; ``None`` for any.
        full: what happens to one more: ``refuse`` tells its sender ``queue-full``; ``drop-oldest`` lets the oldest
            waiting one go.
        max_deliveries: after so many deliveries that count, and that nobody acknowledged, a message is dead. Those
            count that end with NACK, and that of the oldest message that a consumer had when it went away.
        dead_letters: queue that dead and expired messages go to; ``None``: they are dropped and counted.
    """

    max_messages: int = 10_000
    max_bytes: int = 16 * 1024 * 1024
    ttl_s: float | None = None
    full: Literal["refuse", "drop-oldest"] = "refuse"
    max_deliveries: int = 10
    dead_letters: str | None = None

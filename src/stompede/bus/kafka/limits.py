"""What may wait for Kafka, and for how long."""

from __future__ import annotations

import msgspec


class KafkaBusLimits(msgspec.Struct, frozen=True):
    """What may wait.

    Attributes:
        max_item_bytes: the largest item. The topic has a bound of its own, ``max.message.bytes``.
        max_waiting_bytes: items that Kafka has not answered for.
        max_wait_s: how long an item waits for an answer before it is refused.
    """

    max_item_bytes: int = 1_000_000
    max_waiting_bytes: int = 64 << 20
    max_wait_s: float = 5.0

"""What may wait for Redis, and for how long."""

from __future__ import annotations

import msgspec


class RedisBusLimits(msgspec.Struct, frozen=True):
    """What may wait.

    Attributes:
        max_item_bytes: the largest item. Redis itself takes 512 MiB.
        max_waiting_bytes: items that Redis has not answered for, those included that wait for a connection.
        max_wait_s: how long an item waits for a connection or an answer before it is refused.
        silence_s: a server that has been asked and says nothing for so long has hung: the connection is given up.
    """

    max_item_bytes: int = 16 << 20
    max_waiting_bytes: int = 64 << 20
    max_wait_s: float = 5.0
    silence_s: float = 3.0

"""Heart-beats: what the two sides agree on, and when one is due.

STOMP 1.2 "Heart-beating": each side says ``<what it can send>,<what it wants to receive>`` in milliseconds, 0
for never. One direction beats if both of its ends are not 0, and then every max of the two. Any octet counts
as a beat, an end-of-line where there is nothing to say.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

BEAT: Final = b"\n"
MAX_MS: Final = 2**31 - 1  # some 24 days; what is longer is a mistake of the peer

TOLERANCE_FACTOR: Final = 2.0
"""A peer may be late by this factor, unless another is set. The specification asks for an error margin and names none;
@stomp/stompjs and RabbitMQ take 2."""
TOLERANCE_S: Final = 0.5
"""And by this, for the way and for clocks that are looked at now and then."""
EARLY_S: Final = 0.5
"""Our own beat is due this much before the peer counts on it, as clocks are looked at now and then; never
before half of the interval."""


class HeartBeat(msgspec.Struct, frozen=True):
    """One side's ``heart-beat`` header.

    Attributes:
        send_ms: the smallest interval in which it can promise to send, 0 for not at all.
        receive_ms: the interval in which it wants to receive, 0 for not at all.
    """

    send_ms: int = 0
    receive_ms: int = 0

    def __str__(self) -> str:
        return f"{self.send_ms},{self.receive_ms}"


NO_HEART_BEAT: Final = HeartBeat(0, 0)


@lru_cache(maxsize=64)  # most clients are alike
def parse_heart_beat(value: str | None) -> HeartBeat | None:
    """Reads a ``heart-beat`` header; no header means 0,0; ``None`` where it is malformed."""
    if value is None:
        return NO_HEART_BEAT
    parts = [part.strip() for part in value.split(",")]
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) <= 10 for part in parts):
        return None
    send_ms, receive_ms = map(int, parts)
    if send_ms > MAX_MS or receive_ms > MAX_MS:
        return None
    return HeartBeat(send_ms, receive_ms)


def negotiate(ours: HeartBeat, theirs: HeartBeat) -> tuple[float, float]:
    """What both sides agreed on.

    Returns:
        Seconds between our beats, and between theirs; 0 where that direction has none.
    """
    sends = max(ours.send_ms, theirs.receive_ms) if ours.send_ms and theirs.receive_ms else 0
    receives = max(ours.receive_ms, theirs.send_ms) if ours.receive_ms and theirs.send_ms else 0
    return sends / 1000, receives / 1000


def beat_after(interval_s: float) -> float:
    """How long after the last one our next beat should be written; 0 where there are none."""
    return max(interval_s / 2, interval_s - EARLY_S)


def patience(interval_s: float, tolerance: float) -> float:
    """How long a peer may be silent that promised to beat; 0 for one that did not."""
    return interval_s * tolerance + TOLERANCE_S if interval_s else 0.0

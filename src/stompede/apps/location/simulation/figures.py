"""What a fleet counts while it reports, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate
from typing import Final, final

import msgspec

_SHORTEST_S: Final = 1e-5
_STEPS_PER_E: Final = 50.0  # one step is 2 %, which is the error of a quantile
_BUCKETS: Final = 1 + int(math.log(1000.0 / _SHORTEST_S) * _STEPS_PER_E)


@final
class LatencyHistogram:
    """Counts of times between 10 µs and 1,000 s, in steps of 2 %."""

    __slots__ = ("_counts", "_total")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._total = 0

    def record(self, seconds: float) -> None:
        """Count one time."""
        step = int(math.log(max(seconds, _SHORTEST_S) / _SHORTEST_S) * _STEPS_PER_E)
        self._counts[min(step, _BUCKETS - 1)] += 1
        self._total += 1

    def quantile_s(self, share: float) -> float | None:
        """The time that ``share`` of all stayed within, seconds; ``None`` when there was none."""
        if not self._total:
            return None
        wanted = max(1.0, share * self._total)
        step = next(i for i, count in enumerate(accumulate(self._counts)) if count >= wanted)
        return _SHORTEST_S * math.exp((step + 0.5) / _STEPS_PER_E)


class FleetStatistics(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Figures of a fleet since its start.

    Attributes:
        riders: riders in the fleet.
        riding: riders that have begun their shift and not ended it.
        connections: connections that stand now.
        reconnects: how often a lost connection came back.
        sent: positions sent.
        answered: positions answered.
        skipped: positions left out because a newer one was due already.
        errors: by code, what went wrong: the server's codes, and ``timeout``, ``connection-lost``,
            ``connection-failed``, ``queue-full``, ``invalid-answer``.
        last_error: the newest of them, as a sentence.
        latency_p50_ms: median of the time from sending to the answer, milliseconds.
        latency_p99_ms: 99 of 100 answers came within this, milliseconds.
        seconds: since the start.
    """

    riders: int
    riding: int
    connections: int
    reconnects: int
    sent: int
    answered: int
    skipped: int
    errors: Mapping[str, int]
    last_error: str | None
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    seconds: float

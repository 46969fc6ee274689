"""One clock for all sessions of a node: buckets of deadlines instead of a timer each.

A deadline is put into the bucket of its quarter of a second. Once per quarter the buckets that are due are
emptied. What moves its deadline often (every frame from a client moves the one of its heart-beat) does not
move between buckets: when its bucket is due it says when it really wants to be looked at again.
"""

from __future__ import annotations

import math
from typing import Final, Protocol

import msgspec
import structlog

from stompede._traceback import traceback_of

log = structlog.get_logger("stompede.deadlines")
RESOLUTION_S: Final = 0.25


class DeadlinesStatistics(msgspec.Struct, frozen=True):
    """What `Deadlines.statistics` tells.

    Attributes:
        waiting: deadlines that wait now, about one for each session.
        called: deadlines that were due.
        failed: of those, the ones that failed; the log has them.
    """

    waiting: int
    called: int
    failed: int


class Timed(Protocol):
    """What waits in a bucket.

    Attributes:
        bucket: where it waits; kept by `Deadlines`.
    """

    bucket: int

    def on_deadline(self, now: float) -> float | None:
        """Does what is due; returns when to be called again, or ``None`` for never."""
        ...


class Deadlines:
    """Buckets of things that wait for a time. ``now`` is always passed in."""

    def __init__(self) -> None:
        self._buckets: dict[int, set[Timed]] = {}
        self._last: int | None = None
        self._called = 0
        self._failed = 0

    def statistics(self) -> DeadlinesStatistics:
        """Figures of now and since the start."""
        return DeadlinesStatistics(len(self), self._called, self._failed)

    def __len__(self) -> int:
        return sum(map(len, self._buckets.values()))

    def add(self, timed: Timed, when: float) -> None:
        """Puts ``timed`` into the bucket of ``when``, which is emptied at the latest a quarter of a second after it."""
        bucket = math.ceil(when / RESOLUTION_S)
        if self._last is not None and bucket <= self._last:
            bucket = self._last + 1  # never one that was emptied already
        timed.bucket = bucket
        self._buckets.setdefault(bucket, set()).add(timed)

    def hasten(self, timed: Timed, when: float) -> None:
        """Has ``timed`` called at ``when`` at the latest. What is called sooner stays where it is."""
        wanted = math.ceil(when / RESOLUTION_S)
        if wanted < timed.bucket or (self._last is not None and timed.bucket <= self._last):
            self.discard(timed)
            self.add(timed, when)

    def discard(self, timed: Timed) -> None:
        """Takes ``timed`` out again; it may be gone already."""
        waiting = self._buckets.get(timed.bucket)
        if waiting is not None:
            waiting.discard(timed)

    def expire(self, now: float) -> int:
        """Calls all that is due.

        Returns:
            How many were called.
        """
        current = math.floor(now / RESOLUTION_S)
        if self._last is None:
            self._last = min(self._buckets, default=current) - 1
        called = 0
        while self._last < current:
            if not self._buckets:
                self._last = current
                break
            self._last += 1
            due = self._buckets.pop(self._last, None)
            if due:
                called += len(due)
                self._ring(due, now)
        self._called += called
        return called

    def _ring(self, due: set[Timed], now: float) -> None:
        """Calls what is due. Most want to be called again at about the same time: `add`, with one look-up for all."""
        buckets = self._buckets
        assert self._last is not None
        first = self._last + 1
        bucket = -1
        for timed in due:
            try:
                again = timed.on_deadline(now)
            except Exception as error:  # costs the one, not all that share its bucket
                self._failed += 1
                log.error("a deadline failed", exception=traceback_of(error))
                continue
            if again is not None:
                wanted = math.ceil(again / RESOLUTION_S)
                if wanted < first:
                    wanted = first
                if wanted != bucket:
                    bucket = wanted
                    waiting = buckets.setdefault(bucket, set())
                timed.bucket = bucket
                waiting.add(timed)

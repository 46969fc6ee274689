"""What goes out to one session, and what happens when it does not go fast enough.

While the kernel takes everything, an outbox is one attribute look-up: the hub calls `Outbox.write`, the bound
method of the socket's own transport. When the kernel leaves something over (`block`), frames are queued here
one by one, bounded in bytes and in age, by the policy of the destination that they belong to; `drain` writes
them when the socket is empty again.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

import msgspec

from stompede.server.fanout.policies import Conflate, Cut, DropOldest, SlowPolicy

_CHUNK_BYTES: Final = 64 * 1024  # written at once when a queue drains


class Offer(enum.Enum):
    """What became of a frame."""

    ACCEPTED = "accepted"
    CONFLATED = "conflated"
    DROPPED = "dropped"
    OVERFLOW = "overflow"


class _Waiting(msgspec.Struct, frozen=True, gc=False):
    frame: bytes
    droppable: bool
    messages: int


class OutboxCounters(msgspec.Struct):
    """What all outboxes of a node have met; shared by them.

    Attributes:
        queued_bytes: bytes that wait now.
        blocked: outboxes that wait now.
        dropped: messages dropped by ``drop-oldest``, or by ``conflate`` at its bound.
        conflated: messages replaced by a newer one of their key.
        overflows: sessions closed as slow consumers.
    """

    queued_bytes: int = 0
    blocked: int = 0
    dropped: int = 0
    conflated: int = 0
    overflows: int = 0


class Outbox:
    """The way out of one session.

    Attributes:
        write: writes framed bytes at once; only while `blocked` is false.
        blocked: the kernel takes nothing now, or the session has ended.
        topics: how many topic subscriptions the session has; with more than one, the hub gathers a tick's
            bytes first.
        since: when it was blocked, or was last seen to go on since then, on the node's clock.
        unsent_bytes: what the client had not taken when it was looked at; ``None`` where it was not yet.
    """

    __slots__ = (
        "_bytes",
        "_counters",
        "_max_bytes",
        "_next_key",
        "_queue",
        "blocked",
        "closed",
        "gathered",
        "gathered_bytes",
        "on_overflow",
        "since",
        "topics",
        "unsent_bytes",
        "write",
    )

    def __init__(
        self,
        write: Callable[[bytes], None],
        max_bytes: int,
        counters: OutboxCounters,
        on_overflow: Callable[[], None],
    ) -> None:
        self.write = write
        self.blocked = False
        self.closed = False
        self.topics = 0
        self.since = 0.0
        self.unsent_bytes: int | None = None
        self.gathered: list[bytes] | None = None
        self.gathered_bytes = 0
        self.on_overflow = on_overflow
        self._queue: OrderedDict[Hashable, _Waiting] | None = None
        self._bytes = 0
        self._next_key = 0
        self._max_bytes = max_bytes
        self._counters = counters

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait here."""
        return self._bytes

    def send(self, frame: bytes) -> Offer:
        """Sends what may never be dropped: answers, receipts, heart-beats, errors."""
        if not self.blocked:
            self.write(frame)
            return Offer.ACCEPTED
        return self.offer(frame, _CUT, None)

    def offer(self, frame: bytes, policy: SlowPolicy, key: Hashable, messages: int = 1) -> Offer:
        """Queues a frame for a blocked socket, or several that stay or go together.

        Args:
            frame: complete, framed.
            policy: what to do when the bound is reached.
            key: what `Conflate` keeps the newest of.
            messages: how many it stands for: so many frames, or as many of one key of which it is the newest.

        Returns:
            What became of it. On `Offer.OVERFLOW` the frame is not queued and `on_overflow` must be called by
            the caller, after its loop.
        """
        if self.closed:
            return Offer.DROPPED
        outcome = Offer.ACCEPTED
        queue = self._queue
        if queue is None:
            queue = self._queue = OrderedDict()
        older: _Waiting | None = None
        merged = 0
        if isinstance(policy, Conflate):
            older = queue.get(key)
            merged, messages = messages - 1, 1
        else:
            self._next_key += 1
            key = self._next_key
        freed = 0 if older is None else len(older.frame)
        if self._bytes - freed + len(frame) > self._max_bytes:
            if isinstance(policy, Cut):
                return Offer.OVERFLOW
            if not self._make_room(len(frame), key, freed):
                self._counters.dropped += merged + messages
                return Offer.DROPPED  # an older message of the key stays: better an old one than none
        if older is not None:
            self._forget(queue.pop(key))
            merged += 1
            outcome = Offer.CONFLATED
        self._counters.conflated += merged
        queue[key] = _Waiting(frame, not isinstance(policy, Cut), messages)
        self._bytes += len(frame)
        self._counters.queued_bytes += len(frame)
        return outcome

    def _make_room(self, wanted: int, replaced: Hashable, freed: int) -> bool:
        """Drops the oldest frames that may be dropped until ``wanted`` bytes fit in the place of the frame under
        ``replaced``, which frees ``freed`` bytes and is left to the caller; none, and false, if they never fit.
        """
        assert self._queue is not None
        doomed = []
        fits = self._max_bytes - wanted
        left = self._bytes - freed
        for key, waiting in self._queue.items():
            if left <= fits:
                break
            if waiting.droppable and key != replaced:
                doomed.append(key)
                left -= len(waiting.frame)
        if left > fits:
            return False
        for key in doomed:
            waiting = self._queue.pop(key)
            self._forget(waiting)
            self._counters.dropped += waiting.messages
        return True

    def _forget(self, waiting: _Waiting) -> None:
        self._bytes -= len(waiting.frame)
        self._counters.queued_bytes -= len(waiting.frame)

    def block(self, now: float) -> None:
        """The kernel left something over."""
        if not self.blocked and not self.closed:
            self.blocked = True
            self.since = now
            self.unsent_bytes = None
            self._counters.blocked += 1

    def drain(self) -> None:
        """The socket is empty again: writes what waits, until the kernel leaves something over or nothing is
        left.
        """
        if self.closed:
            return
        self._unblock()
        queue = self._queue
        while queue and not self.blocked:
            chunk: list[bytes] = []
            size = 0
            while queue and size < _CHUNK_BYTES:
                _, waiting = queue.popitem(last=False)
                self._forget(waiting)
                chunk.append(waiting.frame)
                size += len(waiting.frame)
            self.write(b"".join(chunk))  # calls `block` from within when it is too much
        if not queue:
            self._queue = None

    def flush_last(self, data: bytes) -> None:
        """Hands everything that waits, and then ``data``, to the socket: the session is about to be closed."""
        if self.closed:
            return
        waiting = () if self._queue is None else (one.frame for one in self._queue.values())
        last = b"".join((*waiting, data))
        if last:
            self.write(last)

    def _unblock(self) -> None:
        if self.blocked:
            self.blocked = False
            self._counters.blocked -= 1

    def close(self) -> None:
        """Nothing goes out any more; what waits is forgotten. Idempotent."""
        if self.closed:
            return
        self._unblock()
        self.closed = self.blocked = True
        self._counters.queued_bytes -= self._bytes
        self._bytes = 0
        self._queue = None
        self.on_overflow = _nothing  # the session is freed at once, without the garbage collector


def _nothing() -> None:
    """Stands for ``on_overflow`` when the session has ended."""


_CUT: Final = Cut()
DEFAULT_POLICY: Final[SlowPolicy] = _CUT
__all__ = ["DEFAULT_POLICY", "DropOldest", "Offer", "Outbox", "OutboxCounters"]
